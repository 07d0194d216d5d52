"""Capacity: the elapsed time of other widths, the slow-down, the advised width and what each agent brings."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from stretto.analysis.simulated_time_by_width import (
    CapacityPlan,
    plan_capacity,
)
from stretto.analysis.slowdown_fit import Slowdown, build_cells, fit_cells
from stretto.analysis.width_gain import LastAgentGain, WidthCurve, fit_width_curve, to_ordinal
from stretto.clock import SECOND
from stretto.findings.finding_changes import is_notable
from stretto.findings.finding_sentences import describe_finding
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import TaskRun
from tests.run_makers import GB, generate_sets, schedule_in_order, simulate_lanes


def test_equal_lengths_take_the_exact_list_schedule() -> None:
    """Without a slow-down every width takes the exact list schedule of the sets, to a billionth."""
    lengths = [50.0, 20.0, 30.0, 40.0, 10.0, 25.0]
    sessions, tasks = generate_sets([1] * 6, 1, drawn=lengths)
    plan = plan_capacity("release", sessions, tasks)
    for each in plan.widths:
        assert each.seconds == pytest.approx(schedule_in_order(lengths, each.width), rel=1e-9)
    assert simulate_lanes([], 3, Slowdown()) == 0
    assert simulate_lanes([10.0] * 4, 2, Slowdown(0.2)) == pytest.approx(24)


def test_widths_of_one_two_and_four_predict_eight() -> None:
    """Five seeds: fitted to widths 1, 2 and 4, the elapsed time at 8 is within 15 % of the true one."""
    for seed in range(5):
        sessions, tasks = generate_sets([1, 2, 4] * 10, seed, contention=0.06)
        others, _ = generate_sets([8] * 30, seed + 100, contention=0.06)
        plan = plan_capacity("release", sessions, tasks)
        true = float(np.mean([(run.elapsed or 0) / SECOND for run in others]))
        predicted = plan.widths[7]
        assert predicted.seconds == pytest.approx(true, rel=0.15)
        assert predicted.low < predicted.seconds < predicted.high
        assert (predicted.extrapolated, plan.widths[3].extrapolated) == (True, False)
        assert plan.to_finding().details["extrapolated_from"] == 5


def test_the_slowdown_is_fitted_within_types() -> None:
    """Long types that ran mostly side by side are no slow-down; a true one of 6 % a task is found."""
    _, tasks = generate_sets([1, 2, 4] * 10, 3, contention=0.06)
    fitted = fit_cells(build_cells(run for group in tasks.values() for run in group))
    assert fitted.contention == pytest.approx(0.06, abs=0.03)
    mixed = [
        TaskRun(f"{n}", f"{type_}{n}", n, length * SECOND, Outcome.SUCCESS, type_, concurrency=running)
        for n in range(10)
        for type_, length, running in (("a", 10, 1.0), ("a", 10, 2.0), ("b", 90, 4.0), ("b", 90, 3.0))
    ]
    assert fit_cells(build_cells(mixed)).contention == pytest.approx(0, abs=1e-3)
    assert fit_cells(build_cells(mixed[:3])).contention == 0


def test_memory_forbids_a_width() -> None:
    """Agents of 2 GB beside 1 GB on 12 GB: four need 9 GB; five need 11 GB, more than 90 %."""
    sessions, tasks = generate_sets([1, 2, 3] * 4, 2, memory=2 * GB)
    plan = plan_capacity("release", sessions, tasks, machine_memory=12 * GB)
    assert (plan.advised, plan.binds) == (4, "memory")
    assert plan.widths[3].memory == pytest.approx(9 * GB)
    assert [each.width for each in plan.widths if each.memory_share and each.memory_share > 0.9] == [
        5,
        6,
        7,
        8,
    ]
    assert not any(each.advised for each in plan.widths if (each.memory_share or 0) > 0.9)
    free = plan_capacity("release", sessions, tasks)
    assert free.advised is not None
    assert free.advised > 4


def test_the_reason_for_no_further_agent_is_named() -> None:
    """A long task, a slow-down, or the number of tasks bind; the plan names which."""
    long_task = generate_sets([1, 2] * 5, 4, drawn=[300.0, *[30.0] * 10])
    plan = plan_capacity("release", *long_task)
    assert (plan.advised, plan.binds) == (2, "longest_task")
    slowed = plan_capacity("release", *generate_sets([1, 2, 4] * 8, 5, contention=0.5, spread=0.1))
    assert slowed.binds == "contention"
    few = plan_capacity("release", *generate_sets([1, 2] * 5, 6, drawn=[30.0] * 4))
    assert (few.advised, few.binds) == (2, "tasks")
    assert "depending on each other" in few.to_finding().reason


def test_a_plan_is_advice_only_if_it_saves_time() -> None:
    """Its effect is the time that it saves against the usual width; else it informs alone."""
    plan = plan_capacity("release", *generate_sets([1, 1, 2] * 4, 6, drawn=[30.0] * 4))
    assert (plan.usual, plan.advised) == (1, 2)
    finding = plan.to_finding()
    assert finding.advice == "Run 2 agents side by side in release."
    narrow = plan_capacity("release", *generate_sets([1] * 6, 6, drawn=[30.0] * 8)).to_finding()
    assert narrow.advice == (
        "Run 4 agents side by side in release. So many have not run yet: the time is extrapolated."
    )
    gain = plan.measure_gain()
    assert gain is not None
    assert gain[0] == pytest.approx(plan.widths[0].seconds - plan.widths[1].seconds)
    assert 0 < gain[1] <= gain[0] <= gain[2]
    assert (finding.evidence.effect, finding.evidence.low, finding.evidence.high) == gain
    assert is_notable(finding)
    for usual, sentence in (
        (2, "Of release the plan is 2 agents side by side, as now."),
        (3, "Of release the plan is 2 agents side by side, which would save no time against 3 as now."),
        (9, "Of release the plan is 2 agents side by side; 9 as now are more than are planned for."),
    ):
        quiet = replace(plan, usual=usual).to_finding()
        assert (describe_finding(quiet), quiet.evidence.effect) == (sentence, None)
        assert not is_notable(quiet)


def test_growth_asks_for_more_agents() -> None:
    """A quarter more work needs a further agent for the same elapsed time, or no width is enough."""
    sessions, tasks = generate_sets([1, 2] * 5, 7, drawn=[30.0] * 12)
    plan = plan_capacity("release", sessions, tasks, growth=0.25, widest=6, least_gain=0.3)
    assert (plan.advised, plan.width_after_growth) == (3, 4)
    bound = plan_capacity("release", *generate_sets([1, 2] * 5, 8, drawn=[30.0] * 4), growth=0.5, widest=2)
    assert (bound.advised, bound.width_after_growth) == (2, None)


def test_phases_run_one_after_another() -> None:
    """Two phases of two tasks of 30 s take 60 s at any width from two on."""
    sessions, tasks = generate_sets([1] * 5, 9, drawn=[30.0] * 4)
    staged = {
        name: [structs.replace(run, phase="ab"[place // 2]) for place, run in enumerate(group)]
        for name, group in tasks.items()
    }
    plan = plan_capacity("release", sessions, staged)
    assert [round(each.seconds) for each in plan.widths[:4]] == [120, 60, 60, 60]
    assert plan.reason == ""


def test_few_sets_are_too_few() -> None:
    """Four sessions are no pattern; the reason names both numbers."""
    plan = plan_capacity("release", *generate_sets([2] * 4, 1))
    assert plan == CapacityPlan("release", 4, reason="4 sessions with tasks, 5 are needed")
    assert plan.to_finding().verdict is FindingVerdict.TOO_LITTLE_DATA


def test_the_curve_says_which_agent_still_brings_something() -> None:
    """At widths 1 to 5 with a slow-down that grows, the gain of each agent lies within its limits."""
    sessions, tasks = generate_sets(
        [1, 2, 3, 4, 5] * 12, 11, contention=0.10, crosstalk=0.03, tasks=60, spread=0.3
    )
    curve = fit_width_curve("release", sessions, tasks)
    assert curve.reason == ""
    assert [gain.width for gain in curve.gains] == [2, 3, 4, 5, 6]
    assert [gain.seen for gain in curve.gains] == [True] * 4 + [False]
    true = Slowdown(0.10, 0.03)
    lengths = [60.0] * 6_000
    elapsed = [simulate_lanes(lengths, width, true) for width in range(1, 7)]
    for gain, (before, after) in zip(curve.gains, itertools.pairwise(elapsed), strict=True):
        assert gain.low - 0.02 <= 1 - after / before <= gain.high + 0.02
    assert curve.gains[0].visible
    assert curve.last_visible is not None
    assert f"The {to_ordinal(curve.last_visible.width)} agent still brings" in curve.to_sentence()


def test_the_curve_in_words() -> None:
    """The sentence names the last agent that brings something, with limits, and the next that does not."""
    gains = (
        LastAgentGain(2, 0.45, 0.40, 0.50, seen=True),
        LastAgentGain(3, 0.25, 0.20, 0.31, seen=True),
        LastAgentGain(4, 0.12, 0.04, 0.20, seen=True),
        LastAgentGain(5, 0.03, -0.05, 0.09, seen=True),
    )
    curve = WidthCurve("release", 40, gains, "usl", 0.1, 0.01)
    assert curve.to_sentence() == (
        "The fourth agent still brings 12% [4%, 20%], the fifth nothing we can see."
    )
    finding = curve.to_finding()
    assert (finding.evidence.effect, finding.evidence.low, finding.evidence.high) == (0.12, 0.04, 0.20)
    assert finding.details["gain_5"] == 0.03
    untried = WidthCurve("release", 40, (*gains[:3], LastAgentGain(5, 0.1, 0.05, 0.2, seen=False)))
    assert untried.to_sentence() == "The fourth agent still brings 12% [4%, 20%], the fifth has not run yet."
    assert (
        WidthCurve("release", 40, gains[3:]).to_sentence()
        == "A second agent brings nothing that can be seen."
    )
    assert [to_ordinal(n) for n in (10, 11, 12, 21, 22, 23, 111)] == [
        "tenth", "11th", "12th", "21st", "22nd", "23rd", "111th",
    ]  # fmt: skip


def test_a_curve_needs_widths() -> None:
    """Two widths are no curve; the reason counts sessions and widths."""
    curve = fit_width_curve("release", *generate_sets([2, 4] * 10, 12))
    assert curve.gains == ()
    assert curve.reason.startswith("20 sessions at 2 widths, 12 sessions at 3 widths are needed")
    assert curve.to_finding().verdict is FindingVerdict.TOO_LITTLE_DATA


def test_tasks_one_after_another_are_not_promised_to_be_faster() -> None:
    """Without phases, tasks that never overlapped may need each other: no width is faster."""
    sessions, tasks = generate_sets([1] * 6, 13, drawn=[30.0] * 4)
    in_a_row = {
        name: [structs.replace(run, start=run.start + place * 40 * SECOND) for place, run in enumerate(group)]
        for name, group in tasks.items()
    }
    plan = plan_capacity("release", sessions, in_a_row)
    assert {round(each.seconds) for each in plan.widths} == {120}
    assert plan.advised == 1
