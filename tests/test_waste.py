"""Waste: what wasted tasks cost, by reason, and that it raises no figure of parallel work."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.clock import SECOND
from stretto.figures.fanouts import Fanout, estimate_sequential_time, find_fanouts, find_sequential_runs
from stretto.figures.sequential_baseline_choice import WORK_BASELINE
from stretto.figures.sums_by_dimension import Sums
from stretto.figures.waste import compute_waste_figures, find_wasted_tasks
from stretto.model.event import Outcome
from stretto.model.task_type import TaskTypes
from stretto.summaries.snapshot import take_snapshot
from tests.fakes import store
from tests.scenes import Drawing, at, conclude_scene, frame_drawing, wasteful


def test_the_wasteful_scene_has_the_figures_in_the_docs() -> None:
    """Two of four delivered: 42 s of work in 30 s; every task was paid, the delivered ones count."""
    (found,) = find_fanouts(conclude_scene(wasteful().events).tasks)
    sequential = estimate_sequential_time(found, WORK_BASELINE)
    assert (found.work, found.delivered_work, found.elapsed) == (72 * SECOND, 42 * SECOND, 30 * SECOND)
    assert sequential.length == 42 * SECOND
    assert found.delivery == pytest.approx(42 / 72)
    assert found.efficiency == pytest.approx(42 / 90)
    assert found.empty_after_waste == 14 * SECOND
    assert not found.is_reported_delivered


def test_each_wasted_task_has_one_reason_and_its_own_time() -> None:
    """The failed review was retried, the planning was cancelled."""
    wasted = [*find_wasted_tasks(conclude_scene(wasteful().events).tasks)]
    assert [(waste.task.task_type, waste.reason, waste.length / SECOND) for waste in wasted] == [
        ("review", "retried", 10),
        ("planning", "cancelled_by_program", 20),
    ]


def test_an_instant_of_waste_is_counted_once() -> None:
    """A failed task of 60 s with tasks at 10-50 and 20-40 s below: 20 s of its own, and 40 and 20 s."""
    drawing = Drawing().task("a", 0, 60, "outer", outcome=Outcome.FAILURE)
    drawing.task("b", 10, 50, "left", parent="a").task("c", 20, 40, "right", parent="a")
    wasted = {
        waste.task.id: waste
        for waste in find_wasted_tasks(conclude_scene(frame_drawing(drawing, 70).events).tasks)
    }
    assert {name: waste.length / SECOND for name, waste in wasted.items()} == {"a": 20, "b": 40, "c": 20}
    assert {waste.reason for waste in wasted.values()} == {"failed"}


def fan_out(outer: Drawing) -> list[Fanout]:
    """Return the fan-outs of a drawn session."""
    return [*find_fanouts(conclude_scene(frame_drawing(outer, 100).events).tasks)]


def test_a_fanout_that_delivers_nothing_saves_nothing() -> None:
    """Two tasks that fail at once: sequential 0, speed-up 0, and all of elapsed lost."""
    failing = Drawing().task("a", 0, 2, "x", outcome=Outcome.FAILURE)
    (found,) = fan_out(failing.task("b", 0, 2, "y", outcome=Outcome.FAILURE))
    assert estimate_sequential_time(found, WORK_BASELINE).length == 0
    assert (found.efficiency, found.delivery, found.paid) == (0, 0, 2 * SECOND)


def test_a_fanout_below_a_wasted_task_pays_only_what_lies_outside_of_it() -> None:
    """The failed task of 60 s has paid for the 40 s inside of it; a background task goes on until 70 s."""
    outer = Drawing().task("a", 0, 60, "outer", outcome=Outcome.FAILURE).task("b", 0, 60, "other")
    outer.task("c", 10, 50, "left", parent="a").task("d", 20, 70, "right", parent="a")
    by_parent = {found.parent: found for found in fan_out(outer)}
    assert by_parent["a"].elapsed == 60 * SECOND
    assert by_parent["a"].paid == 10 * SECOND
    assert by_parent[None].paid == 60 * SECOND


def test_only_reported_success_makes_a_sequential_run() -> None:
    """A task that is taken as delivered shows no length that others could be compared with."""
    drawing = Drawing().task("a", 0, 10, "x").task("b", 20, 30, "x").run("c", 40, 50)
    tasks = conclude_scene(frame_drawing(drawing, 60).events).tasks
    (run,) = find_sequential_runs(tasks)
    assert [task.id for task in run.tasks] == ["a", "b", "c"]
    failed = Drawing().task("a", 0, 10, "x").task("b", 20, 30, "x", outcome=Outcome.FAILURE)
    assert find_sequential_runs(conclude_scene(frame_drawing(failed, 60).events).tasks) == ()


def test_a_window_has_its_waste_by_type_agent_and_reason(tmp_path: Path) -> None:
    """Tokens and dollars of wasted tasks are known here; the share leaves cancelled tasks out."""
    with store(tmp_path) as opened:
        opened.take(wasteful().events)
        snapshot = take_snapshot(opened.connection, at(60), TaskTypes(), {})
    found = {
        (figure.name.removeprefix("stretto_"), *(v for n, v in figure.labels if n != "window")): figure
        for figure in snapshot.figures
        if dict(figure.labels).get("window") == "1h"
    }
    values = {key: figure.value for key, figure in found.items()}
    assert values["wasted_tasks", "review", "worker", "retried"] == 1
    assert values["wasted_seconds", "review", "worker", "retried"] == 10
    assert values["wasted_tokens", "review", "worker", "retried"] == 100
    assert values["wasted_cost_usd", "planning", "worker", "cancelled_by_program"] == pytest.approx(0.3)
    assert found["window_agent_tokens", "worker", "delivered"].count == 2
    assert values["window_agent_tokens", "worker", "delivered"] == 600
    assert values["window_agent_tokens", "worker", "wasted"] == 400
    assert values["window_agent_cost_usd", "worker", "delivered"] == pytest.approx(0.6)
    assert values["window_agent_cost_usd", "worker", "wasted"] == pytest.approx(0.4)
    assert values["window_deliveries", "review", "delivered"] == 1
    assert values["window_deliveries", "review", "wasted"] == 1
    assert values["window_agent_deliveries", "worker", "wasted"] == 2
    assert values["window_uncancelled_waste",] == 1
    assert values["window_uncancelled_tasks",] == 3
    assert values["waste_ratio",] == pytest.approx(1 / 3)
    assert values["delivery_ratio", "release"] == pytest.approx(42 / 72)
    assert values["pattern_delivered_tasks", "release"] == 2
    assert values["pattern_tasks", "release"] == 4
    assert values["pattern_delivered_work_seconds", "release"] == 42
    assert values["parallel_delivered_tasks", "review", "work"] == 1
    assert values["parallel_delivered_work_seconds", "review", "work"] == 16
    assert values["saved_second_tokens",] == pytest.approx(1000 / 12)
    assert values["saved_second_cost_usd",] == pytest.approx(1.0 / 12)


def test_waste_of_unknown_use_has_no_tokens() -> None:
    """No source reported them: absent with a reason, not 0."""
    key = ("review", "worker", "failed")
    sums: Sums = {
        "deliveries": {("review", "worker", "wasted"): 2},
        "wasted_tasks": {key: 2},
        "wasted_tokens": {key: 10},
        "wasted_token_tasks": {key: 1},
    }
    found = {figure.name: figure for figure in compute_waste_figures("1h", sums)}
    assert (found["stretto_wasted_tokens"].value, found["stretto_wasted_tokens"].coverage) == (10, 0.5)
    assert found["stretto_wasted_cost_usd"].value is None
    assert found["stretto_wasted_cost_usd"].reason == "no source reported the use of these tasks"
