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


class HttpEndpoint:
    """ASGI application of the protocol. It keeps no session: every request stands alone.

    The guard of the service has checked host, origin, token and size before a request arrives here.
    """

    def __init__(self, server: Server[Any]) -> None:
        self._server = server
        self._manager: StreamableHTTPSessionManager | None = None
        self._holder: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the first starts the protocol's task group in the server's event loop."""
        if self._holder is None:
            self._holder = asyncio.create_task(self._hold_open(), name="mcp")
        await self._ready.wait()
        assert self._manager is not None  # it is ready
        await self._manager.handle_request(scope, receive, send)

    async def _hold_open(self) -> None:
        """Keep the task group open until the event loop ends, which cancels this."""
        manager = StreamableHTTPSessionManager(
            self._server, json_response=True, stateless=True, max_request_body_size=LIMIT
        )
        try:
            with suppress(asyncio.CancelledError):
                async with manager.run():
                    self._manager = manager
                    self._ready.set()
                    await asyncio.Event().wait()
        finally:
            # A start that fails must not leave requests waiting.
            self._ready.set()
