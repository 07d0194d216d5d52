"""The path of the Model Context Protocol: its packages are loaded by the first request to it."""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from stretto.errors import StrettoError
from stretto.web import responses
from stretto.web.backend import Backend

PATH = "/mcp"


class McpRoute:
    """The route; its endpoint is made once, by the backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._endpoint: ASGIApp | None = None
        self._making = asyncio.Lock()

    def list_routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of the protocol; 501 with the reason where it is not served."""
        try:
            async with self._making:
                if self._endpoint is None:
                    self._endpoint = await run_in_threadpool(self._backend.make_mcp_endpoint)
        except StrettoError as error:
            response = responses.build_error(PATH, 501, error.to_line(), error.hint)
            await response(scope, receive, send)
            return
        await self._endpoint(scope, receive, send)
