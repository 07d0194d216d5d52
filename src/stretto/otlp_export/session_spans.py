"""Convert a finished session to an OpenTelemetry trace; the same session always gives the same trace.

Names and attributes follow the GenAI conventions (github.com/open-telemetry/semantic-conventions-genai,
status Development); Stretto's additions start with ``stretto.``.

An entity becomes a span only if its start and end are known: a duration is never invented. An entity without
an end becomes the event ``stretto.unfinished`` at its start; without a start, ``stretto.start_unknown`` at
its end. The event is attached to the nearest ancestor that is a span. Entities without either time are
counted in the root's ``stretto.untimed``. Children of an entity without a span get the nearest ancestor that
has a span as parent.

A failure has status ERROR. Every other outcome, success too, stays UNSET: OK is reserved for developers and
operators and makes backends suppress errors (OpenTelemetry trace API, "Set Status"). ``stretto.outcome`` is
the outcome. Entities carry no error class, so ``error.type`` is ``_OTHER``, as the conventions ask.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stretto.clock import SECOND
from stretto.model.call_cost_and_usage_types import DOLLAR
from stretto.model.entities import ModelCall, Session, Task, ToolCall, Turn
from stretto.model.event import Outcome
from stretto.names import SpanAttribute

SERVICE = "stretto"
"""The resource's ``service.name`` and the name of the instrumentation scope."""

UNFINISHED = "stretto.unfinished"
START_UNKNOWN = "stretto.start_unknown"

_SESSION, _TURN, _TASK, _TOOL, _MODEL = "session", "turn", "task", "tool", "model"

Key = tuple[str, str]
"""(kind, id): the name of an entity within its session."""

Value = str | bool | int | float


def build_spans(
    session: Session, *, version: str, resource: Mapping[str, str] | None = None
) -> tuple[ReadableSpan, ...]:
    """Return a finished session as spans: the root, then turns, tasks, tool calls and model calls.

    ``version`` is the scope's; ``resource`` is added to ``service.name=stretto`` and may replace it. A
    session started inside another trace (``traceparent``) becomes a child of that remote span. If that trace
    is not sampled, no spans are returned, as their parent was not kept. A lost session has no end: its span
    ends at its last event and carries ``stretto.end_known=false``. Raises ValueError for a running session.
    """
    if session.outcome is Outcome.RUNNING:
        raise ValueError(f"session {session.id} is still running: only a finished session becomes a trace")
    caller = _find_caller(session)
    if caller is not None and not caller.trace_flags.sampled:
        return ()
    entities = tuple(_convert_entities(session))
    flags = caller.trace_flags if caller else TraceFlags(TraceFlags.SAMPLED)
    trace = choose_trace_id(session)
    contexts = {
        entity.key: SpanContext(
            trace, compute_span_id(session.id, *entity.key), is_remote=False, trace_flags=flags
        )
        for entity in entities
        if entity.is_complete
    }
    parents = _find_parents(session, contexts.keys())
    events: dict[Key, list[Event]] = {}
    for entity in entities:
        event = entity.to_event()
        if event is not None:
            events.setdefault(parents[entity.key], []).append(event)
    home = Resource({"service.name": SERVICE, **(resource or {})})
    scope = InstrumentationScope(SERVICE, version)
    return tuple(
        ReadableSpan(
            name=entity.name,
            context=contexts[entity.key],
            parent=contexts[parents[entity.key]] if entity.key in parents else caller,
            resource=home,
            attributes=entity.attributes,
            events=tuple(events.get(entity.key, ())),
            kind=SpanKind.CLIENT if entity.key[0] == _MODEL else SpanKind.INTERNAL,
            status=entity.status,
            start_time=entity.start,
            end_time=entity.end,
            instrumentation_scope=scope,
        )
        for entity in entities
        if entity.is_complete
    )


def choose_trace_id(session: Session) -> int:
    """Return the trace id: the caller's if there is a caller, else a hash of source and session id."""
    caller = _find_caller(session)
    return caller.trace_id if caller else _hash_id(16, SERVICE, session.source, session.id)


def compute_span_id(session: str, kind: str, entity: str) -> int:
    """Return the span id of an entity of a session; ``kind`` is session, turn, task, tool or model."""
    return _hash_id(8, session, kind, entity)


def _hash_id(size: int, *words: str) -> int:
    # Zero is the one value that the W3C trace context forbids.
    return int.from_bytes(sha256("\0".join(words).encode()).digest()[:size], "big") or 1


