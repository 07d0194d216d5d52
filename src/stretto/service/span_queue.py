"""Send the OpenTelemetry spans of finished sessions, each session once after every change."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping

from stretto.clock import Clock
from stretto.model.conclude import Classify
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.otlp_export.sender import NullSender, Sender
from stretto.otlp_export.session_spans import build_spans
from stretto.store import queries

EMITTING_SINCE = "emitting since"
"""The store's note of when spans were first sent. Sessions that ended before are never sent."""

SETTLE_SECONDS = 2.0
"""How long after a session's end its spans are sent: asynchronous hooks arrive after the end."""


class SpanQueue:
    """Sessions whose spans are due, with the time (monotonic seconds) from which each may be sent."""

    def __init__(
        self,
        writer: sqlite3.Connection,
        sender: Sender | NullSender,
        classify: Classify,
        *,
        clock: Clock,
        version: str,
        resource: Mapping[str, str] | None,
        stopping: threading.Event,
    ) -> None:
        self._writer = writer
        self._sender = sender
        self._classify = classify
        self._clock = clock
        self._version = version
        self._resource = resource
        self._stopping = stopping
        self._due: dict[str, float] = {}

    def add_ended(self, sessions: Iterable[Session]) -> None:
        """Queue sessions that have just ended; recordings are never sent."""
        due = time.monotonic() + SETTLE_SECONDS
        self._due.update({session.id: due for session in sessions if not session.recording})

    def add_unsent(self) -> None:
        """Queue the sessions that ended while the service was down, if they ended after sending began."""
        if isinstance(self._sender, NullSender):
            return
        since = queries.read_note(self._writer, EMITTING_SINCE)
        if since is None:
            queries.write_note(self._writer, EMITTING_SINCE, str(self._clock()))
            return
        unsent = queries.list_unsent_sessions(self._writer, int(since))
        self._due.update(dict.fromkeys(unsent, time.monotonic()))

    def send_due(self) -> None:
        """Send every session whose time has come."""
        now = time.monotonic()
        for id in [id for id, at in self._due.items() if at <= now]:
            self._send(id)

    def send_all(self) -> None:
        """Send every queued session now, as the service stops."""
        for id in list(self._due):
            self._send(id)

    def _send(self, id: str) -> None:
        self._due.pop(id)
        if isinstance(self._sender, NullSender):
            return
        session = queries.read_session(self._writer, id, self._classify)
        if (
            session is None
            or session.outcome is Outcome.RUNNING
            or queries.get_emitted_time(self._writer, id) == session.last
        ):
            return
        spans = build_spans(session, version=self._version, resource=self._resource)
        if not self._stopping.is_set() and not self._sender.has_room(len(spans)):
            # The sender's queue is full. The store still has the session, so it can wait.
            self._due[id] = time.monotonic() + SETTLE_SECONDS
            return
        self._sender.submit(spans)
        queries.note_emitted(self._writer, id, session.last)
