"""Spans of agent frameworks → events: which of them are turns, tasks, tool calls and model calls, and whose.

What a span says it is comes from ``conventions``; what it is in a session depends on what lies above it.
That is looked for among the spans of the same trace in the same request. Where the way up leaves the
request, the parent is the span id that is missing: the event of another request may bear it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from stretto.clock import SECOND
from stretto.model.event import Channel, Event, Kind, omit_none
from stretto.names import Attribute
from stretto.sources.otlp import conventions
from stretto.sources.otlp.conventions import Role
from stretto.sources.otlp.plain_records import Span, get_id, get_number, get_text, to_duration

_MAIN = (Role.SESSION, Role.TURN)
"""What happens in these happens in no task."""


class SpanPlace(NamedTuple):
    """What a span is in its session and what it belongs to."""

    role: Role | None
    """One of the entities, or None for a span that only links what is below it to what is above."""
    above: str | None
    """The nearest entity's span above, or the first span id not in the request; None at the top."""
    task: str | None
    """The task that it happened in, or the span id at which the way up leaves the request."""
    caller: str | None
    """The task or tool call that it happened in, likewise."""


_TOP = SpanPlace(None, None, None, None)


class Trace:
    """The spans of one trace in one request, in their places."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = {span.id: span for span in spans}
        self._places: dict[str, SpanPlace] = {}
        for span in self._spans.values():
            self._place_span(span)
        self.started = self._find_first_tasks()
        """Tool call → the first task that it started."""

    @property
    def is_ours(self) -> bool:
        """Whether any of the spans tells something; a trace without one is none of ours."""
        return any(self.is_relevant(span, place) for span, place in self.iterate_spans())

    @property
    def source(self) -> str:
        """The product that the trace is of, by its entities, else by all that tells something."""
        entities = [span for span, place in self.iterate_spans() if place.role is not None]
        told = entities or [span for span, place in self.iterate_spans() if self.is_relevant(span, place)]
        return min(map(conventions.get_source, told))

    @staticmethod
    def is_relevant(span: Span, place: SpanPlace) -> bool:
        """Tell whether a span is an entity, one of the Python API's, or a judgement; others only link."""
        return place.role is not None or conventions.is_from_api(span) or conventions.has_judgement(span)

    def find_session(self) -> str | None:
        """Return the session that the spans name: the best word, the earliest span of those that give it."""
        said = [
            (*word, span)
            for span in self._spans.values()
            if (word := conventions.find_session(span.attributes)) is not None
        ]
        return min(said, key=lambda word: (word[0], word[2].start, word[1]))[1] if said else None

    def iterate_spans(self) -> Iterator[tuple[Span, SpanPlace]]:
        """Yield each span and its place, a repeated span once."""
        for span in self._spans.values():
            yield span, self._places[span.id]

    def _find_first_tasks(self) -> dict[str, str]:
        calls = {
            get_entity_id(span, Role.TOOL) for span, place in self.iterate_spans() if place.role is Role.TOOL
        }
        tasks = sorted(
            (span.start, get_entity_id(span, Role.TASK), place.caller)
            for span, place in self.iterate_spans()
            if place.role is Role.TASK and place.caller in calls
        )
        return {str(caller): task for _, task, caller in reversed(tasks)}

    def _place_span(self, span: Span) -> None:
        """Find the place of a span, after the places of all above it."""
        path: dict[str, Span] = {}
        at: Span | None = span
        while at is not None and at.id not in self._places and at.id not in path:
            path[at.id] = at
            at = self._spans.get(at.parent)
        for each in reversed(path.values()):
            self._places[each.id] = self._find_place(each)

    def _find_place(self, span: Span) -> SpanPlace:
        above, task, caller = self._find_ancestors(span)
        return SpanPlace(self._resolve_role(span, above), above, task, caller)

    def _find_ancestors(self, span: Span) -> tuple[str | None, str | None, str | None]:
        parent = self._spans.get(span.parent)
        if parent is None:
            outside = span.parent or None
            return outside, outside, outside
        # Spans whose parents run in a ring have no top: whichever comes first is taken for it.
        place = self._places.get(parent.id, _TOP)
        if place.role is None:
            return place.above, place.task, place.caller
        if place.role in _MAIN:
            return parent.id, None, None
        own = get_entity_id(parent, place.role)
        task = own if place.role is Role.TASK else place.task
        return parent.id, task, place.caller if place.role is Role.MODEL else own

    def _resolve_role(self, span: Span, above: str | None) -> Role | None:
        role = conventions.find_role(span)
        inside = self._places.get(above or "", _TOP).role
        if role is Role.AGENT:
            return Role.TASK if span.parent else Role.TURN
        if role is Role.WORKFLOW:
            return Role.TURN if inside in (None, Role.SESSION) else None
        if role is Role.CHAIN:
            return None if span.parent else Role.TURN
        # Two instrumentations may report the same call, one inside the other.
        if role is Role.MODEL and inside is Role.MODEL:
            return None
        if role is Role.TOOL and inside is Role.TOOL and self._is_same_tool(span, above):
            return None
        return role

    def _is_same_tool(self, span: Span, above: str | None) -> bool:
        return conventions.get_tool_name(span) == conventions.get_tool_name(self._spans[above or ""])


def get_entity_id(span: Span, role: Role) -> str:
    """Return the id of what a span tells of: the span's, or that with which Stretto sent it out."""
    if role is Role.TOOL:
        return (conventions.get_call_id(span) if conventions.was_sent_by_stretto(span) else None) or span.id
    own = _OWN_IDS.get(role)
    return (get_id(span.attributes, own) if own else None) or span.id


