"""Translate the spans of this process into events, by the same rules as for spans received by OTLP."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from msgspec.structs import replace
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from stretto.model.event import Channel, Event, Kind
from stretto.names import API_SCOPE, EVALUATION, SpanAttribute
from stretto.sources.otlp import conventions, python_api
from stretto.sources.otlp import plain_records as records
from stretto.sources.otlp.plain_records import Scalar, Span

STARTS = frozenset({Kind.SESSION_START, Kind.PHASE_START})
"""The kinds of events that an open span gives beside the span's own event."""

_OPERATION = SpanAttribute.OPERATION_NAME.value
_TASK_ID = SpanAttribute.TASK_ID.value


def read_span(span: ReadableSpan) -> Span:
    """Return a span in the shape that the OTLP rules read; an open span gets its start as its end.

    Only the attributes that the rules know are read.
    """
    itself, above = span.context, span.parent
    scope, service = span.instrumentation_scope, span.resource.attributes.get("service.name")
    start = span.start_time or 0
    # The attributes of an open span can change during iteration; copying a mapping proxy is a single step.
    attributes = _read_attributes((span.attributes or {}).copy())  # type: ignore[attr-defined]
    id = format(itself.span_id, "016x")
    if scope is not None and scope.name == API_SCOPE and attributes.get(_OPERATION) == "invoke_agent":
        attributes.setdefault(_TASK_ID, id)
    return Span(
        trace=format(itself.trace_id, "032x"),
        id=id,
        parent=format(above.span_id, "016x") if above is not None else "",
        name=span.name,
        start=start,
        end=start if span.end_time is None else span.end_time,
        failed=span.status.status_code is StatusCode.ERROR,
        attributes=attributes,
        scope=scope.name if scope is not None else "",
        service=_name_service(service),
        judgements=() if span.end_time is None else _read_judgements(span.events),
    )


def translate_span(span: Span, session: str, *, has_ended: bool) -> list[Event]:
    """Return the events of a span, with the API as their channel.

    An open span gives its own event, marked as open, and the starts of a session or phase.
    """
    events = [
        replace(event, channel=Channel.API)
        for event in python_api.make_events_of_any_framework_span(span, session)
    ]
    if has_ended:
        return events
    return [
        event
        if event.kind is not Kind.SPAN
        else replace(event, duration=None, outcome=None, attributes={**event.attributes, "open": True})
        for event in events
        if event.kind in STARTS or event.kind is Kind.SPAN
    ]


def add_process(event: Event, process: str, host: str | None) -> Event:
    """Return the event; the start of a session gets the process that runs it, and where that process is."""
    if event.kind is not Kind.SESSION_START:
        return event
    place = {} if host is None else {"host": host}
    return replace(event, attributes={**event.attributes, "processes": [process], **place})


def _read_judgements(events: Iterable[SpanEvent]) -> tuple[records.SpanEvent, ...]:
    judging = (event for event in events if event.name == EVALUATION)
    return tuple(
        records.SpanEvent(event.timestamp, _read_attributes(dict(event.attributes or {})))
        for event in islice(judging, records.SPAN_JUDGEMENT_LIMIT)
    )


def _name_service(name: object) -> str:
    is_named = isinstance(name, str) and not name.startswith("unknown_service")
    return str(name) if is_named else conventions.DEFAULT_SOURCE


def _read_attributes(attributes: dict[str, object]) -> dict[str, Scalar]:
    return {
        name: value
        for name, value in attributes.items()
        if name in conventions.ATTRIBUTES and isinstance(value, (str, bool, int, float))
    }
