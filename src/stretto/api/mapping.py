"""Mapping: spans of this process → events, by the same rules as spans that come by OTLP.

What a span is and what it belongs to is decided there (``sources.otlp.genai``). Here stands what those rules
cannot see in the spans of this API: phases, messages, scores, the parent of a task whose surroundings are
in another process, and which descriptions a session and a task were given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import NoneType

from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from stretto.api.context import SCOPE
from stretto.api.scoring import EVENT
from stretto.clock import SECOND
from stretto.model.event import Channel, Event, Kind, Value, present
from stretto.names import Attribute
from stretto.sources.otlp import conventions
from stretto.sources.otlp.cache_report import cache_report
from stretto.sources.otlp.genai import Place, span_events, trace_edges
from stretto.sources.otlp.records import Attributes, Scalar, Span, amount, identifier, length, named

SOURCE = "python"
"""The source of a program that does not say what it is called."""

STARTS = frozenset({Kind.SESSION_START, Kind.TURN_START, Kind.PHASE_START, Kind.TASK_START, Kind.TOOL_START})
"""What can be told of a span before it has ended."""

_OPERATION = Attribute.OPERATION_NAME.value
_TASK_ID = Attribute.TASK_ID.value

_OF_SESSION = {
    "pattern": Attribute.PATTERN,
    "project": Attribute.PROJECT,
    "description": Attribute.SESSION_NAME,
}
"""What a session's start says → the attribute that it stands in."""


def record(span: ReadableSpan) -> Span:
    """Return a span as the rules read it; one that has not ended is taken as if it ended at once.

    Only the attributes that the rules know are read: whatever else a span bears stays where it is.
    """
    own, above = span.context, span.parent
    scope, service = span.instrumentation_scope, span.resource.attributes.get("service.name")
    start = span.start_time or 0
    # The attributes of an open span may change under an iteration, and a copy is made in one go.
    attributes = _read((span.attributes or {}).copy())  # type: ignore[attr-defined]  # a mapping proxy has it
    id = format(own.span_id, "016x")
    if scope is not None and scope.name == SCOPE and attributes.get(_OPERATION) == "invoke_agent":
        attributes.setdefault(_TASK_ID, id)
    return Span(
        trace=format(own.trace_id, "032x"),
        id=id,
        parent=format(above.span_id, "016x") if above is not None else "",
        name=span.name,
        start=start,
        end=start if span.end_time is None else span.end_time,
        failed=span.status.status_code is StatusCode.ERROR,
        attributes=attributes,
        scope=scope.name if scope is not None else "",
        service=_service(service),
    )


def events(span: Span, place: Place, session: str, started: Mapping[str, str], source: str) -> list[Event]:
    """Return the events that a span gives in its place.

    ``started`` names the first task of each tool call that started one, ``source`` the product that the
    whole trace is of.
    """
    told = [*span_events(span, place, session, started), *trace_edges(span, place, session, source)]
    if span.scope == SCOPE:
        told = [_corrected(event, span) for event in told] + _own_events(span, session)
    return [replace(event, channel=Channel.API) for event in told]


def in_process(event: Event, process: str) -> Event:
    """Return the event; one that starts a session says in which process that is."""
    if event.kind is not Kind.SESSION_START:
        return event
    return replace(event, attributes={**event.attributes, "processes": [process]})


def scores(told: tuple[SpanEvent, ...], span: Span, session: str) -> Iterator[Event]:
    """Yield the judgements that a span bears; one that does not say of what is about the span's own work."""
    for event in told:
        attributes = _read(dict(event.attributes or {}))
        value = attributes.get(Attribute.EVALUATION_VALUE.value)
        if event.name != EVENT or isinstance(value, (bool, str, NoneType)) or not math.isfinite(value):
            continue
        yield Event(
            kind=Kind.SCORE,
            session=session,
            time=event.timestamp,
            source=conventions.source(span),
            channel=Channel.API,
            id=identifier(attributes, Attribute.SCORE_OF_ID.value) or span.id,
            name=named(attributes, Attribute.EVALUATION_NAME.value),
            attributes=present(
                value=value,
                by=named(attributes, Attribute.SCORE_BY.value),
                of=named(attributes, Attribute.SCORE_OF.value),
            ),
        )


def _own_events(span: Span, session: str) -> list[Event]:
    said = span.attributes
    told = partial(Event, session=session, source=conventions.source(span), channel=Channel.API, id=span.id)
    if Attribute.PHASE_ID.value in said:
        return _phase(span, told)
    if Attribute.CACHE_NAME.value in said:
        return [cache_report(span, session)]
    return [_message(span, told)] if Attribute.MESSAGE_TO.value in said else []


def _phase(span: Span, told: Callable[..., Event]) -> list[Event]:
    name = named(span.attributes, Attribute.PHASE.value)
    end = told(
        kind=Kind.PHASE_END,
        time=span.end,
        duration=span.duration,
        name=name,
        outcome=conventions.outcome(span),
        attributes=present(error=conventions.error(span.attributes)),
    )
    return [told(kind=Kind.PHASE_START, time=span.start, name=name), end]


def _message(span: Span, told: Callable[..., Event]) -> Event:
    said = span.attributes
    seconds = amount(said, Attribute.MESSAGE_RESPONSE_SECONDS.value)
    return told(
        kind=Kind.MESSAGE,
        time=span.start,
        parent=identifier(said, _TASK_ID),
        duration=None if seconds is None else length(seconds * SECOND),
        name=named(said, Attribute.MESSAGE_TO.value),
        outcome=conventions.outcome(span),
        attributes=present(sender=named(said, Attribute.MESSAGE_FROM.value)),
    )


def _corrected(event: Event, span: Span) -> Event:
    """Return the event with what only this API's spans say."""
    said = span.attributes
    phase = named(said, Attribute.PHASE.value)
    if event.kind in {Kind.TASK_START, Kind.TASK_END}:
        started = event.kind is Kind.TASK_START
        told = {"description": Attribute.TASK_DESCRIPTION} if started else {}
        return replace(
            event,
            parent=identifier(said, Attribute.PARENT_ID.value),
            attributes={**event.attributes, **_said(said, told), **present(phase=phase)},
        )
    if event.kind is Kind.SESSION_START:
        return replace(event, attributes=_said(said, _OF_SESSION))
    if event.kind is Kind.SESSION_END:
        return replace(event, outcome=conventions.outcome(span), duration=span.duration)
    return event


def _service(name: object) -> str:
    return name if isinstance(name, str) and not name.startswith("unknown_service") else SOURCE


def _read(attributes: dict[str, object]) -> dict[str, Scalar]:
    return {
        name: value
        for name, value in attributes.items()
        if name in conventions.ATTRIBUTES and isinstance(value, (str, bool, int, float))
    }


def _said(attributes: Attributes, names: dict[str, Attribute]) -> dict[str, Value]:
    return present(**{key: named(attributes, name.value) for key, name in names.items()})
