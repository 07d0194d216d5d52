"""Expected and actual gain, contention, opportunity and records, on scenes computed by hand."""

from __future__ import annotations

import pytest

from stretto.clock import SECOND
from stretto.figures.expected_and_missed_gains import (
    average_targets,
    compute_gain_figures,
    compute_record_speedup_figures,
    find_baseline_doubt,
    measure_slowdown,
)
from stretto.figures.fanouts import estimate_sequential_time, find_fanouts
from stretto.figures.figure import Figure
from stretto.figures.parallel_work_against_baselines import build_mixes, sum_parallel_by_type
from stretto.figures.sequential_baseline_choice import (
    WORK_BASELINE,
    Baseline,
    MeasuredRuns,
    Provenance,
    choose_baseline,
)
from stretto.figures.sums_by_dimension import Sums
from stretto.store.contributions.contribution_parts_by_task_or_fanout import add_up_parts
from stretto.store.contributions.missed_parallelism import list_sequential_parts
from tests.scenes import Drawing, conclude_scene, fork_join, one_by_one, straggler
from tests.test_speedup_cost import settling
from tests.test_work_and_outcome_figures import measured, sums_of


def figures(*drawings: Drawing) -> dict[tuple[str, str], Figure]:
    """Return the gain figures by name and labels without the window."""
    sums = sums_of(*drawings)
    parallel = sum_parallel_by_type(build_mixes(sums, measured))
    targets = {"architecture": 0.75, "prd": 0.5}
    found = {}
    for figure in compute_gain_figures("1h", sums, parallel, lambda name: targets.get(name, 0.6)):
        labels = ",".join(value for name, value in figure.labels if name != "window")
        found[figure.name.removeprefix("stretto_"), labels] = figure
    return found


def test_expected_is_the_target_of_the_sequential_time() -> None:
    """0.75 of 18 s, 0.5 of 32 s and 0.6 of 50 s, each beside the time saved."""
    found = figures(straggler())
    assert found["expected_saved_seconds", "architecture,measured"].value == pytest.approx(13.5)
    assert found["expected_saved_seconds", "prd,measured"].value == pytest.approx(16)
    assert found["expected_saved_seconds", "test_strategy,measured"].value == pytest.approx(30)


def test_the_expected_improvement_of_a_fanout_is_the_mean_over_its_tasks() -> None:
    """Two reviews and a test: the mean of three targets."""
    drawing = Drawing().task("a", 0, 9, "review").task("b", 1, 9, "review").task("c", 2, 9, "testing")
    (fanout,) = find_fanouts(conclude_scene(drawing.ends(10).events).tasks)
    assert average_targets(fanout, {"review": 0.3, "testing": 0.9}.__getitem__) == pytest.approx(0.5)


def test_contention_is_work_over_what_the_tasks_take_alone() -> None:
    """20 s together, 18 s alone; types without a sequential run have no contention."""
    found = figures(straggler(), fork_join())
    assert found["contention_ratio", "architecture"].value == pytest.approx(20 / 18)
    assert found["contention_ratio", "architecture"].coverage == 1
    review = found["contention_ratio", "review"]
    assert (review.value, review.reason) == (None, "no sequential run shows how long these tasks take alone")


def test_contention_has_a_coverage() -> None:
    """One of two fan-outs with architecture has a measured twin: half of the tasks are covered."""
    mixed = Drawing("mixed").task("m1", 0, 10, "architecture").task("m2", 5, 15, "review").ends(20)
    found = figures(straggler(), mixed)["contention_ratio", "architecture"]
    assert found.value == pytest.approx(20 / 18)
    assert (found.count, found.coverage) == (1, 0.5)


def test_a_fanouts_contention_needs_a_measured_baseline() -> None:
    """105 s of work against 100 s alone; configured hours and the work itself give no slowdown."""
    (fanout,) = find_fanouts(conclude_scene(straggler().events).tasks)
    assert measure_slowdown(
        fanout, estimate_sequential_time(fanout, measured("release", fanout.signature))
    ) == pytest.approx(1.05)
    hours = choose_baseline(
        "release", fanout.signature, None, dict.fromkeys(fanout.signature.split(","), 1.0)
    )
    assert measure_slowdown(fanout, estimate_sequential_time(fanout, hours)) is None
    assert measure_slowdown(fanout, estimate_sequential_time(fanout, WORK_BASELINE)) is None


def test_an_opportunity_is_what_lies_beyond_the_longest_task() -> None:
    """18, 32 and 50 s one after another take at least 50 s in parallel, so at most 50 s can be saved."""
    added = add_up_parts(list_sequential_parts(settling(one_by_one())))
    assert {measure: value for (_, measure, _), value in added.items()} == {
        "opportunity": 50 * SECOND,
        "sequential_runs": 1,
    }
    sums: Sums = {"opportunity": {("release",): 50 * SECOND}, "sequential_runs": {("release",): 1}}
    (found,) = compute_gain_figures("7d", sums, {}, lambda _: 0.6)
    assert found == Figure("stretto_opportunity_seconds", (("pattern", "release"), ("window", "7d")), 50.0, 1)


def test_figures_of_several_runs_have_an_interval() -> None:
    """Five runs of 84 to 96 s, s² = 22.5, give expected time and contention their intervals."""
    runs = MeasuredRuns(tuple({"review": [length * SECOND] * 3} for length in (28, 29, 30, 31, 32)))
    baseline: Baseline = choose_baseline("none", "review,review,review", runs, {})
    parallel = sum_parallel_by_type(build_mixes(sums_of(fork_join()), lambda _p, _s: baseline))
    expected, crowd = compute_gain_figures("1h", {}, parallel, lambda _: 0.5)
    reach = 2.776 * (22.5 * (1 + 1 / 5)) ** 0.5
    assert expected.low == pytest.approx((90 - reach) / 2)
    assert expected.high == pytest.approx((90 + reach) / 2)
    assert crowd.low == pytest.approx(90 / (90 + reach))
    assert crowd.high == pytest.approx(90 / (90 - reach))


def test_a_baseline_that_can_hardly_be_of_the_work_is_marked() -> None:
    """105 s of work at width 3: runs from 28 to 131 s are possible, hours up to 5,250 s plausible."""
    (fanout,) = find_fanouts(conclude_scene(straggler().events).tasks)
    types = fanout.signature.split(",")

    def doubt(provenance: Provenance, seconds: float) -> str | None:
        baseline = Baseline(provenance, dict.fromkeys(types, seconds * SECOND / 3))
        return find_baseline_doubt(fanout, estimate_sequential_time(fanout, baseline))

    assert doubt(Provenance.MEASURED, 29) is doubt(Provenance.MEASURED, 131) is None
    assert "by their own lengths it is 1.75×" in (doubt(Provenance.MEASURED, 27) or "")
    assert doubt(Provenance.RECORDED, 133) is not None
    assert doubt(Provenance.CONFIGURED, 5_249) is None
    assert "51 times its tasks' own" in (doubt(Provenance.SET, 5_355) or "")
    assert find_baseline_doubt(fanout, estimate_sequential_time(fanout, WORK_BASELINE)) is None


def test_a_record_has_its_time() -> None:
    """Speed-up and the second of its end, by pattern."""
    speed, when = compute_record_speedup_figures([("release", 1.75, 60 * SECOND)])
    assert (speed.name, speed.value, speed.labels) == (
        "stretto_best_speedup",
        1.75,
        (("pattern", "release"),),
    )
    assert (when.name, when.value) == ("stretto_best_speedup_timestamp_seconds", 60)
