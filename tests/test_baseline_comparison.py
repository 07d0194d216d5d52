"""Parallel work by task type and the provenance of its baseline."""

from __future__ import annotations

from stretto.clock import HOUR, SECOND
from stretto.figures.parallel_work_against_baselines import ParallelWork, build_mixes, sum_parallel_by_type
from stretto.figures.sequential_baseline_choice import FindBaseline, Provenance, choose_baseline
from tests.scenes import Drawing, fork_join, straggler
from tests.test_work_and_outcome_figures import measured, sums_of


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
