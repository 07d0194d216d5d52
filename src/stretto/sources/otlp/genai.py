"""Translate spans of agent frameworks into turns, tasks, tool calls and model calls, with their parents.

``conventions`` gives the role that a span declares. Its role in the session also depends on the spans above
it, which are looked up among the spans of the same trace in the same request. If an ancestor is not in the
request, the parent is the missing span's id; an event of another request may have that id.
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

_MAIN_AGENT_ROLES = (Role.SESSION, Role.TURN)
"""Roles of the main agent: a span below them belongs to no task."""


class SpanPlace(NamedTuple):
    """A span's role in its session and the entities above it.

    If no entity above is in the request, each of the three ids is that of the first missing span.
    """

    role: Role | None
    """The kind of entity, or None for a span that only links the spans below it to those above."""
    above: str | None
    """Span id of the nearest entity above; None at the top."""
    task: str | None
    """The task that the span belongs to."""
    caller: str | None
    """The task or tool call that the span belongs to."""


_TOP = SpanPlace(None, None, None, None)


class Trace:
    """The spans of a trace that came in the same request, with the place of each."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = {span.id: span for span in spans}
        self._places: dict[str, SpanPlace] = {}
        for span in self._spans.values():
            self._place_span(span)
        self.first_tasks = self._find_first_tasks()
        """Tool call → the first task that it started."""

    @property
    def is_relevant(self) -> bool:
        """Whether any span gives events; other traces are not about agents and are ignored."""
        return any(self.is_relevant_span(span, place) for span, place in self.iterate_spans())

    @property
    def source(self) -> str:
        """The product that made the trace: by its entities, else by all spans that give events."""
        entities = [span for span, place in self.iterate_spans() if place.role is not None]
        named_by = entities or [
            span for span, place in self.iterate_spans() if self.is_relevant_span(span, place)
        ]
        return min(map(conventions.get_source, named_by))

    @staticmethod
    def is_relevant_span(span: Span, place: SpanPlace) -> bool:
        """Return whether a span gives events: an entity, a span of the Python API, or a judgement."""
        return place.role is not None or conventions.is_from_api(span) or conventions.has_judgement(span)

    def find_session(self) -> str | None:
        """Return the session that the spans name: by the best-ranked attribute, in the earliest span."""
        candidates = [
            (*ranked_session, span)
            for span in self._spans.values()
            if (ranked_session := conventions.find_ranked_session(span.attributes)) is not None
        ]
        # Each candidate is (rank, session, span): the lowest rank wins, then the earliest span.
        if not candidates:
            return None
        return min(candidates, key=lambda candidate: (candidate[0], candidate[2].start, candidate[1]))[1]

    def iterate_spans(self) -> Iterator[tuple[Span, SpanPlace]]:
        """Yield each span and its place; a repeated span comes once."""
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
        """Find the place of a span, after the places of all spans above it.

        Example: tool span 4 below 3 below agent span 2, whose parent 1 is not in the request. The walk
        collects 4, 3, 2 and places 2, 3, 4. Span 4 gets above, task and caller 2.
        """
        path: dict[str, Span] = {}
        ancestor: Span | None = span
        while ancestor is not None and ancestor.id not in self._places and ancestor.id not in path:
            path[ancestor.id] = ancestor
            ancestor = self._spans.get(ancestor.parent)
        for unplaced in reversed(path.values()):
            self._places[unplaced.id] = self._find_place(unplaced)

    def _find_place(self, span: Span) -> SpanPlace:
        above, task, caller = self._find_ancestors(span)
        return SpanPlace(self._resolve_role(span, above), above, task, caller)

    def _find_ancestors(self, span: Span) -> tuple[str | None, str | None, str | None]:
        parent = self._spans.get(span.parent)
        if parent is None:
            outside = span.parent or None
            return outside, outside, outside
        # Spans whose parents form a ring have no top; the first of them that is placed counts as the top.
        place = self._places.get(parent.id, _TOP)
        if place.role is None:
            return place.above, place.task, place.caller
        if place.role in _MAIN_AGENT_ROLES:
            return parent.id, None, None
        parent_entity = get_entity_id(parent, place.role)
        task = parent_entity if place.role is Role.TASK else place.task
        return parent.id, task, place.caller if place.role is Role.MODEL else parent_entity

    def _resolve_role(self, span: Span, above: str | None) -> Role | None:
        role = conventions.find_role(span)
        role_above = self._places.get(above or "", _TOP).role
        if role is Role.AGENT:
            return Role.TASK if span.parent else Role.TURN
        if role is Role.WORKFLOW:
            return Role.TURN if role_above in (None, Role.SESSION) else None
        if role is Role.CHAIN:
            return None if span.parent else Role.TURN
        # Two instrumentations may report the same call: the inner span then gives no entity.
        if role is Role.MODEL and role_above is Role.MODEL:
            return None
        if role is Role.TOOL and role_above is Role.TOOL and self._is_same_tool(span, above):
            return None
        return role

    def _is_same_tool(self, span: Span, above: str | None) -> bool:
        return conventions.get_tool_name(span) == conventions.get_tool_name(self._spans[above or ""])


