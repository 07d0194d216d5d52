"""Protobuf bodies → records, one span at a time.

The outer messages are walked here and only spans, log records and resources are handed to the protobuf
library, each by itself: one that cannot be read costs none of its neighbours, and no more than one at a
time is held as objects, which may be fifty times the size of its bytes. Field numbers:
github.com/open-telemetry/opentelemetry-proto, opentelemetry/proto/{trace,logs,metrics}/v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from stretto.names import EVALUATION
from stretto.sources.otlp.plain_records import (
    MOST_SPAN_EVENTS,
    DecodedRequest,
    LogRecord,
    MalformedError,
    Scalar,
    ScopeContext,
    Span,
    SpanEvent,
    TooManyError,
)

_GROUPS = 1
"""ExportTraceServiceRequest.resource_spans, and likewise for logs and metrics."""
_RESOURCE, _SCOPES = 1, 2
"""ResourceSpans.resource and .scope_spans."""
_SCOPE, _ITEMS = 1, 2
"""ScopeSpans.scope and .spans."""
_FIELDS_PER_ITEM = 4
"""Most fields of the outer messages for each item that is allowed: empty ones take time too."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_SCALARS = frozenset({"string_value", "bool_value", "int_value", "double_value"})

_Shared = TypeVar("_Shared", Resource, InstrumentationScope)


def decode_request(
    signal: str, body: bytes, wanted: frozenset[str], *, items: int, item: int
) -> DecodedRequest:
    """Return the records in an export request of a signal; metrics are only counted.

    Raises MalformedError where the outer messages cannot be read, TooManyError beyond ``items``.
    """
    return _RequestReader(signal, body, wanted, items=items, item=item).decode_all()


class _RequestReader:
    """One request on its way to records."""

    def __init__(self, signal: str, body: bytes, wanted: frozenset[str], *, items: int, item: int) -> None:
        self._signal = signal
        self._body = body
        self._wanted = wanted
        self._items = items
        self._item = item
        self._fields_left = items * _FIELDS_PER_ITEM
        self._decoded = DecodedRequest([], [])

    def decode_all(self) -> DecodedRequest:
        """Read all of it."""
        for _, start, stop in self._iterate_fields(0, len(self._body), _GROUPS):
            parts = list(self._iterate_fields(start, stop, _RESOURCE, _SCOPES))
            shared = ScopeContext("", "", {})
            for number, at, end in parts:
                if number == _RESOURCE:
                    shared = self._decode_resource(at, end)
            for number, at, end in parts:
                if number == _SCOPES:
                    self._decode_scope(at, end, shared)
        return self._decoded

    def _decode_scope(self, start: int, stop: int, home: ScopeContext) -> None:
        parts = list(self._iterate_fields(start, stop, _SCOPE, _ITEMS))
        for number, at, end in parts:
            if number == _SCOPE:
                home = home._replace(
                    scope=_parse_message(InstrumentationScope, self._get_shared_part(at, end)).name
                )
        for number, at, end in parts:
            if number == _ITEMS:
                self._items -= 1
                if self._items < 0:
                    raise TooManyError
                self._decode_item(at, end, home)

    def _decode_item(self, at: int, end: int, home: ScopeContext) -> None:
        decoded = self._decoded
        if self._signal == "metrics":
            decoded.metrics += 1
            return
        if end - at > self._item:
            decoded.count_rejected(f"larger than {self._item} bytes")
            return
        try:
            if self._signal == "traces":
                span = _make_span(SpanMessage.FromString(self._body[at:end]), home, self._wanted)
                if span is None:
                    decoded.count_rejected("a span without trace id or span id")
                else:
                    decoded.spans.append(span)
            else:
                log = LogMessage.FromString(self._body[at:end])
                decoded.logs.append(_make_log(log, home, self._wanted))
        except DecodeError:
            decoded.count_rejected("no protobuf message")

    def _decode_resource(self, at: int, end: int) -> ScopeContext:
        resource = _parse_message(Resource, self._get_shared_part(at, end))
        found = _read_attributes(resource.attributes, self._wanted, {})
        return ScopeContext("", str(found.pop("service.name", "")), found)

    def _get_shared_part(self, at: int, end: int) -> bytes:
        if end - at > self._item:
            raise MalformedError(f"a resource or scope is larger than {self._item} bytes")
        return self._body[at:end]

    def _iterate_fields(self, at: int, end: int, *wanted: int) -> Iterator[tuple[int, int, int]]:
        """Yield number, begin and end of the messages in some fields of one (protobuf.dev, "Encoding")."""
        body = self._body
        while at < end:
            self._fields_left -= 1
            if self._fields_left < 0:
                raise TooManyError
            tag, at = _read_varint(body, at, end)
            kind = tag & 7
            if kind == _BYTES:
                length, at = _read_varint(body, at, end)
                if at + length > end:
                    raise MalformedError("it is cut short")
                if tag >> 3 in wanted:
                    yield tag >> 3, at, at + length
                at += length
            elif kind == _VARINT:
                _, at = _read_varint(body, at, end)
            elif kind in (_FIXED64, _FIXED32):
                at += 8 if kind == _FIXED64 else 4
                if at > end:
                    raise MalformedError("it is cut short")
            else:
                raise MalformedError(f"wire type {kind} does not occur in OTLP")


