"""The feeds over HTTP: a document, or a stream of server-sent events that carries it after each change."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.feeds.orchestrator_feeds import FEEDS, build_feed
from stretto.web import responses
from stretto.web.backend import Backend
from stretto.web.live_updates import MEDIA, EventStream, StreamReader, TooManyStreamsError

PATH = "/api/context"

_encode = msgspec.json.Encoder().encode


class OrchestratorFeedRoutes:
    """The routes of the feeds."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        return [Route(f"{PATH}/{{name}}", self.get_feed)]

    async def get_feed(self, request: Request) -> Response:
        """Answer a feed; a client that accepts ``text/event-stream`` gets a stream of it."""
        name = request.path_params["name"]
        if name not in FEEDS:
            return responses.build_error(
                request.url.path, 404, f"there is no feed {name!r}", f"known: {', '.join(FEEDS)}"
            )
        if MEDIA not in request.headers.get("accept", ""):
            return Response(await run_in_threadpool(self._encode_feed, name), media_type="application/json")
        updates = self._backend.updates
        try:
            reader = updates.open_stream()
        except TooManyStreamsError:
            return responses.build_error(
                request.url.path, 503, "too many event streams are open", "ask again from time to time"
            )
        return EventStream(self._stream_feed(name, reader), updates, reader)

    async def _stream_feed(self, name: str, reader: StreamReader) -> AsyncIterator[bytes]:
        async for part in self._backend.updates.stream_updates(reader):
            # Comments keep the connection open; each change is replaced by the feed as it is now.
            if part.startswith(b":"):
                yield part
            else:
                document = await run_in_threadpool(self._encode_feed, name)
                yield b"event: context\ndata: " + document + b"\n\n"

    def _encode_feed(self, name: str) -> bytes:
        return _encode(build_feed(name, self._backend.feed_input()))
