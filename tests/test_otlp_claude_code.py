"""Claude Code's telemetry: agents that a call waits for, agents in the background, people's decisions."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest

from stretto import journal
from stretto.clock import SECOND
from stretto.hook.client.tests_and_written_files import hash_written_paths
from stretto.model.entities import Session
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.sources.otlp import claude_code
from stretto.sources.otlp.claude_code_values import CallWork
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from tests.otlp_requests import (
    T0,
    TRACE,
    as_json,
    events_of,
    log,
    logs,
    only_session,
    receive,
    span,
    span_events,
    traces,
)

SCOPE = "com.anthropic.claude_code.tracing"
SESSION = "e502c265-4470-4d75-a31e-4a9fcfbe83e5"
TURN, CALL, EXECUTION = 1, 2, 3
"""Span ids of the interaction, of the call that starts the agent, and of its execution."""

MILLISECOND = SECOND // 1_000


def own(name: str, number: int, parent: int = 0, **values: Any) -> dict[str, Any]:
    """Return one of the client's spans."""
    return span(f"claude_code.{name}", number, parent, session__id=SESSION, **values)


def own_log(name: str, **values: Any) -> dict[str, Any]:
    """Return one of the client's log events."""
    return log(name, session__id=SESSION, **values)


def waiting() -> list[dict[str, Any]]:
    """Return a turn whose agent, ``a1``, runs from 1 s to 9 s and calls Bash, in the order of their ends."""
    inside: dict[str, Any] = {"agent_id": "a1", "query_source_safe": "agent.builtin.general-purpose"}
    bash: dict[str, Any] = {"tool_use_id": "toolu_bash"}
    agent: dict[str, Any] = {"tool_use_id": "toolu_agent"}
    return [
        own("llm_request", 10, EXECUTION, at=1.1, lasts=2, model="opus", success=True, **inside),
        own(
            "tool.execution",
            12,
            11,
            at=4.5,
            lasts=2.5,
            success=False,
            error="ShellError",
            failed=True,
            **bash,
        ),
        own("tool", 11, EXECUTION, at=4, lasts=3, tool_name="Bash", **bash, **inside),
        own("llm_request", 13, EXECUTION, at=7, lasts=1.5, model="opus", success=True, **inside),
        own("tool.execution", EXECUTION, CALL, at=1, lasts=8, success=True, **agent),
        own("tool", CALL, TURN, at=0.9, lasts=8.1, tool_name="Agent", **agent),
        own("interaction", TURN, at=0, lasts=10, user_prompt="<REDACTED>", user_prompt_length=14),
    ]


def background() -> list[dict[str, Any]]:
    """Return the same agent started in the background: its call's execution ends at 1.1 s."""
    spans = {each["spanId"]: each for each in waiting()}
    agent: dict[str, Any] = {"tool_use_id": "toolu_agent"}
    later = own("llm_request", 10, EXECUTION, at=1.3, lasts=1.8, model="opus", success=True, agent_id="a1")
    return [
        own("tool.execution", EXECUTION, CALL, at=1, lasts=0.1, success=True, **agent),
        own("tool", CALL, TURN, at=0.9, lasts=0.3, tool_name="Agent", **agent),
        later,
        *(spans[f"{number:016x}"] for number in (12, 11, 13)),
    ]


def ended(at: float, lasts: float, **values: Any) -> dict[str, Any]:
    """Return the log event at a subagent's end."""
    milliseconds = round(lasts * 1_000)
    return own_log(
        "subagent_completed", at=at, agent_type="general-purpose", duration_ms=milliseconds, **values
    )


def log_events(*records: dict[str, Any]) -> list[Event]:
    """Return the events of log events that come in one request."""
    return events_of(receive(logs(records, service="claude-code"), Signal.LOGS).records)


def lengths(session: Session) -> dict[str, float | None]:
    """Return the length of each task in seconds, by id."""
    return {task.id: task.interval.length / SECOND if task.interval else None for task in session.tasks}


# Agents.


