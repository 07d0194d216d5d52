"""Ask the service to forget sessions, and how far it is."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.errors import UsageError
from stretto.web import responses
from stretto.web.backend import Backend

PATH = "/api/forget"

_HINT = 'send {"session": "<id>"} or {"project": "<name>"}'


class ForgetRoute:
    """The route that forgets: POST starts it, GET answers the result of the last, or that it is under way."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self.handle_forget, methods=["GET", "POST"])]

    async def handle_forget(self, request: Request) -> Response:
        """Start to forget, or answer the result. A second request waits until the first is done."""
        if request.method == "GET":
            return responses.build_json(self._backend.forget_document())
        try:
            wanted: Any = msgspec.json.decode(await request.body(), type=dict[str, str | None])
            if self._backend.forget_document().get("state") == "running":
                return responses.build_error(PATH, 409, "sessions are being forgotten", "ask again later")
            self._backend.request_forget(wanted.get("session"), wanted.get("project"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return responses.build_error(PATH, 400, "the body is not JSON of names", _HINT)
        except UsageError as error:
            return responses.build_error(PATH, 400, error.to_line(), _HINT)
        return responses.build_json({"state": "running"}, 202)
