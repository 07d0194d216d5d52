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
from stretto.model.event import Channel, Event, Kind, Value, omit_none
from stretto.names import Attribute
from stretto.sources.otlp import conventions, evaluations
from stretto.sources.otlp.cache_reports import make_cache_report
from stretto.sources.otlp.genai import SpanPlace, make_entity_events, make_trace_edges
from stretto.sources.otlp.plain_records import Attributes, Span, get_id, get_number, get_text, to_duration

_OF_SESSION = {
    "pattern": Attribute.PATTERN,
    "project": Attribute.PROJECT,
    "description": Attribute.SESSION_NAME,
}
"""What a session's start says → the attribute that it stands in."""


def make_span_events(
    span: Span, place: SpanPlace, session: str, started: Mapping[str, str], source: str
) -> list[Event]:
    """Return all the events that a span gives in its place, whoever made it; scores come last.

    ``started`` names the first task of each tool call that started one, ``source`` the product that the
    whole trace is of.
    """
    told = [
        *make_entity_events(span, place, session, started),
        *make_trace_edges(span, place, session, source),
    ]
    if conventions.is_from_api(span):
        told = [_add_api_fields(event, span) for event in told] + _make_api_events(span, session)
    if conventions.has_judgement(span):
        told += evaluations.read_span_scores(span, place, session)
    return told


def _make_api_events(span: Span, session: str) -> list[Event]:
    if Attribute.CACHE_NAME.value in span.attributes:
        return [make_cache_report(span, session)]
    said = span.attributes
    told = partial(
        Event, session=session, source=conventions.get_source(span), channel=Channel.OTLP, id=span.id
    )
    if Attribute.PHASE_ID.value in said:
        return _make_phase_events(span, told)
    return [_make_message_event(span, told)] if Attribute.MESSAGE_TO.value in said else []


def _make_phase_events(span: Span, told: Callable[..., Event]) -> list[Event]:
    name = get_text(span.attributes, Attribute.PHASE.value)
    end = told(
        kind=Kind.PHASE_END,
        time=span.end,
        duration=span.duration,
        name=name,
        outcome=conventions.get_outcome(span),
        attributes=omit_none(error=conventions.get_error_class(span.attributes)),
    )
    return [told(kind=Kind.PHASE_START, time=span.start, name=name), end]


def _make_message_event(span: Span, told: Callable[..., Event]) -> Event:
    said = span.attributes
    seconds = get_number(said, Attribute.MESSAGE_RESPONSE_SECONDS.value)
    return told(
        kind=Kind.MESSAGE,
        time=span.start,
        parent=get_id(said, Attribute.TASK_ID.value),
        duration=None if seconds is None else to_duration(seconds * SECOND),
        name=get_text(said, Attribute.MESSAGE_TO.value),
        outcome=conventions.get_outcome(span),
        attributes=omit_none(sender=get_text(said, Attribute.MESSAGE_FROM.value)),
    )


def _add_api_fields(event: Event, span: Span) -> Event:
    """Return the event with what only this API's spans say."""
    said = span.attributes
    if event.kind in {Kind.TASK_START, Kind.TASK_END}:
        about = {"description": Attribute.TASK_DESCRIPTION} if event.kind is Kind.TASK_START else {}
        phase = get_text(said, Attribute.PHASE.value)
        return replace(
            event,
            parent=get_id(said, Attribute.PARENT_ID.value),
            attributes={**event.attributes, **_get_texts(said, about), **omit_none(phase=phase)},
        )
    if event.kind is Kind.SESSION_START:
        return replace(event, attributes=_get_texts(said, _OF_SESSION))
    if event.kind is Kind.SESSION_END:
        return replace(event, outcome=conventions.get_outcome(span), duration=span.duration)
    return event


def _get_texts(attributes: Attributes, names: Mapping[str, Attribute]) -> dict[str, Value]:
    return omit_none(**{key: get_text(attributes, name.value) for key, name in names.items()})
