"""Parallel work by the provenance of its baseline, and the confidence of each comparison."""

from __future__ import annotations

import pytest

from stretto.clock import HOUR, SECOND
from stretto.figures.baselines import FindBaseline, MeasuredRuns, Provenance, choose_baseline
from stretto.figures.verdict import (
    ParallelWork,
    build_comparison_document,
    build_mixes,
    build_verdict,
    sum_parallel_by_type,
)
from tests.scenes import Drawing, fork_join, straggler
from tests.test_window_figures import measured, sums_of


def configured(hours: dict[str, float]) -> FindBaseline:
    """Know no sequential run, but a table of hours."""
    return lambda pattern, signature: choose_baseline(pattern, signature, None, hours)


def test_parallel_work_is_compared_with_the_best_baseline_by_type() -> None:
    """The straggler, measured: 18, 32 and 50 s against shares of 7.5, 12.5 and 40 s."""
    parallel = sum_parallel_by_type(build_mixes(sums_of(straggler()), measured))
    assert parallel == {
        ("architecture", Provenance.MEASURED): ParallelWork(
            1, 20 * SECOND, 7_500_000_000, 18.0 * SECOND, delivered=1, delivered_work=20 * SECOND
        ),
        ("prd", Provenance.MEASURED): ParallelWork(
            1, 30 * SECOND, 12_500_000_000, 32.0 * SECOND, delivered=1, delivered_work=30 * SECOND
        ),
        ("test_strategy", Provenance.MEASURED): ParallelWork(
            1, 55 * SECOND, 40 * SECOND, 50.0 * SECOND, delivered=1, delivered_work=55 * SECOND
        ),
    }


def test_a_type_has_a_row_per_provenance() -> None:
    """Reviews with configured hours and reviews without are two rows."""
    mixed = Drawing("mixed").task("m1", 0, 10, "review").task("m2", 5, 15, "testing").ends(20)
    parallel = sum_parallel_by_type(build_mixes(sums_of(fork_join(), mixed), configured({"review": 0.01})))
    assert {key: part.sequential for key, part in parallel.items()} == {
        ("review", Provenance.CONFIGURED): 3 * 0.01 * HOUR,
        ("review", Provenance.WORK): 10 * SECOND,
        ("testing", Provenance.WORK): 10 * SECOND,
    }


def test_the_verdict_never_mixes_provenances() -> None:
    """Two fan-outs, measured and by own work: the measured leads, the other is listed separately."""
    found = build_verdict("1h", build_mixes(sums_of(straggler(), fork_join()), measured))
    assert (found.fanouts, found.tasks) == (2, 6)
    lead, other = found.parts
    assert lead is found.lead
    assert (lead.provenance, lead.fanouts, lead.tasks) == (Provenance.MEASURED, 1, 3)
    assert (lead.work, lead.elapsed, lead.sequential, lead.time_saved) == (105, 60, 100, 40)
    assert found.speedup == lead.speedup == pytest.approx(100 / 60)
    assert lead.improvement == 0.4
    assert (other.provenance, other.elapsed, other.sequential, other.speedup) == (Provenance.WORK, 30, 90, 3)


def test_the_verdict_has_confidence_intervals() -> None:
    """Runs of 90 and 110 s: 100 ± 12.706 × 10 s for a fan-out; a single run and own work have no interval."""
    runs = MeasuredRuns(({"review": [30 * SECOND] * 3}, {"review": [30 * SECOND, 40 * SECOND, 40 * SECOND]}))
    by_runs = build_mixes(sums_of(fork_join()), lambda p, s: choose_baseline(p, s, runs, {}))
    (part,) = build_verdict("1h", by_runs).parts
    assert (part.sequential, part.runs, part.no_interval_reason) == (100, 2, None)
    assert part.bounds == pytest.approx((0, 100 + 12.706 * 10))
    assert part.speedup_bounds == pytest.approx((0, (100 + 12.706 * 10) / 30))
    (single, alone) = build_verdict("1h", build_mixes(sums_of(straggler(), fork_join()), measured)).parts
    assert (single.bounds, single.runs) == (None, 1)
    assert single.no_interval_reason == "the baseline is a single run, which has no interval"
    assert (alone.bounds, alone.runs) == (None, 0)
    assert alone.no_interval_reason == "the tasks' own lengths are no mean of runs"


def test_executions_compared_with_the_same_runs_share_an_estimate() -> None:
    """Twice the same fan-out is twice as far off, not √2 times: the interval grows with the sum."""
    runs = MeasuredRuns(tuple({"review": [length * SECOND] * 3} for length in (28, 30, 32)))
    one, two = (
        build_verdict("1h", build_mixes(sums_of(*scenes), lambda p, s: choose_baseline(p, s, runs, {})))
        .parts[0]
        .bounds
        for scenes in ([fork_join()], [fork_join(), fork_join("again")])
    )
    assert one == pytest.approx((90 - 4.303 * 6 / 3**0.5, 90 + 4.303 * 6 / 3**0.5))
    assert two is not None
    assert one is not None
    assert two == pytest.approx((2 * one[0], 2 * one[1]))


def test_the_document_has_every_figure_with_its_interval() -> None:
    """Lengths in seconds; three runs of 84, 90 and 96 s give 90 ± 14.9 s, and the figures derived from it."""
    runs = MeasuredRuns(tuple({"review": [length * SECOND] * 3} for length in (28, 30, 32)))
    (part,) = build_verdict(
        "1h", build_mixes(sums_of(fork_join()), lambda p, s: choose_baseline(p, s, runs, {}))
    ).parts
    told = build_comparison_document(part)
    assert (told["baseline"], told["fanouts"], told["tasks"]) == ("measured", 1, 3)
    assert (told["work_seconds"], told["elapsed_seconds"], told["sequential_seconds"]) == (90, 30, 90)
    assert (told["time_saved_seconds"], told["speedup"]) == (60, 3)
    sure = told["confidence"]
    assert (sure["level"], sure["runs"], sure["reason"]) == (0.95, 3, None)
    reach = 4.303 * 6 / 3**0.5
    assert sure["sequential_seconds"] == pytest.approx([90 - reach, 90 + reach])
    assert sure["time_saved_seconds"] == pytest.approx([60 - reach, 60 + reach])
    assert sure["speedup"] == pytest.approx([(90 - reach) / 30, (90 + reach) / 30])
    assert sure["improvement"] == pytest.approx([1 - 30 / (90 - reach), 1 - 30 / (90 + reach)])
