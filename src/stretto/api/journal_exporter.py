"""Export: the spans of this process become lines of the journal, as they start and when they end.

A span is told twice: its start as soon as it is seen, so that a long session shows before it is over, and
all of it at its end. Both tell of one entity: the id is the span's own (or the one that was given), and so is
the time of the start, which makes the second telling a repetition that changes nothing.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from stretto import journal
from stretto.api import spans_to_events as mapping
from stretto.api.context import get_context, get_surroundings
from stretto.clock import Clock, read_wall_clock
from stretto.hook.client.client import identify_process as spelled
from stretto.model.event import Event
from stretto.names import API_SCOPE
from stretto.sources.otlp import conventions
from stretto.sources.otlp import plain_records as records
from stretto.sources.otlp.genai import SpanPlace, Trace
from stretto.sources.otlp.trace_sessions import TraceSessions
from stretto.sources.redact import redact_event

QUEUE_LIMIT = 16_384
"""Most spans that wait to be written, each of them counted at its start and at its end."""

DELAY_SECONDS = 0.25
"""Longest that a span waits: with the service's own tick, a second from its start to the page."""

OPEN_LIMIT = 20_000
"""Most open spans kept in mind; of more, the oldest are no longer known to those below them."""

SESSION_ATTRIBUTE = "session.id"
"""OpenTelemetry's attribute for the session (General conventions, "Session"), put on spans of others."""

_log = logging.getLogger(__name__)


class SessionStamp(SpanProcessor):
    """Gives the session's id to the spans that other instrumentations start inside a session."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Set ``session.id`` where it is known and the span has none."""
        scope = span.instrumentation_scope
        if (scope is not None and scope.name == API_SCOPE) or SESSION_ATTRIBUTE in (span.attributes or {}):
            return
        around = get_surroundings(get_context() if parent_context is None else parent_context)
        if around is not None and around.session is not None:
            span.set_attribute(SESSION_ATTRIBUTE, around.session)


class JournalSpanProcessor(BatchSpanProcessor):
    """Hands spans to a ``JournalSpanExporter`` from a thread of its own, at their start and at their end.

    The queue is bounded: what no longer fits displaces the oldest, and the SDK's log says so.
    """

    def __init__(self, exporter: JournalSpanExporter, *, delay_seconds: float = DELAY_SECONDS) -> None:
        super().__init__(exporter, max_queue_size=QUEUE_LIMIT, schedule_delay_millis=delay_seconds * 1000)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002  # the SDK's shape
        """Queue the open span; by the time it is written it may have ended."""
        super().on_end(span)


@dataclass(slots=True)
class _SpanNode:
    """A span that has not ended, or one that is still above such a span."""

    record: records.Span
    above: _SpanNode | None
    told: bool = False
    """Its start is in the journal."""
    ours: bool = False
    """It, or something below it, is an entity."""

    def walk_up(self) -> Iterator[_SpanNode]:
        """Yield this one and all above it."""
        at: _SpanNode | None = self
        while at is not None:
            yield at
            at = at.above


@dataclass(frozen=True, slots=True)
class _BatchSpan:
    """A span of one batch; ``whole`` once it has ended."""

    node: _SpanNode
    whole: bool


