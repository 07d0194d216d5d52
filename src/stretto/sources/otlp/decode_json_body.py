"""Decode OTLP bodies in JSON into plain records, item by item.

The encoding is protobuf's JSON mapping with the exceptions of OTLP (docs/specification.md, "JSON Protobuf
Encoding"): ids are hexadecimal, 64-bit numbers may be text, names are camelCase. Names in snake_case, which
some senders write, are accepted too. An unreadable span is rejected alone; the others are kept.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec

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

_ERROR = (2, "2", "STATUS_CODE_ERROR")
_HEX = frozenset(string.hexdigits)
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
_LONE_SURROGATE = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""Half of a surrogate pair, left where JavaScript cut a text. The group matches what only looks like it."""
_REPAIRS = 200_000
"""Limit of repaired halves in a body, since each takes memory until all are replaced."""
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, OverflowError)


class _AnyValue(msgspec.Struct, rename="camel", gc=False):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | None = None
    double_value: float | None = None

    def to_scalar(self) -> Scalar | None:
        if self.string_value is not None:
            return self.string_value
        if self.bool_value is not None:
            return self.bool_value
        return self.double_value if self.int_value is None else self.int_value


class _KeyValue(msgspec.Struct, gc=False):
    key: str = ""
    value: _AnyValue | None = None


class _Status(msgspec.Struct, gc=False):
    code: int | str = 0


class _EventMessage(msgspec.Struct, rename="camel", gc=False):
    time_unix_nano: int = 0
    name: str = ""
    attributes: list[_KeyValue] | None = None


class _LinkMessage(msgspec.Struct, rename="camel", gc=False):
    trace_id: str = ""


class _SpanMessage(msgspec.Struct, rename="camel", gc=False):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    name: str = ""
    start_time_unix_nano: int = 0
    end_time_unix_nano: int = 0
    attributes: list[_KeyValue] | None = None
    # Few spans have an evaluation event, so the events are decoded only if its name occurs in them.
    events: msgspec.Raw = msgspec.Raw(b"")
    links: msgspec.Raw = msgspec.Raw(b"")
    status: _Status | None = None


class _LogMessage(msgspec.Struct, rename="camel", gc=False):
    time_unix_nano: int = 0
    observed_time_unix_nano: int = 0
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None
    attributes: list[_KeyValue] | None = None


class _Resource(msgspec.Struct, gc=False):
    attributes: list[_KeyValue] | None = None


class _Scope(msgspec.Struct, gc=False):
    name: str | None = None


class _ScopeItems(msgspec.Struct, rename="camel", gc=False):
    """ScopeSpans, ScopeLogs or ScopeMetrics; only the items of the request's signal are present."""

    scope: _Scope | None = None
    spans: list[msgspec.Raw] | None = None
    log_records: list[msgspec.Raw] | None = None
    metrics: list[msgspec.Raw] | None = None


class _ResourceItems(msgspec.Struct, rename="camel", gc=False):
    resource: _Resource | None = None
    scope_spans: list[_ScopeItems] | None = None
    scope_logs: list[_ScopeItems] | None = None
    scope_metrics: list[_ScopeItems] | None = None


class _Request(msgspec.Struct, rename="camel", gc=False):
    resource_spans: list[_ResourceItems] | None = None
    resource_logs: list[_ResourceItems] | None = None
    resource_metrics: list[_ResourceItems] | None = None


# Not strict: 64-bit numbers may be text.
_request = msgspec.json.Decoder(_Request, strict=False)
_span_decoder = msgspec.json.Decoder(_SpanMessage, strict=False)
_log_decoder = msgspec.json.Decoder(_LogMessage, strict=False)
_events_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_links_decoder = msgspec.json.Decoder(list[_LinkMessage], strict=False)
_event_decoder = msgspec.json.Decoder(_EventMessage, strict=False)
_EVALUATION = EVALUATION.encode()

_SNAKE = {
    snake: camel
    for struct in (_Request, _ResourceItems, _ScopeItems, _SpanMessage, _LogMessage, _AnyValue)
    for snake, camel in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    if snake != camel
}


def decode_json(
    signal: str, body: bytes, wanted: frozenset[str], *, items: int, item_bytes: int
) -> DecodedRequest:
    """Return the records in an export request of a signal; metrics are only counted.

    ``items`` limits the number of items, ``item_bytes`` the size of each. Raises MalformedBodyError if the
    outer objects cannot be decoded, TooManyItemsError beyond ``items``.
    """
    request = _decode_envelope(body)
    decoded = DecodedRequest([], [])
    item_count = 0
    for group in _get_groups(signal, request):
        resource_context = _read_resource(group.resource, wanted)
        for scoped in _get_scopes(signal, group):
            context = resource_context._replace(scope=(scoped.scope.name if scoped.scope else None) or "")
            raw_items = _get_items(signal, scoped)
            item_count += len(raw_items)
            if item_count > items:
                raise TooManyItemsError
            if signal == "metrics":
                decoded.metrics += len(raw_items)
                continue
            for raw in raw_items:
                if len(memoryview(raw)) > item_bytes:
                    decoded.count_rejected(f"larger than {item_bytes} bytes")
                else:
                    decoded.add_item(signal, raw, _ENCODING, context, wanted)
    return decoded


