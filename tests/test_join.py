"""Join: spans, aliases and reports without ids become one story, whatever came first."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Any

import pytest

from stretto.clock import SECOND
from stretto.figures.fanouts import find_fanouts
from stretto.model.conclude_session import conclude_session
from stretto.model.entities import Session
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.model.facts import SessionFacts
from stretto.model.fold import fold_events
from stretto.model.join_channel_reports import join_facts
from tests.scenes import at, by_description


def span(
    id: str,
    parent: str | None,
    role: str,
    start: float,
    end: float,
    *,
    name: str | None = None,
    outcome: Outcome = Outcome.SUCCESS,
    **attributes: Any,
) -> Event:
    """Return the event of an ended span."""
    return Event(
        kind=Kind.SPAN,
        session="s",
        time=at(start),
        channel=Channel.OTLP,
        source="shop",
        id=id,
        parent=parent,
        name=name,
        duration=round((end - start) * SECOND),
        outcome=outcome,
        attributes={"role": role, "trace": "t", **attributes},
    )


def conclude(events: list[Event], *, lost: bool = False) -> Session:
    """Return the session that events describe."""
    facts = SessionFacts("s")
    fold_events(facts, events)
    return conclude_session(facts, lost=lost, classify=by_description)


def agents(session: Session) -> list[tuple[str | None, str | None, int]]:
    """Return agent, parent and length in seconds of each task."""
    return [
        (task.agent, task.parent, task.interval.length // SECOND)
        for task in session.tasks
        if task.interval is not None
    ]


def widths(session: Session) -> list[int]:
    """Return the width of each fan-out."""
    return [fanout.width for fanout in find_fanouts(session.tasks)]


GATHER = [
    span("a", "step-a", "agent", 1, 11, name="architect"),
    span("b", "step-b", "agent", 1, 21, name="tester"),
    span("c", "step-c", "agent", 1, 31, name="writer"),
    span("step-a", "root", "link", 1, 11),
    span("step-b", "root", "link", 1, 21),
    span("step-c", "root", "link", 1, 31),
    span("root", None, "link", 0, 32),
]
"""Three agents, each below a step of its own, below a plain span."""


def test_agents_below_steps_of_their_own_are_a_fan_out() -> None:
    """Steps without an entity link the agents to the plain span that they have in common."""
    session = conclude(GATHER)

    assert agents(session) == [("architect", None, 10), ("tester", None, 20), ("writer", None, 30)]
    assert widths(session) == [3]
    assert (session.start, session.end, session.outcome) == (at(0), at(32), Outcome.SUCCESS)


def test_spans_may_come_in_any_order_and_twice() -> None:
    """Every order, with repetitions, gives the same session."""
    expected = conclude(GATHER)
    random = Random(1)
    for turned in random.sample(list(permutations(GATHER)), 100):
        assert conclude([*turned, *random.choices(GATHER, k=3)]) == expected


def test_a_parent_that_never_comes_is_the_main_agent() -> None:
    """Agents below a span that has not arrived are the main agent's, and run side by side."""
    session = conclude(GATHER[:3])

    assert {task.parent for task in session.tasks} == {None}
    assert widths(session) == [3]


def test_an_open_span_runs() -> None:
    """A span without an end is a running task; its end replaces its words."""
    opened = span("a", "root", "agent", 1, 1, name="draft", open=True)
    ended = span("a", "root", "agent", 1, 5, name="architect")

    (task,) = conclude([opened]).tasks
    assert (task.agent, task.end, task.outcome) == ("draft", None, Outcome.RUNNING)
    for events in ([opened, ended], [ended, opened]):
        (task,) = conclude(events).tasks
        assert (task.agent, task.end, task.outcome) == ("architect", at(5), Outcome.SUCCESS)


def test_steps_side_by_side_are_tasks() -> None:
    """Overlapping steps are tasks if they work, or last long enough; a join of no length is none."""
    session = conclude(
        [
            span("g", None, "chain", 0, 12, name="graph"),
            span("plan", "g", "chain", 0, 1, name="plan"),
            span("x", "g", "chain", 1, 6, name="architect"),
            span("y", "g", "chain", 1, 10, name="writer"),
            span("y1", "y", "model", 1, 10, name="m"),
            span("join", "g", "chain", 5.9, 5.91, name="join"),
            span("end", "g", "chain", 10, 12, name="end"),
        ]
    )

    assert agents(session) == [("architect", None, 5), ("writer", None, 9)]
    assert [(call.task, call.model) for call in session.model_calls] == [("y", "m")]
    assert [turn.id for turn in session.turns] == ["g"]


