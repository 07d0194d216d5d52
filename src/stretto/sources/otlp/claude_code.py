"""Translate Claude Code's spans and log events into events.

Names: code.claude.com/docs/en/monitoring-usage, as clients 2.1.197 to 2.1.329 send them. Older clients send
fewer attributes, and events are made from those that are there.

A subagent has no span. Its model requests and tool calls carry its id, and their parent is the execution span
of the ``Agent`` call. That span links call and subagent; if the call waited, it also gives the subagent's
duration. The duration of a background subagent is in the log event at its end. Tool inputs are sent only if
the user allows it (``OTEL_LOG_TOOL_DETAILS``). Events keep the name of a test framework and the hash of a
path from them, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from stretto.model.event import Channel, Event, Kind, Outcome, Value, omit_none
from stretto.model.match_model_calls_without_id import INSTANT
from stretto.sources.otlp.claude_code_values import (
    DENIED,
    CallWork,
    find_built_in_agent,
    find_requested_agent_and_description,
    get_agent_id,
    get_call_id,
    get_error_class,
    get_outcome,
    get_request_id,
    get_tool_name,
    get_usage,
    get_version,
    is_by_person,
    is_rejected,
)
from stretto.sources.otlp.pending_permission_waits import TOOL_SPAN, WAIT_SPAN
from stretto.sources.otlp.plain_records import (
    Attributes,
    LogRecord,
    Span,
    get_class_name,
    get_count,
    get_duration,
    get_id,
    get_labels,
    get_number,
    get_text,
)

SOURCE = "claude-code"

ATTRIBUTES = frozenset({
    "agent_id", "agent_type", "cache_creation_tokens", "cache_read_tokens", "command_name", "cost_usd",
    "decision", "duration_ms", "error", "error.type", "error_class", "error_type", "event.name",
    "event.sequence", "file_path", "full_command", "gen_ai.response.id", "gen_ai.response.model",
    "hook_event", "hook_name", "input_tokens", "model", "output_tokens", "parent_agent_id", "prompt.id",
    "prompt_length", "query_source", "query_source_safe", "request_id", "session.id", "source",
    "subagent_type", "success", "tool_input", "tool_name", "tool_parameters", "tool_use_id",
    "total_duration_ms", "ttft_ms", "service.namespace", "project", "stop_reason", "llm_request.context",
    "app.version", "service.version",
})  # fmt: skip
"""All attributes that are read; none names the user or holds a prompt, an answer or a result."""

_SCOPE = "com.anthropic.claude_code"
_PREFIX = "claude_code."
_COMPLETE = frozenset({"end_turn", "stop_sequence"})
"""Stop reasons of a complete answer."""

_new_event = partial(Event, source=SOURCE, channel=Channel.OTLP)


def is_client_span(span: Span) -> bool:
    """Return whether the client itself made a span; the service's name alone does not prove it."""
    has_client_names = span.service.startswith(SOURCE) and span.name.startswith(_PREFIX)
    return has_client_names or span.scope.startswith(_SCOPE)


def is_client_log(log: LogRecord) -> bool:
    """Return whether the client itself wrote a log event."""
    return log.scope.startswith(_SCOPE) or log.service.startswith(SOURCE)


class SpanBatch:
    """The links between the client's spans of a request."""

    def __init__(self, spans: Iterable[Span], work: CallWork) -> None:
        self.work = work
        self.tools: dict[str, Span] = {}
        self.executions: dict[str, Span] = {}
        self.first_spans: dict[tuple[str, str], Span] = {}
        """(agent id, parent span id) → the agent's earliest span below that parent."""
        for span in spans:
            if span.name == TOOL_SPAN:
                self.tools[span.id] = span
            elif span.name == "claude_code.tool.execution":
                self.executions[span.id] = span
            agent = get_id(span.attributes, "agent_id")
            if agent is not None:
                first = self.first_spans.get((agent, span.parent))
                if first is None or span.start < first.start:
                    self.first_spans[agent, span.parent] = span
        self.started_agents: dict[str, tuple[str, Span]] = {
            above: (agent, span)
            for (agent, above), span in self.first_spans.items()
            if above in self.executions
        }
        """Span id of a call's execution → the agent it started, and the agent's earliest span."""


