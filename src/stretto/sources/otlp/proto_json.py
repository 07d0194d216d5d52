"""JSON bodies → records, one span at a time.

The encoding is protobuf's JSON mapping with the exceptions of OTLP (docs/specification.md, "JSON Protobuf
Encoding"): ids are hexadecimal, 64-bit numbers may be text, names are camelCase. Names in snake_case, which
some senders write, are taken too. A span that cannot be read costs none of its neighbours.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec

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

_ERROR = (2, "2", "STATUS_CODE_ERROR")
_HEX = frozenset(string.hexdigits)
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
_LONE_SURROGATE = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""Half a character, left where JavaScript cut a text to size. The group is what only looks like it."""
_REPAIRS = 200_000
"""Most that are looked at in one body: each takes memory for itself until all are done."""
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


class _SpanMessage(msgspec.Struct, rename="camel", gc=False):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    name: str = ""
    start_time_unix_nano: int = 0
    end_time_unix_nano: int = 0
    attributes: list[_KeyValue] | None = None
    # Hardly any span has one that is read, so they are taken apart only where its name occurs.
    events: msgspec.Raw = msgspec.Raw(b"")
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
    """ScopeSpans, ScopeLogs or ScopeMetrics: only the one name of its items can be there."""

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
_event_decoder = msgspec.json.Decoder(_EventMessage, strict=False)
_EVALUATION = EVALUATION.encode()

_SNAKE = {
    snake: camel
    for struct in (_Request, _ResourceItems, _ScopeItems, _SpanMessage, _LogMessage, _AnyValue)
    for snake, camel in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    if snake != camel
}


def decode_request(
    signal: str, body: bytes, wanted: frozenset[str], *, items: int, item: int
) -> DecodedRequest:
    """Return the records in an export request of a signal; metrics are only counted.

    Raises MalformedError where the outer objects cannot be read, TooManyError beyond ``items``.
    """
    request = _decode_envelope(body)
    decoded = DecodedRequest([], [])
    seen = 0
    for group in _get_groups(signal, request):
        shared = _read_resource(group.resource, wanted)
        for scoped in _get_scopes(signal, group):
            home = shared._replace(scope=(scoped.scope.name if scoped.scope else None) or "")
            found = _get_items(signal, scoped)
            seen += len(found)
            if seen > items:
                raise TooManyError
            if signal == "metrics":
                decoded.metrics += len(found)
                continue
            for raw in found:
                if len(memoryview(raw)) > item:
                    decoded.count_rejected(f"larger than {item} bytes")
                else:
                    _decode_item(signal, raw, home, wanted, decoded)
    return decoded


def _decode_envelope(body: bytes) -> _Request:
    try:
        try:
            return _read_envelope(body)
        except msgspec.DecodeError:
            return _read_envelope(_LONE_SURROGATE.sub(_replace_surrogate, body, count=_REPAIRS))
    except _UNREADABLE as error:
        raise MalformedError(str(error)) from error


def _read_envelope(body: bytes) -> _Request:
    return _request.decode(_convert_to_camel_case(body) if b'"resource_' in body else body)


def _replace_surrogate(found: re.Match[bytes]) -> bytes:
    return found[1] or rb"\ufffd"


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


def _decode_item(
    signal: str, raw: msgspec.Raw, home: ScopeContext, wanted: frozenset[str], decoded: DecodedRequest
) -> None:
    try:
        if signal == "traces":
            span = _make_span(_span_decoder.decode(raw), home, wanted)
            if span is None:
                decoded.count_rejected("a span without trace id or span id")
            else:
                decoded.spans.append(span)
        else:
            decoded.logs.append(_make_log(_log_decoder.decode(raw), home, wanted))
    except (*_UNREADABLE, RecursionError):
        decoded.count_rejected("no span" if signal == "traces" else "no log record")


def _make_span(message: _SpanMessage, home: ScopeContext, wanted: frozenset[str]) -> Span | None:
    trace, own = _normalise_id(message.trace_id, _TRACE_DIGITS), _normalise_id(message.span_id, _SPAN_DIGITS)
    if not trace or not own:
        return None
    return Span(
        trace=trace,
        id=own,
        parent=_normalise_id(message.parent_span_id, _SPAN_DIGITS),
        name=message.name,
        start=message.start_time_unix_nano,
        end=message.end_time_unix_nano,
        failed=message.status is not None and message.status.code in _ERROR,
        attributes=_read_attributes(message.attributes, wanted, home.attributes),
        scope=home.scope,
        service=home.service,
        judgements=_read_judgements(message.events, wanted) if _EVALUATION in bytes(message.events) else (),
    )


def _read_judgements(events: msgspec.Raw, wanted: frozenset[str]) -> tuple[SpanEvent, ...]:
    """Return the events that judge; one that cannot be read costs neither the others nor the span."""
    found: list[SpanEvent] = []
    with suppress(*_UNREADABLE, RecursionError):
        for raw in _events_decoder.decode(events):
            if len(found) < MOST_SPAN_EVENTS and _EVALUATION in bytes(raw):
                with suppress(*_UNREADABLE, RecursionError):
                    event = _event_decoder.decode(raw)
                    if event.name == EVALUATION:
                        attributes = _read_attributes(event.attributes, wanted, {})
                        found.append(SpanEvent(event.time_unix_nano, attributes))
    return tuple(found)


def _make_log(message: _LogMessage, home: ScopeContext, wanted: frozenset[str]) -> LogRecord:
    attributes = _read_attributes(message.attributes, wanted, home.attributes)
    return LogRecord(
        time=message.time_unix_nano or message.observed_time_unix_nano,
        trace=_normalise_id(message.trace_id, _TRACE_DIGITS),
        span=_normalise_id(message.span_id, _SPAN_DIGITS),
        name=message.event_name or str(attributes.get("event.name", "")),
        attributes=attributes,
        scope=home.scope,
        service=home.service,
    )


def _read_resource(resource: _Resource | None, wanted: frozenset[str]) -> ScopeContext:
    found = _read_attributes(resource.attributes if resource else None, wanted, {})
    return ScopeContext("", str(found.pop("service.name", "")), found)


def _read_attributes(
    pairs: Iterable[_KeyValue] | None, wanted: frozenset[str], shared: dict[str, Scalar]
) -> dict[str, Scalar]:
    found = shared.copy()
    for pair in pairs or ():
        if pair.key in wanted and pair.value is not None:
            value = pair.value.to_scalar()
            if value is not None:
                found[pair.key] = value
    return found


def _normalise_id(text: str | None, digits: int) -> str:
    """Return an id in lower case, or nothing for what is none; an id of zeros alone is none."""
    if text is None or len(text) != digits or not text.strip("0") or not _HEX.issuperset(text):
        return ""
    return text.lower()


def _convert_to_camel_case(body: bytes) -> bytes:
    return msgspec.json.encode(_rename_keys(msgspec.json.decode(body)))


def _rename_keys(value: Any) -> Any:
    if type(value) is dict:
        return {_SNAKE.get(key, key): _rename_keys(item) for key, item in value.items()}
    return [_rename_keys(item) for item in value] if type(value) is list else value