def _find_caller(session: Session) -> SpanContext | None:
    if session.traceparent is None:
        return None
    context = TraceContextTextMapPropagator().extract({"traceparent": session.traceparent})
    caller = get_current_span(context).get_span_context()
    return caller if caller.is_valid else None


@dataclass(frozen=True, slots=True)
class _EntitySpan:
    """An entity in the shape of a span; without start or end it becomes an event of its parent."""

    key: Key
    start: int | None
    end: int | None
    name: str
    attributes: dict[str, Value]
    outcome: Outcome

    @property
    def is_complete(self) -> bool:
        """Whether start and end are known and in order; a clock that stepped back can put the end first."""
        return self.start is not None and self.end is not None and self.start <= self.end

    @property
    def status(self) -> Status:
        return Status(StatusCode.ERROR if self.outcome is Outcome.FAILURE else StatusCode.UNSET)

    def to_event(self) -> Event | None:
        """Return the event on the parent; None if the entity is a span or has no time."""
        if self.is_complete:
            return None
        if self.start is not None:
            return Event(UNFINISHED, self.attributes, self.start)
        return Event(START_UNKNOWN, self.attributes, self.end) if self.end is not None else None


def _convert_entities(session: Session) -> Iterator[_EntitySpan]:
    agents = {task.id: task.agent for task in session.tasks}
    entities = [
        *(_convert_turn(session, turn) for turn in session.turns),
        *(_convert_task(session, task) for task in session.tasks),
        *(_convert_tool_call(session, call, agents) for call in session.tool_calls),
        *(_convert_model_call(session, call, agents) for call in session.model_calls),
    ]
    untimed = sum(entity.start is None and entity.end is None for entity in entities)
    yield _convert_session(session, untimed)
    yield from entities


def _convert_session(session: Session, untimed: int) -> _EntitySpan:
    workflow = session.pattern or session.source
    known = session.end is not None and session.end >= session.start
    return _build_entity_span(
        session,
        (_SESSION, session.id),
        start=session.start,
        end=session.end if known else max(session.start, session.last),
        outcome=session.outcome,
        operation="invoke_workflow",
        subject=workflow,
        specific={
            SpanAttribute.AGENT_NAME.value: workflow,
            SpanAttribute.SESSION_ID.value: session.id,
            SpanAttribute.SOURCE.value: session.source,
            SpanAttribute.PROJECT.value: session.project,
            SpanAttribute.RECORDING.value: session.recording,
            SpanAttribute.END_KNOWN.value: None if known else False,
            SpanAttribute.UNTIMED.value: untimed or None,
        },
    )


def _convert_turn(session: Session, turn: Turn) -> _EntitySpan:
    return _build_entity_span(
        session,
        (_TURN, turn.id),
        start=turn.start,
        end=turn.end,
        outcome=turn.outcome,
        operation="invoke_agent",
        subject=session.source,
        specific={
            SpanAttribute.AGENT_NAME.value: session.source,
            SpanAttribute.TURN_ID.value: turn.id,
            SpanAttribute.TURN_ORIGIN.value: turn.origin,
        },
    )


def _convert_task(session: Session, task: Task) -> _EntitySpan:
    return _build_entity_span(
        session,
        (_TASK, task.id),
        start=task.start,
        end=task.end,
        outcome=task.outcome,
        operation="invoke_agent",
        subject=task.agent,
        specific={
            SpanAttribute.AGENT_NAME.value: task.agent,
            SpanAttribute.TASK_ID.value: task.id,
            SpanAttribute.TASK_TYPE.value: task.task_type,
        },
    )


def _convert_tool_call(session: Session, call: ToolCall, agents: Mapping[str, str | None]) -> _EntitySpan:
    return _build_entity_span(
        session,
        (_TOOL, call.id),
        start=call.start,
        end=call.end,
        outcome=call.outcome,
        operation="execute_tool",
        subject=call.tool,
        specific={
            SpanAttribute.TOOL_NAME.value: call.tool,
            SpanAttribute.TOOL_CALL_ID.value: call.id,
            SpanAttribute.AGENT_NAME.value: _name_agent(session, call.task, agents),
            SpanAttribute.TASK_ID.value: call.task,
            SpanAttribute.TOOL_EXECUTION_SECONDS.value: _to_seconds(call.duration),
            SpanAttribute.TOOL_OVERHEAD_SECONDS.value: _to_seconds(call.overhead),
        },
    )