def test_a_step_inside_a_tool_call_is_delegated() -> None:
    """Graphs called as tools are tasks of those calls; the steps around the calls are none."""
    events = [span("lead", None, "chain", 0, 20, name="lead")]
    for name, end in (("architect", 8), ("tester", 12)):
        events += [
            span(f"tools {name}", "lead", "chain", 2, end, name="tools"),
            span(f"call {name}", f"tools {name}", "tool", 2, end, name="delegate", call=f"id {name}"),
            span(name, f"call {name}", "chain", 2, end, name=name),
            span(f"model {name}", name, "chain", 2, end, name="model"),
            span(f"chat {name}", f"model {name}", "model", 2, end, name="m"),
        ]
    session = conclude(events)

    assert agents(session) == [("architect", None, 6), ("tester", None, 10)]
    assert [task.delegated_by for task in session.tasks] == ["id architect", "id tester"]
    assert {call.task for call in session.model_calls} == {"architect", "tester"}


def test_tool_calls_side_by_side_are_no_tasks() -> None:
    """Plain tool calls are not work that somebody was asked to do."""
    calls = [span(str(n), "a", "tool", 1, 5, name="search", call=f"c{n}") for n in range(3)]
    session = conclude([span("a", None, "agent", 0, 9, name="lead"), *calls])

    assert session.tasks == ()
    assert [call.id for call in session.tool_calls] == ["c0", "c1", "c2"]


def test_an_agent_reported_twice_is_one_task() -> None:
    """An agent directly inside the agent of its name, and one beside a step of its name, count once."""
    session = conclude(
        [
            span("lead", None, "agent", 0, 20, name="lead"),
            span("again", "lead", "agent", 0, 20, name="lead"),
            span("call", "again", "tool", 1, 9, name="delegate"),
            span("bare", "call", "agent", 1, 9, name="architect"),
            span("step", "call", "chain", 1, 9, name="architect"),
            span("chat", "step", "model", 1, 9, name="m"),
        ]
    )

    assert agents(session) == [("architect", None, 8)]
    assert [turn.id for turn in session.turns] == ["lead"]
    assert [call.task for call in session.model_calls] == ["bare"]


def test_workers_of_one_name_are_several() -> None:
    """An agent that starts three of its kind at once has three workers."""
    inner = [span(str(n), "w", "agent", 1, 5 + n, name="worker") for n in range(3)]
    session = conclude(
        [span("r", None, "workflow", 0, 20), span("w", "r", "agent", 0, 19, name="worker"), *inner]
    )

    assert [task.parent for task in session.tasks] == [None, "w", "w", "w"]
    assert widths(session) == [3]


def test_a_lead_beside_its_agents_is_no_worker() -> None:
    """An agent reported beside its caller belongs to the call of its name and interval."""
    events = [
        span("wf", None, "workflow", 0, 21, name="release"),
        span("lead", "wf", "agent", 0, 21, name="lead"),
    ]
    for name, end in (("architect", 15), ("tester", 17)):
        events += [
            span(f"call {name}", "lead", "tool", 8, end, name=name),
            span(name, "wf", "agent", 8, end, name=name),
        ]
    session = conclude(events)

    assert agents(session) == [("lead", None, 21), ("architect", "lead", 7), ("tester", "lead", 9)]
    assert widths(session) == [2]


def test_nested_model_calls_are_merged() -> None:
    """The outer span gives the time, the inner usage and error; a preparation is no call."""
    (call,) = conclude(
        [
            span("a", None, "agent", 0, 20, name="lead"),
            span("prepare", "a", "model", 1, 1.0001, name="m"),
            span("outer", "a", "model", 1, 5, name="m"),
            span("inner", "outer", "model", 2, 4, name="m", outcome=Outcome.FAILURE, input_tokens=7),
        ]
    ).model_calls

    assert (call.id, call.duration, call.outcome, call.tokens.input) == (
        "outer",
        4 * SECOND,
        Outcome.FAILURE,
        7,
    )


def test_outermost_agents_side_by_side_are_tasks() -> None:
    """Agents at the top of traces of one session that overlap are tasks, one after another turns."""
    parallel = [
        span(str(n), None, "agent", 0.001 * n, 10 * (n + 1), name=f"a{n}", trace=str(n)) for n in range(3)
    ]
    turns = [span(str(n), None, "agent", 10 * n, 10 * n + 10, name="a", trace=str(n)) for n in range(3)]

    assert widths(conclude(parallel)) == [3]
    assert conclude(parallel).turns == ()
    assert [turn.id for turn in conclude(turns).turns] == ["0", "1", "2"]


