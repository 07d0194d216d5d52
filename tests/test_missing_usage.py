"""Model calls that are known to be missing, as after an outage of telemetry, are marked."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.figures.unreported_model_calls import UsageGaps, iterate_usage_reports
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.model.task_type import TaskTypes
from stretto.summaries.session_summary import summarise_session
from stretto.summaries.snapshot import take_snapshot
from tests.fakes import store
from tests.scenes import at, by_description, conclude_scene


def event(kind: Kind, second: float, **values: object) -> Event:
    """Return an event of the session."""
    return Event(kind=kind, session="s", time=at(second), **values)  # type: ignore[arg-type]


def turn(number: int, *, asked: bool, called: bool = True, task: str | None = None) -> list[Event]:
    """Return a turn of twenty seconds, with a tool call and a model call in it."""
    begin, id = 100 * number, f"p{number}"
    events = [
        event(Kind.TURN_START, begin, id=id, type="user"),
        event(Kind.TURN_END, begin + 20, id=id, outcome=Outcome.SUCCESS),
    ]
    if called:
        events += [
            event(Kind.TOOL_START, begin + 5, id=f"t{number}", name="Bash", parent=task),
            event(Kind.TOOL_END, begin + 6, id=f"t{number}", name="Bash", outcome=Outcome.SUCCESS),
        ]
    if asked:
        tokens = {"input_tokens": 5, "output_tokens": 7}
        events.append(
            event(Kind.MODEL_CALL, begin + 1, id=f"m{number}", channel=Channel.OTLP, attributes=tokens)
        )
    return events


ENDED = event(Kind.SESSION_END, 900)


def test_a_turn_with_tool_calls_had_model_calls() -> None:
    """Only turns that called tools and have no model call are known to miss some."""
    session = conclude_scene(
        [*turn(1, asked=True), *turn(2, asked=False), *turn(3, asked=False, called=False)]
    )

    assert [each.id for each in UsageGaps(session).turns] == ["p2"]
    assert UsageGaps(session).explain() == (
        "model calls of 1 turn(s) never arrived: tokens and costs are at least those shown"
    )


def test_a_task_that_worked_had_model_calls() -> None:
    """A task with tool calls is marked; one that did nothing is not."""
    tasks = [
        each
        for id in ("worked", "idle")
        for each in (
            event(Kind.TASK_START, 102, id=id, name=id),
            event(Kind.TASK_END, 118, id=id, name=id, outcome=Outcome.SUCCESS),
        )
    ]
    inside = [event(Kind.TOOL_START, 110, id="x", name="Read", parent="worked")]

    assert "1 task(s)" in str(UsageGaps(conclude_scene([*turn(1, asked=True), *tasks, *inside])).explain())


def test_where_nobody_reports_model_calls_none_is_missing() -> None:
    """By hooks alone nothing is known of model calls."""
    assert UsageGaps(conclude_scene([*turn(1, asked=False), *turn(2, asked=False)])).explain() is None


def test_the_session_and_the_coverage_say_so(tmp_path: Path) -> None:
    """One turn of two lost its model calls: the session names it, and half of the usage is covered."""
    with store(tmp_path) as opened:
        opened.take([*turn(1, asked=True), *turn(2, asked=False), ENDED])
        summary = summarise_session(opened.connection, "s", by_description, {})
        taken = take_snapshot(opened.connection, at(1_000), TaskTypes(), {})

    assert summary is not None
    assert "1 turn(s)" in summary.absent["model_calls"]
    (share,) = [
        f.value
        for f in taken.figures
        if f.name == "stretto_usage_coverage_ratio" and ("window", "24h") in f.labels
    ]
    assert share == 0.5


def work(task: str, *, asked: int, called: int) -> list[Event]:
    """Return a task of twenty seconds with so many model calls and tool calls."""
    tokens = {"input_tokens": 5, "output_tokens": 7}
    return [
        event(Kind.TASK_START, 102, id=task, name=task),
        *(
            event(
                Kind.MODEL_CALL,
                103 + number / 10,
                id=f"{task}-m{number}",
                parent=task,
                channel=Channel.OTLP,
                attributes=tokens,
            )
            for number in range(asked)
        ),
        *(
            event(kind, 104 + number / 10, id=f"{task}-t{number}", name="Read", parent=task)
            for number in range(called)
            for kind in (Kind.TOOL_START, Kind.TOOL_END)
        ),
        event(Kind.TASK_END, 118, id=task, name=task, outcome=Outcome.SUCCESS),
    ]


def test_a_task_with_far_fewer_model_calls_than_its_siblings_is_marked() -> None:
    """Beside two tasks with 20 model calls for 20 and 30 tool calls, one with 3 for 20 misses some."""
    beside = [*work("a", asked=20, called=20), *work("b", asked=20, called=30)]
    session = conclude_scene([*turn(1, asked=True), *beside, *work("c", asked=3, called=20)])

    assert [task.id for task in UsageGaps(session).sparse_tasks] == ["c"]
    assert UsageGaps(session).explain() == (
        "1 task(s) reported far fewer model calls than the tasks beside: tokens and costs are at least those"
        " shown"
    )


def test_a_task_with_somewhat_fewer_model_calls_is_not_marked() -> None:
    """A model may ask for two tools at once; and one sibling alone proves nothing."""
    a, b = work("a", asked=20, called=20), work("b", asked=20, called=30)
    for tasks in ([*a, *b, *work("c", asked=10, called=20)], [*a, *work("c", asked=3, called=20)]):
        assert not UsageGaps(conclude_scene([*turn(1, asked=True), *tasks])).sparse_tasks


def test_a_result_without_its_call_misses_the_message_that_called() -> None:
    """The line with the message and its tool call is lost, the result is not: one of two reported."""
    orphan = event(Kind.TOOL_END, 107, id="x", outcome=Outcome.SUCCESS)
    session = conclude_scene([*turn(1, asked=True), orphan])

    assert [call.id for call in UsageGaps(session).unasked_calls] == ["x"]
    assert [reported for _, reported in iterate_usage_reports(session)] == [True, False]


@pytest.mark.parametrize("answered_first", [False, True])
def test_a_completed_answer_is_summed_whichever_report_comes_first(
    tmp_path: Path, answered_first: bool
) -> None:
    """An unfinished answer of 1 token, and the agent's result with 78: the window has 78 either way."""
    tokens = {"input_tokens": 30, "output_tokens": 1, "complete": 0}
    unfinished = event(
        Kind.MODEL_CALL, 110, id="m", parent="a", channel=Channel.TRANSCRIPT, attributes=tokens, name="claude"
    )
    declared = {"task": "a", "task_prompt_tokens": 30, "task_output_tokens": 78}
    result = event(
        Kind.TOOL_END, 118, id="t", name="Task", channel=Channel.TRANSCRIPT, outcome=Outcome.SUCCESS,
        attributes=declared,
    )  # fmt: skip
    start = event(Kind.TOOL_START, 101, id="t", name="Task")
    with store(tmp_path) as opened:
        for each in [start, *((result, unfinished) if answered_first else (unfinished, result)), ENDED]:
            opened.take([each])
        figures = take_snapshot(opened.connection, at(1_000), TaskTypes(), {}).figures

    used = {dict(f.labels)["kind"]: f.value for f in figures if f.name == "stretto_window_tokens"}
    assert used["output"] == 78
