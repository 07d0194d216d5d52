"""The headline: everything by one baseline, overlapping executions once, better baselines beneath it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from stretto.clock import SECOND
from stretto.figures.fanouts import find_fanouts
from stretto.figures.overlapping_fanouts import count_fanouts_once
from stretto.figures.sequential_baseline_choice import MeasuredRuns, Provenance, choose_baseline
from stretto.figures.window_gain_verdict import (
    BetterBaselinePart,
    HeadlineRule,
    Verdict,
    build_comparison_document,
    build_verdict,
    build_verdict_document,
    compute_verdict_figures,
)
from stretto.model.delivered_and_wasted_tasks import judge_task_deliveries
from stretto.model.entities import Task
from stretto.model.event import Outcome
from stretto.model.facts import SessionFacts
from stretto.model.interval import Interval, measure_union_length
from tests.scenes import Drawing, background, fork_join, frame_drawing, straggler, wasteful
from tests.schedules import tasks_at_random
from tests.test_work_and_outcome_figures import make_context, measured, sums_of

HOURS = {"architecture": 0.01, "prd": 0.02, "test_strategy": 0.02, "review": 0.01}


def outer(a: Outcome = Outcome.SUCCESS, inner: Outcome = Outcome.SUCCESS) -> Drawing:
    """Draw A and B of 60 s side by side, and three tasks of 40 s side by side below A."""
    drawing = Drawing("outer").task("a", 0, 60, "plan", outcome=a).task("b", 0, 60, "docs")
    for name in ("x", "y", "z"):
        drawing.task(name, 10, 50, name, parent="a", outcome=inner)
    return frame_drawing(drawing, 70)


def verdict(*drawings: Drawing, rule: HeadlineRule | None = None) -> Verdict:
    """Return the verdict of a window with these scenes."""
    return build_verdict("1h", sums_of(*drawings), measured, rule or HeadlineRule())


@pytest.mark.parametrize(
    ("drawing", "speedup", "saved"),
    [
        (outer(), 200 / 60, 140),
        (outer(a=Outcome.FAILURE), 1, 0),
        (outer(inner=Outcome.FAILURE), 80 / 60, 20),
        (fork_join(), 3, 60),
        (wasteful(), 42 / 30, 12),
    ],
)
def test_the_scenes_have_the_figures_on_paper(drawing: Drawing, speedup: float, saved: float) -> None:
    """Nested executions count once: (20 + 120 + 60) / 60; below a failed task nothing is added."""
    found = verdict(drawing).lead
    assert found is not None
    assert found.speedup == pytest.approx(speedup)
    assert found.time_saved == pytest.approx(saved)


def test_nothing_delivered_saves_nothing() -> None:
    """Two tasks that fail after 2 s: speed-up 0, all of elapsed lost, and no improvement."""
    drawing = Drawing("failing")
    for name in "ab":
        drawing.task(name, 0, 2, "review", outcome=Outcome.FAILURE)
    found = verdict(frame_drawing(drawing, 3)).lead
    assert found is not None
    assert (found.speedup, found.improvement, found.delivered) == (0, None, 0)
    assert found.time_saved == -2
    figures = {figure.name: figure for figure in compute_verdict_figures(verdict(frame_drawing(drawing, 3)))}
    assert figures["stretto_verdict_improvement_ratio"].reason == "nothing delivered"


def test_failing_fast_beside_a_sequential_run_is_not_fast() -> None:
    """A measured length of 300 s for a task that failed does not count: the part has speed-up 0."""
    runs = MeasuredRuns(tuple({"review": [300 * SECOND] * 2} for _ in range(5)))
    drawing = Drawing("failing")
    for name in "ab":
        drawing.task(name, 0, 2, "review", outcome=Outcome.FAILURE)
    sums = sums_of(frame_drawing(drawing, 3))
    found = build_verdict("1h", sums, lambda p, s: choose_baseline(p, s, runs, {}))
    assert found.speedup == 0
    (part,) = found.parts
    assert part.better.speedup == 0


def test_the_headline_covers_everything_and_a_better_baseline_stands_beneath_it() -> None:
    """Two executions, one of them measured: both by own lengths, the measured one by both baselines."""
    found = verdict(straggler(), fork_join())
    assert found.lead is not None
    assert (found.lead.provenance, found.fanouts, found.tasks) == (Provenance.WORK, 2, 6)
    assert found.speedup == pytest.approx((105 + 90) / 90)
    (part,) = found.parts
    assert (part.better.provenance, part.better.fanouts) == (Provenance.MEASURED, 1)
    assert part.better.speedup == pytest.approx(100 / 60)
    assert part.own.speedup == pytest.approx(105 / 60)
    assert part.own.elapsed == part.better.elapsed == 60


def test_the_headline_may_be_configured_where_it_covers_enough() -> None:
    """Hours for all types lead if they were chosen; for half of the executions they need a share of 0.5."""
    chosen = HeadlineRule(Provenance.CONFIGURED, 1.0, HOURS)
    found = verdict(straggler(), fork_join(), rule=chosen)
    assert found.lead is not None
    assert (found.lead.provenance, found.lead.sequential) == (Provenance.CONFIGURED, 180 + 108)
    fewer = {name: hours for name, hours in HOURS.items() if name != "review"}
    by_work = verdict(straggler(), fork_join(), rule=HeadlineRule(Provenance.CONFIGURED, 1.0, fewer))
    assert by_work.lead is not None
    assert (by_work.lead.provenance, by_work.fanouts) == (Provenance.WORK, 2)
    half = verdict(straggler(), fork_join(), rule=HeadlineRule(Provenance.CONFIGURED, 0.5, fewer))
    assert half.lead is not None
    assert (half.lead.provenance, half.fanouts, half.all_fanouts) == (Provenance.CONFIGURED, 1, 2)


def make_part(runs: tuple[dict[str, list[int]], ...]) -> BetterBaselinePart:
    """Return the part of three reviews of 30 s that is compared with these runs."""
    known = MeasuredRuns(runs)
    found = build_verdict("1h", sums_of(fork_join()), lambda p, s: choose_baseline(p, s, known, {}))
    return found.parts[0]


def test_a_part_has_a_confidence_interval_from_five_runs_on() -> None:
    """Five runs of 84 to 96 s, s² = 22.5, for one execution; fewer, or a scatter to 0, have a reason."""
    five = make_part(tuple({"review": [length * SECOND] * 3} for length in (28, 29, 30, 31, 32))).better
    reach = 2.776 * (22.5 * (1 + 1 / 5)) ** 0.5
    assert five.bounds == pytest.approx((90 - reach, 90 + reach))
    assert five.speedup_bounds == pytest.approx(((90 - reach) / 30, (90 + reach) / 30))
    document = build_comparison_document(five)
    assert document["confidence"]["improvement"] == pytest.approx(
        [1 - 30 / (90 - reach), 1 - 30 / (90 + reach)]
    )
    assert document["confidence"]["time_saved_seconds"] == pytest.approx([60 - reach, 60 + reach])
    few = make_part(tuple({"review": [length * SECOND] * 3} for length in (28, 30, 32))).better
    assert (few.bounds, few.no_interval_reason) == (None, "an interval needs 5 runs, it rests on 3")
    wild = make_part(tuple({"review": [length * SECOND] * 3} for length in (1, 1, 1, 1, 100))).better
    assert (wild.bounds, wild.no_interval_reason) == (
        None,
        "the runs scatter so much that the interval would start at 0",
    )


def test_executions_compared_with_the_same_runs_share_an_estimate() -> None:
    """Of two fan-outs the mean is twice as far off, their own scatter √2 times."""
    known = MeasuredRuns(tuple({"review": [length * SECOND] * 3} for length in (28, 29, 30, 31, 32)))
    sums = sums_of(fork_join(), fork_join("again"))
    found = build_verdict("1h", sums, lambda p, s: choose_baseline(p, s, known, {}))
    reach = 2.776 * (4 * 22.5 / 5 + 2 * 22.5) ** 0.5
    assert found.parts[0].better.bounds == pytest.approx((180 - reach, 180 + reach))


def test_outcomes_that_nobody_reported_are_said_to_be_so() -> None:
    """Agents that only report their end are taken as delivered, and counted apart."""
    drawing = Drawing("quiet").opens().prompt(0)
    for name in "ab":
        drawing.run(name, 1, 11)
    for event in [event for event in drawing.events if event.outcome is Outcome.SUCCESS]:
        drawing.events[drawing.events.index(event)] = structs.replace(event, outcome=None)
    found = verdict(drawing.stop(20).ends(30)).lead
    assert found is not None
    assert (found.delivered, found.taken, found.speedup) == (0, 2, 2)
    assert not found.are_outcomes_reported
    assert build_comparison_document(found)["outcomes_reported"] is False


def test_the_series_carry_the_headline_with_its_ingredients() -> None:
    """Speed-up and improvement can be computed again from the other series."""
    found = {
        (figure.name.removeprefix("stretto_"), *(v for n, v in figure.labels if n != "window")): figure.value
        for figure in compute_verdict_figures(verdict(straggler(), wasteful()))
    }
    assert found["verdict_fanouts", "work"] == 2
    assert found["verdict_saved_seconds", "work"] == pytest.approx(45 + 12)
    assert found["verdict_sequential_seconds", "work"] == 147
    assert found["verdict_paid_seconds", "work"] == 90
    assert found["verdict_elapsed_seconds", "work"] == 90
    assert found["verdict_speedup", "work"] == pytest.approx(1 + 57 / 90)
    assert found["verdict_improvement_ratio", "work"] == pytest.approx(57 / 147)
    assert found["verdict_tasks", "work", "delivered"] == 5
    assert found["verdict_tasks", "work", "wasted"] == 2
    assert found["verdict_tasks", "work", "taken"] == 0
    assert found["verdict_work_seconds", "work", "wasted"] == 30
    assert found["verdict_part_fanouts", "measured"] == 1
    assert found["verdict_part_speedup", "measured"] == pytest.approx(100 / 60)
    assert found["verdict_part_own_speedup", "measured"] == pytest.approx(105 / 60)
    assert found["verdict_part_improvement_ratio", "measured"] == pytest.approx(0.4)
    assert found["verdict_part_saved_seconds", "measured"] == pytest.approx(40)
    assert found["verdict_part_sequential_seconds", "measured"] == pytest.approx(100)
    assert found["verdict_part_own_sequential_seconds", "measured"] == 105
    assert found["verdict_part_paid_seconds", "measured"] == 60
    assert found["verdict_part_elapsed_seconds", "measured"] == 60


def test_without_parallel_work_there_is_no_headline() -> None:
    """Absent with a reason."""
    (figure,) = compute_verdict_figures(build_verdict("1h", {}, measured))
    assert (figure.value, figure.reason) == (None, "nothing ran in parallel")
    document = build_verdict_document(build_verdict("1h", {}, measured))
    assert document == {"fanouts": 0, "all_fanouts": 0, "tasks": 0, "lead": None, "parts": []}


def test_a_background_execution_counts_in_the_slot_of_its_group() -> None:
    """A single execution is a group of its own."""
    context = make_context(background())
    (counted,) = count_fanouts_once(context.fanouts)
    assert (counted.at, counted.elapsed) == (context.fanouts[0].end, context.fanouts[0].elapsed)


@given(tasks_at_random())
def test_overlapping_executions_count_once(tasks: tuple[Task, ...]) -> None:
    """The shares sum to the length of the union, but for rounding to nanoseconds."""
    found = find_fanouts(tasks)
    counted = [*count_fanouts_once(found)]
    assert len(counted) == len(found)
    union = measure_union_length(Interval(fanout.start, fanout.end) for fanout in found)
    assert abs(sum(part.elapsed for part in counted) - union) <= len(found)


@given(tasks_at_random(), st.data())
def test_failing_never_raises_the_headline(tasks: tuple[Task, ...], data: st.DataObject) -> None:
    """Tasks of one parent fail: the headline's time saved does not rise."""
    found = find_fanouts(tasks)
    if not found:
        return
    chosen = data.draw(st.sampled_from(found))
    failing = data.draw(st.sets(st.sampled_from([task.id for task in chosen.tasks])))
    changed = [
        structs.replace(task, outcome=Outcome.FAILURE, judged=None) if task.id in failing else task
        for task in tasks
    ]
    before, after = (
        sum(fanout.delivered_work - fanout.paid for fanout in find_fanouts(judged))
        for judged in (
            judge_task_deliveries(SessionFacts("s"), group, (), None) for group in (tasks, changed)
        )
    )
    assert after <= before