def test_attempts_of_an_engine_are_one_task() -> None:
    """Spans with the same task id are attempts; the last of them decides the outcome."""
    (task,) = conclude(
        [
            span("f", None, "workflow", 0, 30, name="flow"),
            span("1", "f", "unit", 1, 5, name="load", entity="task-1", outcome=Outcome.FAILURE),
            span("2", "f", "unit", 8, 20, name="load", entity="task-1"),
        ]
    ).tasks

    assert (task.id, task.start, task.end, task.outcome) == ("task-1", at(1), at(20), Outcome.SUCCESS)


def test_the_last_outermost_span_ends_the_session() -> None:
    """A session of several traces ends with the last and has its outcome; an unfinished one keeps it open."""
    first = span("1", None, "agent", 0, 2, trace="t1")
    second = span("2", None, "agent", 60, 63, trace="t2", outcome=Outcome.FAILURE)
    inner = span("3", "4", "model", 70, 71, trace="t3")

    assert (conclude([first, second]).end, conclude([first, second]).outcome) == (at(63), Outcome.FAILURE)
    assert conclude([first, second, inner]).outcome is Outcome.RUNNING


def test_a_phase_above_a_foreign_agent_is_its_phase() -> None:
    """An agent of another instrumentation inside a declared phase belongs to that phase."""
    session = conclude(
        [
            span("s", None, "session", 0, 9),
            span("p", "s", "phase", 0, 8, name="analysis"),
            span("x", "p", "link", 0, 8),
            span("a", "x", "agent", 1, 7, name="architect"),
        ]
    )

    assert [(task.agent, task.phase) for task in session.tasks] == [("architect", "analysis")]


def hook(kind: Kind, second: float, **values: Any) -> Event:
    """Return an event of a hook."""
    return Event(kind=kind, session="s", time=at(second), channel=Channel.HOOK, **values)


@pytest.mark.parametrize("turned", [False, True])
def test_an_alias_joins_a_call_with_its_agent(turned: bool) -> None:
    """A call's answer names the agent by its path, the agent's own events by its thread: it is one task."""
    events = [
        hook(Kind.TOOL_START, 1, id="c1", name="Agent", attributes={"description": "look around"}),
        hook(
            Kind.TOOL_END,
            2,
            id="c1",
            name="Agent",
            attributes={"task": "/root/alpha", "status": "async_launched"},
        ),
        hook(Kind.TASK_START, 2, id="thread", name="default"),
        hook(Kind.TASK_END, 9, id="thread", outcome=Outcome.SUCCESS),
        hook(Kind.ALIAS, 2, id="thread", attributes={"alias": "/root/alpha"}),
    ]
    (task,) = conclude(events[::-1] if turned else events).tasks

    assert (task.id, task.description, task.delegated_by) == ("thread", "look around", "c1")


def test_a_span_as_alias_stands_for_its_task() -> None:
    """A hook that knows a span inside an agent names the agent, though two agents of its kind ran at once."""
    events = [span("root", None, "agent", 0, 30, name="main")]
    for number in ("1", "2"):
        events += [
            span(f"agent {number}", "root", "agent", 2, 9, name="explore"),
            span(f"chat {number}", f"agent {number}", "model", 3, 4, name="m"),
            hook(Kind.TASK_START, 2, id=f"id {number}", name="explore"),
            # The first id is that of the second span.
            hook(Kind.ALIAS, 3, id=f"id {number}", attributes={"alias": f"chat {3 - int(number)}"}),
        ]
    session = conclude(events)

    assert sorted(task.id for task in session.tasks) == ["id 1", "id 2"]
    assert {call.id: call.task for call in session.model_calls} == {"chat 2": "id 1", "chat 1": "id 2"}


def test_calls_without_an_id_are_paired() -> None:
    """A hook's call is the span's call of its tool and time; beyond the spans it stands for itself."""
    named = [
        span("a", None, "agent", 0, 30, name="main"),
        span("x", "a", "tool", 3, 5, name="bash", call="call_7"),
        span("y", "a", "tool", 3, 25, name="view", call="call_8", outcome=Outcome.FAILURE),
    ]
    hooks = []
    for pair, tool, start, end in (("h1", "bash", 3.1, 5.2), ("h2", "bash", 14, 15), ("h3", "bash", 90, 95)):
        hooks += [
            hook(Kind.TOOL_START, start, name=tool, attributes={"pair": pair}),
            hook(Kind.TOOL_END, end, name=tool, outcome=Outcome.SUCCESS, attributes={"pair": pair}),
        ]
    session = conclude([*hooks, *named])

    assert [(call.id, call.start) for call in session.tool_calls] == [
        ("call_7", at(3)),
        ("call_8", at(3)),
        ("h3", at(90)),
    ]


