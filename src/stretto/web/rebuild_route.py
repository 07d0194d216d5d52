"""Ask for a rebuild of the store, and how far it is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.web import responses
from stretto.web.backend import Backend

PATH = "/api/rebuild"


class RebuildRoute:
    """The route of the rebuild: POST starts it, GET answers its progress or the result of the last."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self.handle_rebuild, methods=["GET", "POST"])]

    async def handle_rebuild(self, request: Request) -> Response:
        """Start a rebuild, or answer its progress. A rebuild under way is not started again."""
        if request.method == "POST":
            self._backend.request_rebuild()
            return responses.build_json({"state": "running"}, 202)
        return responses.build_json(self._backend.rebuild_document())
