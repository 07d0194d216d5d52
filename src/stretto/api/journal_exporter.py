"""Write the spans of this process to the journal, when they start and when they end.

Each span is written twice: its start at once, so that a running session is visible, and the complete span at
its end. Both writings give the same entity: they share the id (the span's own, or a given id) and the start
time. So the second writing only adds to the first.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from stretto import journal
from stretto.api import spans_to_events
from stretto.api.context import get_context, get_surroundings
from stretto.api.failed_journal_write_retry import RecordWriter
from stretto.api.recording_costs import RecordingCosts
from stretto.clock import Clock, read_wall_clock
from stretto.features.collection_filter import EVERYTHING, Collection
from stretto.hook.client.client import identify_boot_and_pid_namespace, identify_process
from stretto.model.event import Event, Kind
from stretto.names import API_SCOPE
from stretto.sources.otlp import conventions, genai
from stretto.sources.otlp import plain_records as records
from stretto.sources.otlp.remembered_trace_sessions import TraceSessions
from stretto.sources.redact import redact_event

QUEUE_LIMIT = 16_384
"""Most spans that wait to be written; each span counts at its start and again at its end."""

DELAY_SECONDS = 0.25
"""Longest wait of a span; with the service's own interval, a second from the span's start to the page."""

OPEN_LIMIT = 20_000
"""Most open spans kept in memory; beyond that, the oldest are unknown to the spans below them."""

SESSION_ATTRIBUTE = "session.id"
"""OpenTelemetry's attribute for the session (General conventions, "Session"), set on foreign spans."""

_log = logging.getLogger(__name__)


class SessionStamp(SpanProcessor):
    """Sets the session's id on spans that other instrumentations start inside a session."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Set ``session.id`` if the session is known and the span has none."""
        scope = span.instrumentation_scope
        if (scope is not None and scope.name == API_SCOPE) or SESSION_ATTRIBUTE in (span.attributes or {}):
            return
        surroundings = get_surroundings(get_context() if parent_context is None else parent_context)
        if surroundings is not None and surroundings.session is not None:
            span.set_attribute(SESSION_ATTRIBUTE, surroundings.session)


class JournalSpanProcessor(BatchSpanProcessor):
    """Passes spans to a ``JournalSpanExporter`` from its own thread, when they start and when they end.

    The queue is bounded: if it is full, a new span displaces the oldest, and the SDK logs it.
    """

    def __init__(self, exporter: JournalSpanExporter, *, delay_seconds: float = DELAY_SECONDS) -> None:
        super().__init__(exporter, max_queue_size=QUEUE_LIMIT, schedule_delay_millis=delay_seconds * 1000)
        self._exporter = exporter

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        """Write all waiting spans; return False if the folder cannot be written now."""
        return bool(super().force_flush(timeout_millis)) and self._exporter.force_flush()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002  # the SDK's shape
        """Queue the open span; it may have ended before it is written."""
        super().on_end(span)


@dataclass(slots=True)
class _SpanNode:
    """A span that has not ended, or that has an unfinished span below it."""

    record: records.Span
    above: _SpanNode | None
    start_written: bool = False
    """Whether its start is in the journal."""
    is_relevant: bool = False
    """Whether this span, or a span below it, is an entity."""

    def walk_up(self) -> Iterator[_SpanNode]:
        """Yield this span and all spans above it."""
        at: _SpanNode | None = self
        while at is not None:
            yield at
            at = at.above


@dataclass(frozen=True, slots=True)
class _BatchSpan:
    """A span of a batch, open or ended."""

    node: _SpanNode
    has_ended: bool


