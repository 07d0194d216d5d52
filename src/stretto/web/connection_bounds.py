"""Bounds on connections: how many are open at once, and how long each may wait for its other side.

A client that sends half a request, or never reads its answer, must not keep others from being heard. When
there is no room for a new connection, the connection that has waited longest is closed. Hooks and probes send
their request at once and are answered in milliseconds, so they are never among those that wait.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

try:
    import resource
except ImportError:  # Windows has no limit of descriptors that a process could read
    resource = None  # type: ignore[assignment]

MOST_CONNECTIONS = 512

RESERVED_DESCRIPTORS = 96
"""Descriptors that the store, the journal, the sampler and the servers need beside the connections."""

FEWEST_CONNECTIONS = 16
"""Connections that are accepted however low the limit of descriptors is."""

HEADER_SECONDS = 15.0
"""Longest time in which the headers of a request must be complete."""

WRITE_SECONDS = 30.0
"""Longest time in which a reader takes nothing of its answer."""

RECENT_SECONDS = 60.0
"""A closed connection is a problem for so long."""

REPORT_SECONDS = 60.0
"""Least time between two log lines about connections that cannot be accepted."""

NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of ``accept`` that pass when other descriptors or buffers are free again."""

LOG = logging.getLogger(__name__)


class WaitState(IntEnum):
    """What a connection waits for, in the order in which connections make room."""

    NEXT_REQUEST = 0
    REQUEST = 1
    """Its request is not complete."""
    READER = 2
    """Its reader takes nothing of the answer."""
    ANSWER = 3
    """The service works on its answer; such a connection never makes room."""


@dataclass(slots=True)
class _Watched:
    """A connection, what it waits for, and since when (monotonic s)."""

    state: WaitState
    since: float
    unread_bytes: int = 0


@dataclass(slots=True)
class ConnectionBounds:
    """Watches all connections of the HTTP server. Used in one event loop."""

    most: int = MOST_CONNECTIONS
    header_seconds: float = HEADER_SECONDS
    write_seconds: float = WRITE_SECONDS
    look_seconds: float = 1.0
    """Time between two looks at the connections."""
    clock: Callable[[], float] = time.monotonic
    _watched: dict[BoundedProtocol, _Watched] = field(default_factory=dict)
    _closed: deque[float] = field(default_factory=lambda: deque(maxlen=1_000))
    """When the last connections were closed for want of room."""
    _look: asyncio.TimerHandle | None = None

    @property
    def open_connections(self) -> int:
        """The number of open connections."""
        return len(self._watched)

    def describe_problem(self) -> str | None:
        """Return a sentence if connections were closed lately for want of room."""
        since = self.clock() - RECENT_SECONDS
        count = sum(at >= since for at in tuple(self._closed))
        if not count:
            return None
        return (
            f"{count} connection(s) were closed in the last minute to make room for others: at most"
            f" {self.most} are open at once; look for clients that leave requests unfinished"
        )

    def admit_connection(self, protocol: BoundedProtocol) -> None:
        """Watch a new connection; close the one that has waited longest if there are too many."""
        if len(self._watched) >= self.most:
            self._closed.append(self.clock())
            oldest = self._find_longest_waiting()
            (protocol if oldest is None else oldest).abort_connection()
            if oldest is None:
                return
            self._watched.pop(oldest, None)
        self._watched[protocol] = _Watched(WaitState.REQUEST, self.clock())
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(self.look_seconds, self._look_at_all)

    def forget_connection(self, protocol: BoundedProtocol) -> None:
        """Stop watching a connection that is closed."""
        self._watched.pop(protocol, None)

    def note_state(self, protocol: BoundedProtocol, state: WaitState) -> None:
        """Note what a connection waits for now; the time counts from when that changed."""
        watched = self._watched.get(protocol)
        if watched is not None and watched.state is not state:
            watched.state, watched.since = state, self.clock()

    def _find_longest_waiting(self) -> BoundedProtocol | None:
        for protocol in self._watched:
            self._look_at(protocol)
        waiting = [
            (watched.state, watched.since, number, protocol)
            for number, (protocol, watched) in enumerate(self._watched.items())
            if watched.state is not WaitState.ANSWER
        ]
        return min(waiting)[3] if waiting else None

    def _look_at_all(self) -> None:
        """Close the connections that have waited too long, and look again later while there are any."""
        now = self.clock()
        for protocol, watched in tuple(self._watched.items()):
            self._look_at(protocol)
            waited = now - watched.since
            if (
                watched.state is WaitState.REQUEST and waited > self.header_seconds and protocol.lacks_headers
            ) or (watched.state is WaitState.READER and waited > self.write_seconds):
                protocol.abort_connection()
                self._watched.pop(protocol, None)
        self._look = None
        if self._watched:
            self._look = asyncio.get_running_loop().call_later(self.look_seconds, self._look_at_all)

    def _look_at(self, protocol: BoundedProtocol) -> None:
        """Note what a connection waits for; a reader that takes some bytes begins to wait anew."""
        watched, unread = self._watched[protocol], protocol.unread_bytes
        if unread and unread >= watched.unread_bytes > 0:
            self.note_state(protocol, WaitState.READER)
        else:
            self.note_state(protocol, protocol.find_wait_state())
        watched.unread_bytes = unread


class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # chosen at import
    """uvicorn's HTTP protocol with its connection watched by ``bounds``, which a subclass sets."""

    bounds: ConnectionBounds

    transport: Any
    cycle: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Watch the connection if there is room for it."""
        super().connection_made(transport)
        self.bounds.admit_connection(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching the connection."""
        self.bounds.forget_connection(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note that a request has begun, or is complete."""
        super().data_received(data)
        self.bounds.note_state(self, self.find_wait_state())

    def on_response_complete(self) -> None:
        """Note that the connection waits for its next request."""
        super().on_response_complete()
        self.bounds.note_state(self, WaitState.NEXT_REQUEST)

    @property
    def lacks_headers(self) -> bool:
        """Whether no request is under way whose headers are complete."""
        return self.cycle is None or bool(self.cycle.response_complete)

    @property
    def unread_bytes(self) -> int:
        """Bytes of the answer that wait for the reader."""
        return 0 if self.transport is None else int(self.transport.get_write_buffer_size())

    def find_wait_state(self) -> WaitState:
        """Return what the connection waits for, apart from a reader that takes nothing."""
        if self.cycle is None:
            return WaitState.REQUEST
        if self.cycle.response_complete:
            # The timer of an idle connection stops when the first bytes of the next request come.
            return WaitState.REQUEST if self.timeout_keep_alive_task is None else WaitState.NEXT_REQUEST
        return WaitState.REQUEST if self.cycle.more_body else WaitState.ANSWER

    def abort_connection(self) -> None:
        """Close the connection at once; what it has not read is lost."""
        self.transport.abort()


def find_most_connections() -> int:
    """Return how many connections the limit of descriptors leaves room for."""
    if resource is None:
        return MOST_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, soft - RESERVED_DESCRIPTORS))


class AcceptFailureHandler:
    """Handler of an event loop's errors that reports a want of descriptors at most once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reported: float | None = None
        self._count = 0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error of ``accept`` at most once a minute with the number of them, and pass on any other."""
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in NO_DESCRIPTORS and "socket" in context):
            loop.default_exception_handler(context)
            return
        self._count += 1
        now = self._clock()
        if self._reported is None or now - self._reported >= REPORT_SECONDS:
            LOG.warning(
                "connections cannot be accepted (%s): %d attempts failed", error.strerror, self._count
            )
            self._reported, self._count = now, 0