class JournalSpanExporter(SpanExporter):
    """Writes spans to the journal in ``folder``: one write a batch, and never an exception.

    Takes finished spans, and open ones (see ``JournalSpanProcessor``), which tell it what lies above those
    that end before them. Without these it knows only what is in the same batch.
    """

    def __init__(self, folder: Path, *, clock: Clock = read_wall_clock) -> None:
        self._folder = folder
        self._clock = clock
        self._open: OrderedDict[str, _SpanNode] = OrderedDict()
        self._started: OrderedDict[str, str] = OrderedDict()
        """Tool call → the first task that it started."""
        self._sessions = TraceSessions()
        self._process = os.getpid()
        self._here = spelled(self._process)
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append what the spans tell. Where it fails, the log says so once, until it works again."""
        try:
            self._reset_after_fork()
            lines = b"".join(self._build_lines(spans))
            if lines:
                journal.append_records(journal.get_day_file(self._folder, self._clock()), lines)
        except Exception as error:  # noqa: BLE001  # the program that is watched comes first
            if not self._failing:
                _log.warning("what is recorded cannot be written to %s and is lost: %s", self._folder, error)
            self._failing = True
            return SpanExportResult.FAILURE
        if self._failing and lines:
            _log.warning("what is recorded is written to %s again", self._folder)
            self._failing = False
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Return: nothing is held back."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  # the SDK's shape
        """Return True: ``export`` has written what it was given."""
        return True

    def _reset_after_fork(self) -> None:
        if self._process != os.getpid():
            # Another thread of the parent may have held the lock inside when the process was copied.
            self._sessions = TraceSessions()
            self._process = os.getpid()
            self._here = spelled(self._process)

    def _build_lines(self, spans: Iterable[ReadableSpan]) -> Iterator[bytes]:
        traces: dict[str, dict[str, _BatchSpan]] = {}
        for span in spans:
            member = self._place_span(span)
            record = member.node.record
            # Of a span that began and ended since the last batch, the end has the last word and all of it.
            traces.setdefault(record.trace, {})[record.id] = member
        for trace_id, members in traces.items():
            yield from _encode_events(self._build_trace_events(trace_id, members))

    def _place_span(self, span: ReadableSpan) -> _BatchSpan:
        """Return a span in its place among the open ones."""
        record = mapping.read_span(span)
        node = self._open.get(record.id) or _SpanNode(record, self._open.get(record.parent))
        node.record = record
        # What the SDK hands on at an end is a copy; the span itself came at its start, and may be over now.
        whole = not isinstance(span, Span)
        if whole:
            self._open.pop(record.id, None)
        else:
            self._open[record.id] = node
            _drop_oldest(self._open)
        return _BatchSpan(node, whole)

    def _build_trace_events(self, trace_id: str, members: dict[str, _BatchSpan]) -> Iterator[Event]:
        trace = Trace(
            {at.record.id: at.record for each in members.values() for at in each.node.walk_up()}.values()
        )
        for call, task in trace.first_tasks.items():
            self._started.setdefault(call, task)
        _drop_oldest(self._started)
        placed = [
            (members[record.id], place) for record, place in trace.iterate_spans() if record.id in members
        ]
        for member, place in placed:
            if trace.is_relevant_span(member.node.record, place):
                for node in member.node.walk_up():
                    node.ours = True
        said, source = trace.find_session(), trace.source if trace.is_relevant else None
        for member, place in placed:
            session = self._find_session(trace_id, member, said)
            if session is not None:
                yield from self._build_span_events(member, place, session, source)

    def _find_session(self, trace_id: str, member: _BatchSpan, said: str | None) -> str | None:
        """Return a span's session; None for a span that is none of ours, or cannot tell before its end."""
        if not member.node.ours:
            return None
        own = conventions.get_stretto_session(member.node.record)
        if own is not None:
            self._sessions.set_session(trace_id, own)
            return own
        if said is None and not member.whole:
            # What ends first may name it; the first word on a trace is final.
            return None
        return self._sessions.resolve_session(trace_id, said)

    def _build_span_events(
        self, member: _BatchSpan, place: SpanPlace, session: str, source: str | None
    ) -> Iterator[Event]:
        node, record = member.node, member.node.record
        told = [
            mapping.add_process(event, self._here)
            for event in mapping.translate_span(
                record, place, session, self._started, source or conventions.get_source(record)
            )
        ]
        if member.whole:
            yield from (event for event in told if not (node.told and event.kind in mapping.STARTS))
        elif not node.told:
            node.told = True
            yield from (event for event in told if event.kind in mapping.STARTS)


def _drop_oldest(known: OrderedDict[str, Any]) -> None:
    while len(known) > OPEN_LIMIT:
        known.popitem(last=False)


def _encode_events(events: Iterable[Event]) -> Iterator[bytes]:
    for event in events:
        try:
            yield journal.encode_event(redact_event(event))
        except ValueError:
            # A name that is no text in any encoding; its neighbours are.
            _log.debug("an event could not be written", exc_info=True)
