"""Spans: one finished session → one OpenTelemetry trace. Pure: the same session always gives the same trace.

"Span" is OpenTelemetry's word and lives here alone. Names and attributes follow the GenAI conventions where
they have one (github.com/open-telemetry/semantic-conventions-genai, status Development); ours start with
``stretto.``.

An entity becomes a span only when both its edges are known: a length is never invented. One without an end
is the event ``stretto.unfinished`` on its parent, at its start; one without a start is the event
``stretto.start_unknown``, at its end; those without either are counted in the root's ``stretto.untimed``.
What happened inside an entity that is no span hangs on the next one above it that is.

A failure has status ERROR. All else stays UNSET, success too: OK is the verdict of a developer or operator
and makes backends suppress errors (OpenTelemetry trace API, "Set Status"). ``stretto.outcome`` says how it
ended. Entities carry no class of error, so ``error.type`` is ``_OTHER``, the conventions' value for that.
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
from stretto.model.entities import ModelCall, Session, Task, ToolCall, Turn
from stretto.model.event import Outcome
from stretto.names import Attribute

SERVICE = "stretto"
"""The resource's ``service.name`` and the name of the instrumentation scope."""

UNFINISHED = "stretto.unfinished"
START_UNKNOWN = "stretto.start_unknown"

_SESSION, _TURN, _TASK, _TOOL, _MODEL = "session", "turn", "task", "tool", "model"

Key = tuple[str, str]
"""(kind, id): what names an entity within its session."""

Value = str | bool | int | float


def session_spans(
    session: Session, *, version: str, resource: Mapping[str, str] | None = None
) -> tuple[ReadableSpan, ...]:
    """Return a finished session as spans: the root, then turns, tasks, tool calls and model calls.

    ``version`` is the scope's; ``resource`` is added to ``service.name=stretto`` and may replace it. A
    session that was started inside another trace (``traceparent``) joins it below that remote span; where
    that trace is not sampled, nothing is returned: the spans would hang on one that nobody kept. A session
    that was lost, and so has no end, ends when it was last heard of, marked ``stretto.end_known=false``.
    Raises ValueError for one that is still running.
    """
    if session.outcome is Outcome.RUNNING:
        raise ValueError(f"session {session.id} is still running: only a finished one becomes a trace")
    caller = _caller(session)
    if caller is not None and not caller.trace_flags.sampled:
        return ()
    parts = tuple(_parts(session))
    flags = caller.trace_flags if caller else TraceFlags(TraceFlags.SAMPLED)
    trace = trace_id(session)
    contexts = {
        part.key: SpanContext(trace, span_id(session.id, *part.key), is_remote=False, trace_flags=flags)
        for part in parts
        if part.whole
    }
    parents = _parents(session, contexts.keys())
    events: dict[Key, list[Event]] = {}
    for part in parts:
        event = part.as_event()
        if event is not None:
            events.setdefault(parents[part.key], []).append(event)
    home = Resource({"service.name": SERVICE, **(resource or {})})
    scope = InstrumentationScope(SERVICE, version)
    return tuple(
        ReadableSpan(
            name=part.name,
            context=contexts[part.key],
            parent=contexts[parents[part.key]] if part.key in parents else caller,
            resource=home,
            attributes=part.attributes,
            events=tuple(events.get(part.key, ())),
            kind=SpanKind.CLIENT if part.key[0] == _MODEL else SpanKind.INTERNAL,
            status=part.status,
            start_time=part.start,
            end_time=part.end,
            instrumentation_scope=scope,
        )
        for part in parts
        if part.whole
    )


def trace_id(session: Session) -> int:
    """Return the id of the session's trace: its caller's, else the hash of source and session id."""
    caller = _caller(session)
    return caller.trace_id if caller else _digest(16, SERVICE, session.source, session.id)


def span_id(session: str, kind: str, entity: str) -> int:
    """Return the span id of an entity of a session; ``kind`` is session, turn, task, tool or model."""
    return _digest(8, session, kind, entity)