class JournalSpanExporter(SpanExporter):
    """Writes spans to the journal in ``folder``, with a single write for each batch; never raises.

    Events that cannot be written wait in memory until the folder is back (``RecordWriter``).

    It takes finished spans and open spans (see ``JournalSpanProcessor``). Open spans give the parents of
    spans that end earlier. Without open spans it knows only the parents in the same batch.
    """

    def __init__(
        self, folder: Path, *, clock: Clock = read_wall_clock, collection: Collection = EVERYTHING
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._collection = collection
        self._open: OrderedDict[str, _SpanNode] = OrderedDict()
        self._sessions = TraceSessions()
        self._process = os.getpid()
        self._process_name = identify_process(self._process)
        self._host = identify_boot_and_pid_namespace()
        self._writer = RecordWriter(folder, clock)
        self._costs = RecordingCosts(clock, self._process_name)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the events of the spans, or keep them until the folder can be written again."""
        began = time.thread_time_ns()
        try:
            self._reset_after_fork()
            events = list(self._build_events(spans))
            self._writer.write(_encode_events(events, self._collection))
            self._costs.add_batch(Counter(event.session for event in events), time.thread_time_ns() - began)
            ended = {event.session for event in events if event.kind is Kind.SESSION_END}
            self._write_costs(self._costs.take_reports(ended))
        except Exception as error:  # noqa: BLE001  # a failure must not disturb the observed program
            _log.warning("events of a program could not be recorded: %s", error, exc_info=True)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Write what waits, or report after a moment how much is lost."""
        self._reset_after_fork()
        self._write_costs(self._costs.take_all())
        self._writer.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  # the SDK's shape
        """Try to write what waits; return whether all is written."""
        self._reset_after_fork()
        return self._writer.write(())

    def _reset_after_fork(self) -> None:
        if self._process != os.getpid():
            # A thread of the parent may have held the lock inside at the moment of the fork.
            self._sessions = TraceSessions()
            self._writer = RecordWriter(self._folder, self._clock)
            self._process = os.getpid()
            self._process_name = identify_process(self._process)
            self._costs = RecordingCosts(self._clock, self._process_name)

    def _write_costs(self, reports: Sequence[Event]) -> None:
        if reports:
            self._writer.write(_encode_events(reports, self._collection))

    def _build_events(self, spans: Iterable[ReadableSpan]) -> Iterator[Event]:
        traces: dict[str, dict[str, _BatchSpan]] = {}
        for span in spans:
            member = self._link_span(span)
            record = member.node.record
            # If a span began and ended since the last batch, its end replaces its start.
            traces.setdefault(record.trace, {})[record.id] = member
        for trace_id, members in traces.items():
            yield from self._build_trace_events(trace_id, members)

    def _link_span(self, span: ReadableSpan) -> _BatchSpan:
        """Return a span, linked to its open parents."""
        record = spans_to_events.read_span(span)
        node = self._open.get(record.id) or _SpanNode(record, self._open.get(record.parent))
        node.record = record
        # The SDK passes a copy at a span's end, and the span itself at its start; that may have ended by now.
        has_ended = not isinstance(span, Span)
        if has_ended:
            self._open.pop(record.id, None)
        else:
            self._open[record.id] = node
            _drop_oldest(self._open)
        return _BatchSpan(node, has_ended)

    def _build_trace_events(self, trace_id: str, members: dict[str, _BatchSpan]) -> Iterator[Event]:
        for member in members.values():
            if genai.is_relevant_span(member.node.record, self._collection.dropped_roles):
                for node in member.node.walk_up():
                    node.is_relevant = True
        above = {node.record.id: node.record for each in members.values() for node in each.node.walk_up()}
        session_name = genai.find_named_session([*above.values()])
        for member in members.values():
            session = self._find_session(trace_id, member, session_name)
            if session is not None:
                yield from self._build_span_events(member, session)

    def _find_session(self, trace_id: str, member: _BatchSpan, trace_session: str | None) -> str | None:
        """Return a span's session; None for an irrelevant span, or while the session is unknown."""
        if not member.node.is_relevant:
            return None
        own_session = conventions.get_stretto_session(member.node.record)
        if own_session is not None:
            self._sessions.set_session(trace_id, own_session)
            return own_session
        if trace_session is None and not member.has_ended:
            # The first span that ends may name the session; a trace's first session name is final.
            return None
        return self._sessions.resolve_session(trace_id, trace_session)

    def _build_span_events(self, member: _BatchSpan, session: str) -> Iterator[Event]:
        node, record = member.node, member.node.record
        events = [
            spans_to_events.add_process(event, self._process_name, self._host)
            for event in spans_to_events.translate_span(record, session, has_ended=member.has_ended)
        ]
        if member.has_ended:
            yield from (
                event for event in events if not (node.start_written and event.kind in spans_to_events.STARTS)
            )
        elif not node.start_written:
            node.start_written = True
            yield from events


def _drop_oldest(entries: OrderedDict[str, Any]) -> None:
    while len(entries) > OPEN_LIMIT:
        entries.popitem(last=False)


def _encode_events(events: Iterable[Event], collection: Collection) -> Iterator[bytes]:
    for event in events:
        kept = collection.keep_event(event)
        if kept is None:
            continue
        try:
            yield journal.encode_event(redact_event(kept))
        except ValueError:
            # A name with invalid characters loses its event only, not the others.
            _log.debug("an event could not be written", exc_info=True)