def make_entity_events(span: Span, place: SpanPlace, session: str, started: Mapping[str, str]) -> list[Event]:
    """Return the events that a span gives in its place; none for one that only links.

    ``started`` names the first task that each tool call of the trace started.
    """
    if place.role is Role.TOOL:
        return _make_tool_events(span, place, session, started)
    if place.role is Role.TASK:
        return _make_task_events(span, place, session, started)
    tell = _ROLES.get(place.role) if place.role is not None else None
    return [] if tell is None else tell(span, place, session)


def make_trace_edges(span: Span, place: SpanPlace, session: str, source: str) -> list[Event]:
    """Return start and end of the session that a whole trace is, from the outermost span of the trace."""
    if span.parent or session != span.trace or place.role is Role.SESSION:
        return []
    told = partial(Event, session=session, source=source, channel=Channel.OTLP)
    return [told(kind=Kind.SESSION_START, time=span.start), told(kind=Kind.SESSION_END, time=span.end)]


def _make_session_events(span: Span, _: SpanPlace, session: str) -> list[Event]:
    told = _bind_event(span, session)
    attributes = omit_none(
        pattern=conventions.get_workflow_name(span),
        project=get_text(span.attributes, Attribute.PROJECT.value),
    )
    start = told(kind=Kind.SESSION_START, time=span.start, attributes=attributes)
    if span.attributes.get(Attribute.END_KNOWN.value) is False:
        return [start]
    return [start, told(kind=Kind.SESSION_END, time=span.end, outcome=conventions.get_outcome(span))]


def _make_turn_events(span: Span, _: SpanPlace, session: str) -> list[Event]:
    told = partial(_bind_event(span, session), id=get_entity_id(span, Role.TURN))
    pattern = conventions.get_workflow_name(span) if conventions.find_role(span) is Role.WORKFLOW else None
    origin = get_text(span.attributes, Attribute.TURN_ORIGIN.value)
    return [
        told(kind=Kind.TURN_START, time=span.start, type=origin, attributes=omit_none(command=pattern)),
        told(
            kind=Kind.TURN_END, time=span.end, duration=span.duration, outcome=conventions.get_outcome(span)
        ),
    ]


def _make_task_events(span: Span, place: SpanPlace, session: str, started: Mapping[str, str]) -> list[Event]:
    told = partial(
        _bind_event(span, session),
        id=get_entity_id(span, Role.TASK),
        parent=place.caller,
        name=conventions.get_agent_name(span),
        type=get_text(span.attributes, Attribute.TASK_TYPE.value),
    )
    end = told(
        kind=Kind.TASK_END,
        time=span.end,
        duration=span.duration,
        outcome=conventions.get_outcome(span),
        attributes=omit_none(error=conventions.get_error_class(span.attributes)),
    )
    about = omit_none(
        delegated_by=place.caller if place.caller in started else None,
        description=get_text(span.attributes, Attribute.TASK_DESCRIPTION.value),
    )
    return [told(kind=Kind.TASK_START, time=span.start, attributes=about), end]


def _make_tool_events(span: Span, place: SpanPlace, session: str, started: Mapping[str, str]) -> list[Event]:
    call = get_entity_id(span, Role.TOOL)
    told = partial(
        _bind_event(span, session),
        id=call,
        parent=find_task(span, place),
        name=conventions.get_tool_name(span),
    )
    seconds = get_number(span.attributes, Attribute.TOOL_EXECUTION_SECONDS.value)
    end = told(
        kind=Kind.TOOL_END,
        time=span.end,
        duration=span.duration if seconds is None else to_duration(seconds * SECOND),
        outcome=conventions.get_outcome(span),
        attributes=omit_none(
            call=conventions.get_call_id(span),
            task=started.get(call),
            error=conventions.get_error_class(span.attributes),
        ),
    )
    return [told(kind=Kind.TOOL_START, time=span.start), end]


def _make_model_call(span: Span, place: SpanPlace, session: str) -> list[Event]:
    return [
        _bind_event(span, session)(
            kind=Kind.MODEL_CALL,
            time=span.start,
            id=get_entity_id(span, Role.MODEL),
            parent=find_task(span, place),
            duration=span.duration,
            name=conventions.get_model_name(span),
            outcome=conventions.get_outcome(span),
            attributes=omit_none(
                **conventions.get_usage(span.attributes),
                response=conventions.get_response_id(span),
                error=conventions.get_error_class(span.attributes),
            ),
        )
    ]


_ROLES: dict[Role, Callable[[Span, SpanPlace, str], list[Event]]] = {
    Role.SESSION: _make_session_events,
    Role.TURN: _make_turn_events,
    Role.MODEL: _make_model_call,
}

_OWN_IDS = {
    Role.TURN: Attribute.TURN_ID.value,
    Role.TASK: Attribute.TASK_ID.value,
    Role.MODEL: Attribute.MODEL_CALL_ID.value,
}


def _bind_event(span: Span, session: str) -> Callable[..., Event]:
    return partial(Event, session=session, source=conventions.get_source(span), channel=Channel.OTLP)


def find_task(span: Span, place: SpanPlace) -> str | None:
    """Return the task that a span happened in, as Stretto said or by what lies above it."""
    if conventions.was_sent_by_stretto(span):
        return get_id(span.attributes, Attribute.TASK_ID.value)
    return place.task
