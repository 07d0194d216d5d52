"""Receive: one OTLP/HTTP request → journal records and the answer to the client.

The caller appends the records before it answers with what is returned: an exporter forgets what was
acknowledged. Spans that are none of ours are counted and left; that is no fault, so the client hears nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

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
from stretto.model.event import Channel, Event
from stretto.sources.otlp import claude_code, conventions, evaluations, genai, python_api
from stretto.sources.otlp.decode import JSON, Limits, RefusedError, Signal, decode_request, parse_media_type
from stretto.sources.otlp.plain_records import LogRecord, Span
from stretto.sources.otlp.trace_sessions import TraceSessions

__all__ = ["Limits", "Received", "Receiver", "RefusedError", "Signal", "make_refusal"]

EARLIEST = 946_684_800 * SECOND
"""2000-01-01. An earlier time was sent in another unit than nanoseconds."""

TRACE_NOTE = "trace"
"""The attribute, on one event of each trace in a request, that names the trace its session was found for."""
TRACE_NOTE_PATTERN = re.compile(rb'"(?:session|trace)":"[0-9a-f]{32}"')
"""Occurs in the journal's line of every event that ``recall_sessions`` learns from."""
_TRACE_ID = re.compile(r"[0-9a-f]{32}")

_WANTED = frozenset({"service.name"}) | claude_code.ATTRIBUTES | conventions.ATTRIBUTES
_UNTIMED = "without a start and an end that can be"


@dataclass(frozen=True, slots=True)
class Received:
    """What a request gave."""

    records: bytes
    """To be appended to the journal before the answer goes out; may be empty."""
    events: int
    ignored: int
    """Spans, log records and metrics that gave no event: none of ours, or nothing in them is kept."""
    rejected: int
    """Spans and log records that are told to the client as rejected."""
    error_message: str
    """Why the first of the rejected ones was."""
    response: bytes
    """The body of the answer, with status 200."""
    response_content_type: str


@dataclass(slots=True)
class _RequestResult:
    """What comes of a request while it is worked through."""

    encode: Callable[[Event], bytes]
    horizon: int
    records: list[bytes] = field(default_factory=list)
    ignored: int = 0
    rejected: int = 0
    reason: str = ""

    def add_events(self, events: list[Event]) -> None:
        if not events:
            self.ignored += 1
        self.records.extend(map(self.encode, events))

    def check_times(self, *times: int) -> bool:
        """Tell whether times can be; count one more rejected where they cannot."""
        if all(EARLIEST <= time <= self.horizon for time in times):
            return True
        self.rejected += 1
        self.reason = self.reason or _UNTIMED
        return False


