"""Decode OTLP bodies in protobuf into plain records, item by item.

The outer messages are walked here. Only spans, log records, resources and scopes are decoded by the protobuf
library, each alone. So an unreadable item costs no other item, and only a single item at a time is held as
objects, which may take fifty times its bytes. Field numbers: github.com/open-telemetry/opentelemetry-proto,
opentelemetry/proto/{trace,logs,metrics}/v1.
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

from stretto.names import EVALUATION, LABEL_PREFIX
from stretto.sources.otlp.plain_records import (
    JOINED_TRACE_LIMIT,
    MESSAGE_RUNTIMES,
    SPAN_JUDGEMENT_LIMIT,
    DecodedRequest,
    Encoding,
    LogRecord,
    MalformedBodyError,
    Scalar,
    ScopeContext,
    Span,
    SpanEvent,
    TooManyItemsError,
)

_GROUPS = 1
"""ExportTraceServiceRequest.resource_spans, and likewise for logs and metrics."""
_RESOURCE, _SCOPES = 1, 2
"""ResourceSpans.resource and .scope_spans."""
_SCOPE, _ITEMS = 1, 2
"""ScopeSpans.scope and .spans."""
_FIELDS_PER_ITEM = 4
"""Limit of the outer messages' fields per allowed item, since empty fields take time too."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_SCALARS = frozenset({"string_value", "bool_value", "int_value", "double_value"})

_Shared = TypeVar("_Shared", Resource, InstrumentationScope)


def decode_protobuf(
    signal: str, body: bytes, wanted: frozenset[str], *, items: int, item_bytes: int
) -> DecodedRequest:
    """Return the records in an export request of a signal; metrics are only counted.

    ``items`` limits the number of items, ``item_bytes`` the size of each. Raises MalformedBodyError if the
    outer messages cannot be decoded, TooManyItemsError beyond ``items``.
    """
    return _RequestReader(signal, body, wanted, items=items, item_bytes=item_bytes).decode_all()


class _RequestReader:
    """Reads the records of a request. A part of its body is given by its start and end byte offset."""

    def __init__(
        self, signal: str, body: bytes, wanted: frozenset[str], *, items: int, item_bytes: int
    ) -> None:
        self._signal = signal
        self._body = body
        self._wanted = wanted
        self._items_left = items
        self._item_bytes = item_bytes
        self._fields_left = items * _FIELDS_PER_ITEM
        self._decoded = DecodedRequest([], [])

    def decode_all(self) -> DecodedRequest:
        """Return the records of the whole body."""
        for _, group_offset, group_end in self._iterate_fields(0, len(self._body), _GROUPS):
            parts = list(self._iterate_fields(group_offset, group_end, _RESOURCE, _SCOPES))
            resource_context = ScopeContext("", "", {})
            for number, offset, end in parts:
                if number == _RESOURCE:
                    resource_context = self._decode_resource(offset, end)
            for number, offset, end in parts:
                if number == _SCOPES:
                    self._decode_scope(offset, end, resource_context)
        return self._decoded

    def _decode_scope(self, scope_offset: int, scope_end: int, context: ScopeContext) -> None:
        parts = list(self._iterate_fields(scope_offset, scope_end, _SCOPE, _ITEMS))
        for number, offset, end in parts:
            if number == _SCOPE:
                context = context._replace(
                    scope=_parse_message(InstrumentationScope, self._get_shared_part(offset, end)).name
                )
        self._decode_items([part for part in parts if part[0] == _ITEMS], context)

    def _decode_items(self, parts: list[tuple[int, int, int]], context: ScopeContext) -> None:
        decoded = self._decoded
        for _, offset, end in parts:
            self._items_left -= 1
            if self._items_left < 0:
                raise TooManyItemsError
            if self._signal == "metrics":
                decoded.metrics += 1
            elif end - offset > self._item_bytes:
                decoded.count_rejected(f"larger than {self._item_bytes} bytes")
            else:
                decoded.add_item(self._signal, self._body[offset:end], _ENCODING, context, self._wanted)

    def _decode_resource(self, offset: int, end: int) -> ScopeContext:
        resource = _parse_message(Resource, self._get_shared_part(offset, end))
        return ScopeContext.from_resource(_read_attributes(resource.attributes, self._wanted, {}))

    def _get_shared_part(self, offset: int, end: int) -> bytes:
        if end - offset > self._item_bytes:
            raise MalformedBodyError(f"a resource or scope is larger than {self._item_bytes} bytes")
        return self._body[offset:end]

    def _iterate_fields(self, offset: int, end: int, *wanted: int) -> Iterator[tuple[int, int, int]]:
        """Yield field number, start and end offset of a message's wanted fields that hold messages.

        Encoding: protobuf.dev, "Encoding". Example: the bytes 0a 02 10 01 at offset 0 are field 1 with two
        bytes of content, and give (1, 2, 4).
        """
        body = self._body
        while offset < end:
            self._fields_left -= 1
            if self._fields_left < 0:
                raise TooManyItemsError
            tag, offset = _read_varint(body, offset, end)
            wire_type = tag & 7
            if wire_type == _BYTES:
                length, offset = _read_varint(body, offset, end)
                if offset + length > end:
                    raise MalformedBodyError("the data is cut short")
                if tag >> 3 in wanted:
                    yield tag >> 3, offset, offset + length
                offset += length
            elif wire_type == _VARINT:
                _, offset = _read_varint(body, offset, end)
            elif wire_type in (_FIXED64, _FIXED32):
                offset += 8 if wire_type == _FIXED64 else 4
                if offset > end:
                    raise MalformedBodyError("the data is cut short")
            else:
                raise MalformedBodyError(f"wire type {wire_type} does not occur in OTLP")