def test_agent_that_was_waited_for() -> None:
    """The task lasts as long as its call's execution, and names that call as the delegating call."""
    session = only_session(span_events(*waiting(), scope=SCOPE))
    (task,) = session.tasks

    assert session.id == SESSION
    assert lengths(session) == {"a1": 8.0}
    assert (task.agent, task.delegated_by, task.parent) == ("general-purpose", "toolu_agent", None)
    assert task.outcome is Outcome.SUCCESS


def test_agent_in_the_background() -> None:
    """The call's execution does not give the task's length; the log event at its end does."""
    spans = span_events(*background(), scope=SCOPE)
    running = only_session(spans, lost=False)
    session = only_session([*spans, *log_events(ended(8.6, 7.6, agent_id="a1", above=EXECUTION))])

    assert [(task.id, task.outcome, task.end) for task in running.tasks] == [("a1", Outcome.RUNNING, None)]
    assert lengths(session) == {"a1": 7.6}
    assert session.tasks[0].delegated_by == "toolu_agent"


def test_agents_by_log_events_alone() -> None:
    """Without traces, a waiting call gives the task; a background task is matched by its times."""
    foreground = log_events(
        own_log("tool_result", at=9, tool_name="Agent", tool_use_id="t", success="true", duration_ms="8000")
    )
    in_background = log_events(
        own_log("tool_result", at=1.1, tool_name="Agent", tool_use_id="t", success="true", duration_ms="100"),
        ended(8.6, 7.6, agent_id="a1", above=EXECUTION),
    )

    assert lengths(only_session(foreground)) == {"t": 8.0}
    assert lengths(only_session(in_background)) == {"a1": 7.6}


def test_end_of_an_agent_without_its_id() -> None:
    """Older clients send no agent id at an agent's end, so the log event gives no event."""
    assert log_events(ended(9, 8)) == []


def test_nested_agent() -> None:
    """The parent of an agent is the agent that called it."""
    inside: dict[str, Any] = {"agent_id": "a1"}
    deeper: dict[str, Any] = {"agent_id": "a2", "parent_agent_id": "a1"}
    session = only_session(
        span_events(
            *waiting(),
            own("llm_request", 22, 21, at=5, lasts=1, **deeper),
            own("tool.execution", 21, 20, at=5, lasts=2, success=True, tool_use_id="toolu_inner"),
            own("tool", 20, EXECUTION, at=5, lasts=2, tool_name="Agent", tool_use_id="toolu_inner", **inside),
            scope=SCOPE,
        )
    )

    assert [(task.id, task.parent, task.delegated_by) for task in session.tasks] == [
        ("a1", None, "toolu_agent"),
        ("a2", "a1", "toolu_inner"),
    ]


def test_events_bear_the_links_between_requests() -> None:
    """Events name the spans for links between requests: a call's execution, an agent's parent."""
    by_kind: dict[Kind, list[Event]] = {}
    for each in waiting():
        for event in span_events(each, scope=SCOPE):
            by_kind.setdefault(event.kind, []).append(event)
    execution = f"{EXECUTION:016x}"

    assert [event.id for event in by_kind[Kind.TOOL_END] if event.attributes.get("span") == execution] == [
        "toolu_agent"
    ]
    assert {(event.id, event.attributes["span_parent"]) for event in by_kind[Kind.TASK_START]} == {
        ("a1", execution)
    }


# Calls.


def test_execution_at_a_time_that_cannot_be() -> None:
    """A rejected span gives no start to the agent below it."""
    spans = waiting()
    broken = [{**each, "startTimeUnixNano": "5"} if each["spanId"].endswith("3") else each for each in spans]
    received = receive(traces(broken, scope=SCOPE))
    starts = [event.time for event in events_of(received.records) if event.kind is Kind.TASK_START]

    assert received.rejected == 1
    assert starts == [T0 + 1_100 * MILLISECOND]