class Receiver:
    """Turns requests into journal records. Safe to use from several threads.

    ``encode`` writes an event as the journal wants it; ``key`` is the installation's secret for hashes of
    what calls wrote. The one thing kept between requests is which session a trace belongs to; it is written
    down with the events, so that ``recall_sessions`` can read it back after a restart.
    """

    def __init__(
        self, encode: Callable[[Event], bytes], limits: Limits | None = None, *, key: bytes = b""
    ) -> None:
        self._encode = encode
        self._key = key
        self._limits = limits or Limits()
        self._sessions = TraceSessions()

    def recall_sessions(self, events: Iterable[Event]) -> None:
        """Take up which session each trace belongs to from events that were received before, oldest first."""
        for event in events:
            if event.channel is Channel.OTLP:
                # A session that a trace is by itself bears the trace's id, and needs no note.
                trace_id = event.attributes.get(TRACE_NOTE, event.session)
                if isinstance(trace_id, str) and _TRACE_ID.fullmatch(trace_id):
                    self._sessions.set_session(trace_id, event.session)

    def receive_request(
        self, signal: Signal, body: bytes, *, content_type: str, content_encoding: str = "", now: int
    ) -> Received:
        """Return what the body of one request gives; ``now`` is nanoseconds since the epoch.

        Raises RefusedError, and nothing else, for a request that cannot be taken at all.
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
        result = _RequestResult(self._encode, now + AHEAD, ignored=decoded.metrics)
        self._process_spans(decoded.spans, result)
        self._process_logs(decoded.logs, result)
        rejected, reason = decoded.rejected + result.rejected, decoded.reason or result.reason
        return Received(
            records=b"".join(result.records),
            events=len(result.records),
            ignored=result.ignored,
            rejected=rejected,
            error_message=reason,
            response=_make_response(signal, parse_media_type(content_type), rejected, reason),
            response_content_type=parse_media_type(content_type),
        )

    def _process_spans(self, spans: list[Span], result: _RequestResult) -> None:
        theirs: list[Span] = []
        traces: dict[str, list[Span]] = {}
        for span in spans:
            if not claude_code.is_client_span(span):
                traces.setdefault(span.trace, []).append(span)
            elif result.check_times(span.start, span.end):
                theirs.append(span)
        self._process_claude(theirs, result)
        for trace_id, members in traces.items():
            self._process_trace(trace_id, genai.Trace(members), len(members), result)

    def _process_claude(self, spans: list[Span], result: _RequestResult) -> None:
        batch = claude_code.SpanBatch(spans, self._key)
        told: dict[str, list[list[Event]]] = {}
        for span in spans:
            events = claude_code.translate_span(span, self._get_client_session(span), batch)
            told.setdefault(span.trace, []).append(events)
        for trace_id, groups in told.items():
            self._note_session(trace_id, groups)
        for groups in told.values():
            for events in groups:
                result.add_events(events)

    def _process_trace(self, trace_id: str, trace: genai.Trace, size: int, result: _RequestResult) -> None:
        if not trace.is_ours:
            result.ignored += size
            return
        session, source = self._sessions.resolve_session(trace_id, trace.find_session()), trace.source
        told: list[list[Event]] = []
        for span, place in trace.iterate_spans():
            if span.parent and not trace.is_relevant(span, place):
                result.ignored += 1
            elif result.check_times(span.start, span.end):
                said = conventions.get_stretto_session(span)
                if said is not None:
                    self._sessions.set_session(trace_id, said)
                told.append(python_api.make_span_events(span, place, said or session, trace.started, source))
        self._note_session(trace_id, told)
        for events in told:
            result.add_events(events)

    def _process_logs(self, logs: list[LogRecord], result: _RequestResult) -> None:
        for log in logs:
            if claude_code.is_client_log(log):
                if result.check_times(log.time):
                    said = claude_code.get_session_id(log.attributes)
                    result.add_events([] if said is None else claude_code.translate_log(log, said, self._key))
            elif not evaluations.is_result(log):
                result.ignored += 1
            elif result.check_times(log.time):
                session = self._find_log_session(log)
                result.add_events([] if session is None else [*evaluations.read_log_scores(log, session)])

    def _find_log_session(self, log: LogRecord) -> str | None:
        word = conventions.find_session(log.attributes)
        said = None if word is None else word[1]
        return self._sessions.resolve_session(log.trace, said) if log.trace else said

    def _note_session(self, trace_id: str, told: list[list[Event]]) -> None:
        """Write down with one of a trace's events which session the trace belongs to, for ``recall_sessions``."""
        session = self._sessions.resolve_session(trace_id, None)
        if session == trace_id:
            return
        for events in reversed(told):
            for number, event in enumerate(events):
                if event.session == session:
                    events[number] = replace(event, attributes={**event.attributes, TRACE_NOTE: trace_id})
                    return

    def _get_client_session(self, span: Span) -> str:
        said = claude_code.get_session_id(span.attributes)
        if said is None:
            return self._sessions.resolve_session(span.trace, None)
        # A script that the agent runs joins its trace, and so its session.
        self._sessions.set_session(span.trace, said)
        return said


def make_refusal(error: RefusedError, content_type: str) -> tuple[bytes, str]:
    """Return body and content type of the answer to a refused request: a google.rpc.Status, code left out."""
    message = error.message[:_STATUS_LIMIT].encode("ascii", "replace")
    try:
        media = parse_media_type(content_type)
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
