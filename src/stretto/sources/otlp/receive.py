"""Receive an OTLP/HTTP request: turn it into journal records and the response to the client.

The caller appends the records before it sends the response, since an exporter discards acknowledged data.
Spans that are not about agents are counted and ignored. They are not rejected, so the client sees no error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from stretto.clock import AHEAD, SECOND
from stretto.model.event import MOVABLE_ID, Channel, Event, Kind
from stretto.model.span_tree import SpanRole
from stretto.sources.otlp import (
    claude_code,
    codex,
    conventions,
    evaluations,
    gemini_agent_logs,
    genai,
    python_api,
)
from stretto.sources.otlp.claude_code_values import CallWork
from stretto.sources.otlp.decode import JSON, Limits, RefusedError, Signal, decode_request, require_media_type
from stretto.sources.otlp.pending_permission_waits import UnansweredWaits
from stretto.sources.otlp.plain_records import LogRecord, Span
from stretto.sources.otlp.remembered_trace_sessions import TraceSessions
from stretto.sources.otlp.span_selection import SpanLinks
from stretto.sources.otlp.unread import UnreadItems

__all__ = ["Limits", "OtlpTranslator", "RefusedError", "RequestResult", "Signal", "make_refusal"]

EARLIEST = 946_684_800 * SECOND
"""2000-01-01. A sender of earlier times uses another unit than nanoseconds."""

TRACE_NOTE = "trace"
"""Attribute that notes a trace's id on an event of its session, so that a restart can link the two again."""
_MOVABLE_ID = MOVABLE_ID.pattern.encode()
TRACE_NOTE_PATTERN = re.compile(rb'"(?:session|trace)":"(?:' + _MOVABLE_ID + rb')"')
"""Matches the journal's line of every event that ``recall_sessions`` needs."""

_WANTED = (
    frozenset({"service.name"})
    | claude_code.ATTRIBUTES
    | codex.ATTRIBUTES
    | gemini_agent_logs.ATTRIBUTES
    | conventions.ATTRIBUTES
)
_IMPLAUSIBLE_TIME = "a span or log record with an implausible time"

Item = TypeVar("Item", Span, LogRecord)


@dataclass(frozen=True, slots=True)
class RequestResult:
    """The records and counts of a request, and the response to its client."""

    records: bytes
    """Journal lines, to be appended before the response is sent; may be empty."""
    events: int
    ignored: int
    """Spans, log records and metrics without an event: not about agents, or without kept facts."""
    rejected: int
    """Spans and log records that the response reports as rejected."""
    error_message: str
    """Reason of the first rejection."""
    response: bytes
    """The body of the response, with status 200."""
    response_content_type: str


@dataclass(slots=True)
class _ResultBuilder:
    """The records and counts of a request while it is processed."""

    encode: Callable[[Event], bytes]
    horizon: int
    records: list[bytes] = field(default_factory=list)
    ignored: int = 0
    rejected: int = 0
    reason: str = ""

    def add_events(self, events: list[Event]) -> None:
        lines = [line for line in map(self.encode, events) if line]
        if not lines:
            self.ignored += 1
        self.records.extend(lines)

    def accept_times(self, *times: int) -> bool:
        """Return whether all times are plausible; if not, count a rejection."""
        if all(EARLIEST <= time <= self.horizon for time in times):
            return True
        self.rejected += 1
        self.reason = self.reason or _IMPLAUSIBLE_TIME
        return False