def _parse_message(kind: type[_Shared], part: bytes) -> _Shared:
    try:
        return kind.FromString(part)
    except DecodeError as error:
        raise MalformedBodyError(f"a {kind.__name__} cannot be read") from error


def _make_span(data: bytes, context: ScopeContext, wanted: frozenset[str]) -> Span | None:
    message = SpanMessage.FromString(data)
    trace_id, span_id, parent = message.trace_id, message.span_id, message.parent_span_id
    if len(trace_id) != _TRACE_BYTES or len(span_id) != _SPAN_BYTES or not any(trace_id) or not any(span_id):
        return None
    return Span(
        trace=trace_id.hex(),
        id=span_id.hex(),
        parent=parent.hex() if len(parent) == _SPAN_BYTES and any(parent) else "",
        name=message.name,
        start=message.start_time_unix_nano,
        end=message.end_time_unix_nano,
        failed=message.status.code == Status.STATUS_CODE_ERROR,
        attributes=_read_attributes(message.attributes, wanted, context.attributes),
        scope=context.scope,
        service=context.service,
        joined_traces=_read_links(message) if context.scope.startswith(MESSAGE_RUNTIMES) else (),
        judgements=_read_judgements(message, wanted) if message.events else (),
    )


def _read_links(message: SpanMessage) -> tuple[str, ...]:
    """Return the other traces that a span is linked with."""
    traces = dict.fromkeys(
        link.trace_id.hex()
        for link in islice(message.links, JOINED_TRACE_LIMIT)
        if len(link.trace_id) == _TRACE_BYTES and any(link.trace_id) and link.trace_id != message.trace_id
    )
    return tuple(traces)


def _read_judgements(message: SpanMessage, wanted: frozenset[str]) -> tuple[SpanEvent, ...]:
    judgements = (event for event in message.events if event.name == EVALUATION)
    return tuple(
        SpanEvent(event.time_unix_nano, _read_attributes(event.attributes, wanted, {}))
        for event in islice(judgements, SPAN_JUDGEMENT_LIMIT)
    )


def _make_log(data: bytes, context: ScopeContext, wanted: frozenset[str]) -> LogRecord:
    message = LogMessage.FromString(data)
    attributes = _read_attributes(message.attributes, wanted, context.attributes)
    return LogRecord(
        time=message.time_unix_nano or message.observed_time_unix_nano,
        trace=message.trace_id.hex(),
        span=message.span_id.hex(),
        name=message.event_name or str(attributes.get("event.name", "")),
        attributes=attributes,
        scope=context.scope,
        service=context.service,
    )


def _read_attributes(
    pairs: Iterable[KeyValue], wanted: frozenset[str], inherited: dict[str, Scalar]
) -> dict[str, Scalar]:
    attributes = inherited.copy()
    for pair in pairs:
        key = pair.key
        if key in wanted or key.startswith(LABEL_PREFIX):
            value = pair.value
            kind = value.WhichOneof("value")
            if kind in _SCALARS:
                attributes[key] = getattr(value, kind)
    return attributes


_ENCODING = Encoding(_make_span, _make_log, (DecodeError,))


def _read_varint(body: bytes, offset: int, end: int) -> tuple[int, int]:
    # Seven bits a byte, lowest first. Example: ac 02 is 0x2c + (2 << 7) = 300, and ends two bytes further.
    value = shift = 0
    while offset < end:
        byte = body[offset]
        offset += 1
        value |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004  # the highest bit means that more bytes follow
            return value, offset
        shift += 7
        if shift > 63:  # noqa: PLR2004  # ten bytes hold any 64-bit number
            raise MalformedBodyError("a number is too long")
    raise MalformedBodyError("the data is cut short")