def test_a_span_turn_is_the_prompt_before_it() -> None:
    """A prompt by a hook and the outermost span after it are a single turn."""
    prompt = hook(Kind.TURN_START, 0, id="p1", type="user")
    session = conclude([span("a", None, "agent", 0.4, 30, name="main"), prompt])

    assert [(turn.id, turn.end) for turn in session.turns] == [("p1", at(30))]


def test_an_agent_of_a_hook_is_the_agent_of_a_span() -> None:
    """An agent id by a hook and a span of the same name and time are one task, with the hook's id."""
    session = conclude(
        [
            span("a", None, "agent", 0, 30, name="main"),
            span("b", "a", "agent", 2, 9, name="explore"),
            span("chat", "b", "model", 3, 4, name="m"),
            hook(Kind.TASK_START, 2.3, id="agent-1", name="explore"),
            hook(Kind.TASK_END, 9.1, id="agent-1", outcome=Outcome.SUCCESS),
        ]
    )

    assert [task.id for task in session.tasks] == ["agent-1"]
    assert [call.task for call in session.model_calls] == ["agent-1"]


def test_a_session_with_nothing_to_join_is_not_copied() -> None:
    """Facts whose entities have a single id each are joined facts already."""
    facts = SessionFacts("s")
    fold_events(facts, [hook(Kind.TOOL_START, 1, id="c1", name="Bash")])

    assert join_facts(facts) is facts
    fold_events(facts, [span("x", None, "tool", 1, 2, name="Bash")])
    joined = join_facts(facts)
    assert joined is not facts
    assert join_facts(joined) is joined


def test_a_model_call_of_two_channels_is_one() -> None:
    """Same input at the same time is the same call, whether a channel counts the cache apart or not."""
    spans = [
        span("a", None, "agent", 0, 30, name="main"),
        span("x", "a", "model", 2, 4, name="m", input_tokens=1123, output_tokens=40),
        span("y", "a", "model", 6, 8, name="m", input_tokens=900),
    ]
    history = Event(
        kind=Kind.MODEL_CALL,
        session="s",
        time=at(3),
        channel=Channel.TRANSCRIPT,
        id="msg-1",
        name="m",
        attributes={"input_tokens": 123, "cache_read_tokens": 1000, "output_tokens": 45},
    )
    calls = conclude([*spans, history]).model_calls

    assert [(call.id, call.start, call.tokens.input, call.tokens.cache_read) for call in calls] == [
        ("msg-1", at(2), 123, 1000),
        ("y", at(6), 900, None),
    ]


def test_what_the_api_declares_is_work_of_its_own() -> None:
    """A task of the API beside an agent of the same name and time stays a task."""
    session = conclude(
        [
            hook(Kind.TASK_START, 2, id="agent-1", name="reviewer"),
            hook(Kind.TASK_END, 9, id="agent-1", outcome=Outcome.SUCCESS),
            span("t", "outside", "task", 2, 9, name="reviewer", owner=""),
        ]
    )

    assert sorted(task.id for task in session.tasks) == ["agent-1", "t"]


@pytest.mark.parametrize("waited", [5, 40])
def test_a_prompt_that_waited_in_a_queue_is_one_turn(waited: float) -> None:
    """The hook came when the prompt was typed, the history begins with the turn: it is the same turn."""
    events = [
        hook(Kind.TURN_START, 0, type="user"),
        Event(
            kind=Kind.TURN_START,
            session="s",
            time=at(waited),
            channel=Channel.TRANSCRIPT,
            id="p",
            type="user",
        ),
        Event(kind=Kind.TURN_END, session="s", time=at(140), channel=Channel.TRANSCRIPT, id="p"),
        hook(Kind.TURN_END, 140),
    ]
    assert [turn.id for turn in conclude(events).turns] == ["p"]


def test_two_channels_without_prompt_ids_are_one_turn() -> None:
    """A prompt by a hook without an id and an outermost span both belong to the history's turn."""
    session = conclude(
        [
            hook(Kind.TURN_START, 0, type="user"),
            Event(kind=Kind.TURN_START, session="s", time=at(1), channel=Channel.TRANSCRIPT, id="p1"),
            span("a", None, "agent", 2, 30, name="main"),
            span("b", None, "agent", 100, 130, name="main", trace="other"),
        ]
    )

    assert [turn.id for turn in session.turns] == ["p1", "b"]
