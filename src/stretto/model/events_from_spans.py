"""Span events: make events of turns, tasks, tool calls and model calls from a session's tree of spans."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from stretto.model.call_cost_and_usage_types import DOLLAR
from stretto.model.event import Channel, Event, Kind, Outcome, Value, omit_none
from stretto.model.facts import HEARSAY, RANK, EntityFacts, get_number, get_text
from stretto.model.span_tree import SpanKind, SpanNode, SpanRole, order_spans_by_tree
from stretto.names import fact_fields

_CHANNELS = {rank: channel for channel, rank in RANK.items()}


@dataclass(frozen=True, slots=True)
class SpanEvents:
    """The events that the spans of a session amount to."""

    events: tuple[Event, ...]
    places: Mapping[str, str | None]
    """Span id → the task or call that it is or lies in; None is the main agent."""
    source: str | None
    """The product that made the session: that of the earliest outermost span, else of the earliest entity."""


def make_events_of_spans(
    spans: Mapping[str, EntityFacts], session: str, known_parents: Container[str] = ()
) -> SpanEvents:
    """Return the story of a session's spans; ``known_parents`` are entities that other events report.

    The parent of a span that has not arrived is the main agent, unless it is known.
    """
    nodes = order_spans_by_tree(spans, session)
    ids = _EntityIds(nodes)
    first_tasks: dict[str, str] = {}
    for node in sorted(nodes, key=lambda node: (node.start, node.id)):
        if node.kind is SpanKind.TASK and (call := _get_call_above(node, ids)) is not None:
            first_tasks.setdefault(call, ids[node])
    events: list[Event] = []
    around = _Surroundings(session, ids, first_tasks, known_parents, _find_last_attempts(nodes, ids))
    for node in nodes:
        make_events = _EVENT_MAKERS.get(node.kind)
        if make_events is not None:
            events += make_events(node, around)
    events += _make_edges(nodes, session)
    places = {node.id: _find_place(node, ids, known_parents) for node in nodes}
    return SpanEvents(tuple(events), places, _find_source(nodes))


@dataclass(frozen=True, slots=True)
class _Surroundings:
    session: str
    ids: _EntityIds
    first_tasks: Mapping[str, str]
    known: Container[str]
    last_attempts: Mapping[str, str]
    """Id of a workflow engine's task → the span of its last attempt."""


class _EntityIds:
    """The id of each span's entity.

    It is the id that the span names, else the id that the model gave to the call, else the span's id. A call
    id that several calls of the session share is none.
    """

    def __init__(self, nodes: Iterable[SpanNode]) -> None:
        calls: dict[str, int] = {}
        self._ids: dict[str, str] = {}
        for node in nodes:
            is_run_of_task = node.role is SpanRole.RUN and node.kind is SpanKind.TASK
            entity = node.thread if is_run_of_task else _get_first_text(node, fact_fields.ENTITY)
            if node.kind is SpanKind.TOOL and entity is None:
                call = _get_first_text(node, fact_fields.CALL)
                if call is not None:
                    calls[call] = calls.get(call, 0) + 1
            elif entity is not None:
                self._ids[node.id] = entity
        for node in nodes:
            if node.kind is SpanKind.TOOL and node.id not in self._ids:
                call = _get_first_text(node, fact_fields.CALL)
                if call is not None and calls[call] == 1:
                    self._ids[node.id] = call

    def __getitem__(self, node: SpanNode) -> str:
        return self._ids.get(node.id, node.id)


def _find_last_attempts(nodes: Iterable[SpanNode], ids: _EntityIds) -> dict[str, str]:
    attempts: dict[str, tuple[int, str]] = {}
    for node in nodes:
        if node.role is SpanRole.UNIT:
            attempts[ids[node]] = max(attempts.get(ids[node], (0, "")), (node.start, node.id))
    return {task: span for task, (_, span) in attempts.items()}


def _get_first_text(node: SpanNode, name: str) -> str | None:
    """Return a text of a span, else that of a span that reports the same entity again."""
    for each in (node, *node.merged):
        value = get_text(each.facts, name)
        if value:
            return value
    return None


def _bind_event(node: SpanNode, session: str) -> Callable[..., Event]:
    rank, _ = node.facts.get(fact_fields.START, (RANK[Channel.OTLP], 0))
    return partial(
        Event,
        session=session,
        source=get_text(node.facts, fact_fields.SOURCE) or "otlp",
        channel=_CHANNELS.get(rank % HEARSAY, Channel.OTLP),
        id=node.id,
    )