def test_tool_calls() -> None:
    """A call has its span's times, its execution's length without waiting, and the agent that made it."""
    calls = {call.id: call for call in only_session(span_events(*waiting(), scope=SCOPE)).tool_calls}
    bash, agent = calls["toolu_bash"], calls["toolu_agent"]

    assert set(calls) == {"toolu_bash", "toolu_agent"}
    assert (bash.tool, bash.task, bash.outcome) == ("Bash", "a1", Outcome.FAILURE)
    assert (bash.start, bash.duration) == (T0 + 4 * SECOND, round(2.5 * SECOND))
    assert (agent.tool, agent.task, agent.outcome, agent.duration) == (
        "Agent",
        None,
        Outcome.SUCCESS,
        8 * SECOND,
    )


def test_class_of_an_error() -> None:
    """An error's class is kept; its message never is."""
    spans = [
        own("tool.execution", 3, 2, tool_use_id="a", success=False, error="ShellError"),
        own(
            "tool.execution",
            4,
            2,
            tool_use_id="b",
            success=False,
            error="cannot open /home/me/plan: no such file",
        ),
    ]
    written = log_events(
        own_log(
            "tool_result", tool_use_id="c", success="false", error_type="Error:ENOENT", error="no /home/me"
        )
    )

    assert [event.attributes.get("error") for event in [*span_events(*spans, scope=SCOPE), *written]] == [
        "ShellError",
        None,
        "Error:ENOENT",
    ]


def test_client_without_call_ids() -> None:
    """If the client sends no call id, the tool span's id links the call and its execution."""
    session = only_session(
        span_events(
            own("tool.execution", 3, 2, success=True, lasts=2),
            own("tool", 2, 1, tool_name="Read", lasts=3),
            scope=SCOPE,
        )
    )

    assert [(call.id, call.duration) for call in session.tool_calls] == [(f"{2:016x}", 2 * SECOND)]


def test_execution_that_hangs_nowhere() -> None:
    """An execution with neither a call id nor a parent gives no event."""
    assert span_events(own("tool.execution", 3, success=True), scope=SCOPE) == []


def test_call_by_log_event() -> None:
    """A call's log event also gives its start, and its agent if the client sends it."""
    result = own_log(
        "tool_result",
        at=3,
        tool_use_id="t",
        tool_name="Read",
        success="true",
        duration_ms="250",
        agent_id="a",
    )
    start, end = log_events(result)

    assert (start.kind, start.time, start.parent) == (Kind.TOOL_START, T0 + 2_750 * MILLISECOND, "a")
    assert (end.kind, end.duration, end.outcome) == (Kind.TOOL_END, 250 * MILLISECOND, Outcome.SUCCESS)


# People.


def asked(source: str, decision: str) -> list[dict[str, Any]]:
    """Return a call that waited 2 s for a decision."""
    return [
        own("tool.blocked_on_user", 3, 2, at=1, lasts=2, source=source, decision=decision),
        own("tool", 2, 1, at=1, lasts=5, tool_name="Bash", tool_use_id="t", agent_id="a"),
    ]


def test_permission_asked_of_a_person() -> None:
    """Waiting for a person is a permission request with length, call, agent and tool."""
    (request,) = [
        event
        for event in span_events(*asked("user_temporary", "accept"), scope=SCOPE)
        if event.kind is Kind.PERMISSION_REQUEST
    ]

    assert (request.id, request.parent, request.name) == ("t", "a", "Bash")
    assert (request.time, request.duration) == (T0 + SECOND, 2 * SECOND)


@pytest.mark.parametrize("source", ["config", "hook", "unknown"])
def test_permission_that_nobody_was_asked_for(source: str) -> None:
    """Decisions by settings or hooks give no permission request, since nobody waited."""
    events = span_events(*asked(source, "accept"), scope=SCOPE)
    written = log_events(
        own_log("tool_decision", tool_use_id="t", tool_name="Bash", decision="accept", source=source)
    )

    assert [event.kind for event in events if event.kind is Kind.PERMISSION_REQUEST] == []
    assert written == []


def test_denied_call() -> None:
    """A call that a person rejects is cancelled, by span and by log event alike."""
    spans = span_events(*asked("user_reject", "reject"), scope=SCOPE)
    decision: dict[str, Any] = {
        "tool_use_id": "t",
        "tool_name": "Bash",
        "decision": "reject",
        "source": "user_reject",
    }
    written = log_events(own_log("tool_decision", at=3, agent_id="a", **decision))

    for events in (spans, written):
        (call,) = only_session(events).tool_calls
        assert (call.id, call.outcome) == ("t", Outcome.CANCELLED)


