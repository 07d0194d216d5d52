"""Run the server: over standard input and output, or below a path of the service by streamable HTTP."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

LIMIT = 1024 * 1024
"""Most bytes of a request."""


def serve_standard_streams(server: Server[Any]) -> None:
    """Answer on the standard streams until the client closes them."""

    async def serve() -> None:
        async with stdio_server() as (read_stream, write_stream):
            await server.run(read_stream, write_stream, server.create_initialization_options())

    anyio.run(serve)


class StatelessHttpEndpoint:
    """ASGI application of the protocol. It keeps no session: every request stands alone.

    The guard of the service has checked host, origin, token and size before a request arrives here.
    """

    def __init__(self, server: Server[Any]) -> None:
        self._server = server
        self._manager: StreamableHTTPSessionManager | None = None
        self._holder: asyncio.Task[None] | None = None
        self._starting: asyncio.Future[None] | None = None
        """Done once requests can be answered; a start that fails raises in all that wait."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the first starts the protocol's task group in the server's event loop."""
        if self._manager is None:
            if self._starting is None:
                self._starting = asyncio.get_running_loop().create_future()
                self._holder = asyncio.create_task(self._hold_open(self._starting), name="mcp")
            # A request that goes away must not end the start that others wait for.
            await asyncio.shield(self._starting)
        assert self._manager is not None  # the start has succeeded
        await self._manager.handle_request(scope, receive, send)

    async def _hold_open(self, starting: asyncio.Future[None]) -> None:
        """Keep the task group open until the event loop ends, which cancels this.

        If it cannot be opened, the next request tries again.
        """
        manager = StreamableHTTPSessionManager(
            self._server, json_response=True, stateless=True, max_request_body_size=LIMIT
        )
        try:
            with suppress(asyncio.CancelledError):
                async with manager.run():
                    self._manager = manager
                    starting.set_result(None)
                    await asyncio.Event().wait()
        except Exception as error:  # noqa: BLE001  # it is raised in the requests
            if not starting.done():
                starting.set_exception(error)
        finally:
            self._manager = self._starting = None
            starting.cancel()
