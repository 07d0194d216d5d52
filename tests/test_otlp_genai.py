"""Frameworks' spans: the roles and names of each convention, parents, and sessions."""

from __future__ import annotations

import itertools
from threading import Thread
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from stretto import journal
from stretto.clock import SECOND
from stretto.model.event import Event, Kind, Outcome
from stretto.otlp_export.session_spans import build_spans
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from stretto.sources.otlp.remembered_trace_sessions import TraceSessions
from tests.otlp_requests import (
    NOW,
    PROTOBUF,
    T0,
    TRACE,
    entity_events,
    events_of,
    log,
    logs,
    only_session,
    receive,
    sessions,
    span,
    span_events,
    traces,
)
from tests.test_otlp_claude_code import SCOPE, SESSION, waiting

AGENT: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent"}
WORKFLOW: dict[str, Any] = {"gen_ai.operation.name": "invoke_workflow"}
CHAT: dict[str, Any] = {"gen_ai.operation.name": "chat"}
TOOL: dict[str, Any] = {"gen_ai.operation.name": "execute_tool"}


def ids(number: int) -> str:
    """Return a span's id in OTLP's form."""
    return f"{number:016x}"


def kinds(event_list: list[Event], *, edges: bool = False) -> list[Kind]:
    """Return the kinds of events, start and end of the session left out unless asked for."""
    session = {Kind.SESSION_START, Kind.SESSION_END}
    return [event.kind for event in event_list if edges or event.kind not in session]


# What a span is.

_TASK = [Kind.TASK_START, Kind.TASK_END]
_CALL = [Kind.TOOL_START, Kind.TOOL_END]
_TURN = [Kind.TURN_START, Kind.TURN_END]
_MODEL = [Kind.MODEL_CALL]


