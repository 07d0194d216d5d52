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
from stretto.sources.otlp import claude_code, conventions, genai
from stretto.sources.otlp import evaluations as evaluation
from stretto.sources.otlp import python_api as own
from stretto.sources.otlp.decode import JSON, Limits, RefusedError, Signal, decode, media_type
from stretto.sources.otlp.plain_records import Log, Span
from stretto.sources.otlp.trace_sessions import Sessions

__all__ = ["Limits", "Received", "Receiver", "RefusedError", "Signal", "refusal"]

EARLIEST = 946_684_800 * SECOND
"""2000-01-01. An earlier time was sent in another unit than nanoseconds."""

NOTE = "trace"
"""The attribute, on one event of each trace in a request, that names the trace its session was found for."""
NOTED = re.compile(rb'"(?:session|trace)":"[0-9a-f]{32}"')
"""Occurs in the journal's line of every event that ``recall`` learns from."""
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
class _Taking:
    """What comes of a request while it is worked through."""

    encode: Callable[[Event], bytes]
    horizon: int
    records: list[bytes] = field(default_factory=list)
    ignored: int = 0
    rejected: int = 0
    reason: str = ""

    def take(self, events: list[Event]) -> None:
        if not events:
            self.ignored += 1
        self.records.extend(map(self.encode, events))

    def timely(self, *times: int) -> bool:
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
    down with the events, so that ``recall`` can read it back after a restart.
    """

    def __init__(
        self, encode: Callable[[Event], bytes], limits: Limits | None = None, *, key: bytes = b""
    ) -> None:
        self._encode = encode
        self._key = key
        self._limits = limits or Limits()
        self._sessions = Sessions()

    def recall(self, events: Iterable[Event]) -> None:
        """Take up which session each trace belongs to from events that were received before, oldest first."""
        for event in events:
            if event.channel is Channel.OTLP:
                # A session that a trace is by itself bears the trace's id, and needs no note.
                trace_id = event.attributes.get(NOTE, event.session)
                if isinstance(trace_id, str) and _TRACE_ID.fullmatch(trace_id):
                    self._sessions.learn(trace_id, event.session)

    def receive(
        self, signal: Signal, body: bytes, *, content_type: str, content_encoding: str = "", now: int
    ) -> Received:
        """Return what the body of one request gives; ``now`` is nanoseconds since the epoch.

        Raises RefusedError, and nothing else, for a request that cannot be taken at all.
        """
        try:
            decoded = decode(
                signal,
                body,
                content_type=content_type,
                content_encoding=content_encoding,
                limits=self._limits,
                wanted=_WANTED,
            )
        except MemoryError as error:
            raise RefusedError(413, "the request takes more memory than there is") from error
        taking = _Taking(self._encode, now + AHEAD, ignored=decoded.metrics)
        self._take_spans(decoded.spans, taking)
        self._take_logs(decoded.logs, taking)
        rejected, reason = decoded.rejected + taking.rejected, decoded.reason or taking.reason
        return Received(
            records=b"".join(taking.records),
            events=len(taking.records),
            ignored=taking.ignored,
            rejected=rejected,
            error_message=reason,
            response=_response(signal, media_type(content_type), rejected, reason),
            response_content_type=media_type(content_type),
        )

    def _take_spans(self, spans: list[Span], taking: _Taking) -> None:
        theirs: list[Span] = []
        traces: dict[str, list[Span]] = {}
        for span in spans:
            if not claude_code.wrote_span(span):
                traces.setdefault(span.trace, []).append(span)
            elif taking.timely(span.start, span.end):
                theirs.append(span)
        self._take_claude(theirs, taking)
        for trace_id, members in traces.items():
            self._take_trace(trace_id, genai.Trace(members), len(members), taking)

    def _take_claude(self, spans: list[Span], taking: _Taking) -> None:
        batch = claude_code.Batch(spans, self._key)
        told: dict[str, list[list[Event]]] = {}
        for span in spans:
            events = claude_code.span_events(span, self._claude_session(span), batch)
            told.setdefault(span.trace, []).append(events)
        for trace_id, groups in told.items():
            self._note(trace_id, groups)
        for groups in told.values():
            for events in groups:
                taking.take(events)

    def _take_trace(self, trace_id: str, trace: genai.Trace, size: int, taking: _Taking) -> None:
        if not trace.is_ours:
            taking.ignored += size
            return
        session, source = self._sessions.of(trace_id, trace.session()), trace.source
        told: list[list[Event]] = []
        for span, place in trace.spans():
            if span.parent and not trace.tells(span, place):
                taking.ignored += 1
            elif taking.timely(span.start, span.end):
                said = conventions.own_session(span)
                if said is not None:
                    self._sessions.learn(trace_id, said)
                told.append(own.events(span, place, said or session, trace.started, source))
        self._note(trace_id, told)
        for events in told:
            taking.take(events)

    def _take_logs(self, logs: list[Log], taking: _Taking) -> None:
        for log in logs:
            if claude_code.wrote_log(log):
                if taking.timely(log.time):
                    said = claude_code.session_id(log.attributes)
                    taking.take([] if said is None else claude_code.log_events(log, said, self._key))
            elif not evaluation.is_result(log):
                taking.ignored += 1
            elif taking.timely(log.time):
                session = self._log_session(log)
                taking.take([] if session is None else [*evaluation.log_scores(log, session)])

    def _log_session(self, log: Log) -> str | None:
        word = conventions.session(log.attributes)
        said = None if word is None else word[1]
        return self._sessions.of(log.trace, said) if log.trace else said

    def _note(self, trace_id: str, told: list[list[Event]]) -> None:
        """Write down with one of a trace's events which session the trace belongs to, for ``recall``."""
        session = self._sessions.of(trace_id, None)
        if session == trace_id:
            return
        for events in reversed(told):
            for number, event in enumerate(events):
                if event.session == session:
                    events[number] = replace(event, attributes={**event.attributes, NOTE: trace_id})
                    return

    def _claude_session(self, span: Span) -> str:
        said = claude_code.session_id(span.attributes)
        if said is None:
            return self._sessions.of(span.trace, None)
        # A script that the agent runs joins its trace, and so its session.
        self._sessions.learn(span.trace, said)
        return said


def refusal(error: RefusedError, content_type: str) -> tuple[bytes, str]:
    """Return body and content type of the answer to a refused request: a google.rpc.Status, code left out."""
    message = error.message[:_STATUS_LIMIT].encode("ascii", "replace")
    try:
        media = media_type(content_type)
    except RefusedError:
        media = JSON
    if media == JSON:
        return msgspec.json.encode({"message": message.decode()}), media
    return bytes((_STATUS_MESSAGE, len(message))) + message, media


_STATUS_MESSAGE = 0x12
"""Tag of google.rpc.Status.message."""
_STATUS_LIMIT = 127
"""Bytes of a message whose length is one byte."""


def _response(signal: Signal, media: str, rejected: int, reason: str) -> bytes:
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
