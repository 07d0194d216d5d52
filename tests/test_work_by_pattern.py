"""Tables by pattern, agent and type of task, and by pattern alone: rows where enough ran, else the reason."""

from __future__ import annotations

import pytest

from stretto.clock import SECOND
from stretto.figures.figure import Figure
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.operations.figure_lookup import FigureTable
from stretto.operations.measure_finished_runs import NO_FANOUT, NO_USAGE
from stretto.operations.operation_context import RunSelection
from stretto.operations.work_by_pattern import tabulate_patterns, tabulate_work
from stretto.store.fanout_and_baseline_queries import FanoutRun


def make_tasks(
    count: int,
    pattern: str | None,
    agent: str | None,
    type: str,
    *,
    dollars: float | None = None,
    outcome: Outcome = Outcome.SUCCESS,
) -> list[TaskRun]:
    """Return tasks of ten seconds, each in a session of its own."""
    return [
        TaskRun(
            f"{pattern}{number}", f"{agent}{type}{number}", 0, 10 * SECOND, outcome, type,
            agent=agent, pattern=pattern, dollars=dollars,
        )
        for number in range(count)
    ]  # fmt: skip


def test_work_has_a_row_where_five_tasks_are_alike() -> None:
    """Each row has number, outcome, length and cost of its own tasks; fewer are counted with the reason."""
    rows, left_out = tabulate_work(
        [
            *make_tasks(5, "release", "alpha", "tests", dollars=0.5),
            *make_tasks(6, "release", "beta", "tests", outcome=Outcome.FAILURE),
            *make_tasks(4, "release", "alpha", "review"),
            *make_tasks(7, None, "alpha", "tests"),
            *make_tasks(9, "release", None, "tests"),
        ]
    )
    keys = ("pattern", "agent", "task_type", "tasks", "success_share", "median_seconds", "cost_usd")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("none", "alpha", "tests", 7, 1, 10, None),
        ("release", "alpha", "tests", 5, 1, 10, 2.5),
        ("release", "beta", "tests", 6, 0, 10, None),
    ]
    assert tuple(rows[0])[:7] == ("pattern", "agent", "task_type", "tasks", "success_share", "median_seconds",
                                  "tokens")  # fmt: skip
    assert rows[0]["absent"]["tokens"] == NO_USAGE
    assert rows[0]["absent"]["spread"] == "7 tasks of known length, 8 are needed"
    assert left_out == {
        "combinations": 1,
        "tasks": 4,
        "reason": "fewer than 5 tasks of a type by an agent in a pattern",
    }
    assert tabulate_work([]) == ([], {"combinations": 0, "tasks": 0})


def test_a_pattern_has_speedup_cost_and_quality() -> None:
    """Speed-up, time saved and quality are the figures of the window; what has none has its reason."""
    sessions, fanouts = [], []
    for pattern, count in (("release", 5), ("audit", 4), ("alone", 3)):
        for number in range(count):
            dollars = 0.3 if pattern == "release" else None
            sessions.append(
                SessionRun(f"{pattern}{number}", 0, SECOND, Outcome.SUCCESS, pattern, dollars=dollars)
            )
            if pattern != "alone":
                fanouts.append(FanoutRun(f"{pattern}{number}", 3, 10 * SECOND, 25 * SECOND, 10 * SECOND))
    tasks = [*make_tasks(5, "release", "alpha", "tests"), *make_tasks(4, "audit", "alpha", "tests")]
    labels, other = ((("pattern", name), ("window", "7d")) for name in ("release", "audit"))
    figures = FigureTable(
        [
            Figure("stretto_pattern_speedup", labels, 2.5, 5),
            Figure("stretto_pattern_saved_seconds", labels, 75.0, 5),
            Figure("stretto_pattern_quality_score", labels, 8.0, 5),
            Figure("stretto_pattern_speedup", other, None, 4, "a speed-up takes 5, there are 4"),
            Figure("stretto_pattern_saved_seconds", other, 60.0, 4),
        ]
    )
    runs = RunSelection(0, SECOND, tuple(sessions), tuple(tasks), tuple(fanouts))
    release, audit, alone = tabulate_patterns(runs, figures, "7d")

    assert (release["pattern"], release["sessions"], release["fanouts"]) == ("release", 5, 5)
    assert (release["speedup"], release["saved_seconds"]) == (2.5, 75)
    assert release["session_cost_usd"] == pytest.approx(1.5)
    assert release["cost_per_delivered_task_usd"] == pytest.approx(0.3)
    assert release["quality"]["value"] == 8.0
    assert release["absent"] == {}

    assert (audit["fanouts"], audit["speedup"], audit["saved_seconds"], audit["session_cost_usd"]) == (
        4,
        None,
        60,
        None,
    )
    assert audit["absent"]["speedup"] == "a speed-up takes 5, there are 4"
    assert audit["absent"].keys() == {"speedup", "session_cost_usd", "cost_per_delivered_task_usd"}
    assert audit["quality"] == {"value": None, "reason": "nothing was seen of it"}
    assert (alone["fanouts"], alone["speedup"], alone["saved_seconds"]) == (0, None, None)
    assert alone["absent"]["speedup"] == "a speed-up takes 5 parallel executions, there are 0"
    assert alone["absent"]["saved_seconds"] == NO_FANOUT
