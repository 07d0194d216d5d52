"""Notify open pages of changes by server-sent events.

The stream carries no figures, only the kinds of change: a page then loads itself again and replaces the parts
that differ. Updates that a slow reader has not read yet are merged, never queued.
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
"""Most streams at once; further pages are refused and reload periodically."""

BEAT_SECONDS = 15.0
"""Seconds between comments on a quiet stream: only writing reveals a broken connection."""

RETRY_MS = 2_000
"""Milliseconds that a page waits before it opens a broken stream again."""

_encode = msgspec.json.Encoder().encode


class TooManyStreamsError(Exception):
    """No more streams can be opened."""


@dataclass(slots=True)
class PageUpdate:
    """The kinds of change since the last update."""

    snapshot: int | None = None
    """Time (ns) of the newest snapshot; None if there is no new snapshot."""
    sessions: set[str] | None = field(default_factory=set)
    """Ids of the sessions that changed; None if any session may have changed."""
    notifications: bool = False

    def merge_update(self, other: PageUpdate) -> None:
        """Merge another update into this update."""
        self.snapshot = other.snapshot if other.snapshot is not None else self.snapshot
        self.sessions = (
            None if self.sessions is None or other.sessions is None else self.sessions | other.sessions
        )
        self.notifications |= other.notifications

    def to_event(self) -> bytes:
        """Return the update as a server-sent event."""
        data = {
            "snapshot": None if self.snapshot is None else to_rfc3339(self.snapshot),
            "sessions": None if self.sessions is None else sorted(self.sessions),
            "notifications": self.notifications,
        }
        return b"event: change\ndata: " + _encode(data) + b"\n\n"


class UpdateStreams:
    """All open streams. Updates may be published from any thread."""

    def __init__(self, *, most: int = STREAMS, beat: float = BEAT_SECONDS) -> None:
        self._most = most
        self._beat = beat
        self._lock = Lock()
        self._readers: set[StreamReader] = set()
        self._closed = False
        self._last: Snapshot | None = None

    @property
    def streams(self) -> int:
        """Number of open streams."""
        return len(self._readers)

    def announce_snapshot(self, snapshot: Snapshot) -> None:
        """Publish that figures are new, with the sessions that differ from the last snapshot."""
        last, self._last = self._last, snapshot
        last_rows = set() if last is None else set(last.latest)
        changed = {row.id for row in snapshot.latest if row not in last_rows}
        # If all listed sessions changed, sessions beyond the list may have changed too.
        all_changed = bool(snapshot.latest) and len(changed) == len(snapshot.latest)
        self.publish_update(PageUpdate(snapshot=snapshot.at, sessions=None if all_changed else changed))

    def announce_notification(self) -> None:
        """Publish that Alertmanager sent a notification."""
        self.publish_update(PageUpdate(notifications=True))

    def publish_update(self, change: PageUpdate) -> None:
        """Add an update to every open stream, without waiting."""
        with self._lock:
            for reader in self._readers:
                reader.add_update(change)

    def close(self) -> None:
        """End all streams and refuse new ones: a stopping server waits for open connections."""
        with self._lock:
            self._closed = True
            for reader in self._readers:
                reader.end_stream()

    def open_stream(self) -> StreamReader:
        """Open a stream in the running loop. Raises TooManyStreamsError."""
        reader = StreamReader(asyncio.get_running_loop())
        with self._lock:
            if self._closed or len(self._readers) >= self._most:
                raise TooManyStreamsError
            self._readers.add(reader)
        return reader

    def close_stream(self, reader: StreamReader) -> None:
        """Free the place of a stream."""
        with self._lock:
            self._readers.discard(reader)

    async def stream_updates(self, reader: StreamReader) -> AsyncIterator[bytes]:
        """Yield events until ``close``: the time of the newest snapshot first, then each update."""
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

    async def wait_seconds(self, reader: StreamReader, seconds: float) -> AsyncIterator[bytes]:
        """Wait so long or until ``close``; yield a comment now and then: writing finds a broken end."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while not reader.over and (left := end - clock()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.wake.wait(), min(left, self._beat))
                self._take_waiting(reader)
                continue
            if end > clock():
                yield b": still here\n\n"

    def _take_waiting(self, reader: StreamReader) -> PageUpdate | None:
        with self._lock:
            reader.wake.clear()
            change, reader.change = reader.change, None
            return change


class StreamReader:
    """The reading side of an open stream: used under the lock only, woken in its own event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.wake = asyncio.Event()
        self.change: PageUpdate | None = None
        self.over = False
        self._loop = loop

    def add_update(self, change: PageUpdate) -> None:
        """Merge an update into the waiting update, and wake the stream."""
        if self.change is None:
            self.change = PageUpdate()
        self.change.merge_update(change)
        self._wake_stream()

    def end_stream(self) -> None:
        """End the stream."""
        self.over = True
        self._wake_stream()

    def _wake_stream(self) -> None:
        # A closed loop has no stream to wake.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.wake.set)


class UpdateRoute:
    """The route of the event stream."""

    def __init__(self, streams: UpdateStreams) -> None:
        self._streams = streams

    def list_routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self.answer_stream)]

    async def answer_stream(self, request: Request) -> Response:
        """Answer an endless stream of events; 503 if too many streams are open."""
        if request.method == "HEAD":
            return Response(media_type=MEDIA)
        try:
            reader = self._streams.open_stream()
            return EventStream(self._streams.stream_updates(reader), self._streams, reader)
        except TooManyStreamsError:
            hint = "load the page again from time to time"
            return responses.build_error(
                PATH, 503, "too many event streams are open", hint, {"Retry-After": str(RETRY_MS // 1000)}
            )


class EventStream(StreamingResponse):
    """Response that frees its place however it ends: finished, cancelled or disconnected."""

    def __init__(self, events: AsyncIterator[bytes], streams: UpdateStreams, reader: StreamReader) -> None:
        super().__init__(events, media_type=MEDIA)
        self._leave = partial(streams.close_stream, reader)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, then free the place."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()
