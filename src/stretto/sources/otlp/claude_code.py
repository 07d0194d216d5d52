"""Claude Code's spans and log events → events.

Names: code.claude.com/docs/en/monitoring-usage, as clients 2.1.197 to 2.1.329 send them; an older one lacks
some and is taken as far as it goes. A subagent has no span of its own: its model requests and tool calls
bear its id and hang below the execution of the ``Agent`` call, which gives the link between the two and,
where that call waited, the subagent's length. How long one in the background ran is told by the log event
at its end. What a tool was asked to do is told only where the user lets the client
(``OTEL_LOG_TOOL_DETAILS``); of that the name of a test framework and the hash of a path are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from stretto.hook.client.client import WORKING
from stretto.hook.client.tool_results import find_framework, hash_written_paths
from stretto.model.event import Channel, Event, Kind, Outcome, Value, omit_none
from stretto.sources.otlp.plain_records import (
    Attributes,
    LogRecord,
    Span,
    get_class_name,
    get_count,
    get_id,
    get_number,
    get_text,
    to_duration,
)

SOURCE = "claude-code"

ATTRIBUTES = frozenset({
    "agent_id", "agent_type", "cache_creation_tokens", "cache_read_tokens", "command_name", "cost_usd",
    "decision", "duration_ms", "error", "error.type", "error_class", "error_type", "event.name",
    "event.sequence", "file_path", "full_command", "gen_ai.response.id", "hook_event", "input_tokens",
    "model", "output_tokens", "parent_agent_id", "prompt.id", "prompt_length", "query_source",
    "query_source_safe", "request_id", "session.id", "source", "subagent_type", "success", "tool_input",
    "tool_name", "tool_parameters", "tool_use_id", "total_duration_ms", "ttft_ms",
})  # fmt: skip
"""All that is read; who the user is, prompts, answers and results are not among it."""

_SCOPE = "com.anthropic.claude_code"
_PREFIX = "claude_code."
_BUILT_IN = ("agent:builtin:", "agent.builtin.")
_MILLISECOND = 1_000_000

_new_event = partial(Event, source=SOURCE, channel=Channel.OTLP)


def is_client_span(span: Span) -> bool:
    """Tell whether the client itself made a span: other spans may come from a service of that name too."""
    own = span.service.startswith(SOURCE) and span.name.startswith(_PREFIX)
    return own or span.scope.startswith(_SCOPE)


def is_client_log(log: LogRecord) -> bool:
    """Tell whether the client itself wrote a log event."""
    return log.scope.startswith(_SCOPE) or log.service.startswith(SOURCE)


class SpanBatch:
    """The client's spans of one request, as far as they say something about each other."""

    def __init__(self, spans: Iterable[Span], key: bytes = b"") -> None:
        self.key = key
        self.tools: dict[str, Span] = {}
        self.executions: dict[str, Span] = {}
        self.first: dict[tuple[str, str], Span] = {}
        """(agent id, span above) → the agent's first sign there."""
        for span in spans:
            if span.name == "claude_code.tool":
                self.tools[span.id] = span
            elif span.name == "claude_code.tool.execution":
                self.executions[span.id] = span
            agent = get_id(span.attributes, "agent_id")
            if agent is not None:
                first = self.first.get((agent, span.parent))
                if first is None or span.start < first.start:
                    self.first[agent, span.parent] = span
        self.started: dict[str, tuple[str, Span]] = {
            above: (agent, span) for (agent, above), span in self.first.items() if above in self.executions
        }
        """Execution → the agent it started and that agent's first sign."""


