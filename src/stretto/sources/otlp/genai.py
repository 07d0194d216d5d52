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
from stretto.model.event import Channel, Event, Kind, present
from stretto.names import Attribute
from stretto.sources.otlp import conventions
from stretto.sources.otlp.conventions import Role
from stretto.sources.otlp.plain_records import Span, amount, identifier, length, named

_MAIN = (Role.SESSION, Role.TURN)
"""What happens in these happens in no task."""


class Place(NamedTuple):
    """What a span is in its session and what it belongs to."""

    role: Role | None
    """One of the entities, or None for a span that only links what is below it to what is above."""
    above: str | None
    """The nearest entity's span above, or the first span id not in the request; None at the top."""
    task: str | None
    """The task that it happened in, or the span id at which the way up leaves the request."""
    caller: str | None
    """The task or tool call that it happened in, likewise."""


_TOP = Place(None, None, None, None)


class Trace:
    """The spans of one trace in one request, in their places."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = {span.id: span for span in spans}
        self._places: dict[str, Place] = {}
        for span in self._spans.values():
            self._settle(span)
        self.started = self._first_tasks()
        """Tool call → the first task that it started."""

    @property
    def is_ours(self) -> bool:
        """Whether any of the spans tells something; a trace without one is none of ours."""
        return any(self.tells(span, place) for span, place in self.spans())

    @property
    def source(self) -> str:
        """The product that the trace is of, by its entities, else by all that tells something."""
        entities = [span for span, place in self.spans() if place.role is not None]
        told = entities or [span for span, place in self.spans() if self.tells(span, place)]
        return min(map(conventions.source, told))

    @staticmethod
    def tells(span: Span, place: Place) -> bool:
        """Tell whether a span is an entity, one of the Python API's, or a judgement; others only link."""
        return place.role is not None or conventions.made_by_api(span) or conventions.judges(span)

    def session(self) -> str | None:
        """Return the session that the spans name: the best word, the earliest span of those that give it."""
        said = [
            (*word, span)
            for span in self._spans.values()
            if (word := conventions.session(span.attributes)) is not None
        ]
        return min(said, key=lambda word: (word[0], word[2].start, word[1]))[1] if said else None

    def spans(self) -> Iterator[tuple[Span, Place]]:
        """Yield each span and its place, a repeated span once."""
        for span in self._spans.values():
            yield span, self._places[span.id]

    def _first_tasks(self) -> dict[str, str]:
        calls = {entity_id(span, Role.TOOL) for span, place in self.spans() if place.role is Role.TOOL}
        tasks = sorted(
            (span.start, entity_id(span, Role.TASK), place.caller)
            for span, place in self.spans()
            if place.role is Role.TASK and place.caller in calls
        )
        return {str(caller): task for _, task, caller in reversed(tasks)}

    def _settle(self, span: Span) -> None:
        """Find the place of a span, after the places of all above it."""
        path: dict[str, Span] = {}
        at: Span | None = span
        while at is not None and at.id not in self._places and at.id not in path:
            path[at.id] = at
            at = self._spans.get(at.parent)
        for each in reversed(path.values()):
            self._places[each.id] = self._place(each)

    def _place(self, span: Span) -> Place:
        above, task, caller = self._up(span)
        return Place(self._role(span, above), above, task, caller)

    def _up(self, span: Span) -> tuple[str | None, str | None, str | None]:
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
        own = entity_id(parent, place.role)
        task = own if place.role is Role.TASK else place.task
        return parent.id, task, place.caller if place.role is Role.MODEL else own

    def _role(self, span: Span, above: str | None) -> Role | None:
        role = conventions.role(span)
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
        if role is Role.TOOL and inside is Role.TOOL and self._same_tool(span, above):
            return None
        return role

    def _same_tool(self, span: Span, above: str | None) -> bool:
        return conventions.tool_name(span) == conventions.tool_name(self._spans[above or ""])


def entity_id(span: Span, role: Role) -> str:
    """Return the id of what a span tells of: the span's, or that with which Stretto sent it out."""
    if role is Role.TOOL:
        return (conventions.call_id(span) if conventions.told_by_stretto(span) else None) or span.id
    own = _OWN_IDS.get(role)
    return (identifier(span.attributes, own) if own else None) or span.id


def span_events(span: Span, place: Place, session: str, started: Mapping[str, str]) -> list[Event]:
    """Return the events that a span gives in its place; none for one that only links.

    ``started`` names the first task that each tool call of the trace started.
    """
    if place.role is Role.TOOL:
        return _tool(span, place, session, started)
    if place.role is Role.TASK:
        return _task(span, place, session, started)
    tell = _ROLES.get(place.role) if place.role is not None else None
    return [] if tell is None else tell(span, place, session)