# Turns and model calls.


def test_turn() -> None:
    """The prompt's log event starts a turn and the interaction's span ends it, under the prompt's id."""
    prompt = log_events(
        own_log("user_prompt", at=0.1, prompt__id="p1", prompt_length="14", command_name="review")
    )
    session = only_session([*span_events(*waiting(), scope=SCOPE), *prompt])

    assert [(turn.id, turn.start, turn.end, turn.outcome) for turn in session.turns] == [
        ("p1", T0 + SECOND // 10, T0 + 10 * SECOND, Outcome.UNKNOWN)
    ]
    assert session.pattern == "review"
    assert [event.type for event in prompt] == ["unknown"]


def test_a_complete_answer_proves_the_success_of_a_turn() -> None:
    """The interaction has no status however it ended: the last answer of the main agent decides."""
    prompt = log_events(own_log("user_prompt", at=0.1, prompt__id="p1", prompt_length="14"))
    answer = own(
        "llm_request", 20, TURN, at=9.2, lasts=0.5, model="opus", success=True, stop_reason="end_turn"
    )
    asks = own("llm_request", 21, TURN, at=9.2, lasts=0.5, model="opus", success=True, stop_reason="tool_use")
    of_agent = own(
        "llm_request", 22, EXECUTION, at=8, lasts=0.5, model="opus", stop_reason="end_turn", agent_id="a1"
    )
    later = own("tool", 23, TURN, at=9.8, lasts=0.1, tool_name="Bash", tool_use_id="later")
    for spans, outcome in (
        ([answer], Outcome.SUCCESS),
        ([asks], Outcome.UNKNOWN),
        ([of_agent], Outcome.UNKNOWN),
        ([answer, later], Outcome.UNKNOWN),
    ):
        events = [*span_events(*spans, scope=SCOPE), *span_events(*waiting(), scope=SCOPE), *prompt]
        for ordered in (events, events[::-1]):
            (turn,) = only_session(ordered).turns
            assert (turn.end, turn.outcome) == (T0 + 10 * SECOND, outcome)


def test_prompt_without_an_id() -> None:
    """A prompt without an id gives no turn: it would double the turn that hooks report."""
    assert log_events(own_log("user_prompt", prompt_length="14")) == []


def hooks_run(at: float, sequence: int, event: str, **values: Any) -> dict[str, Any]:
    """Return the log event that the client writes after it waited 250 ms for hooks."""
    return own_log(
        "hook_execution_complete",
        at=at,
        event__sequence=sequence,
        hook_event=event,
        total_duration_ms="250",
        **values,
    )


def test_hooks_run() -> None:
    """A wait for hooks has start, length, hook event and agent; a repeated log event is the same wait."""
    events = log_events(hooks_run(2, 7, "PreToolUse", agent_id="a1"))
    again = log_events(hooks_run(2, 7, "PreToolUse", agent_id="a1"), hooks_run(2, 8, "PreToolUse"))

    (event,) = events
    assert (event.kind, event.name, event.parent) == (Kind.HOOKS_RUN, "PreToolUse", "a1")
    assert (event.time, event.duration) == (T0 + 1_750 * MILLISECOND, 250 * MILLISECOND)
    runs = only_session([*events, *again]).hooks_run
    assert [(run.task, run.duration) for run in runs] == [("a1", event.duration), (None, event.duration)]


def test_hooks_of_a_resumed_session() -> None:
    """The client's sequence numbers restart in each process; runs of two processes stay two."""
    first, second = log_events(hooks_run(2, 7, "SessionStart"), hooks_run(900, 7, "SessionStart"))

    assert first.id != second.id


@pytest.mark.parametrize("order", [1, -1])
def test_hooks_of_an_older_client(order: int) -> None:
    """Without an agent's id, the surrounding span gives the agent of a hook run, in either order."""
    sent_by = [
        *log_events(hooks_run(5, 30, "PostToolUse", above=EXECUTION)),
        *log_events(hooks_run(9, 40, "PostToolUse", above=TURN)),
    ]
    events = [*sent_by, *span_events(*waiting(), scope=SCOPE)]

    runs = only_session(events[::order]).hooks_run
    assert [run.task for run in runs] == ["a1", None]


@pytest.mark.parametrize("values", [{}, {"total_duration_ms": -1}, {"total_duration_ms": "long"}])
def test_hooks_of_unknown_length(values: dict[str, Any]) -> None:
    """A hook run without a length gives no event."""
    assert log_events(own_log("hook_execution_complete", hook_event="Stop", **values)) == []


def test_hooks_by_span_are_not_counted_again() -> None:
    """Detailed tracing sends a span of the same hook run; the span gives no event."""
    values: dict[str, Any] = {"hook_event": "PreToolUse", "duration_ms": 250, "num_hooks": 1}
    assert span_events(own("hook", 9, TURN, at=1, lasts=0.25, **values), scope=SCOPE) == []


def test_model_call_by_span() -> None:
    """A request's span gives model, agent, length and tokens; its id is the response's, else the span's."""
    usage: dict[str, Any] = {
        "input_tokens": 12,
        "output_tokens": 5,
        "cache_read_tokens": 1_000,
        "cache_creation_tokens": 7,
    }
    ids: dict[str, Any] = {"gen_ai.response.id": "msg_1", "request_id": "req_1"}
    (call, *_) = span_events(
        own(
            "llm_request",
            10,
            3,
            lasts=2,
            model="opus",
            agent_id="a1",
            ttft_ms=150,
            success=True,
            **usage,
            **ids,
        ),
        scope=SCOPE,
    )
    (by_request,) = span_events(own("llm_request", 10, 3, request_id="req_1"), scope=SCOPE)
    (by_span,) = span_events(own("llm_request", 10, 3, success=False), scope=SCOPE)

    assert (call.kind, call.id, call.name, call.parent) == (Kind.MODEL_CALL, "msg_1", "opus", "a1")
    assert (call.duration, call.outcome) == (2 * SECOND, Outcome.SUCCESS)
    assert call.attributes == {
        "input_tokens": 12, "output_tokens": 5, "cache_read_tokens": 1_000, "cache_write_tokens": 7,
        "first_token_ms": 150, "request": "req_1", "response": "msg_1", "trace": TRACE,
    }  # fmt: skip
    assert (by_request.id, by_span.id, by_span.outcome) == ("req_1", f"{10:016x}", Outcome.FAILURE)


def test_model_call_by_log_event() -> None:
    """The log event adds the cost, and the request id that links it with the span of the call."""
    (call,) = log_events(
        own_log(
            "api_request",
            at=3,
            request_id="req_1",
            model="opus",
            duration_ms=2_000,
            cost_usd=0.25,
            output_tokens=5,
        )
    )

    assert (call.id, call.time, call.duration) == ("req_1", T0 + SECOND, 2 * SECOND)
    assert call.attributes == {"output_tokens": 5, "cost_usd": 0.25, "request": "req_1"}


def requests_without_an_id(*ends: float) -> tuple[list[Event], list[Event]]:
    """Return requests of 2 s through a gateway that sends no ids, by span and by log event."""
    spans = [
        own(
            "llm_request",
            40 + number,
            at=end - 2,
            lasts=2,
            success=True,
            model="asked",
            gen_ai__response__model="opus",
            input_tokens=5,
            output_tokens=7,
        )
        for number, end in enumerate(ends)
    ]
    records = [
        own_log(
            "api_request",
            at=end + 0.1,
            model="opus",
            input_tokens="5",
            output_tokens="7",
            duration_ms="2000",
            cost_usd="0.25",
        )
        for end in ends
    ]
    return span_events(*spans, scope=SCOPE), log_events(*records)


def test_a_request_without_an_id_is_found_by_tokens_model_and_time() -> None:
    """Span and log event of a request are one call with its cost; alone each of them is the call."""
    by_span, by_log = requests_without_an_id(2, 3, 9)
    both = only_session([*by_log, *by_span]).model_calls

    assert [len(only_session(events).model_calls) for events in (by_span, by_log)] == [3, 3]
    assert [call.duration for call in both] == [2 * SECOND] * 3
    assert [call.cost is not None for call in both] == [True] * 3
    assert [call.id for call in both] == [f"{40 + number:016x}" for number in range(3)]


def test_a_request_without_an_id_gives_way_to_the_history_in_the_time_it_covers() -> None:
    """A message of the history stands for span and log event; a later request is known by telemetry alone."""
    by_span, by_log = requests_without_an_id(2, 60)
    message = Event(
        kind=Kind.MODEL_CALL,
        session=SESSION,
        time=T0 + 1 * SECOND,
        channel=Channel.TRANSCRIPT,
        id="msg_1",
        name="opus",
        attributes={"input_tokens": 5, "output_tokens": 7},
    )
    calls = only_session([*by_span, *by_log, message]).model_calls

    assert [call.id for call in calls] == ["msg_1", f"{41:016x}"]
    assert calls[0].duration == 2 * SECOND
    assert calls[0].cost is not None


def test_a_call_without_an_id_is_found_by_tool_and_time() -> None:
    """Clients 2.0 send no id of the call: with hooks the report joins theirs, alone it is a call."""
    record = own_log("tool_result", at=5, tool_name="Bash", success="true", duration_ms="1000")
    hooked = [
        Event(kind=Kind.TOOL_START, session=SESSION, time=T0 + 4 * SECOND, id="toolu_1", name="Bash"),
        Event(
            kind=Kind.TOOL_END,
            session=SESSION,
            time=T0 + 6 * SECOND,
            id="toolu_1",
            name="Bash",
            outcome=Outcome.SUCCESS,
        ),
    ]
    (alone,) = only_session(log_events(record)).tool_calls
    (joined,) = only_session([*hooked, *log_events(record)]).tool_calls

    assert (alone.tool, alone.duration, alone.outcome) == ("Bash", SECOND, Outcome.SUCCESS)
    assert (joined.id, joined.duration) == ("toolu_1", SECOND)


@pytest.mark.parametrize("cut", [None, 60])
def test_kind_and_description_where_the_client_sends_inputs(cut: int | None) -> None:
    """With details on, a task has the description and the kind of its call, even if the input is cut."""
    order = {"description": "Review code", "subagent_type": "general-purpose", "prompt": "SECRET " * 20}
    tool_input = json.dumps(order, separators=(",", ":"))[:cut]
    record = own_log(
        "tool_result",
        at=9,
        tool_name="Agent",
        tool_use_id="toolu_agent",
        success="true",
        duration_ms=8_000,
        tool_input=tool_input,
    )
    events = [*span_events(*waiting(), scope=SCOPE), *log_events(record)]
    (task,) = only_session(events).tasks

    assert (task.description, task.agent) == ("Review code", "general-purpose")
    assert b"SECRET" not in b"".join(map(journal.encode_event, events))


@pytest.mark.parametrize("split", [False, True])
def test_a_wait_for_permission_that_comes_before_its_call(split: bool) -> None:
    """The wait ends before the call and is sent in an earlier request: nothing of it is lost."""
    wait, call = asked("user_temporary", "accept")
    (request,) = [
        event
        for event in in_requests([[wait], [call]] if split else [[wait, call]])
        if event.kind is Kind.PERMISSION_REQUEST
    ]

    assert (request.id, request.parent, request.name, request.duration) == ("t", "a", "Bash", 2 * SECOND)


def test_who_prompted_is_unknown_by_telemetry_alone() -> None:
    """Telemetry does not say whether a person or the host prompted; a hook that does is believed."""
    record = own_log("user_prompt", at=1, prompt__id="p1", prompt_length=3)
    hooked = Event(kind=Kind.TURN_START, session=SESSION, time=T0 + SECOND, id="p1", type="user")

    assert [turn.origin for turn in only_session(log_events(record)).turns] == ["unknown"]
    assert [turn.origin for turn in only_session([*log_events(record), hooked]).turns] == ["user"]


# What must not matter, and what must not pass.


def test_order_and_repetition_in_a_request() -> None:
    """Spans in any order, some of them twice, give the same session."""
    spans = waiting()
    expected = only_session(span_events(*spans, scope=SCOPE))

    for turned in itertools.islice(itertools.permutations(spans), 0, None, 97):
        assert only_session(span_events(*turned, *turned[:3], scope=SCOPE)) == expected


def in_requests(groups: Iterable[list[dict[str, Any]]]) -> list[Event]:
    """Return the events of spans that come in several requests."""
    receiver = OtlpTranslator(journal.encode_event)
    return [
        event
        for group in groups
        for event in events_of(receive(traces(group, scope=SCOPE), receiver=receiver).records)
    ]


@pytest.mark.parametrize("cut", range(1, 7))
def test_spans_in_two_requests(cut: int) -> None:
    """A turn cut into requests gives the same calls and tasks; only facts of a missing span are absent."""
    spans = waiting()
    whole = only_session(span_events(*spans, scope=SCOPE))
    session = only_session(in_requests([spans[:cut], spans[cut:]]))

    assert session.tool_calls == whole.tool_calls
    assert session.model_calls == whole.model_calls
    assert [(task.id, task.end, task.outcome) for task in session.tasks] == [
        (task.id, task.end, task.outcome) for task in whole.tasks
    ]
    assert abs((session.tasks[0].start or 0) - (whole.tasks[0].start or 0)) <= 100 * MILLISECOND


def test_trace_of_a_session() -> None:
    """Other spans in a trace of the client, such as an agent's script, join the session."""
    receiver = OtlpTranslator(journal.encode_event)
    receive(traces(waiting(), scope=SCOPE), receiver=receiver)
    script = span("invoke_agent helper", 50, 12, at=5, gen_ai__operation__name="invoke_agent")
    events = events_of(receive(traces([script]), receiver=receiver).records)

    assert {event.session for event in events} == {SESSION}


def test_span_without_a_session() -> None:
    """A span that does not name its session gets the session of its trace."""
    receiver = OtlpTranslator(journal.encode_event)
    receive(traces(waiting(), scope=SCOPE), receiver=receiver)
    bare = span("claude_code.tool", 60, 1, tool_name="Read", tool_use_id="t")
    events = events_of(receive(traces([bare], scope=SCOPE), receiver=receiver).records)

    assert {event.session for event in events} == {SESSION}


def test_nothing_private_passes() -> None:
    """The user's identity, prompts and all gated content never reach a record."""
    gated = [
        "user.id", "user.email", "user.account_uuid", "user.account_id", "organization.id", "terminal.type",
        "user_prompt", "prompt", "prompt_text", "response", "tool_input", "tool_parameters", "file_path",
        "full_command", "skill_name", "hook_matcher", "stop_reason", "bash_argv0", "new_context",
    ]  # fmt: skip
    secret: dict[str, Any] = {name.replace(".", "__"): f"SECRET {name}" for name in gated}
    known = {
        "agent_id": "a1",
        "tool_use_id": "t",
        "tool_name": "Bash",
        "success": False,
        "error": "SECRET text here",
    }
    spans = [
        own(name, number, 1, **secret, **known)
        for number, name in enumerate(
            ["interaction", "llm_request", "tool", "tool.execution", "tool.blocked_on_user", "hook"], 2
        )
    ]
    written = [
        own_log(name, **secret, **known, prompt__id="p", request_id="r", duration_ms=5)
        for name in ["user_prompt", "tool_result", "tool_decision", "api_request", "api_error", "api_refusal",
                     "subagent_completed", "assistant_response", "hook_execution_complete"]
    ]  # fmt: skip
    records = receive(traces(spans, scope=SCOPE)).records
    records += receive(logs(written, service="claude-code"), Signal.LOGS).records

    assert len(events_of(records)) > 10
    assert b"SECRET" not in records
    # The stop reason is only compared with two words.
    read = {"tool_input", "tool_parameters", "file_path", "full_command", "stop_reason"}
    assert claude_code.ATTRIBUTES & {*gated} == read


def test_unknown_spans_and_log_events() -> None:
    """Unknown spans and log events are counted and ignored."""
    received = receive(traces([own("dream", 2, 1), own("hook", 3, 1)], scope=SCOPE))
    written = receive(
        logs([own_log("dream"), own_log("hook_registered")], service="claude-code"), Signal.LOGS
    )

    assert (received.events, received.ignored, received.rejected) == (0, 2, 0)
    assert (written.events, written.ignored, written.rejected) == (0, 2, 0)


@pytest.mark.parametrize(
    ("scope", "service", "name", "own"),
    [
        (SCOPE, "anything", "claude_code.tool", True),
        ("", "claude-code-desktop", "claude_code.tool", True),
        ("", "claude-code-proxy", "execute_tool Bash", False),
        ("", "shop", "claude_code.tool", False),
    ],
)
def test_whose_span(scope: str, service: str, name: str, own: bool) -> None:
    """The client's spans are recognised by scope, or by service and name; others follow the conventions."""
    values: dict[str, Any] = {
        "tool_use_id": "t",
        "tool_name": "Bash",
        "gen_ai.operation.name": "execute_tool",
    }
    events = span_events(span(name, 2, 1, **values), scope=scope, service=service)

    assert {event.id for event in events} == {"t" if own else f"{2:016x}"}


def test_log_event_without_a_session() -> None:
    """A log event without a session id gives no event."""
    result = log("tool_result", tool_use_id="t", success="true", duration_ms="5")

    assert log_events(result) == []


KEY = b"k" * 32


def with_key(request: dict[str, Any], signal: Signal = Signal.TRACES) -> list[Event]:
    """Return the events of a request to a receiver that has the installation's secret."""
    found = OtlpTranslator(journal.encode_event, work=CallWork(KEY, ("acme test",))).receive_request(
        signal, as_json(request), content_type="application/json", now=T0 + SECOND
    )
    return events_of(found.records)


@pytest.mark.parametrize("by_log", [False, True])
def test_tests_and_files_where_the_client_tells_inputs(by_log: bool) -> None:
    """Sent inputs give the test framework, and the hash that hooks give to the same path."""
    bash: dict[str, Any] = {"tool_use_id": "t", "tool_name": "Bash"}
    edit: dict[str, Any] = {"tool_use_id": "w", "tool_name": "Edit"}
    if by_log:
        request = logs(
            [
                own_log(
                    "tool_result", **bash, success="true", tool_parameters='{"full_command":"pytest -q"}'
                ),
                own_log("tool_result", **edit, success="true", tool_input='{"file_path":"/src/a.py"}'),
                own_log(
                    "tool_result",
                    tool_use_id="a",
                    tool_name="Bash",
                    success="true",
                    tool_parameters='{"full_command":"acme test -q"}',
                ),
                own_log("tool_result", tool_use_id="cut", tool_name="Bash", tool_input='{"command":"pyte'),
            ],
            service="claude-code",
        )
        events = with_key(request, Signal.LOGS)
    else:
        spans = [
            own("tool", 2, 1, full_command="pytest -q", **bash),
            own("tool", 3, 1, file_path="/src/a.py", **edit),
            own("tool", 4, 1, full_command="acme test -q", tool_use_id="a", tool_name="Bash"),
        ]
        events = with_key(traces(spans, scope=SCOPE))
    end_attributes = {event.id: event.attributes for event in events if event.kind is Kind.TOOL_END}
    assert end_attributes["t"].get("test_framework") == "pytest"
    assert end_attributes["a"].get("test_framework") == "acme"
    assert end_attributes["w"].get("wrote") == hash_written_paths(
        "Write", {"file_path": "/src/a.py"}, None, KEY
    )
    assert not end_attributes.get("cut")


def test_without_the_secret_no_hash_goes_out() -> None:
    """Without the secret, a path leaves no trace."""
    (_, end) = span_events(
        own("tool", 3, 1, file_path="/src/a.py", tool_name="Edit", tool_use_id="w"), scope=SCOPE
    )
    assert dict(end.attributes) == {}
