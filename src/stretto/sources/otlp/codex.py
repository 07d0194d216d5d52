"""Translate Codex's log events and spans into events, as clients 0.171 send them.

Each agent is a thread, which ``conversation.id`` names. The main agent's thread is the session. That another
thread belongs to it is known from the log event that reports its start, which may come after its first
events: until then they are a session of their own, which the store then moves.

Calls and tokens are log events; ``session_task.turn`` is a span for each turn of each thread. In code mode
the calls inside a script are the work. No channel reports the script (``exec``) itself.

Codex sends the inputs and answers of tools with its log events. Read are the exit code, the name and kind of
a started agent, and its id. Nothing else of them is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stretto.model.event import Channel, Event, Kind, Outcome, Value, omit_none
from stretto.model.match_model_calls_without_id import INSTANT
from stretto.model.span_tree import SpanRole
from stretto.sources.codex.tool_names_and_answers import SCRIPT, decode_object, judge_answer, name_tool
from stretto.sources.otlp.plain_records import (
    Attributes,
    LogRecord,
    Span,
    get_count,
    get_duration,
    get_id,
    get_text,
)

SOURCE = "codex"

ATTRIBUTES = frozenset({
    "aborted", "agent_name", "arguments", "cached_token_count", "cache_write_token_count", "call_id",
    "conversation.id", "decision", "duration_ms", "event.kind", "event.name", "input_token_count", "kind",
    "model", "output", "output_token_count", "receiver_thread_id", "sender_thread_id", "source", "state",
    "success", "thread.id", "tool_name", "tool_namespace", "turn.id",
})  # fmt: skip
"""All attributes that are read; ``arguments`` and ``output`` only as far as the module's text allows."""

_PREFIX = "codex."
_ROOT = "/root"
_TURN = "session_task.turn"
_PROGRAM = "codex.exec"
_SPAWN = "spawn_agent"
_WAIT = "wait_agent"
_REJECTED = frozenset({"denied", "abort", "timed_out"})

_new_event = partial(Event, source=SOURCE, channel=Channel.OTLP)


def is_from_client(item: Span | LogRecord) -> bool:
    """Return whether an item is Codex's own: another program may have a service with a name like its."""
    return item.service.startswith(SOURCE) and item.scope.startswith(SOURCE)


def get_thread_id(attributes: Attributes) -> str | None:
    """Return the id of the thread that a span or log event is about; the sender's of a message."""
    thread = get_id(attributes, "conversation.id", "sender_thread_id", "thread.id")
    # Outside of turns and calls ``thread.id`` is the number of a thread of the operating system.
    return None if thread is None or thread.isdigit() else thread


def find_started_thread(log: LogRecord) -> str | None:
    """Return the id of the thread that the log event's thread has started."""
    attributes = log.attributes
    if _get_name(log) == "agent_communication":
        is_start = attributes.get("kind") == "spawn" and attributes.get("state") == "send"
        return get_id(attributes, "receiver_thread_id") if is_start else None
    if _get_name(log) == "tool_result" and get_text(attributes, "tool_name") == _SPAWN:
        return get_id(decode_object(str(attributes.get("output", ""))), "agent_id")
    return None


def is_turn_span(span: Span) -> bool:
    """Return whether a span is a turn of a thread, or the run of the whole program."""
    return span.name in {_TURN, _PROGRAM}


def translate_client_span(span: Span, session: str) -> list[Event]:
    """Return the events of a span; a span without kept facts has none."""
    thread = get_thread_id(span.attributes)
    if thread is None:
        return []
    if is_turn_span(span):
        return [_make_turn_span(span, thread, session)]
    call = get_id(span.attributes, "call_id")
    # Only the span of the whole call has whether it was aborted.
    if call is None or "aborted" not in span.attributes:
        return []
    return _make_call_events(span, call, thread, session)


def translate_client_log(log: LogRecord, session: str) -> list[Event]:
    """Return the events of a log event; a log event without kept facts has none."""
    thread, translate = get_thread_id(log.attributes), _LOGS.get(_get_name(log))
    if thread is None or translate is None:
        return []
    started = find_started_thread(log)
    links = [] if started is None else [_make_link(log, started, thread, session)]
    return [*links, *translate(log, thread, session)]