def get_entity_id(span: Span, role: Role) -> str:
    """Return the id of a span's entity: the id that Stretto sent with it, else the span's id."""
    if role is Role.TOOL:
        return (conventions.get_call_id(span) if conventions.was_sent_by_stretto(span) else None) or span.id
    id_attribute = _STRETTO_IDS.get(role)
    return (get_id(span.attributes, id_attribute) if id_attribute else None) or span.id


def make_entity_events(
    span: Span, place: SpanPlace, session: str, first_tasks: Mapping[str, str]
) -> list[Event]:
    """Return the events of a span's entity; a span that only links has none.

    ``first_tasks`` maps each tool call of the trace to the first task it started.
    """
    if place.role is Role.TOOL:
        return _make_tool_events(span, place, session, first_tasks)
    if place.role is Role.TASK:
        return _make_task_events(span, place, session, first_tasks)
    make_events = _EVENT_MAKERS.get(place.role) if place.role is not None else None
    return [] if make_events is None else make_events(span, place, session)


def make_trace_edges(span: Span, place: SpanPlace, session: str, source: str) -> list[Event]:
    """Return start and end of a session that is a whole trace, if the span is the trace's outermost."""
    if span.parent or session != span.trace or place.role is Role.SESSION:
        return []
    new_event = partial(Event, session=session, source=source, channel=Channel.OTLP)
    return [
        new_event(kind=Kind.SESSION_START, time=span.start),
        new_event(kind=Kind.SESSION_END, time=span.end),
    ]


def _make_session_events(span: Span, _: SpanPlace, session: str) -> list[Event]:
    new_event = _bind_event(span, session)
    attributes = omit_none(
        pattern=conventions.get_workflow_name(span),
        project=get_text(span.attributes, Attribute.PROJECT.value),
    )
    start = new_event(kind=Kind.SESSION_START, time=span.start, attributes=attributes)
    if span.attributes.get(Attribute.END_KNOWN.value) is False:
        return [start]
    return [start, new_event(kind=Kind.SESSION_END, time=span.end, outcome=conventions.get_outcome(span))]


def _make_turn_events(span: Span, _: SpanPlace, session: str) -> list[Event]:
    new_event = partial(_bind_event(span, session), id=get_entity_id(span, Role.TURN))
    pattern = conventions.get_workflow_name(span) if conventions.find_role(span) is Role.WORKFLOW else None
    origin = get_text(span.attributes, Attribute.TURN_ORIGIN.value)
    return [
        new_event(kind=Kind.TURN_START, time=span.start, type=origin, attributes=omit_none(command=pattern)),
        new_event(
            kind=Kind.TURN_END, time=span.end, duration=span.duration, outcome=conventions.get_outcome(span)
        ),
    ]


def _make_task_events(
    span: Span, place: SpanPlace, session: str, first_tasks: Mapping[str, str]
) -> list[Event]:
    new_event = partial(
        _bind_event(span, session),
        id=get_entity_id(span, Role.TASK),
        parent=place.caller,
        name=conventions.get_agent_name(span),
        type=get_text(span.attributes, Attribute.TASK_TYPE.value),
    )
    end = new_event(
        kind=Kind.TASK_END,
        time=span.end,
        duration=span.duration,
        outcome=conventions.get_outcome(span),
        attributes=omit_none(error=conventions.get_error_class(span.attributes)),
    )
    attributes = omit_none(
        delegated_by=place.caller if place.caller in first_tasks else None,
        description=get_text(span.attributes, Attribute.TASK_DESCRIPTION.value),
    )
    return [new_event(kind=Kind.TASK_START, time=span.start, attributes=attributes), end]


def _make_tool_events(
    span: Span, place: SpanPlace, session: str, first_tasks: Mapping[str, str]
) -> list[Event]:
    call = get_entity_id(span, Role.TOOL)
    new_event = partial(
        _bind_event(span, session),
        id=call,
        parent=find_task(span, place),
        name=conventions.get_tool_name(span),
    )
    seconds = get_number(span.attributes, Attribute.TOOL_EXECUTION_SECONDS.value)
    end = new_event(
        kind=Kind.TOOL_END,
        time=span.end,
        duration=span.duration if seconds is None else to_duration(seconds * SECOND),
        outcome=conventions.get_outcome(span),
        attributes=omit_none(
            call=conventions.get_call_id(span),
            task=first_tasks.get(call),
            error=conventions.get_error_class(span.attributes),
        ),
    )
    return [new_event(kind=Kind.TOOL_START, time=span.start), end]


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


_EVENT_MAKERS: dict[Role, Callable[[Span, SpanPlace, str], list[Event]]] = {
    Role.SESSION: _make_session_events,
    Role.TURN: _make_turn_events,
    Role.MODEL: _make_model_call,
}

_STRETTO_IDS = {
    Role.TURN: Attribute.TURN_ID.value,
    Role.TASK: Attribute.TASK_ID.value,
    Role.MODEL: Attribute.MODEL_CALL_ID.value,
}


def _bind_event(span: Span, session: str) -> Callable[..., Event]:
    return partial(Event, session=session, source=conventions.get_source(span), channel=Channel.OTLP)


def find_task(span: Span, place: SpanPlace) -> str | None:
    """Return the task that a span belongs to: the task that Stretto sent, else the nearest task above."""
    if conventions.was_sent_by_stretto(span):
        return get_id(span.attributes, Attribute.TASK_ID.value)
    return place.task
