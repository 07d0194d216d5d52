"""Translate spans of Stretto's Python API into events, whether they come by OTLP or stay in their process.

Such a span is translated like every framework's (``genai``). This module adds facts that only the Python API
writes: phases, messages, cache reports and the names of sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from stretto.clock import SECOND
from stretto.model.event import Channel, Event, Kind, Value, omit_none
from stretto.names import SpanAttribute
from stretto.sources.otlp import conventions, evaluations
from stretto.sources.otlp.cache_reports import make_cache_report
from stretto.sources.otlp.genai import make_session_events, make_span_event
from stretto.sources.otlp.plain_records import Attributes, Span, get_id, get_number, get_text, to_duration
from stretto.sources.otlp.samples_from_api_spans import make_recorded_sample

Content = TypeVar("Content")

_OF_SESSION = {
    "pattern": SpanAttribute.PATTERN,
    "project": SpanAttribute.PROJECT,
    "repository": SpanAttribute.REPOSITORY,
    "description": SpanAttribute.SESSION_NAME,
}
"""Attribute of a session's start event → attribute of the span."""


def make_events_of_any_framework_span(span: Span, session: str) -> list[Event]:
    """Return all events of a span, from any framework; scores come last."""
    if conventions.is_from_api(span) and SpanAttribute.RESOURCES_SECONDS.value in span.attributes:
        # What was used in a stretch of the past is no sign that the session had begun by then.
        return make_recorded_sample(span, session)
    events = make_session_events(span, session)
    if conventions.is_from_api(span):
        events = [_add_api_fields(event, span) for event in events] + _make_api_events(span, session)
    events.append(make_span_event(span, session))
    if conventions.has_judgement(span):
        events += evaluations.read_span_scores(span, session)
    return events


_PROGRESS_MARKS = (SpanAttribute.TASK_PROGRESS, SpanAttribute.PHASE_PROGRESS)
_BLOCKED_MARKS = (SpanAttribute.TASK_BLOCKED, SpanAttribute.PHASE_BLOCKED)

_MESSAGE_MARKS = frozenset(
    mark.value for mark in (SpanAttribute.MESSAGE_TO, *_PROGRESS_MARKS, *_BLOCKED_MARKS)
)
"""Attributes of a span that is a message: a report of a task or phase about itself has no receiver."""


def _make_api_events(span: Span, session: str) -> list[Event]:
    if SpanAttribute.CACHE_NAME.value in span.attributes:
        return [make_cache_report(span, session)]
    attributes = span.attributes
    new_event = partial(
        Event, session=session, source=conventions.get_source(span), channel=Channel.OTLP, id=span.id
    )
    if SpanAttribute.PHASE_ID.value in attributes:
        return _make_phase_events(span, new_event)
    is_message = not _MESSAGE_MARKS.isdisjoint(attributes)
    return [_make_message_event(span, new_event)] if is_message else []


def _make_phase_events(span: Span, new_event: Callable[..., Event]) -> list[Event]:
    name = get_text(span.attributes, SpanAttribute.PHASE.value)
    end = new_event(
        kind=Kind.PHASE_END,
        time=span.end,
        duration=span.duration,
        name=name,
        outcome=conventions.get_outcome(span),
        attributes=omit_none(error=conventions.get_error_class(span.attributes)),
    )
    return [new_event(kind=Kind.PHASE_START, time=span.start, name=name), end]


def _make_message_event(span: Span, new_event: Callable[..., Event]) -> Event:
    attributes = span.attributes
    seconds = get_number(attributes, SpanAttribute.MESSAGE_RESPONSE_SECONDS.value)
    return new_event(
        kind=Kind.MESSAGE,
        time=span.start,
        parent=get_id(attributes, SpanAttribute.TASK_ID.value),
        duration=None if seconds is None else to_duration(seconds * SECOND),
        name=get_text(attributes, SpanAttribute.MESSAGE_TO.value),
        type=get_text(attributes, SpanAttribute.MESSAGE_TYPE.value),
        outcome=conventions.get_outcome(span),
        attributes=omit_none(
            sender=get_text(attributes, SpanAttribute.MESSAGE_FROM.value),
            share=_get_first(get_number, attributes, _PROGRESS_MARKS),
            description=_get_first(get_text, attributes, _BLOCKED_MARKS),
            phase=get_text(attributes, SpanAttribute.MESSAGE_PHASE_ID.value),
        ),
    )


def _get_first(
    read: Callable[[Attributes, str], Content | None], attributes: Attributes, marks: Iterable[SpanAttribute]
) -> Content | None:
    """Return what is read of the first attribute that is there."""
    values = (read(attributes, mark.value) for mark in marks)
    return next((value for value in values if value is not None), None)


def _add_api_fields(event: Event, span: Span) -> Event:
    """Return the event with the facts that only the Python API's spans have."""
    attributes = span.attributes
    if event.kind is Kind.SESSION_START:
        labels = get_text(attributes, SpanAttribute.LABELS.value)
        words = _get_texts(attributes, _OF_SESSION)
        return replace(event, attributes=words | omit_none(labels=labels.split(",") if labels else None))
    if event.kind is Kind.SESSION_END:
        return replace(event, outcome=conventions.get_outcome(span), duration=span.duration)
    return event


def _get_texts(attributes: Attributes, names: Mapping[str, SpanAttribute]) -> dict[str, Value]:
    return omit_none(**{key: get_text(attributes, name.value) for key, name in names.items()})