def _get_name(log: LogRecord) -> str:
    # The record's name is the place in Codex's source.
    return str(log.attributes.get("event.name", "")).removeprefix(_PREFIX)


# Spans.


def _make_turn_span(span: Span, thread: str, session: str) -> Event:
    is_run = span.name == _TURN
    return _new_event(
        kind=Kind.SPAN,
        session=session,
        time=span.start,
        id=span.id,
        parent=span.parent or None,
        duration=span.duration,
        outcome=Outcome.FAILURE if span.failed else None,
        attributes=omit_none(
            role=(SpanRole.RUN if is_run else SpanRole.LINK).value,
            trace=thread,
            entity=get_id(span.attributes, "turn.id") if is_run else None,
            agent_id=thread if is_run else None,
        ),
    )


def _make_call_events(span: Span, call: str, thread: str, session: str) -> list[Event]:
    name = name_tool(None, span.name)
    if name == SCRIPT:
        return []
    new_call_event = partial(_new_event, session=session, id=call, parent=thread, name=name)
    is_cut = span.attributes.get("aborted") is True
    # Codex's status is unset whatever became of the call.
    outcome = Outcome.CANCELLED if is_cut else Outcome.FAILURE if span.failed else None
    return [
        new_call_event(kind=Kind.TOOL_START, time=span.start),
        new_call_event(kind=Kind.TOOL_END, time=span.end, outcome=outcome),
    ]


# Log events.


def _make_link(log: LogRecord, started: str, thread: str, session: str) -> Event:
    """Return the event that the session of a started thread is that of the thread that started it."""
    return _new_event(
        kind=Kind.SPAN,
        session=session,
        time=log.time,
        id=started,
        parent=thread,
        attributes={"role": SpanRole.LINK.value, "trace": started},
    )


def _translate_conversation_start(log: LogRecord, _: str, session: str) -> list[Event]:
    return [_new_event(kind=Kind.SESSION_START, session=session, time=log.time)]


def _translate_communication(log: LogRecord, thread: str, session: str) -> list[Event]:
    if log.attributes.get("state") != "send":
        return []
    if log.attributes.get("kind") == "result":
        return [
            _new_event(kind=Kind.TASK_END, session=session, time=log.time, id=thread, outcome=Outcome.SUCCESS)
        ]
    started = find_started_thread(log)
    if started is None:
        return []
    return [
        _new_event(
            kind=Kind.TASK_START,
            session=session,
            time=log.time,
            id=started,
            parent=thread,
            name="default",
            # The call that started it is known by the span in whose context both were written.
            attributes=omit_none(span_parent=log.span or None),
        )
    ]


def _translate_tool_decision(log: LogRecord, thread: str, session: str) -> list[Event]:
    call = get_id(log.attributes, "call_id")
    if call is None:
        return []
    new_call_event = partial(
        _new_event, session=session, time=log.time, id=call, parent=thread, name=_get_tool_name(log)
    )
    source = str(log.attributes.get("source", "")).lower()
    requests = [new_call_event(kind=Kind.PERMISSION_REQUEST)] if source == "user" else []
    if str(log.attributes.get("decision", "")).lower() not in _REJECTED:
        return requests
    denied = new_call_event(kind=Kind.TOOL_END, outcome=Outcome.CANCELLED, attributes={"status": "denied"})
    return [*requests, denied]


def _translate_tool_result(log: LogRecord, thread: str, session: str) -> list[Event]:
    call, name = get_id(log.attributes, "call_id"), _get_tool_name(log)
    if call is None or name == SCRIPT:
        return []
    answer = str(log.attributes.get("output", ""))
    duration = get_duration(log.attributes)
    outcome, attributes = _judge_result(log, answer)
    events: list[Event] = []
    new_call_event = partial(_new_event, session=session, id=call, parent=thread, name=name)
    order: dict[str, Value] = {}
    if name.endswith(_SPAWN):
        events, order = _translate_spawn(log, call, thread, session, answer)
        path = get_id(decode_object(answer), "agent_id", "task_name")
        attributes |= omit_none(task=path, status="async_launched" if path else None, span=log.span or None)
    elif name.endswith(_WAIT):
        events = _make_failed_ends(log, session, answer)
    start = log.time - (duration or 0)
    return [
        *events,
        *_make_alias(log, thread, session),
        *([] if duration is None else [new_call_event(kind=Kind.TOOL_START, time=start, attributes=order)]),
        new_call_event(
            kind=Kind.TOOL_END, time=log.time, duration=duration, outcome=outcome, attributes=attributes
        ),
    ]


