"""Send the OpenTelemetry spans of finished sessions, each session at least once after every change.

The store notes that a session was sent only when the endpoint has acknowledged all of its spans. A service
that is killed in between sends the session again; spans keep their ids, so a backend can tell.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stretto.clock import Clock
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.otlp_export.session_spans import build_spans
from stretto.otlp_export.span_sender import NullSender, Sender
from stretto.store import sent_spans, session_queries, store_notes

SETTLE_SECONDS = 2.0
"""How long after a session's end its spans are sent: asynchronous hooks arrive after the end."""

RETRY_SECONDS = 5.0
"""Pause before a session that failed is sent again; each further failure doubles it."""

LONGEST_RETRY_SECONDS = 600.0

MOST_REFUSALS = 5
"""A session that failed so often is given up, if the endpoint took other sessions in the meantime."""

LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Attempt:
    """A session that was submitted, or that waits for its next attempt."""

    last: int
    """The time (ns) of the session's last event when its spans were built."""
    spans: int
    failures: int = 0
    sent_before: int = 0
    """Spans that the endpoint had acknowledged in all when this session first failed."""


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
        self._attempts: dict[str, _Attempt] = {}
        """Sessions that are being sent, or whose last attempt failed."""
        self._under_way: set[str] = set()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Spans of sessions that were given up: the endpoint keeps refusing them, or they were pruned."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """Sessions that failed and will be sent again."""
        return sum(1 for attempt in self._attempts.values() if attempt.failures)

    def use_store(self, writer: sqlite3.Connection) -> None:
        """Continue with another store; the queued sessions stay queued."""
        self._writer = writer

    def add_ended(self, sessions: Iterable[Session]) -> None:
        """Queue sessions that have just ended; recordings are never sent."""
        due = time.monotonic() + SETTLE_SECONDS
        self._due.update({session.id: due for session in sessions if not session.recording})

    def add_unsent(self) -> None:
        """Queue the sessions that ended while the service was down, if they ended after sending began."""
        if isinstance(self._sender, NullSender):
            return
        since = store_notes.read_note(self._writer, sent_spans.EMITTING_SINCE)
        if since is None:
            store_notes.write_note(self._writer, sent_spans.EMITTING_SINCE, str(self._clock()))
            return
        unsent = sent_spans.list_unsent_session_ids(self._writer, int(since))
        self._due.update(dict.fromkeys(unsent, time.monotonic()))

    def send_due(self) -> None:
        """Note what was acknowledged, then send every session whose time has come."""
        self.note_results()
        now = time.monotonic()
        for id in [id for id, at in self._due.items() if at <= now]:
            # While requests fail, a single session at a time tries whether the endpoint is back.
            if self._sender.failing and self._sender.pending:
                return
            self._send(id)

    def send_all(self) -> None:
        """Send every queued session now, as the service stops. ``note_results`` must follow."""
        for id in list(self._due):
            self._send(id)

    def note_results(self) -> None:
        """Note the acknowledged sessions in the store, and set the time of the next attempt of the others."""
        for id, acknowledged in self._sender.take_results():
            self._under_way.discard(id)
            attempt = self._attempts.get(id)
            if attempt is None:
                continue
            if acknowledged:
                del self._attempts[id]
                sent_spans.note_spans_emitted(self._writer, id, attempt.last)
            elif not self._stopping.is_set():
                self._plan_retry(id, attempt)

    def _plan_retry(self, id: str, attempt: _Attempt) -> None:
        """Queue a session that failed again, or give it up if only this session is refused.

        Example: after its failures a session waits 5 s, 10 s, 20 s and so on, at most ten minutes.
        """
        if not attempt.failures:
            attempt.sent_before = self._sender.sent
        attempt.failures += 1
        if attempt.failures >= MOST_REFUSALS and self._sender.sent > attempt.sent_before:
            self._give_up(id, f"the endpoint refuses it: {self._sender.last_error}")
            return
        pause = min(RETRY_SECONDS * 2 ** min(attempt.failures - 1, 16), LONGEST_RETRY_SECONDS)
        self._due[id] = time.monotonic() + pause

    def _give_up(self, id: str, reason: str) -> None:
        attempt = self._attempts.pop(id)
        self._dropped += attempt.spans
        LOG.warning("OTLP: the %d spans of session %s are dropped: %s", attempt.spans, id, reason)

    def _send(self, id: str) -> None:
        if isinstance(self._sender, NullSender):
            self._due.pop(id)
            return
        if id in self._under_way:
            # The session changed while its spans were being sent; its turn comes after the answer.
            self._due[id] = time.monotonic() + SETTLE_SECONDS
            return
        # Kept until the session was read: a store that cannot be read now must not lose it.
        self._due[id] = time.monotonic() + RETRY_SECONDS
        session = session_queries.read_session(self._writer, id, self._classify)
        self._due.pop(id)
        if session is None:
            if id in self._attempts:
                self._give_up(id, "it was removed from the store before the endpoint took it")
            return
        if (
            session.outcome is Outcome.RUNNING
            or sent_spans.get_last_event_time_of_sent_spans(self._writer, id) == session.last
        ):
            self._attempts.pop(id, None)
            return
        spans = build_spans(session, version=self._version, resource=self._resource)
        if not self._sender.has_room(len(spans)):
            # The sender's queue is full. The store still has the session, so it can wait.
            self._due[id] = time.monotonic() + SETTLE_SECONDS
            return
        attempt = self._attempts.setdefault(id, _Attempt(session.last, len(spans)))
        attempt.last, attempt.spans = session.last, len(spans)
        if self._sender.submit(spans, id):
            self._under_way.add(id)
        else:
            self._plan_retry(id, attempt)