def trace_edges(span: Span, place: Place, session: str, source: str) -> list[Event]:
    """Return start and end of the session that a whole trace is, from the outermost span of the trace."""
    if span.parent or session != span.trace or place.role is Role.SESSION:
        return []
    told = partial(Event, session=session, source=source, channel=Channel.OTLP)
    return [told(kind=Kind.SESSION_START, time=span.start), told(kind=Kind.SESSION_END, time=span.end)]


def _session(span: Span, _: Place, session: str) -> list[Event]:
    told = _telling(span, session)
    attributes = present(
        pattern=conventions.workflow_name(span), project=named(span.attributes, Attribute.PROJECT.value)
    )
    start = told(kind=Kind.SESSION_START, time=span.start, attributes=attributes)
    if span.attributes.get(Attribute.END_KNOWN.value) is False:
        return [start]
    return [start, told(kind=Kind.SESSION_END, time=span.end, outcome=conventions.outcome(span))]


def _turn(span: Span, _: Place, session: str) -> list[Event]:
    told = partial(_telling(span, session), id=entity_id(span, Role.TURN))
    pattern = conventions.workflow_name(span) if conventions.role(span) is Role.WORKFLOW else None
    origin = named(span.attributes, Attribute.TURN_ORIGIN.value)
    return [
        told(kind=Kind.TURN_START, time=span.start, type=origin, attributes=present(command=pattern)),
        told(kind=Kind.TURN_END, time=span.end, duration=span.duration, outcome=conventions.outcome(span)),
    ]


def _task(span: Span, place: Place, session: str, started: Mapping[str, str]) -> list[Event]:
    told = partial(
        _telling(span, session),
        id=entity_id(span, Role.TASK),
        parent=place.caller,
        name=conventions.agent_name(span),
        type=named(span.attributes, Attribute.TASK_TYPE.value),
    )
    end = told(
        kind=Kind.TASK_END,
        time=span.end,
        duration=span.duration,
        outcome=conventions.outcome(span),
        attributes=present(error=conventions.error(span.attributes)),
    )
    about = present(
        delegated_by=place.caller if place.caller in started else None,
        description=named(span.attributes, Attribute.TASK_DESCRIPTION.value),
    )
    return [told(kind=Kind.TASK_START, time=span.start, attributes=about), end]


def _tool(span: Span, place: Place, session: str, started: Mapping[str, str]) -> list[Event]:
    call = entity_id(span, Role.TOOL)
    told = partial(
        _telling(span, session),
        id=call,
        parent=task_of(span, place),
        name=conventions.tool_name(span),
    )
    seconds = amount(span.attributes, Attribute.TOOL_EXECUTION_SECONDS.value)
    end = told(
        kind=Kind.TOOL_END,
        time=span.end,
        duration=span.duration if seconds is None else length(seconds * SECOND),
        outcome=conventions.outcome(span),
        attributes=present(
            call=conventions.call_id(span),
            task=started.get(call),
            error=conventions.error(span.attributes),
        ),
    )
    return [told(kind=Kind.TOOL_START, time=span.start), end]


def _model(span: Span, place: Place, session: str) -> list[Event]:
    return [
        _telling(span, session)(
            kind=Kind.MODEL_CALL,
            time=span.start,
            id=entity_id(span, Role.MODEL),
            parent=task_of(span, place),
            duration=span.duration,
            name=conventions.model_name(span),
            outcome=conventions.outcome(span),
            attributes=present(
                **conventions.usage(span.attributes),
                response=conventions.response_id(span),
                error=conventions.error(span.attributes),
            ),
        )
    ]


_ROLES: dict[Role, Callable[[Span, Place, str], list[Event]]] = {
    Role.SESSION: _session,
    Role.TURN: _turn,
    Role.MODEL: _model,
}

_OWN_IDS = {
    Role.TURN: Attribute.TURN_ID.value,
    Role.TASK: Attribute.TASK_ID.value,
    Role.MODEL: Attribute.MODEL_CALL_ID.value,
}


def _telling(span: Span, session: str) -> Callable[..., Event]:
    return partial(Event, session=session, source=conventions.source(span), channel=Channel.OTLP)


def task_of(span: Span, place: Place) -> str | None:
    """Return the task that a span happened in, as Stretto said or by what lies above it."""
    if conventions.told_by_stretto(span):
        return identifier(span.attributes, Attribute.TASK_ID.value)
    return place.task