@pytest.mark.parametrize(("values", "expected", "name"), [
    ({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}, _TASK, "planner"),
    ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}, _CALL, "search"),
    ({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}, _MODEL, "m"),
    ({"llm.request.type": "chat", "gen_ai.response.model": "m-1", "llm.model_name": "m"}, _MODEL, "m-1"),
    ({"gen_ai.operation.name": "generate_content", "gen_ai.request.model": "m"}, _MODEL, "m"),
    ({"gen_ai.operation.name": "text_completion", "gen_ai.request.model": "m"}, _MODEL, "m"),
    ({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m"}, _MODEL, "m"),
    ({"gen_ai.operation.name": "create_agent", "gen_ai.agent.name": "planner"}, [], None),
    ({"gen_ai.operation.name": "plan"}, [], None),
    ({"openinference.span.kind": "AGENT", "agent.name": "planner"}, _TASK, "planner"),
    ({"openinference.span.kind": "AGENT", "graph.node.id": "planner"}, _TASK, "planner"),
    ({"openinference.span.kind": "TOOL", "tool.name": "search"}, _CALL, "search"),
    ({"openinference.span.kind": "LLM", "llm.model_name": "m"}, _MODEL, "m"),
    ({"openinference.span.kind": "EMBEDDING"}, _MODEL, None),
    ({"openinference.span.kind": "CHAIN"}, [], None),
    ({"openinference.span.kind": "RETRIEVER"}, _CALL, "the span"),
    ({"openinference.span.kind": "GUARDRAIL"}, _CALL, "the span"),
    ({"gen_ai.operation.name": "search_memory"}, _CALL, "the span"),
    ({"gen_ai.operation.name": "tool_call", "gen_ai.tool.name": "ls"}, _CALL, "ls"),
    ({"gen_ai.operation.name": "agent_call", "gen_ai.agent.name": "helper"}, _TASK, "helper"),
    ({"gen_ai.operation.name": "llm_call", "gen_ai.request.model": "m"}, _MODEL, "m"),
    ({"gen_ai.operation.name": "invoke_graph"}, _TURN, None),
    ({"prefect.run.type": "task", "prefect.run.name": "load-ae6"}, _TASK, "load"),
    ({"celery.action": "run", "celery.task_name": "load"}, _TASK, "load"),
    ({"celery.action": "run", "celery.task_name": "celery.chord_unlock"}, [], None),
    ({"celery.action": "apply_async", "celery.task_name": "load"}, [], None),
    ({"haystack.component.name": "writer"}, [], None),
    ({"traceloop.span.kind": "agent", "traceloop.entity.name": "planner"}, _TASK, "planner"),
    ({"traceloop.span.kind": "tool", "traceloop.entity.name": "search"}, _CALL, "search"),
    ({"traceloop.span.kind": "workflow", "traceloop.entity.name": "release"}, _TURN, None),
    ({"traceloop.span.kind": "task", "traceloop.entity.name": "step"}, [], None),
    ({"llm.request.type": "chat", "gen_ai.request.model": "m"}, _MODEL, "m"),
    ({"langfuse.observation.type": "agent"}, _TASK, "the span"),
    ({"langfuse.observation.type": "tool"}, _CALL, "the span"),
    ({"langfuse.observation.type": "generation", "langfuse.observation.model.name": "m"}, _MODEL, "m"),
    ({"langfuse.observation.type": "span"}, [], None),
    ({"langsmith.span.kind": "tool", "gen_ai.operation.name": "execute_tool"}, _CALL, "the span"),
    ({"langsmith.span.kind": "chain", "gen_ai.operation.name": "chain"}, [], None),
    ({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "search"}, _CALL, "search"),
    ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m"}, _MODEL, "m"),
    ({"ai.operationId": "ai.generateText", "ai.model.id": "m"}, [], None),
    ({"mcp.method.name": "tools/call", "gen_ai.tool.name": "search"}, _CALL, "search"),
    ({"mcp.method.name": "tools/list"}, [], None),
    ({"gen_ai.tool.name": "search", "gen_ai.tool.call.id": "c"}, _CALL, "search"),
    ({"gen_ai.request.model": "m", "gen_ai.response.id": "r"}, _MODEL, "m"),
    ({"gen_ai.request.model": "m"}, [], None),
    ({"gen_ai.usage.input_tokens": 5}, [], None),
    ({"http.route": "/"}, [], None),
])  # fmt: skip
def test_conventions(values: dict[str, Any], expected: list[Kind], name: str | None) -> None:
    """Agents, tools, model calls and workflows of each convention are recognised, with their names."""
    events = entity_events(span_events(span("the span", 1, 99, **values)))

    assert kinds(events) == expected
    assert {event.name for event in events} <= {name}


@pytest.mark.parametrize(
    ("scope", "expected"), [("traceloop.tracer", _TASK), ("opentelemetry.instrumentation.langchain", [])]
)
def test_declared_tasks(scope: str, expected: list[Kind]) -> None:
    """A traceloop task declared by a program is a task; a task from an instrumentation is only a step."""
    values: dict[str, Any] = {"traceloop.span.kind": "task", "traceloop.entity.name": "step"}

    events = span_events(span("step.task", 1, 99, **values), scope=scope)

    assert kinds(entity_events(events)) == expected


def test_pydantic_ai_before_it_followed_the_conventions() -> None:
    """Its old spans name the agent without an operation."""
    values: dict[str, Any] = {"agent_name": "planner", "model_name": "m"}

    assert (
        kinds(entity_events(span_events(span("planner run", 1, 99, **values), scope="pydantic-ai"))) == _TASK
    )
    assert kinds(span_events(span("planner run", 1, 99, **values), scope="other")) == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [("execute_tool search", "search"), ("running tool: search", "search"), ("search", "search")],
)
def test_name_of_last_resort(name: str, kept: str) -> None:
    """If no attribute names a tool, the span's name does."""
    assert {event.name for event in span_events(span(name, 1, 99, **TOOL))} == {kept}


