"""Backend: everything that HTTP shows or takes, handed in by the service as callables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stretto.clock import Clock, read_wall_clock
from stretto.figures.figure import Figure
from stretto.notifications.log import Notification, NotificationLog
from stretto.sources.otlp.receive import Received, Signal
from stretto.store.queries import SessionRow
from stretto.summaries.session_summary import SessionSummary
from stretto.summaries.snapshot import Snapshot
from stretto.web.live_updates import UpdateStreams

FRESH_SECONDS = 60.0
"""A snapshot older than this no longer answers for now: several refreshes have been missed."""


class Exposition(Protocol):
    """One scrape's answer."""

    @property
    def body(self) -> bytes:
        """The metrics as text."""

    @property
    def content_type(self) -> str:
        """The text format, as the Content-Type header spells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The callables behind the routes. Each may be called from several threads at once."""

    snapshot: Callable[[], Snapshot | None]
    """The last snapshot, or None before the first."""
    sessions: Callable[[int, int | None, str | None], list[SessionRow]]
    """(limit, before in ns, after which id of that instant) → sessions, the one last heard of first."""
    insight: Callable[[str], SessionSummary | None]
    """A session's id → the session worked out, or None where it is unknown."""
    trends: Callable[[], dict[str, Any]]
    """Parallel work by day and by week, as JSON."""
    expose: Callable[[str], Exposition]
    """Accept header → all metrics. Raises StrettoError where there is nothing to expose."""
    append_hook: Callable[[bytes], None]
    """Takes a hook's payload to the journal. Raises OSError where the journal cannot be written."""
    append_scores: Callable[[Sequence[object]], list[str | None]]
    """Takes decoded JSON objects; for each why it was not taken, or None. Raises OSError likewise."""
    receive_otlp: Callable[[Signal, bytes, str, str], Received]
    """(signal, body, Content-Type, Content-Encoding) → what was kept. Raises RefusedError for a request that
    is none, OSError where the journal cannot be written."""
    notifications: NotificationLog
    problems: Callable[[], list[str]]
    """What a person should know and act on, a sentence each."""
    runbook: Callable[[str], str | None]
    """An alert's name → its page in Markdown, or None where there is none."""
    announce: Callable[[Sequence[Notification]], None]
    """Tells a person at the machine of what was just told. Never waits, never raises."""
    alerts: Callable[[], list[str]] = list
    """The names of the alerts that have a page."""
    version: str
    faults: Callable[[], list[str]] = list
    """Those of the problems that are the running service's own, for ``doctor``."""
    self_figures: Callable[[], Sequence[Figure]] = list
    """What the service says of itself, as it is exported."""
    updates: UpdateStreams = field(default_factory=UpdateStreams)
    """What open pages are told by: it hears of each new snapshot from whoever takes it."""
    token: str | None = None
    """Asked of every request but ``/healthz``, where set."""
    hosts: frozenset[str] = frozenset()
    """Names and addresses, without ports, that are answered beside those of the loopback interface."""
    fresh_seconds: float = FRESH_SECONDS
    clock: Clock = read_wall_clock
