"""Serve HTTP by uvicorn, with bounds on connections and an end that does not wait for open pages."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from stretto.web.connection_bounds import AcceptFailureHandler, ConnectionBounds
from stretto.web.explain_grpc_on_http_port import watch_protocol
from stretto.web.live_updates import UpdateStreams

KEEP_ALIVE_SECONDS = 75
"""Longer than any scrape interval, so that a scraper keeps its connection."""

ACCEPTED_AT_ONCE = 128
"""Connections that are accepted before the event loop does anything else; so many may wait, too."""


class HttpServer(uvicorn.Server):
    """Closes the event streams before it waits for open connections: pages never close them."""

    def __init__(self, config: uvicorn.Config, updates: UpdateStreams) -> None:
        super().__init__(config)
        self._updates = updates
        self.received: str | None = None
        """The name of the signal that stops the server."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal, and stop."""
        self.received = signal.Signals(sig).name
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the event streams, then the connections."""
        self._updates.close()
        await super().shutdown(sockets)


def serve_http(
    app: ASGIApp,
    updates: UpdateStreams,
    listeners: list[socket.socket],
    bounds: ConnectionBounds,
    on_grpc: Callable[[], None],
) -> None:
    """Answer requests until a signal comes, then raise KeyboardInterrupt with its name."""
    server = make_server(app, updates, bounds, on_grpc)

    async def serve() -> None:
        asyncio.get_running_loop().set_exception_handler(AcceptFailureHandler())
        await server.serve(sockets=listeners)

    try:
        asyncio.run(serve())
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(str(stop) or server.received) from None
    # The event loop may swallow a signal that is raised again while it ends.
    if server.received is not None:
        raise KeyboardInterrupt(server.received)


def make_server(
    app: ASGIApp, updates: UpdateStreams, bounds: ConnectionBounds, on_grpc: Callable[[], None]
) -> HttpServer:
    """Return the server of an application."""
    return HttpServer(
        uvicorn.Config(
            app,
            http=watch_protocol(on_grpc, bounds),
            log_level="warning",
            access_log=False,
            lifespan="off",
            backlog=ACCEPTED_AT_ONCE,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=3,
            server_header=False,
        ),
        updates,
    )