def _decode_envelope(body: bytes) -> _Request:
    try:
        try:
            return _read_envelope(body)
        except msgspec.DecodeError:
            return _read_envelope(_LONE_SURROGATE.sub(_replace_surrogate, body, count=_REPAIRS))
    except _UNREADABLE as error:
        raise MalformedBodyError(str(error)) from error


def _read_envelope(body: bytes) -> _Request:
    return _request.decode(_convert_to_camel_case(body) if b'"resource_' in body else body)


def _replace_surrogate(match: re.Match[bytes]) -> bytes:
    return match[1] or rb"\ufffd"


def _get_groups(signal: str, request: _Request) -> list[_ResourceItems]:
    if signal == "traces":
        return request.resource_spans or []
    return (request.resource_logs if signal == "logs" else request.resource_metrics) or []


def _get_scopes(signal: str, group: _ResourceItems) -> list[_ScopeItems]:
    if signal == "traces":
        return group.scope_spans or []
    return (group.scope_logs if signal == "logs" else group.scope_metrics) or []


def _get_items(signal: str, scoped: _ScopeItems) -> list[msgspec.Raw]:
    if signal == "traces":
        return scoped.spans or []
    return (scoped.log_records if signal == "logs" else scoped.metrics) or []


def _make_span(raw: msgspec.Raw, context: ScopeContext, wanted: frozenset[str]) -> Span | None:
    message = _span_decoder.decode(raw)
    trace_id = _normalise_id(message.trace_id, _TRACE_DIGITS)
    span_id = _normalise_id(message.span_id, _SPAN_DIGITS)
    if not trace_id or not span_id:
        return None
    return Span(
        trace=trace_id,
        id=span_id,
        parent=_normalise_id(message.parent_span_id, _SPAN_DIGITS),
        name=message.name,
        start=message.start_time_unix_nano,
        end=message.end_time_unix_nano,
        failed=message.status is not None and message.status.code in _ERROR,
        attributes=_read_attributes(message.attributes, wanted, context.attributes),
        scope=context.scope,
        service=context.service,
        joined_traces=_read_links(message.links, trace_id)
        if context.scope.startswith(MESSAGE_RUNTIMES)
        else (),
        judgements=_read_judgements(message.events, wanted) if _EVALUATION in bytes(message.events) else (),
    )


def _read_links(links: msgspec.Raw, own_trace: str) -> tuple[str, ...]:
    """Return the other traces that a span is linked with; unreadable links are left out."""
    traces: list[str] = []
    with suppress(*_UNREADABLE, RecursionError):
        for link in _links_decoder.decode(links):
            trace = _normalise_id(link.trace_id, _TRACE_DIGITS)
            if trace and trace not in {own_trace, *traces}:
                traces.append(trace)
    return tuple(traces[:JOINED_TRACE_LIMIT])


def _read_judgements(events: msgspec.Raw, wanted: frozenset[str]) -> tuple[SpanEvent, ...]:
    """Return a span's evaluation events; an unreadable event is left out, and costs nothing else."""
    judgements: list[SpanEvent] = []
    with suppress(*_UNREADABLE, RecursionError):
        for raw in _events_decoder.decode(events):
            if len(judgements) < SPAN_JUDGEMENT_LIMIT and _EVALUATION in bytes(raw):
                with suppress(*_UNREADABLE, RecursionError):
                    event = _event_decoder.decode(raw)
                    if event.name == EVALUATION:
                        attributes = _read_attributes(event.attributes, wanted, {})
                        judgements.append(SpanEvent(event.time_unix_nano, attributes))
    return tuple(judgements)


def _make_log(raw: msgspec.Raw, context: ScopeContext, wanted: frozenset[str]) -> LogRecord:
    message = _log_decoder.decode(raw)
    attributes = _read_attributes(message.attributes, wanted, context.attributes)
    return LogRecord(
        time=message.time_unix_nano or message.observed_time_unix_nano,
        trace=_normalise_id(message.trace_id, _TRACE_DIGITS),
        span=_normalise_id(message.span_id, _SPAN_DIGITS),
        name=message.event_name or str(attributes.get("event.name", "")),
        attributes=attributes,
        scope=context.scope,
        service=context.service,
    )


def _read_resource(resource: _Resource | None, wanted: frozenset[str]) -> ScopeContext:
    return ScopeContext.from_resource(_read_attributes(resource.attributes if resource else None, wanted, {}))


def _read_attributes(
    pairs: Iterable[_KeyValue] | None, wanted: frozenset[str], inherited: dict[str, Scalar]
) -> dict[str, Scalar]:
    attributes = inherited.copy()
    for pair in pairs or ():
        if (pair.key in wanted or pair.key.startswith(LABEL_PREFIX)) and pair.value is not None:
            value = pair.value.to_scalar()
            if value is not None:
                attributes[pair.key] = value
    return attributes


def _normalise_id(text: str | None, digits: int) -> str:
    """Return an id in lower case, or "" if it is not an id; zeros alone are not an id."""
    if text is None or len(text) != digits or not text.strip("0") or not _HEX.issuperset(text):
        return ""
    return text.lower()


def _convert_to_camel_case(body: bytes) -> bytes:
    return msgspec.json.encode(_rename_keys(msgspec.json.decode(body)))


def _rename_keys(value: Any) -> Any:
    if type(value) is dict:
        return {_SNAKE.get(key, key): _rename_keys(item) for key, item in value.items()}
    return [_rename_keys(item) for item in value] if type(value) is list else value


_ENCODING = Encoding(_make_span, _make_log, (*_UNREADABLE, RecursionError))