def _convert_model_call(session: Session, call: ModelCall, agents: Mapping[str, str | None]) -> _EntitySpan:
    return _build_entity_span(
        session,
        (_MODEL, call.id),
        start=call.start,
        end=None if call.start is None or call.duration is None else call.start + call.duration,
        outcome=call.outcome,
        operation="chat",
        subject=call.model,
        specific={
            SpanAttribute.REQUEST_MODEL.value: call.model,
            SpanAttribute.AGENT_NAME.value: _name_agent(session, call.task, agents),
            SpanAttribute.MODEL_CALL_ID.value: call.id,
            SpanAttribute.TASK_ID.value: call.task,
            **_convert_usage(call),
        },
    )


def _convert_usage(call: ModelCall) -> dict[str, Value | None]:
    """Return tokens and reported cost (dollars) of a call; by convention input includes cached tokens."""
    tokens = call.tokens
    return {
        SpanAttribute.USAGE_INPUT.value: None if tokens.input is None else tokens.prompt,
        SpanAttribute.USAGE_OUTPUT.value: tokens.output,
        SpanAttribute.USAGE_CACHE_READ.value: tokens.cache_read,
        SpanAttribute.USAGE_CACHE_WRITE.value: tokens.cache_write,
        SpanAttribute.USAGE_COST.value: None if call.cost is None else call.cost / DOLLAR,
    }


def _build_entity_span(
    session: Session,
    key: Key,
    *,
    start: int | None,
    end: int | None,
    outcome: Outcome,
    operation: str,
    subject: str | None,
    specific: Mapping[str, Value | None],
) -> _EntitySpan:
    attributes: dict[str, Value] = {
        SpanAttribute.OPERATION_NAME.value: operation,
        SpanAttribute.CONVERSATION_ID.value: session.id,
        SpanAttribute.OUTCOME.value: outcome.value,
    }
    if outcome is Outcome.FAILURE:
        attributes[SpanAttribute.ERROR_TYPE.value] = "_OTHER"
    attributes |= {name: value for name, value in specific.items() if value is not None}
    return _EntitySpan(
        key, start, end, f"{operation} {subject}" if subject else operation, attributes, outcome
    )


def _name_agent(session: Session, task: str | None, agents: Mapping[str, str | None]) -> str | None:
    return session.source if task is None else agents.get(task)


def _to_seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / SECOND


def _find_parents(session: Session, spans: Collection[Key]) -> dict[Key, Key]:
    """Return the parent span of every entity but the root: its nearest ancestor that is a span."""
    owners = _find_owners(session)
    _cut_loops(owners, (_SESSION, session.id))
    parents = {}
    for key in owners:
        parent = owners[key]
        while parent not in spans:
            parent = owners[parent]
        parents[key] = parent
    return parents


def _find_owners(session: Session) -> dict[Key, Key]:
    """Return the owner of each entity: of a task the call that started it, of a call its task or turn.

    A background task outlives the call that started it; OpenTelemetry lets a child end after its parent.
    Example: task A (10 to 60 s) was started by tool call c1 (10 to 11 s) in turn p1 (0 to 20 s). The owner
    of A is c1, that of c1 is p1, that of p1 is the session.
    """
    root = (_SESSION, session.id)
    turn_at = _index_turns(session)
    tasks = {task.id for task in session.tasks}
    calls = {call.id for call in session.tool_calls}
    owners: dict[Key, Key] = {(_TURN, turn.id): root for turn in session.turns}
    for task in session.tasks:
        if task.delegated_by in calls:
            owners[_TASK, task.id] = (_TOOL, task.delegated_by)
        elif task.parent in tasks:
            owners[_TASK, task.id] = (_TASK, task.parent)
        else:
            owners[_TASK, task.id] = turn_at(task.start)
    for kind, members in ((_TOOL, session.tool_calls), (_MODEL, session.model_calls)):
        for call in members:
            owners[kind, call.id] = (_TASK, call.task) if call.task in tasks else turn_at(call.start)
    return owners


def _index_turns(session: Session) -> Callable[[int | None], Key]:
    """Return a function that finds the latest turn around an instant, else the session."""
    turns = sorted((turn.start, turn.end, turn.id) for turn in session.turns if turn.end is not None)
    starts = [start for start, _, _ in turns]

    def turn_at(time: int | None) -> Key:
        if time is not None:
            for index in range(bisect_right(starts, time) - 1, -1, -1):
                _, end, turn = turns[index]
                if time < end:
                    return (_TURN, turn)
        return (_SESSION, session.id)

    return turn_at


def _cut_loops(owners: dict[Key, Key], root: Key) -> None:
    """Make the root the owner of entities that would be their own ancestors, as reported parents can be."""
    safe = {root}
    for first in tuple(owners):
        key, path = first, set()
        while key not in safe and key not in path:
            path.add(key)
            key = owners[key]
        if key not in safe:
            owners[key] = root
        safe |= path