def translate_client_span(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    """Return the events of a span; a span without kept facts has none."""
    translate = _SPANS.get(span.name)
    return [] if translate is None else translate(span, session, batch)


def translate_client_log(log: LogRecord, session: str, work: CallWork) -> list[Event]:
    """Return the events of a log event; a log event without kept facts has none."""
    translate = _LOGS.get(log.name.removeprefix(_PREFIX))
    return [] if translate is None else translate(log, session, work)


def get_session_id(attributes: Attributes) -> str | None:
    """Return the session's id, which all of the client's spans and log events carry."""
    return get_id(attributes, "session.id")


# Spans.


def _translate_interaction(span: Span, session: str, _: SpanBatch) -> list[Event]:
    # The span lacks the prompt's id. A start without it would be counted as a second turn.
    # Its status is unset however it ended: only a failure is certain. The last model call may prove success.
    outcome = Outcome.FAILURE if span.failed else Outcome.UNKNOWN
    return [
        _new_event(
            kind=Kind.TURN_END, session=session, time=span.end, duration=span.duration, outcome=outcome
        )
    ]


def _make_answer_end(span: Span, session: str) -> list[Event]:
    """Return the end of a turn if a model call of the main agent completed its answer."""
    is_mains = get_agent_id(span.attributes) is None
    if not is_mains or get_text(span.attributes, "llm_request.context") == "standalone" or span.failed:
        return []
    if get_text(span.attributes, "stop_reason") not in _COMPLETE:
        return []
    return [_new_event(kind=Kind.TURN_END, session=session, time=span.end, outcome=Outcome.SUCCESS)]


def _translate_llm_request(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    response, request = get_id(span.attributes, "gen_ai.response.id"), get_request_id(span.attributes)
    call = _new_event(
        kind=Kind.MODEL_CALL,
        session=session,
        time=span.start,
        id=response or request or span.id,
        parent=get_agent_id(span.attributes),
        duration=span.duration,
        # A log event names the model that answered: only by that name a span without an id joins it.
        name=get_text(span.attributes, *(() if response or request else ("gen_ai.response.model",)), "model"),
        outcome=get_outcome(span.attributes, failed=span.failed),
        attributes=omit_none(
            **get_usage(span.attributes),
            first_token_ms=get_count(span.attributes, "ttft_ms"),
            request=request,
            response=response,
            # Only this source knows the span's id, so other sources' events of the same call cannot join it.
            anonymous=None if response or request else True,
        ),
    )
    return [call, *_make_answer_end(span, session), *_make_task_start(span, session, batch)]


def _translate_tool(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    new_call_event = partial(
        _new_event,
        session=session,
        id=get_call_id(span),
        parent=get_agent_id(span.attributes),
        name=get_tool_name(span.attributes),
    )
    return [
        new_call_event(
            kind=Kind.TOOL_START,
            time=span.start,
            attributes=find_requested_agent_and_description(span.attributes),
        ),
        new_call_event(kind=Kind.TOOL_END, time=span.end, attributes=batch.work.find_work(span.attributes)),
        *_make_task_start(span, session, batch),
    ]


def _translate_execution(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    # Clients before 2.1.119 do not send the call's id; the id of the tool span is used in its place.
    call = get_id(span.attributes, "tool_use_id") or span.parent
    if not call:
        return []
    task, first = batch.started_agents.get(span.id, (None, None))
    launched = first is not None and first.start > span.end
    return [
        _new_event(
            kind=Kind.TOOL_END,
            session=session,
            time=span.end,
            id=call,
            duration=span.duration,
            outcome=get_outcome(span.attributes, failed=span.failed),
            attributes=omit_none(
                span=span.id,
                task=task,
                status="async_launched" if launched else None,
                error=get_error_class(span.attributes),
            ),
        )
    ]


def _translate_blocked_on_user(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    tool = batch.tools.get(span.parent)
    if tool is None or not is_by_person(span.attributes):
        return []
    new_call_event = partial(
        _new_event,
        session=session,
        id=get_call_id(tool),
        parent=get_agent_id(tool.attributes),
        name=get_tool_name(tool.attributes),
    )
    request = new_call_event(kind=Kind.PERMISSION_REQUEST, time=span.start, duration=span.duration)
    return [request, new_call_event(**DENIED, time=span.end)] if is_rejected(span.attributes) else [request]


def _make_task_start(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    """Return a subagent's start if the span is its earliest below a call.

    The start is the earlier of the span's and the call's execution. Example: execution at 10.0 s and first
    model request at 10.4 s give a start at 10.0 s.
    """
    agent = get_agent_id(span.attributes)
    if agent is None or batch.first_spans[agent, span.parent] is not span:
        return []
    execution = batch.executions.get(span.parent)
    return [
        _new_event(
            kind=Kind.TASK_START,
            session=session,
            time=span.start if execution is None else min(span.start, execution.start),
            id=agent,
            parent=get_id(span.attributes, "parent_agent_id"),
            name=find_built_in_agent(span.attributes),
            attributes=omit_none(span_parent=span.parent or None),
        )
    ]


_SPANS: dict[str, Callable[[Span, str, SpanBatch], list[Event]]] = {
    "claude_code.interaction": _translate_interaction,
    "claude_code.llm_request": _translate_llm_request,
    TOOL_SPAN: _translate_tool,
    "claude_code.tool.execution": _translate_execution,
    WAIT_SPAN: _translate_blocked_on_user,
}


# Log events. Each is written at the end of the reported action, and carries its duration.


def _translate_user_prompt(log: LogRecord, session: str, _: CallWork) -> list[Event]:
    prompt = get_id(log.attributes, "prompt.id")
    if prompt is None:
        return []
    return [
        _new_event(
            kind=Kind.TURN_START,
            session=session,
            time=log.time,
            id=prompt,
            # The client does not send whether the user or the host prompted.
            type="unknown",
            attributes=omit_none(
                prompt_length=get_count(log.attributes, "prompt_length"),
                command=get_class_name(log.attributes, "command_name"),
                project=get_text(log.attributes, "service.namespace", "project"),
                client_version=get_version(log.attributes),
                labels=get_labels(log.attributes),
            ),
        )
    ]


def _translate_tool_result(log: LogRecord, session: str, work: CallWork) -> list[Event]:
    duration = get_duration(log.attributes)
    call = get_id(log.attributes, "tool_use_id")
    new_call_event = partial(
        _new_event,
        session=session,
        id=call,
        parent=get_agent_id(log.attributes),
        name=get_tool_name(log.attributes),
    )
    # Clients 2.0 do not name the call: it is matched with another channel's report by tool and time.
    pair: dict[str, Value] = {} if call else {"pair": f"{log.attributes.get('tool_name')}{INSTANT}{log.time}"}
    outcome = get_outcome(log.attributes, failed=False)
    end = new_call_event(
        kind=Kind.TOOL_END,
        time=log.time,
        duration=duration,
        outcome=outcome,
        attributes={
            **work.find_work(log.attributes, has_succeeded=outcome is Outcome.SUCCESS),
            **pair,
            **omit_none(error=get_error_class(log.attributes)),
        },
    )
    if duration is None:
        return [end]
    request = find_requested_agent_and_description(log.attributes) | pair
    return [new_call_event(kind=Kind.TOOL_START, time=log.time - duration, attributes=request), end]


def _translate_tool_decision(log: LogRecord, session: str, _: CallWork) -> list[Event]:
    call = get_id(log.attributes, "tool_use_id")
    if call is None:
        return []
    new_call_event = partial(
        _new_event,
        session=session,
        time=log.time,
        id=call,
        parent=get_agent_id(log.attributes),
        name=get_tool_name(log.attributes),
    )
    requests = [new_call_event(kind=Kind.PERMISSION_REQUEST)] if is_by_person(log.attributes) else []
    return [*requests, new_call_event(**DENIED)] if is_rejected(log.attributes) else requests


def _translate_api_request(log: LogRecord, session: str, _: CallWork) -> list[Event]:
    request, duration = get_request_id(log.attributes), get_duration(log.attributes)
    return [
        _new_event(
            kind=Kind.MODEL_CALL,
            session=session,
            time=log.time - (duration or 0),
            # Gateways send no request id: the span of the same request is found by tokens, model and time.
            id=request or f"{get_count(log.attributes, 'event.sequence')}{INSTANT}{log.time}",
            parent=get_agent_id(log.attributes),
            duration=duration,
            name=get_text(log.attributes, "model"),
            outcome=Outcome.SUCCESS,
            attributes=omit_none(
                **get_usage(log.attributes),
                cost_usd=get_number(log.attributes, "cost_usd"),
                first_token_ms=get_count(log.attributes, "ttft_ms"),
                request=request,
                anonymous=None if request else True,
            ),
        )
    ]


def _translate_subagent_completed(log: LogRecord, session: str, _: CallWork) -> list[Event]:
    agent, duration = get_agent_id(log.attributes), get_duration(log.attributes)
    if agent is None:
        # Clients before 2.1.329 do not send the agent. If its call waited, the call's span reports the end.
        return []
    new_task_event = partial(
        _new_event,
        session=session,
        id=agent,
        name=get_text(log.attributes, "agent_type"),
        attributes=omit_none(span_parent=log.span or None),
    )
    end = new_task_event(kind=Kind.TASK_END, time=log.time, duration=duration, outcome=Outcome.SUCCESS)
    return (
        [end] if duration is None else [new_task_event(kind=Kind.TASK_START, time=log.time - duration), end]
    )


def _translate_hooks_run(log: LogRecord, session: str, _: CallWork) -> list[Event]:
    # Detailed tracing also sends a span of the same run, without a common id. Only the log event is counted.
    duration = get_duration(log.attributes, "total_duration_ms")
    # A process that resumes a session has another id until these hooks have run.
    if duration is None or log.attributes.get("hook_name") == "SessionStart:resume":
        return []
    return [
        _new_event(
            kind=Kind.HOOKS_RUN,
            session=session,
            time=log.time - duration,
            # The sequence restarts with each process of a resumed session, so the time is part of the id.
            id=f"{log.time}/{get_count(log.attributes, 'event.sequence')}",
            parent=get_agent_id(log.attributes),
            duration=duration,
            name=get_text(log.attributes, "hook_event"),
            # In clients before 2.1.329 only the surrounding span shows whose hooks ran.
            attributes=omit_none(span=log.span or None),
        )
    ]


_LOGS: dict[str, Callable[[LogRecord, str, CallWork], list[Event]]] = {
    "user_prompt": _translate_user_prompt,
    "tool_result": _translate_tool_result,
    "tool_decision": _translate_tool_decision,
    "api_request": _translate_api_request,
    "subagent_completed": _translate_subagent_completed,
    "hook_execution_complete": _translate_hooks_run,
}