def _get_outcome(node: SpanNode) -> Outcome | None:
    """Return a span's outcome: that of a span that reports the entity again counts if it is a failure."""
    words = [get_text(each.facts, fact_fields.OUTCOME) for each in (node, *node.merged)]
    worst = next((word for word in words[1:] if word in {Outcome.FAILURE, Outcome.CANCELLED}), None)
    word = worst if words[0] == Outcome.SUCCESS and worst and node.kind is SpanKind.MODEL else words[0]
    return None if word is None else Outcome(word)


def _get_call_above(node: SpanNode, ids: _EntityIds) -> str | None:
    """Return the tool call that a task was started by, as far as spans report it."""
    named = get_text(node.facts, fact_fields.DELEGATED_BY)
    if named:
        return named
    above = node.above
    return ids[above] if above is not None and above.kind is SpanKind.TOOL else None


def _find_caller(node: SpanNode, ids: _EntityIds, known: Container[str]) -> str | None:
    """Return the task or tool call that a task belongs to."""
    owner = get_text(node.facts, fact_fields.OWNER)
    if owner is not None:
        return owner or None
    above = node.above
    while above is not None and above.kind is SpanKind.MODEL:
        above = above.above
    if above is None:
        return _find_outside_parent(node, known)
    return ids[above] if above.kind in {SpanKind.TASK, SpanKind.TOOL} else None


def _find_task(node: SpanNode, ids: _EntityIds, known: Container[str]) -> str | None:
    """Return the task that a call belongs to."""
    owner = get_text(node.facts, fact_fields.OWNER)
    if owner is not None:
        return owner or None
    if node.thread is not None:
        return node.thread
    above = node.above
    last = node
    while above is not None and above.kind in {SpanKind.MODEL, SpanKind.TOOL}:
        last, above = above, above.above
    if above is None:
        return _find_outside_parent(last, known)
    return ids[above] if above.kind is SpanKind.TASK else None


def _find_outside_parent(node: SpanNode, known: Container[str]) -> str | None:
    """Return the parent of a span's topmost link if other events report an entity of that id."""
    top = [node, *node.walk_up()][-1]
    parent = get_text(top.facts, fact_fields.PARENT)
    return parent if parent is not None and parent in known else None


def _find_place(node: SpanNode, ids: _EntityIds, known: Container[str]) -> str | None:
    if node.kind in {SpanKind.TASK, SpanKind.TOOL}:
        return ids[node]
    if node.kind in {SpanKind.SESSION, SpanKind.TURN}:
        return None
    return _find_task(node, ids, known)


def _make_turn_events(node: SpanNode, around: _Surroundings) -> list[Event]:
    new_event = partial(_bind_event(node, around.session), id=around.ids[node])
    command = node.name if node.role is SpanRole.WORKFLOW else None
    start = new_event(
        kind=Kind.TURN_START,
        time=node.start,
        type=get_text(node.facts, fact_fields.TYPE),
        attributes=omit_none(command=command),
    )
    if node.end is None:
        return [start]
    duration = get_number(node.facts, fact_fields.DURATION)
    end = new_event(kind=Kind.TURN_END, time=node.end, duration=duration, outcome=_get_outcome(node))
    return [start, end]


def _make_task_events(node: SpanNode, around: _Surroundings) -> list[Event]:
    caller = _find_caller(node, around.ids, around.known)
    new_event = partial(
        _bind_event(node, around.session),
        id=around.ids[node],
        parent=caller,
        name=node.name or _get_first_text(node, fact_fields.NAME),
        type=None
        if node.role in {SpanRole.CHAIN, SpanRole.WORKFLOW}
        else get_text(node.facts, fact_fields.TYPE),
    )
    attributes = omit_none(
        delegated_by=_get_call_above(node, around.ids),
        description=get_text(node.facts, fact_fields.DESCRIPTION),
        phase=get_text(node.facts, fact_fields.PHASE) or node.phase,
    )
    start = new_event(kind=Kind.TASK_START, time=node.start, attributes=attributes)
    # Only the last attempt ends the task: the starts before that end belong to a single run.
    if node.end is None or around.last_attempts.get(around.ids[node], node.id) != node.id:
        return [start]
    duration = get_number(node.facts, fact_fields.DURATION)
    end = new_event(
        kind=Kind.TASK_END,
        time=node.end,
        duration=duration,
        outcome=_get_outcome(node),
        attributes=_get_task_evidence(node),
    )
    return [start, end]