def translate_span(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    """Return the events that a span gives; none for one that says nothing which is kept."""
    read = _SPANS.get(span.name)
    return [] if read is None else read(span, session, batch)


def translate_log(log: LogRecord, session: str, key: bytes = b"") -> list[Event]:
    """Return the events that a log event gives; none for one that says nothing which is kept."""
    read = _LOGS.get(log.name.removeprefix(_PREFIX))
    return [] if read is None else read(log, session, key)


def get_session_id(attributes: Attributes) -> str | None:
    """Return the session's id, which all of the client's spans and log events bear."""
    return get_id(attributes, "session.id")


# Spans.


def _translate_interaction(span: Span, session: str, _: SpanBatch) -> list[Event]:
    # It does not bear the prompt's id: a start from here would make a second turn of the prompt's.
    outcome = Outcome.FAILURE if span.failed else Outcome.SUCCESS
    return [
        _new_event(
            kind=Kind.TURN_END, session=session, time=span.end, duration=span.duration, outcome=outcome
        )
    ]


def _translate_llm_request(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    response, request = get_id(span.attributes, "gen_ai.response.id"), _get_request_id(span.attributes)
    call = _new_event(
        kind=Kind.MODEL_CALL,
        session=session,
        time=span.start,
        id=response or request or span.id,
        parent=_get_agent_id(span.attributes),
        duration=span.duration,
        name=get_text(span.attributes, "model"),
        outcome=_get_outcome(span.attributes, failed=span.failed),
        attributes=omit_none(
            **_get_usage(span.attributes),
            first_token_ms=get_count(span.attributes, "ttft_ms"),
            request=request,
            response=response,
            # The span's id is known to this source alone, so another's word on the same call cannot join it.
            anonymous=None if response or request else True,
        ),
    )
    return [call, *_make_task_start(span, session, batch)]


def _translate_tool(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    about = partial(
        _new_event,
        session=session,
        id=_get_call_id(span),
        parent=_get_agent_id(span.attributes),
        name=_get_tool_name(span.attributes),
    )
    order = omit_none(agent=get_text(span.attributes, "subagent_type"))
    return [
        about(kind=Kind.TOOL_START, time=span.start, attributes=order),
        about(kind=Kind.TOOL_END, time=span.end, attributes=_find_work(span.attributes, batch.key)),
        *_make_task_start(span, session, batch),
    ]


def _translate_execution(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    # Clients before 2.1.119 say the call's id nowhere: there the tool span's own stands for it.
    call = get_id(span.attributes, "tool_use_id") or span.parent
    if not call:
        return []
    task, first = batch.started.get(span.id, (None, None))
    launched = first is not None and first.start > span.end
    return [
        _new_event(
            kind=Kind.TOOL_END,
            session=session,
            time=span.end,
            id=call,
            duration=span.duration,
            outcome=_get_outcome(span.attributes, failed=span.failed),
            attributes=omit_none(
                span=span.id,
                task=task,
                status="async_launched" if launched else None,
                error=_get_error_class(span.attributes),
            ),
        )
    ]


def _translate_blocked_on_user(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    tool = batch.tools.get(span.parent)
    if tool is None or not _is_by_person(span.attributes):
        return []
    about = partial(
        _new_event,
        session=session,
        id=_get_call_id(tool),
        parent=_get_agent_id(tool.attributes),
        name=_get_tool_name(tool.attributes),
    )
    asked = about(kind=Kind.PERMISSION_REQUEST, time=span.start, duration=span.duration)
    return [asked, about(**_DENIED, time=span.end)] if _is_rejected(span.attributes) else [asked]


def _make_task_start(span: Span, session: str, batch: SpanBatch) -> list[Event]:
    """Return the start of a subagent: its first sign below a call, or that call's execution."""
    agent = _get_agent_id(span.attributes)
    if agent is None or batch.first[agent, span.parent] is not span:
        return []
    execution = batch.executions.get(span.parent)
    return [
        _new_event(
            kind=Kind.TASK_START,
            session=session,
            time=span.start if execution is None else min(span.start, execution.start),
            id=agent,
            parent=get_id(span.attributes, "parent_agent_id"),
            name=_find_built_in_agent(span.attributes),
            attributes=omit_none(span_parent=span.parent or None),
        )
    ]


_SPANS: dict[str, Callable[[Span, str, SpanBatch], list[Event]]] = {
    "claude_code.interaction": _translate_interaction,
    "claude_code.llm_request": _translate_llm_request,
    "claude_code.tool": _translate_tool,
    "claude_code.tool.execution": _translate_execution,
    "claude_code.tool.blocked_on_user": _translate_blocked_on_user,
}


# LogRecord events. They are written at the end of what they tell, and say how long it took.


def _translate_user_prompt(log: LogRecord, session: str, _: bytes) -> list[Event]:
    prompt = get_id(log.attributes, "prompt.id")
    if prompt is None:
        return []
    # Whether the user or the host asked is not said, so the event's type is absent.
    return [
        _new_event(
            kind=Kind.TURN_START,
            session=session,
            time=log.time,
            id=prompt,
            attributes=omit_none(
                prompt_length=get_count(log.attributes, "prompt_length"),
                command=get_class_name(log.attributes, "command_name"),
            ),
        )
    ]


def _translate_tool_result(log: LogRecord, session: str, key: bytes) -> list[Event]:
    call, duration = get_id(log.attributes, "tool_use_id"), _get_duration(log.attributes)
    if call is None:
        return []
    about = partial(
        _new_event,
        session=session,
        id=call,
        parent=_get_agent_id(log.attributes),
        name=_get_tool_name(log.attributes),
    )
    outcome = _get_outcome(log.attributes, failed=False)
    end = about(
        kind=Kind.TOOL_END,
        time=log.time,
        duration=duration,
        outcome=outcome,
        attributes={
            **_find_work(log.attributes, key if outcome is Outcome.SUCCESS else b""),
            **omit_none(error=_get_error_class(log.attributes)),
        },
    )
    return [end] if duration is None else [about(kind=Kind.TOOL_START, time=log.time - duration), end]


def _translate_tool_decision(log: LogRecord, session: str, _: bytes) -> list[Event]:
    call = get_id(log.attributes, "tool_use_id")
    if call is None:
        return []
    about = partial(
        _new_event,
        session=session,
        time=log.time,
        id=call,
        parent=_get_agent_id(log.attributes),
        name=_get_tool_name(log.attributes),
    )
    asked = [about(kind=Kind.PERMISSION_REQUEST)] if _is_by_person(log.attributes) else []
    return [*asked, about(**_DENIED)] if _is_rejected(log.attributes) else asked


def _translate_api_request(log: LogRecord, session: str, _: bytes) -> list[Event]:
    request, duration = _get_request_id(log.attributes), _get_duration(log.attributes)
    if request is None:
        # Nothing tells it from the span of the same request: it would count twice.
        return []
    return [
        _new_event(
            kind=Kind.MODEL_CALL,
            session=session,
            time=log.time - (duration or 0),
            id=request,
            parent=_get_agent_id(log.attributes),
            duration=duration,
            name=get_text(log.attributes, "model"),
            outcome=Outcome.SUCCESS,
            attributes=omit_none(
                **_get_usage(log.attributes),
                cost_usd=get_number(log.attributes, "cost_usd"),
                first_token_ms=get_count(log.attributes, "ttft_ms"),
                request=request,
            ),
        )
    ]


def _translate_subagent_completed(log: LogRecord, session: str, _: bytes) -> list[Event]:
    agent, duration = _get_agent_id(log.attributes), _get_duration(log.attributes)
    if agent is None:
        # Clients before 2.1.329 do not say which: a call that waited tells its agent's end all the same.
        return []
    about = partial(
        _new_event,
        session=session,
        id=agent,
        name=get_text(log.attributes, "agent_type"),
        attributes=omit_none(span_parent=log.span or None),
    )
    end = about(kind=Kind.TASK_END, time=log.time, duration=duration, outcome=Outcome.SUCCESS)
    return [end] if duration is None else [about(kind=Kind.TASK_START, time=log.time - duration), end]


def _translate_hooks_run(log: LogRecord, session: str, _key: bytes) -> list[Event]:
    # Detailed tracing tells the same run as a span, with nothing that both bear: only this one counts.
    duration = _get_duration(log.attributes, "total_duration_ms")
    if duration is None:
        return []
    return [
        _new_event(
            kind=Kind.HOOKS_RUN,
            session=session,
            time=log.time - duration,
            # The sequence begins anew with each process of a session that is resumed.
            id=f"{log.time}/{get_count(log.attributes, 'event.sequence')}",
            parent=_get_agent_id(log.attributes),
            duration=duration,
            name=get_text(log.attributes, "hook_event"),
            # Clients before 2.1.329 say whose hooks they were only by the span that they ran in.
            attributes=omit_none(span=log.span or None),
        )
    ]


_LOGS: dict[str, Callable[[LogRecord, str, bytes], list[Event]]] = {
    "user_prompt": _translate_user_prompt,
    "tool_result": _translate_tool_result,
    "tool_decision": _translate_tool_decision,
    "api_request": _translate_api_request,
    "subagent_completed": _translate_subagent_completed,
    "hook_execution_complete": _translate_hooks_run,
}


# What attributes say.

_DENIED = {"kind": Kind.TOOL_END, "outcome": Outcome.CANCELLED, "attributes": {"status": "denied"}}


def _get_call_id(tool: Span) -> str:
    return get_id(tool.attributes, "tool_use_id") or tool.id


def _get_agent_id(attributes: Attributes) -> str | None:
    return get_id(attributes, "agent_id")


def _get_request_id(attributes: Attributes) -> str | None:
    return get_id(attributes, "request_id")


def _get_tool_name(attributes: Attributes) -> str | None:
    return get_text(attributes, "tool_name")


def _get_duration(attributes: Attributes, name: str = "duration_ms") -> int | None:
    milliseconds = get_number(attributes, name)
    return None if milliseconds is None else to_duration(milliseconds * _MILLISECOND)


def _get_outcome(attributes: Attributes, *, failed: bool) -> Outcome:
    success = attributes.get("success")
    return Outcome.FAILURE if failed or success is False or success == "false" else Outcome.SUCCESS


def _get_error_class(attributes: Attributes) -> str | None:
    return get_class_name(attributes, "error_type", "error_class", "error.type", "error")


def _is_by_person(attributes: Attributes) -> bool:
    return str(attributes.get("source", "")).startswith("user")


def _is_rejected(attributes: Attributes) -> bool:
    return attributes.get("decision") == "reject"


def _find_work(attributes: Attributes, key: bytes) -> dict[str, Value]:
    """Return which tests a call ran and, as a hash, which file it wrote, where the client tells its input."""
    tool = _get_tool_name(attributes)
    if tool not in WORKING:
        return {}
    order = {**_decode_object(attributes, "tool_input"), **_decode_object(attributes, "tool_parameters")}
    command = attributes.get("full_command") or order.get("full_command") or order.get("command")
    path = attributes.get("file_path") or order.get("file_path") or order.get("notebook_path")
    return omit_none(
        test_framework=find_framework(tool, {**order, "command": command}),
        wrote=hash_written_paths(tool, {"file_path": path}, None, key),
    )


def _decode_object(attributes: Attributes, name: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(str(attributes.get(name, "{}")))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {}  # the client cuts what is long
    return found if isinstance(found, dict) else {}


def _find_built_in_agent(attributes: Attributes) -> str | None:
    """Return the agent's name by who sent a request; only the client's own agents are named there."""
    sender = get_text(attributes, "query_source", "query_source_safe") or ""
    for prefix in _BUILT_IN:
        if sender.startswith(prefix):
            return sender.removeprefix(prefix) or None
    return None


def _get_usage(attributes: Attributes) -> dict[str, int | None]:
    return {
        "input_tokens": get_count(attributes, "input_tokens"),
        "output_tokens": get_count(attributes, "output_tokens"),
        "cache_read_tokens": get_count(attributes, "cache_read_tokens"),
        "cache_write_tokens": get_count(attributes, "cache_creation_tokens"),
    }