def _judge_result(log: LogRecord, answer: str) -> tuple[Outcome | None, dict[str, Value]]:
    """Return a call's outcome and attributes; ``success`` only means that the tool ran."""
    outcome, _, attributes = judge_answer(answer)
    if outcome is not Outcome.SUCCESS:
        return outcome, attributes
    if str(log.attributes.get("success")).lower() == "false":
        return Outcome.FAILURE, attributes
    return (outcome if answer else None), attributes


def _translate_spawn(
    log: LogRecord, call: str, thread: str, session: str, answer: str
) -> tuple[list[Event], dict[str, Value]]:
    """Return the start of the agent that a call names by its id, and what the call asked for."""
    request = decode_object(str(log.attributes.get("arguments", "")))
    kind = get_text(request, "agent_type") or "default"
    order = omit_none(agent=kind, description=get_text(request, "task_name"))
    started = get_id(decode_object(answer), "agent_id")
    if started is None:
        return [], order
    start = _new_event(
        kind=Kind.TASK_START,
        session=session,
        time=log.time,
        id=started,
        parent=thread,
        name=kind,
        attributes={"delegated_by": call},
    )
    return [start], order


def _make_failed_ends(log: LogRecord, session: str, answer: str) -> list[Event]:
    """Return the ends of agents that an answer to a waiting call reports as failed."""
    states = decode_object(answer).get("status")
    return [
        _new_event(kind=Kind.TASK_END, session=session, time=log.time, id=agent, outcome=Outcome.FAILURE)
        for agent, state in (states.items() if isinstance(states, dict) else ())
        if isinstance(state, dict) and "errored" in state
    ]


def _make_alias(log: LogRecord, thread: str, session: str) -> list[Event]:
    """Return that an agent's path, by which calls name it, is its thread."""
    path = get_id(log.attributes, "agent_name") or ""
    if not path.startswith(f"{_ROOT}/"):
        return []
    return [
        _new_event(kind=Kind.ALIAS, session=session, time=log.time, id=thread, attributes={"alias": path})
    ]


def _translate_response(log: LogRecord, thread: str, session: str) -> list[Event]:
    whole, output = (get_count(log.attributes, f"{name}_token_count") for name in ("input", "output"))
    if log.attributes.get("event.kind") != "response.completed" or (whole is None and output is None):
        return []
    read = get_count(log.attributes, "cached_token_count")
    written = get_count(log.attributes, "cache_write_token_count")
    return [
        _new_event(
            kind=Kind.MODEL_CALL,
            session=session,
            time=log.time,
            # The log event has no id of the response.
            id=f"{thread}{INSTANT}{log.time}",
            parent=thread,
            name=get_text(log.attributes, "model"),
            outcome=Outcome.SUCCESS,
            attributes=omit_none(
                input_tokens=None if whole is None else max(0, whole - (read or 0) - (written or 0)),
                output_tokens=output,
                cache_read_tokens=read,
                cache_write_tokens=written,
                anonymous=True,
            ),
        )
    ]


_LOGS: dict[str, Callable[[LogRecord, str, str], list[Event]]] = {
    "conversation_starts": _translate_conversation_start,
    "agent_communication": _translate_communication,
    "tool_decision": _translate_tool_decision,
    "tool_result": _translate_tool_result,
    "sse_event": _translate_response,
    "websocket_event": _translate_response,
}


def _get_tool_name(log: LogRecord) -> str:
    return name_tool(get_text(log.attributes, "tool_namespace"), get_text(log.attributes, "tool_name") or "")