@pytest.mark.parametrize(("service", "scope", "source"), [
    ("shop", "openinference.instrumentation.crewai", "shop"),
    ("unknown_service", "openinference.instrumentation.crewai", "crewai"),
    ("unknown_service:python", "opentelemetry.instrumentation.langchain", "langchain"),
    ("", "pydantic-ai", "pydantic-ai"),
    ("", "", "otlp"),
])  # fmt: skip
def test_source(service: str, scope: str, source: str) -> None:
    """The source is the service's name, else the framework's."""
    assert {event.source for event in span_events(span("x", 1, **CHAT), service=service, scope=scope)} == {
        source
    }


# Usage.


@pytest.mark.parametrize("values", [
    {"gen_ai.usage.input_tokens": 110, "gen_ai.usage.output_tokens": 5,
     "gen_ai.usage.cache_read.input_tokens": 90, "gen_ai.usage.cache_write.input_tokens": 8,
     "gen_ai.usage.reasoning.output_tokens": 3, "gen_ai.usage.cost": 0.5},
    {"gen_ai.usage.input_tokens": 110, "gen_ai.usage.output_tokens": 5,
     "gen_ai.usage.cache_read.input_tokens": 90, "gen_ai.usage.cache_creation.input_tokens": 8,
     "gen_ai.usage.reasoning.output_tokens": 3, "operation.cost": 0.5},
    {"gen_ai.usage.prompt_tokens": 110, "gen_ai.usage.completion_tokens": 5,
     "gen_ai.usage.cache_read_input_tokens": 90, "gen_ai.usage.cache_creation_input_tokens": 8,
     "gen_ai.usage.details.reasoning_tokens": 3, "operation.cost": 0.5},
    {"llm.token_count.prompt": 110, "llm.token_count.completion": 5,
     "llm.token_count.prompt_details.cache_read": 90, "llm.token_count.prompt_details.cache_write": 8,
     "llm.token_count.completion_details.reasoning": 3, "llm.cost.total": 0.5},
])  # fmt: skip
def test_usage(values: dict[str, Any]) -> None:
    """Tokens are the same under every convention's names; the input excludes cached tokens."""
    (call,) = entity_events(span_events(span("chat", 1, 99, **CHAT, **values)))

    assert call.attributes == {
        "input_tokens": 12, "output_tokens": 5, "cache_read_tokens": 90, "cache_write_tokens": 8,
        "cost_usd": 0.5,
    }  # fmt: skip


def test_usage_that_counts_the_cache_apart() -> None:
    """An input smaller than the tokens read from the cache does not contain them."""
    values: dict[str, Any] = {"gen_ai.usage.input_tokens": 12, "gen_ai.usage.cache_read.input_tokens": 90}
    (call,) = entity_events(span_events(span("chat", 1, 99, **CHAT, **values)))

    assert call.attributes == {"input_tokens": 12, "cache_read_tokens": 90}


@pytest.mark.parametrize("value", ["many", -5, True, 1e30, float("nan"), "nan", ["5"]])
def test_count_that_is_none(value: Any) -> None:
    """A value that is not a count is absent, never 0."""
    (call,) = entity_events(span_events(span("chat", 1, 99, **CHAT, **{"gen_ai.usage.input_tokens": value})))

    assert call.attributes == {}


# Outcomes.


@pytest.mark.parametrize(("values", "failed", "outcome"), [
    ({}, False, Outcome.SUCCESS),
    ({}, True, Outcome.FAILURE),
    ({"error.type": "TimeoutError"}, False, Outcome.FAILURE),
    ({"error.type": "asyncio.CancelledError"}, True, Outcome.CANCELLED),
    ({"error.type": "AbortError"}, True, Outcome.CANCELLED),
    ({"stretto.outcome": "cancelled"}, True, Outcome.CANCELLED),
    ({"stretto.outcome": "running"}, False, Outcome.SUCCESS),
])  # fmt: skip
def test_outcomes(values: dict[str, Any], failed: bool, outcome: Outcome) -> None:
    """A span fails by its status or its class of error; an unset status is success."""
    (call,) = span_events(span("chat", 1, 99, failed=failed, **CHAT, **values))

    assert call.outcome is outcome


