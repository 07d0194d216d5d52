"""UpdateRoute: what tells an open page that something it shows has changed, as server-sent events.

The stream carries no figures, only what is no longer as it was: a page asks for itself again and takes over
what differs. What a slow reader has not taken yet is one change that grows, never a queue.
Format: WHATWG HTML, section 9.2, Server-sent events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from stretto.clock import to_rfc3339
from stretto.summaries.snapshot import Snapshot
from stretto.web import responses

PATH = "/api/events"
MEDIA = "text/event-stream"

STREAMS = 32
"""Most streams at once; who comes after is sent away and looks again by itself."""

BEAT_SECONDS = 15.0
"""How often a silent stream says that it is still there: a connection that broke is noticed by writing."""

RETRY_MS = 2_000
"""How long a page waits before it opens a broken stream again."""

_encode = msgspec.json.Encoder().encode


class TooManyStreamsError(Exception):
    """As many streams are open as are served."""


@dataclass(slots=True)
class PageUpdate:
    """What is no longer as it was."""

    snapshot: int | None = None
    """When (ns) the newest figures were worked out; None where they are as they were."""
    sessions: set[str] | None = field(default_factory=set)
    """The sessions of which something new was heard; None where it may be any."""
    notifications: bool = False

    def merge_update(self, other: PageUpdate) -> None:
        """Let this change be both."""
        self.snapshot = other.snapshot if other.snapshot is not None else self.snapshot
        self.sessions = (
            None if self.sessions is None or other.sessions is None else self.sessions | other.sessions
        )
        self.notifications |= other.notifications

    def to_event(self) -> bytes:
        """Return the change as one server-sent event."""
        data = {
            "snapshot": None if self.snapshot is None else to_rfc3339(self.snapshot),
            "sessions": None if self.sessions is None else sorted(self.sessions),
            "notifications": self.notifications,
        }
        return b"event: change\ndata: " + _encode(data) + b"\n\n"


class UpdateStreams:
    """Hands each change to every open stream. ``publish_update`` and what calls it may come from any thread."""

    def __init__(self, *, most: int = STREAMS, beat: float = BEAT_SECONDS) -> None:
        self._most = most
        self._beat = beat
        self._lock = Lock()
        self._readers: set[StreamReader] = set()
        self._closed = False
        self._last: Snapshot | None = None

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._readers)

    def announce_snapshot(self, taken: Snapshot) -> None:
        """Tell of new figures, and of the sessions that differ from those of the snapshot before."""
        last, self._last = self._last, taken
        known = set() if last is None else set(last.latest)
        changed = {row.id for row in taken.latest if row not in known}
        # Where every session listed is a new one there may be more of them behind it.
        every = bool(taken.latest) and len(changed) == len(taken.latest)
        self.publish_update(PageUpdate(snapshot=taken.at, sessions=None if every else changed))

    def announce_notification(self) -> None:
        """Tell that Alertmanager has told something."""
        self.publish_update(PageUpdate(notifications=True))

    def publish_update(self, change: PageUpdate) -> None:
        """Hand a change to every open stream, without waiting for any."""
        with self._lock:
            for reader in self._readers:
                reader.add_update(change)

    def close(self) -> None:
        """End every stream, and open none any more: a server that stops waits for what is open."""
        with self._lock:
            self._closed = True
            for reader in self._readers:
                reader.end_stream()

    def open_stream(self) -> StreamReader:
        """Open a stream, in the loop that runs. Raises TooManyStreamsError where it is one too many."""
        reader = StreamReader(asyncio.get_running_loop())
        with self._lock:
            if self._closed or len(self._readers) >= self._most:
                raise TooManyStreamsError
            self._readers.add(reader)
        return reader

    def close_stream(self, reader: StreamReader) -> None:
        """Let go of a stream's place."""
        with self._lock:
            self._readers.discard(reader)

    async def stream_updates(self, reader: StreamReader) -> AsyncIterator[bytes]:
        """Yield to_event events until ``close``: at first which figures are the newest, then each change."""
        at = None if self._last is None else self._last.at
        yield f"retry: {RETRY_MS}\n\n".encode() + PageUpdate(snapshot=at).to_event()
        while not reader.over:
            try:
                await asyncio.wait_for(reader.wake.wait(), self._beat)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            change = self._take_waiting(reader)
            if change is not None:
                yield change.to_event()

    def _take_waiting(self, reader: StreamReader) -> PageUpdate | None:
        with self._lock:
            reader.wake.clear()
            change, reader.change = reader.change, None
            return change


class StreamReader:
    """One open stream; touched under the lock only, woken in its own loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.wake = asyncio.Event()
        self.change: PageUpdate | None = None
        self.over = False
        self._loop = loop

    def add_update(self, change: PageUpdate) -> None:
        """Add a change to what waits, and wake the stream."""
        if self.change is None:
            self.change = PageUpdate()
        self.change.merge_update(change)
        self._wake_stream()

    def end_stream(self) -> None:
        """Let the stream end."""
        self.over = True
        self._wake_stream()

    def _wake_stream(self) -> None:
        # A loop that has ended has no stream to wake.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.wake.set)


class UpdateRoute:
    """The route of the stream."""

    def __init__(self, streams: UpdateStreams) -> None:
        self._streams = streams

    def list_routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self.answer_stream)]

    async def answer_stream(self, request: Request) -> Response:
        """Answer a stream that lasts; 503 where as many are open as are served."""
        if request.method == "HEAD":
            return Response(media_type=MEDIA)
        try:
            return _Stream(self._streams, self._streams.open_stream())
        except TooManyStreamsError:
            hint = "ask for the page again from time to time"
            return responses.build_error(
                PATH, 503, "too many event streams are open", hint, {"Retry-After": str(RETRY_MS // 1000)}
            )


class _Stream(StreamingResponse):
    """Gives its place back however it ends: finished, cancelled, or left before it began."""

    def __init__(self, streams: UpdateStreams, reader: StreamReader) -> None:
        super().__init__(streams.stream_updates(reader), media_type=MEDIA)
        self._leave = partial(streams.close_stream, reader)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()