def _get_task_evidence(node: SpanNode) -> dict[str, Value]:
    conflict = get_number(node.facts, fact_fields.CONFLICT)
    return omit_none(
        wrote=get_text(node.facts, fact_fields.WROTE),
        conflict=None if conflict is None else bool(conflict),
        error=get_text(node.facts, fact_fields.ERROR),
    )


def _make_tool_events(node: SpanNode, around: _Surroundings) -> list[Event]:
    call = around.ids[node]
    new_event = partial(
        _bind_event(node, around.session),
        id=call,
        parent=_find_task(node, around.ids, around.known),
        name=node.name,
    )
    start = new_event(kind=Kind.TOOL_START, time=node.start)
    if node.end is None:
        return [start]
    attributes = omit_none(
        call=get_text(node.facts, fact_fields.CALL),
        task=around.first_tasks.get(call),
        error=get_text(node.facts, fact_fields.ERROR),
        wrote=get_text(node.facts, fact_fields.WROTE),
        test_framework=get_text(node.facts, fact_fields.TEST_FRAMEWORK),
        **{name: get_number(node.facts, name) for name in fact_fields.TEST_COUNTS},
    )
    end = new_event(
        kind=Kind.TOOL_END,
        time=node.end,
        duration=get_number(node.facts, fact_fields.DURATION),
        outcome=_get_outcome(node),
        attributes=attributes,
    )
    return [start, end]


def _make_model_events(node: SpanNode, around: _Surroundings) -> list[Event]:
    tokens: dict[str, Value] = {}
    for name in fact_fields.TOKENS:
        counts = [
            count for each in (node, *node.merged) if (count := get_number(each.facts, name)) is not None
        ]
        if counts:
            tokens[name] = max(counts)
    costs = [cost for each in (node, *node.merged) if (cost := get_number(each.facts, fact_fields.COST))]
    return [
        _bind_event(node, around.session)(
            kind=Kind.MODEL_CALL,
            time=node.start,
            id=around.ids[node],
            parent=_find_task(node, around.ids, around.known),
            duration=get_number(node.facts, fact_fields.DURATION),
            name=node.name or _get_first_text(node, fact_fields.NAME),
            outcome=_get_outcome(node),
            attributes={
                **tokens,
                **omit_none(
                    cost_usd=max(costs) / DOLLAR if costs else None,
                    error=_get_first_text(node, fact_fields.ERROR),
                ),
            },
        )
    ]


_EVENT_MAKERS: Mapping[SpanKind, Callable[[SpanNode, _Surroundings], list[Event]]] = {
    SpanKind.TURN: _make_turn_events,
    SpanKind.TASK: _make_task_events,
    SpanKind.TOOL: _make_tool_events,
    SpanKind.MODEL: _make_model_events,
}


def _make_edges(nodes: list[SpanNode], session: str) -> list[Event]:
    """Return start and end of a session that declares none: its last outermost span ends it.

    A trace whose outermost span has not arrived keeps the session open from its latest span on. Spans that
    name what they belong to, such as the Python API's, lie in a session that something else begins and ends.
    """
    if any(node.kind is SpanKind.SESSION for node in nodes):
        return []
    nodes = [node for node in nodes if fact_fields.OWNER not in node.facts and node.thread is None]
    roots = [node for node in nodes if node.is_root]
    ended = [node for node in roots if node.end is not None]
    last = max(ended, key=lambda node: (node.end or 0, node.id), default=None)
    finished = {get_text(node.facts, fact_fields.TRACE) for node in roots}
    unfinished = [node for node in nodes if get_text(node.facts, fact_fields.TRACE) not in finished]
    events: list[Event] = []
    for node in (*roots, *(unfinished if ended else ())):
        new_event = partial(_bind_event(node, session), id=None)
        events.append(new_event(kind=Kind.SESSION_START, time=node.start))
        if node.is_root and node.end is not None:
            outcome = _get_outcome(node) if last is not None and node.id == last.id else None
            events.append(new_event(kind=Kind.SESSION_END, time=node.end, outcome=outcome))
    return events


def _find_source(nodes: list[SpanNode]) -> str | None:
    entities = [node for node in nodes if node.kind is not SpanKind.LINK]
    if not entities:
        return None
    roots = [node for node in entities if node.is_root]
    first = min(roots or entities, key=lambda node: (node.start, node.id))
    return get_text(first.facts, fact_fields.SOURCE)