def test_failed_task() -> None:
    """A failed task has the class of its error, without its message."""
    values: dict[str, Any] = {"error.type": "BudgetExceeded", "exception.message": "SECRET"}
    received = receive(traces([span("invoke_agent a", 1, 99, failed=True, **AGENT, **values)]))
    (task,) = events_of(received.records)

    assert (task.outcome, task.attributes["error"]) == (Outcome.FAILURE, "BudgetExceeded")
    assert b"SECRET" not in received.records
    assert b"it failed" not in received.records


# Who is whose.


def team() -> list[dict[str, Any]]:
    """Return a run: an agent asks two others at once, one of them through a tool, which asks a third."""
    return [
        span("chat", 21, 20, at=1, lasts=1, **CHAT),
        span("invoke_agent writer", 20, 10, at=1, lasts=4, **AGENT, gen_ai__agent__name="writer"),
        span("chat", 41, 40, at=3, lasts=1, **CHAT),
        span("invoke_agent checker", 40, 32, at=2.5, lasts=2, **AGENT, gen_ai__agent__name="checker"),
        span("GET", 32, 31, at=2.4, lasts=2.2),
        span("execute_tool check", 31, 30, at=2.3, lasts=2.4, **TOOL),
        span("invoke_agent critic", 30, 11, at=1, lasts=5, **AGENT, gen_ai__agent__name="critic"),
        span("running 2 tools", 10, 1, at=0.9, lasts=6),
        span("execute_tool ask_critic", 11, 10, at=0.95, lasts=5.5, **TOOL),
        span("chat", 2, 1, at=0.1, lasts=0.5, **CHAT),
        span("invoke_agent lead", 1, at=0, lasts=8, **AGENT, gen_ai__agent__name="lead"),
    ]


def test_parents() -> None:
    """A call belongs to the nearest agent above it, a task to the nearest agent or call."""
    parents = {
        event.id: event.parent
        for event in entity_events(span_events(*team()))
        if event.kind in {Kind.TASK_START, Kind.TOOL_START, Kind.MODEL_CALL}
    }

    assert parents == {
        ids(21): ids(20), ids(20): None, ids(41): ids(40), ids(40): ids(31), ids(31): ids(30),
        ids(30): ids(11), ids(11): None, ids(2): None,
    }  # fmt: skip


def test_agents_that_a_tool_calls() -> None:
    """A task started through a tool names that call; its parent is the call's agent."""
    tasks = only_session(span_events(*team())).tasks

    assert [(task.agent, task.delegated_by, task.parent) for task in tasks] == [
        ("writer", None, None),
        ("critic", ids(11), None),
        ("checker", ids(31), ids(30)),
    ]


