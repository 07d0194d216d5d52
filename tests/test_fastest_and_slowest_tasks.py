"""Lengths of finished tasks: mean, fastest and slowest; only what was delivered can be the fastest."""

from __future__ import annotations

from pathlib import Path

from stretto.clock import SECOND
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import TaskRun
from stretto.operations.measure_finished_runs import NO_DELIVERED_TASK, NO_TASK, measure_timing
from tests.fakes import store
from tests.operated import PATTERN, SINCE, make_operated
from tests.scenes import Drawing


def make_task(name: str, seconds: int | None, outcome: Outcome = Outcome.SUCCESS) -> TaskRun:
    """Return a task of a session."""
    return TaskRun("s", name, 0, None if seconds is None else seconds * SECOND, outcome, "review")


def test_mean_fastest_and_slowest_are_of_tasks_of_known_length() -> None:
    """Of 10, 20 and 60 s the mean is 30 s; a task that failed after 10 s is not the fastest."""
    timing = measure_timing(
        [
            make_task("long", 60, Outcome.FAILURE),
            make_task("failed", 10, Outcome.FAILURE),
            make_task("unseen", None),
            make_task("taken", 20, Outcome.UNKNOWN),
        ]
    )
    assert (timing["mean_seconds"], timing["median_seconds"], timing["total_task_seconds"]) == (30, 20, 90)
    assert (timing["fastest_task"]["task"], timing["slowest_task"]["task"]) == ("taken", "long")
    assert (timing["fastest_task"]["seconds"], timing["slowest_task"]["outcome"]) == (20, "failure")
    assert "fastest_task" not in timing["absent"]

    failed = measure_timing([make_task("failed", 10, Outcome.FAILURE)])
    assert (failed["fastest_task"], failed["absent"]["fastest_task"]) == (None, NO_DELIVERED_TASK)
    assert failed["slowest_task"]["task"] == "failed"
    nothing = measure_timing([make_task("unseen", None)])
    assert {nothing["absent"][f"{name}_task"] for name in ("fastest", "slowest")} == {NO_TASK}


def test_the_fastest_completions_were_delivered(tmp_path: Path) -> None:
    """Task optimisation lists the delivered tasks from the shortest, and all tasks from the longest."""
    drawing = Drawing("s1").opens(SINCE, pattern=PATTERN)
    drawing.task("quick", SINCE, SINCE + 5, "review").task("slow", SINCE, SINCE + 50, "review")
    drawing.task("failed", SINCE, SINCE + 1, "review", outcome=Outcome.FAILURE)
    with store(tmp_path / "state") as opened:
        opened.take(drawing.ends(SINCE + 60).events)
    runner = make_operated(tmp_path).make_runner()
    data = runner.run_operation("task-optimization")["result"]["performance_data"]
    assert [(task["task"], task["seconds"]) for task in data["fastest"]] == [("quick", 5), ("slow", 50)]
    assert [task["task"] for task in data["slowest"]] == ["slow", "quick", "failed"]
    assert (data["timing"]["fastest_task"], data["timing"]["slowest_task"]) == (
        data["fastest"][0],
        data["slowest"][0],
    )
