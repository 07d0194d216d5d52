"""Model calls that are known to be missing, as after an outage of telemetry, are marked."""

from __future__ import annotations

from pathlib import Path

from stretto.figures.missing_usage import explain_missing_usage, find_turns_without_usage
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

    assert [each.id for each in find_turns_without_usage(session)] == ["p2"]
    assert explain_missing_usage(session) == (
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

    assert "1 task(s)" in str(explain_missing_usage(conclude_scene([*turn(1, asked=True), *tasks, *inside])))


def test_where_nobody_reports_model_calls_none_is_missing() -> None:
    """By hooks alone nothing is known of model calls."""
    assert explain_missing_usage(conclude_scene([*turn(1, asked=False), *turn(2, asked=False)])) is None


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