def _digest(size: int, *parts: str) -> int:
    # Zero is the one value that the W3C trace context forbids.
    return int.from_bytes(sha256("\0".join(parts).encode()).digest()[:size], "big") or 1


def _caller(session: Session) -> SpanContext | None:
    if session.traceparent is None:
        return None
    context = TraceContextTextMapPropagator().extract({"traceparent": session.traceparent})
    caller = get_current_span(context).get_span_context()
    return caller if caller.is_valid else None


@dataclass(frozen=True, slots=True)
class _Part:
    """One entity on its way to becoming a span or, without both edges, an event."""

    key: Key
    start: int | None
    end: int | None
    name: str
    attributes: dict[str, Value]
    outcome: Outcome

    @property
    def whole(self) -> bool:
        """Both edges are known and in order; a clock that stepped back leaves an end that says nothing."""
        return self.start is not None and self.end is not None and self.start <= self.end

    @property
    def status(self) -> Status:
        return Status(StatusCode.ERROR if self.outcome is Outcome.FAILURE else StatusCode.UNSET)

    def as_event(self) -> Event | None:
        """Return what the parent says of an entity that is no span; None if it is one or has no time."""
        if self.whole:
            return None
        if self.start is not None:
            return Event(UNFINISHED, self.attributes, self.start)
        return Event(START_UNKNOWN, self.attributes, self.end) if self.end is not None else None


def _parts(session: Session) -> Iterator[_Part]:
    agents = {task.id: task.agent for task in session.tasks}
    parts = [
        *(_turn(session, turn) for turn in session.turns),
        *(_task(session, task) for task in session.tasks),
        *(_tool_call(session, call, agents) for call in session.tool_calls),
        *(_model_call(session, call, agents) for call in session.model_calls),
    ]
    untimed = sum(part.start is None and part.end is None for part in parts)
    yield _root(session, untimed)
    yield from parts


def _root(session: Session, untimed: int) -> _Part:
    workflow = session.pattern or session.source
    known = session.end is not None and session.end >= session.start
    return _part(
        session,
        (_SESSION, session.id),
        start=session.start,
        end=session.end if known else max(session.start, session.last),
        outcome=session.outcome,
        operation="invoke_workflow",
        subject=workflow,
        own={
            Attribute.WORKFLOW_NAME.value: workflow,
            Attribute.SESSION_ID.value: session.id,
            Attribute.SOURCE.value: session.source,
            Attribute.PROJECT.value: session.project,
            Attribute.RECORDING.value: session.recording,
            Attribute.END_KNOWN.value: None if known else False,
            Attribute.UNTIMED.value: untimed or None,
        },
    )


def _turn(session: Session, turn: Turn) -> _Part:
    return _part(
        session,
        (_TURN, turn.id),
        start=turn.start,
        end=turn.end,
        outcome=turn.outcome,
        operation="invoke_agent",
        subject=session.source,
        own={
            Attribute.AGENT_NAME.value: session.source,
            Attribute.TURN_ID.value: turn.id,
            Attribute.TURN_ORIGIN.value: turn.origin,
        },
    )


def _task(session: Session, task: Task) -> _Part:
    return _part(
        session,
        (_TASK, task.id),
        start=task.start,
        end=task.end,
        outcome=task.outcome,
        operation="invoke_agent",
        subject=task.agent,
        own={
            Attribute.AGENT_NAME.value: task.agent,
            Attribute.TASK_ID.value: task.id,
            Attribute.TASK_TYPE.value: task.task_type,
        },
    )


def _tool_call(session: Session, call: ToolCall, agents: Mapping[str, str | None]) -> _Part:
    return _part(
        session,
        (_TOOL, call.id),
        start=call.start,
        end=call.end,
        outcome=call.outcome,
        operation="execute_tool",
        subject=call.tool,
        own={
            Attribute.TOOL_NAME.value: call.tool,
            Attribute.TOOL_CALL_ID.value: call.id,
            Attribute.AGENT_NAME.value: _agent(session, call.task, agents),
            Attribute.TASK_ID.value: call.task,
            Attribute.TOOL_EXECUTION_SECONDS.value: _seconds(call.duration),
            Attribute.TOOL_OVERHEAD_SECONDS.value: _seconds(call.overhead),
        },
    )