class OtlpTranslator:
    """Turns requests into journal records. Safe to use from several threads.

    ``encode`` turns an event into a line of the journal; the line is empty if the event is not collected.
    ``dropped`` are roles of spans that are not collected unless they link others. ``work`` finds
    the tests that a call ran and the files that it wrote. The only state between requests is the session of
    each trace, and the spans that wait for a span below them. Sessions are noted on the events, so that
    ``recall_sessions`` can read them after a restart.
    """

    def __init__(
        self,
        encode: Callable[[Event], bytes],
        limits: Limits | None = None,
        *,
        work: CallWork | None = None,
        dropped: frozenset[SpanRole] = frozenset(),
    ) -> None:
        self._encode = encode
        self._is_relevant = partial(genai.is_relevant_span, dropped=dropped)
        self._work = work or CallWork()
        self._limits = limits or Limits()
        self._sessions = TraceSessions()
        self._links = SpanLinks()
        self._waits = UnansweredWaits()
        self.unread = UnreadItems()
        """What was received and gave no event, since the start."""

    def recall_sessions(self, events: Iterable[Event]) -> None:
        """Restore the session and the missing spans of each trace from earlier events, oldest first."""
        seen: set[str] = set()
        for event in events:
            if event.channel is Channel.OTLP:
                # If a whole trace is a session, the session's id is the trace's and there is no note.
                trace_id = event.attributes.get(TRACE_NOTE, event.session)
                if isinstance(trace_id, str) and MOVABLE_ID.fullmatch(trace_id):
                    self._sessions.set_session(trace_id, event.session)
                    if event.kind is Kind.SPAN and event.id is not None:
                        seen.add(event.id)
                        self._links.recall_span(trace_id, event.id, event.parent, seen)

    def receive_request(
        self, signal: Signal, body: bytes, *, content_type: str, content_encoding: str = "", now: int
    ) -> RequestResult:
        """Return the records and the response of a request; ``now`` is nanoseconds since the epoch.

        Raises RefusedError, and nothing else, for a request that is refused as a whole.
        """
        try:
            decoded = decode_request(
                signal,
                body,
                content_type=content_type,
                content_encoding=content_encoding,
                limits=self._limits,
                wanted=_WANTED,
            )
        except MemoryError as error:
            raise RefusedError(413, "the request takes more memory than there is") from error
        result = _ResultBuilder(self._encode, now + AHEAD, ignored=decoded.metrics)
        self._process_spans(decoded.spans, result)
        self._process_logs(decoded.logs, result)
        rejected, reason = decoded.rejected + result.rejected, decoded.reason or result.reason
        return RequestResult(
            records=b"".join(result.records),
            events=len(result.records),
            ignored=result.ignored,
            rejected=rejected,
            error_message=reason,
            response=_make_response(signal, require_media_type(content_type), rejected, reason),
            response_content_type=require_media_type(content_type),
        )

    def _process_spans(self, spans: list[Span], result: _ResultBuilder) -> None:
        client_spans: list[Span] = []
        codex_spans: list[Span] = []
        traces: dict[str, list[Span]] = {}
        for span in spans:
            if claude_code.is_client_span(span):
                if result.accept_times(span.start, span.end):
                    client_spans.append(span)
            elif codex.is_from_client(span):
                if result.accept_times(span.start, span.end):
                    codex_spans.append(span)
            else:
                traces.setdefault(span.trace, []).append(span)
        self._process_client_spans(client_spans, result)
        for span in codex_spans:
            result.add_events(self._translate_codex_item(span, codex.translate_client_span))
        for trace_id, members in traces.items():
            self._process_trace(trace_id, members, result)

    def _process_client_spans(self, spans: list[Span], result: _ResultBuilder) -> None:
        spans = self._waits.complete_spans(spans)
        batch = claude_code.SpanBatch(spans, self._work)
        events_by_trace: dict[str, list[list[Event]]] = {}
        for span in spans:
            events = claude_code.translate_client_span(span, self._get_client_session(span), batch)
            events_by_trace.setdefault(span.trace, []).append(events)
        for trace_id, groups in events_by_trace.items():
            self._note_session(trace_id, groups)
        for groups in events_by_trace.values():
            for events in groups:
                result.add_events(events)

    def _process_trace(self, trace_id: str, spans: list[Span], result: _ResultBuilder) -> None:
        plausible = [span for span in spans if result.accept_times(span.start, span.end)]
        written = self._links.select_spans(trace_id, plausible, self._is_relevant)
        result.ignored += max(0, len({span.id for span in plausible}) - len(written))
        for span in written:
            self.unread.note_read(conventions.get_source(span))
        if not any(genai.is_relevant_span(span) for span in plausible):
            self.unread.count_items(plausible)
        named = genai.find_named_session(plausible)
        if not written and named is None:
            return
        session = self._sessions.resolve_session(trace_id, named)
        for span in written:
            own_session = conventions.get_stretto_session(span)
            if own_session is not None:
                self._sessions.set_session(trace_id, own_session)
            result.add_events(python_api.make_events_of_any_framework_span(span, own_session or session))

    def _process_logs(self, logs: list[LogRecord], result: _ResultBuilder) -> None:
        for log in filter(codex.is_from_client, logs):
            self._note_started_thread(log)
        for log in logs:
            translate = self._find_translator(log)
            if translate is None:
                result.ignored += 1
                self.unread.count_items([log])
            elif result.accept_times(log.time):
                result.add_events(translate(log))

    def _find_translator(self, log: LogRecord) -> Callable[[LogRecord], list[Event]] | None:
        """Return the function that turns a log event into events, or None if nothing reads it."""
        if claude_code.is_client_log(log):
            return self._translate_client_log
        if codex.is_from_client(log):
            return partial(self._translate_codex_item, translate=codex.translate_client_log)
        if gemini_agent_logs.is_agent_log(log):
            return gemini_agent_logs.translate_agent_log
        if gemini_agent_logs.is_hook_log(log):
            return gemini_agent_logs.translate_hook_log
        return self._translate_evaluation if evaluations.is_result(log) else None

    def _translate_client_log(self, log: LogRecord) -> list[Event]:
        session = claude_code.get_session_id(log.attributes)
        return [] if session is None else claude_code.translate_client_log(log, session, self._work)

    def _translate_codex_item(self, item: Item, translate: Callable[[Item, str], list[Event]]) -> list[Event]:
        session = self._get_thread_session(item)
        events = [] if session is None else translate(item, session)
        if events:
            self.unread.note_read(conventions.get_source(item))
        else:
            self.unread.count_items([item])
        return events

    def _translate_evaluation(self, log: LogRecord) -> list[Event]:
        session = self._find_log_session(log)
        return [] if session is None else [*evaluations.read_log_scores(log, session)]

    def _note_started_thread(self, log: LogRecord) -> None:
        started, session = codex.find_started_thread(log), self._get_thread_session(log)
        if started is not None and session is not None and started != session:
            self._sessions.set_session(started, session)

    def _get_thread_session(self, item: Span | LogRecord) -> str | None:
        """Return the session of the Codex thread that a span or log event names, as far as it is known."""
        thread = codex.get_thread_id(item.attributes)
        return None if thread is None else self._sessions.find_session(thread)

    def _find_log_session(self, log: LogRecord) -> str | None:
        ranked_session = conventions.find_ranked_session(log.attributes)
        session = None if ranked_session is None else ranked_session[1]
        return self._sessions.resolve_session(log.trace, session) if log.trace else session

    def _note_session(self, trace_id: str, span_events: list[list[Event]]) -> None:
        """Note the trace's id on a collected event of its session, the last, for ``recall_sessions``."""
        session = self._sessions.resolve_session(trace_id, None)
        if session == trace_id:
            return
        for events in reversed(span_events):
            for number, event in enumerate(events):
                if event.session == session and self._encode(event):
                    events[number] = msgspec.structs.replace(
                        event, attributes={**event.attributes, TRACE_NOTE: trace_id}
                    )
                    return

    def _get_client_session(self, span: Span) -> str:
        session = claude_code.get_session_id(span.attributes)
        if session is None:
            return self._sessions.resolve_session(span.trace, None)
        # Spans of a script that the agent runs are in the same trace, so they get the same session.
        self._sessions.set_session(span.trace, session)
        return session