def test_agents_that_one_tool_calls() -> None:
    """A single call may start several agents."""
    agents = [span("invoke_agent a", number, 2, at=1, lasts=number, **AGENT) for number in (3, 4, 5)]
    tasks = only_session(
        span_events(*agents, span("ask_all", 2, 1, lasts=9, **TOOL), span("lead", 1, lasts=9, **AGENT))
    ).tasks

    assert [(task.id, task.delegated_by) for task in tasks] == [(ids(number), ids(2)) for number in (3, 4, 5)]
    assert [task.interval.length // SECOND for task in tasks if task.interval] == [3, 4, 5]


def test_the_outermost_agent_is_the_turn() -> None:
    """The outermost agent is the turn in which the others started; its trace is the session."""
    session = only_session(span_events(*team()))

    assert [(turn.id, turn.start, turn.end) for turn in session.turns] == [(ids(1), T0, T0 + 8 * SECOND)]
    assert [(task.agent, task.interval.length // SECOND) for task in session.tasks if task.interval] == [
        ("writer", 4),
        ("critic", 5),
        ("checker", 2),
    ]
    assert (session.id, session.start, session.end) == (TRACE, T0, T0 + 8 * SECOND)
    assert session.outcome is Outcome.SUCCESS


def test_agents_below_a_span_of_others() -> None:
    """Agents below a plain span are tasks of a session, the trace; its outermost span ends it."""
    agents = [span("invoke_agent a", number, 1, at=number, lasts=3, **AGENT) for number in (2, 3, 4)]
    session = only_session(span_events(*agents, span("main", 1, at=0, lasts=9)))

    assert [(task.id, task.parent) for task in session.tasks] == [
        (ids(2), None),
        (ids(3), None),
        (ids(4), None),
    ]
    assert session.turns == ()
    assert session.end == T0 + 9 * SECOND


def test_workflow_is_the_pattern() -> None:
    """A workflow's name is the session's pattern; a workflow inside another or an agent is a step."""
    steps = [
        span("invoke_agent a", 2, 1, **AGENT),
        span("invoke_workflow inner", 3, 2, **WORKFLOW),
        span("invoke_workflow release", 1, **WORKFLOW, gen_ai__workflow__name="release"),
    ]
    session = only_session(span_events(*steps))
    below_others = span_events(*steps[:2], {**steps[2], "parentSpanId": ids(77)})

    assert (session.pattern, [turn.id for turn in session.turns]) == ("release", [ids(1)])
    assert only_session(below_others).pattern == "release"


def test_chain_at_the_top_is_the_turn() -> None:
    """A framework's outermost step is the turn; the steps below are no entities."""
    chain: dict[str, Any] = {"openinference.span.kind": "CHAIN"}
    events = entity_events(
        span_events(span("LangGraph", 1, **chain), span("node", 2, 1, **chain), span("search", 3, 2, **TOOL))
    )

    assert [(event.kind, event.id) for event in events if event.kind in {*_TURN, *_CALL}] == [
        (Kind.TURN_START, ids(1)), (Kind.TURN_END, ids(1)),
        (Kind.TOOL_START, ids(3)), (Kind.TOOL_END, ids(3)),
    ]  # fmt: skip


def test_tool_call_ids_may_repeat() -> None:
    """Three calls side by side with the same call id from the model stay three calls."""
    calls = [
        span(
            "running tool: look_up",
            number,
            1,
            at=number / 10,
            gen_ai__tool__name="look_up",
            gen_ai__tool__call__id="same",
        )
        for number in (2, 3, 4)
    ]
    events = span_events(*calls, span("invoke_agent a", 1, lasts=5, **AGENT))

    assert [call.id for call in only_session(events).tool_calls] == [ids(2), ids(3), ids(4)]
    named = {event.attributes["call"] for event in entity_events(events) if event.kind is Kind.TOOL_END}
    assert named == {"same"}


def test_call_reported_twice() -> None:
    """A model call inside a model call, and a tool inside the same tool, count once."""
    other: dict[str, Any] = {"openinference.span.kind": "LLM"}
    tool: dict[str, Any] = {"openinference.span.kind": "TOOL", "tool.name": "search"}
    session = only_session(
        span_events(
            span("chat", 3, 2, **CHAT),
            span("POST", 2, 1, lasts=2),
            span("ChatModel", 1, 9, lasts=3, **other),
            span("tools/call search", 6, 5, mcp__method__name="tools/call", gen_ai__tool__name="search"),
            span("search", 5, 9, lasts=2, **tool),
            span("execute_tool other", 7, 5, **TOOL),
        )
    )

    assert [call.id for call in session.model_calls] == [ids(1)]
    assert [call.id for call in session.tool_calls] == [ids(5), ids(7)]


def test_tool_inside_a_model_call() -> None:
    """A tool that a framework runs inside its model call belongs to the agent above both."""
    events = entity_events(
        span_events(span("tool", 3, 2, **TOOL), span("call_llm", 2, 1, **CHAT), span("agent", 1, 9, **AGENT))
    )

    assert {event.parent for event in events if event.kind in _CALL} == {ids(1)}


# Requests apart.


def test_parent_in_another_request() -> None:
    """Calls below a missing span are the main agent's until it comes; then they belong to its task."""
    calls = span_events(span("chat", 4, 3, **CHAT), span("step", 3, 2), span("tool", 5, 2, **TOOL))
    agents = span_events(span("invoke_agent a", 2, 1, **AGENT), span("invoke_agent lead", 1, **AGENT))
    early, late = only_session(calls, lost=False), only_session([*calls, *agents])

    assert [call.task for call in early.tool_calls] == [call.task for call in early.model_calls] == [None]
    assert [call.task for call in late.tool_calls] == [call.task for call in late.model_calls] == [ids(2)]


@pytest.mark.parametrize("cut", range(1, 11))
def test_one_trace_in_two_requests(cut: int) -> None:
    """A trace cut into requests is the same session with the same tasks, calls and lengths."""
    spans = team()
    receiver = OtlpTranslator(journal.encode_event)
    events = [
        event
        for part in (spans[:cut], spans[cut:])
        for event in events_of(receive(traces(part), receiver=receiver).records)
    ]
    whole, session = only_session(span_events(*spans)), only_session(events)

    assert session == whole


def test_order_and_repetition() -> None:
    """Spans in any order, some of them twice, and repeated requests give the same session."""
    spans = team()
    expected = only_session(span_events(*spans))
    for turned in itertools.islice(itertools.permutations(spans), 0, 5_000, 499):
        events = span_events(*turned, *turned[:4])
        assert only_session([*events, *events]) == expected


def test_parents_in_a_ring() -> None:
    """Spans whose parents form a ring give events too."""
    ring = [span(f"invoke_agent {number}", number, number % 3 + 1, **AGENT) for number in (1, 2, 3)]
    session = only_session(span_events(*ring, span("tool", 4, 3, **TOOL)))

    assert {task.id for task in session.tasks} == {ids(1), ids(2), ids(3)}
    assert [call.task for call in session.tool_calls] == [ids(3)]


def test_deep_trace() -> None:
    """A chain of ten thousand spans, each the parent of the next, is walked once."""
    depth = 10_000
    steps = [span("step", number, number - 1) for number in range(depth, 1, -1)]
    deep = span_events(span("tool", depth + 1, depth, **TOOL), *steps, span("agent", 1, 77, **AGENT))
    events = entity_events(deep)

    assert {event.parent for event in events if event.kind in _CALL} == {ids(1)}


# Sessions.


@pytest.mark.parametrize(("values", "session"), [
    ({}, TRACE),
    ({"gen_ai.conversation.id": "talk"}, "talk"),
    ({"session.id": "mine", "gen_ai.conversation.id": "talk"}, "mine"),
    ({"stretto.session.id": "ours", "session.id": "mine"}, "ours"),
    ({"langfuse.session.id": "mine"}, "mine"),
    ({"traceloop.association.properties.session_id": "mine"}, "mine"),
    ({"langsmith.metadata.session_id": "mine"}, "mine"),
    ({"gen_ai.conversation.id": "resp_0e32bda5b6259ecd00694279e27134"}, TRACE),
    ({"gen_ai.conversation.id": "x" * 201}, TRACE),
    ({"gen_ai.conversation.id": 5}, TRACE),
])  # fmt: skip
def test_session(values: dict[str, Any], session: str) -> None:
    """The session is named by the best attribute of a span, else by the trace."""
    assert {event.session for event in span_events(span("chat", 1, **CHAT, **values))} == {session}


def test_a_conversation_below_the_top_names_no_session() -> None:
    """Nested agents bring conversation ids of their own; only the outermost span's names the session."""
    events = span_events(span("chat", 1, 9, **CHAT, gen_ai__conversation__id="talk"))

    assert {event.session for event in events} == {TRACE}


def test_session_named_by_one_span() -> None:
    """A session id on any span holds for the whole trace; the outermost conversation id is used."""
    inner: dict[str, Any] = {"gen_ai.conversation.id": "inner"}
    outer: dict[str, Any] = {"gen_ai.conversation.id": "outer"}
    events = span_events(
        span("tool", 3, 2, at=2, **TOOL),
        span("invoke_agent b", 2, 1, at=1, **AGENT, **inner),
        span("invoke_agent a", 1, at=0, lasts=5, **AGENT, **outer),
    )

    assert {event.session for event in events} == {"outer"}
    assert only_session(events).end == T0 + 5 * SECOND


def test_first_name_of_a_trace_is_final() -> None:
    """A trace is its own session until a span names another; a second name does not count."""
    receiver = OtlpTranslator(journal.encode_event)
    requests = [
        span("chat", 2, 1, **CHAT),
        span("chat", 3, 1, **CHAT, session__id="mine"),
        span("agent", 1, **AGENT, session__id="other"),
        span("chat", 4, 1, **CHAT),
    ]
    seen = [
        event.session
        for request in requests
        for event in events_of(receive(traces([request]), receiver=receiver).records)
    ]

    assert seen == [TRACE, "mine", "mine", "mine"]


def test_traces_of_one_conversation() -> None:
    """Each trace of a conversation is a turn of its session, which ends with the last of them."""
    other = "1" * 32
    talk: dict[str, Any] = {"gen_ai.conversation.id": "talk"}
    session = only_session(
        span_events(
            span("invoke_agent a", 1, at=0, lasts=2, **AGENT, **talk),
            span("invoke_agent a", 2, at=60, lasts=3, trace=other, **AGENT, **talk),
        ),
        lost=False,
    )

    assert [turn.id for turn in session.turns] == [ids(1), ids(2)]
    assert session.end == T0 + 63 * SECOND


def test_memory_of_traces_is_bounded() -> None:
    """Beyond the limit, the trace that was idle for longest is forgotten first."""
    trace_sessions = TraceSessions(limit=2)
    trace_sessions.resolve_session("a", "one")
    trace_sessions.resolve_session("b", "two")
    trace_sessions.resolve_session("a", None)
    trace_sessions.resolve_session("c", None)

    assert [trace_sessions.resolve_session(trace, None) for trace in ("a", "c", "b")] == ["one", "c", "b"]


def test_memory_of_traces_in_threads() -> None:
    """Requests that are processed at the same time agree on the session of a trace."""
    trace_sessions = TraceSessions(limit=50)
    sessions_seen: list[str] = []

    def ask(name: str) -> None:
        for number in range(300):
            trace_sessions.resolve_session(f"other {number} {name}", None)
            sessions_seen.append(trace_sessions.resolve_session("shared", name))

    threads = [Thread(target=ask, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(sessions_seen) == 1_200
    assert len(set(sessions_seen)) == 1


# What Stretto itself sends out.


def test_what_goes_out_comes_in_again() -> None:
    """A session that Stretto exports as spans comes back the same, with turns, tasks, calls and ids."""
    prompt = log("user_prompt", session__id=SESSION, prompt__id="p1")
    written = receive(logs([prompt], service="claude-code"), Signal.LOGS)
    session = only_session([*span_events(*waiting(), scope=SCOPE), *events_of(written.records)])
    body = encode_spans(build_spans(session, version="1")).SerializeToString()
    received = OtlpTranslator(journal.encode_event).receive_request(
        Signal.TRACES, body, content_type=PROTOBUF, now=NOW
    )
    found = sessions(events_of(received.records))[session.id]

    assert (found.source, found.turns) == (session.source, session.turns)
    assert [turn.id for turn in found.turns] == ["p1"]
    assert [(task.id, task.start, task.end, task.outcome, task.agent) for task in found.tasks] == [
        (task.id, task.start, task.end, task.outcome, task.agent) for task in session.tasks
    ]
    assert [(call.id, call.tool, call.task, call.duration, call.outcome) for call in found.tool_calls] == [
        (call.id, call.tool, call.task, call.duration, call.outcome) for call in session.tool_calls
    ]
    assert [(call.id, call.model, call.duration) for call in found.model_calls] == [
        (call.id, call.model, call.duration) for call in session.model_calls
    ]
    assert received.rejected == 0