def _model_call(session: Session, call: ModelCall, agents: Mapping[str, str | None]) -> _Part:
    return _part(
        session,
        (_MODEL, call.id),
        start=call.start,
        end=None if call.start is None or call.duration is None else call.start + call.duration,
        outcome=call.outcome,
        operation="chat",
        subject=call.model,
        own={
            Attribute.REQUEST_MODEL.value: call.model,
            Attribute.AGENT_NAME.value: _agent(session, call.task, agents),
            Attribute.MODEL_CALL_ID.value: call.id,
            Attribute.TASK_ID.value: call.task,
        },
    )


def _part(
    session: Session,
    key: Key,
    *,
    start: int | None,
    end: int | None,
    outcome: Outcome,
    operation: str,
    subject: str | None,
    own: Mapping[str, Value | None],
) -> _Part:
    attributes: dict[str, Value] = {
        Attribute.OPERATION_NAME.value: operation,
        Attribute.CONVERSATION_ID.value: session.id,
        Attribute.OUTCOME.value: outcome.value,
    }
    if outcome is Outcome.FAILURE:
        attributes[Attribute.ERROR_TYPE.value] = "_OTHER"
    attributes |= {name: value for name, value in own.items() if value is not None}
    return _Part(key, start, end, f"{operation} {subject}" if subject else operation, attributes, outcome)


def _agent(session: Session, task: str | None, agents: Mapping[str, str | None]) -> str | None:
    return session.source if task is None else agents.get(task)


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / SECOND


def _parents(session: Session, spans: Collection[Key]) -> dict[Key, Key]:
    """Return for every entity but the root the nearest one above it that is a span."""
    above = _above(session)
    _cut_loops(above, (_SESSION, session.id))
    parents = {}
    for key in above:
        parent = above[key]
        while parent not in spans:
            parent = above[parent]
        parents[key] = parent
    return parents


def _above(session: Session) -> dict[Key, Key]:
    """Return what each entity belongs to: a task to the call that started it, a call to its task or its turn.

    A background task outlives the call that started it; OpenTelemetry lets a child end after its parent.
    """
    root = (_SESSION, session.id)
    turn_at = _turn_finder(session)
    tasks = {task.id for task in session.tasks}
    calls = {call.id for call in session.tool_calls}
    above: dict[Key, Key] = {(_TURN, turn.id): root for turn in session.turns}
    for task in session.tasks:
        if task.delegated_by in calls:
            above[_TASK, task.id] = (_TOOL, task.delegated_by)
        elif task.parent in tasks:
            above[_TASK, task.id] = (_TASK, task.parent)
        else:
            above[_TASK, task.id] = turn_at(task.start)
    for kind, members in ((_TOOL, session.tool_calls), (_MODEL, session.model_calls)):
        for call in members:
            above[kind, call.id] = (_TASK, call.task) if call.task in tasks else turn_at(call.start)
    return above


def _turn_finder(session: Session) -> Callable[[int | None], Key]:
    """Return a function from an instant to the latest turn that contains it, else to the session."""
    turns = sorted((each.start, each.end, each.id) for each in session.turns if each.end is not None)
    starts = [start for start, _, _ in turns]

    def turn_at(time: int | None) -> Key:
        if time is not None:
            for index in range(bisect_right(starts, time) - 1, -1, -1):
                _, end, turn = turns[index]
                if time < end:
                    return (_TURN, turn)
        return (_SESSION, session.id)

    return turn_at


def _cut_loops(above: dict[Key, Key], root: Key) -> None:
    """Hang on the root what would be its own ancestor: reported parents are input and may run in a ring."""
    safe = {root}
    for first in tuple(above):
        key, path = first, set()
        while key not in safe and key not in path:
            path.add(key)
            key = above[key]
        if key not in safe:
            above[key] = root
        safe |= path