def make_refusal(error: RefusedError, content_type: str) -> tuple[bytes, str]:
    """Return body and content type of the response to a refused request: a google.rpc.Status without code."""
    message = error.message[:_STATUS_LIMIT].encode("ascii", "replace")
    try:
        media = require_media_type(content_type)
    except RefusedError:
        media = JSON
    if media == JSON:
        return msgspec.json.encode({"message": message.decode()}), media
    return bytes((_STATUS_MESSAGE, len(message))) + message, media


_STATUS_MESSAGE = 0x12
"""Tag of google.rpc.Status.message."""
_STATUS_LIMIT = 127
"""Bytes of a message whose length is one byte."""


def _make_response(signal: Signal, media: str, rejected: int, reason: str) -> bytes:
    if media == JSON:
        if not rejected:
            return b"{}"
        counter = "rejectedSpans" if signal is Signal.TRACES else "rejectedLogRecords"
        # 64-bit numbers are text in protobuf's JSON.
        return msgspec.json.encode({"partialSuccess": {counter: str(rejected), "errorMessage": reason}})
    if not rejected:
        return b""
    if signal is Signal.TRACES:
        spans = ExportTracePartialSuccess(rejected_spans=rejected, error_message=reason)
        return bytes(ExportTraceServiceResponse(partial_success=spans).SerializeToString())
    logs = ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=reason)
    return bytes(ExportLogsServiceResponse(partial_success=logs).SerializeToString())