def _parse_message(kind: type[_Shared], part: bytes) -> _Shared:
    try:
        return kind.FromString(part)
    except DecodeError as error:
        raise MalformedError(f"a {kind.__name__} cannot be read") from error


def _make_span(message: SpanMessage, home: ScopeContext, wanted: frozenset[str]) -> Span | None:
    trace, own, parent = message.trace_id, message.span_id, message.parent_span_id
    if len(trace) != _TRACE_BYTES or len(own) != _SPAN_BYTES or not any(trace) or not any(own):
        return None
    return Span(
        trace=trace.hex(),
        id=own.hex(),
        parent=parent.hex() if len(parent) == _SPAN_BYTES and any(parent) else "",
        name=message.name,
        start=message.start_time_unix_nano,
        end=message.end_time_unix_nano,
        failed=message.status.code == Status.STATUS_CODE_ERROR,
        attributes=_read_attributes(message.attributes, wanted, home.attributes),
        scope=home.scope,
        service=home.service,
        judgements=_read_judgements(message, wanted) if message.events else (),
    )


def _read_judgements(message: SpanMessage, wanted: frozenset[str]) -> tuple[SpanEvent, ...]:
    judging = (event for event in message.events if event.name == EVALUATION)
    return tuple(
        SpanEvent(event.time_unix_nano, _read_attributes(event.attributes, wanted, {}))
        for event in islice(judging, MOST_SPAN_EVENTS)
    )


def _make_log(message: LogMessage, home: ScopeContext, wanted: frozenset[str]) -> LogRecord:
    attributes = _read_attributes(message.attributes, wanted, home.attributes)
    return LogRecord(
        time=message.time_unix_nano or message.observed_time_unix_nano,
        trace=message.trace_id.hex(),
        span=message.span_id.hex(),
        name=message.event_name or str(attributes.get("event.name", "")),
        attributes=attributes,
        scope=home.scope,
        service=home.service,
    )


def _read_attributes(
    pairs: Iterable[KeyValue], wanted: frozenset[str], shared: dict[str, Scalar]
) -> dict[str, Scalar]:
    found = shared.copy()
    for pair in pairs:
        key = pair.key
        if key in wanted:
            value = pair.value
            kind = value.WhichOneof("value")
            if kind in _SCALARS:
                found[key] = getattr(value, kind)
    return found


def _read_varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004  # the bit that says "more follows"
            return value, at
        shift += 7
        if shift > 63:  # noqa: PLR2004  # ten bytes hold any number there is
            raise MalformedError("a number is too long")
    raise MalformedError("it is cut short")
