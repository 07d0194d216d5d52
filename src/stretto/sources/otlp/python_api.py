"""Own: what only the spans of Stretto's Python API say, whether they come by OTLP or stay in their process.

What such a span is and what it belongs to is decided as for any other (``genai``). Here stands what those
rules cannot see: phases, messages, the parent of a task whose surroundings are in another process, and what a
session and a task were called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from stretto.clock import SECOND
from stretto.model.event import Channel, Event, Kind, Value, present
from stretto.names import Attribute
from stretto.sources.otlp import conventions
from stretto.sources.otlp import evaluations as evaluation
from stretto.sources.otlp.cache_reports import cache_report
from stretto.sources.otlp.genai import Place, span_events, trace_edges
from stretto.sources.otlp.plain_records import Attributes, Span, amount, identifier, length, named

_OF_SESSION = {
    "pattern": Attribute.PATTERN,
    "project": Attribute.PROJECT,
    "description": Attribute.SESSION_NAME,
}
"""What a session's start says → the attribute that it stands in."""


def events(span: Span, place: Place, session: str, started: Mapping[str, str], source: str) -> list[Event]:
    """Return all the events that a span gives in its place, whoever made it; scores come last.

    ``started`` names the first task of each tool call that started one, ``source`` the product that the
    whole trace is of.
    """
    told = [*span_events(span, place, session, started), *trace_edges(span, place, session, source)]
    if conventions.made_by_api(span):
        told = [_corrected(event, span) for event in told] + _own_events(span, session)
    if conventions.judges(span):
        told += evaluation.span_scores(span, place, session)
    return told


def _own_events(span: Span, session: str) -> list[Event]:
    if Attribute.CACHE_NAME.value in span.attributes:
        return [cache_report(span, session)]
    said = span.attributes
    told = partial(Event, session=session, source=conventions.source(span), channel=Channel.OTLP, id=span.id)
    if Attribute.PHASE_ID.value in said:
        return _phase(span, told)
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
        parent=identifier(said, Attribute.TASK_ID.value),
        duration=None if seconds is None else length(seconds * SECOND),
        name=named(said, Attribute.MESSAGE_TO.value),
        outcome=conventions.outcome(span),
        attributes=present(sender=named(said, Attribute.MESSAGE_FROM.value)),
    )


def _corrected(event: Event, span: Span) -> Event:
    """Return the event with what only this API's spans say."""
    said = span.attributes
    if event.kind in {Kind.TASK_START, Kind.TASK_END}:
        about = {"description": Attribute.TASK_DESCRIPTION} if event.kind is Kind.TASK_START else {}
        phase = named(said, Attribute.PHASE.value)
        return replace(
            event,
            parent=identifier(said, Attribute.PARENT_ID.value),
            attributes={**event.attributes, **_said(said, about), **present(phase=phase)},
        )
    if event.kind is Kind.SESSION_START:
        return replace(event, attributes=_said(said, _OF_SESSION))
    if event.kind is Kind.SESSION_END:
        return replace(event, outcome=conventions.outcome(span), duration=span.duration)
    return event


def _said(attributes: Attributes, names: Mapping[str, Attribute]) -> dict[str, Value]:
    return present(**{key: named(attributes, name.value) for key, name in names.items()})
