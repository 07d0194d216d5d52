"""The choice of a baseline, and its estimate for a number of tasks."""

from __future__ import annotations

import pytest

from stretto.clock import HOUR
from stretto.figures.sequential_baseline_choice import (
    WORK_BASELINE,
    Baseline,
    DeclaredBaselines,
    DeclaredLength,
    MeasuredRuns,
    Provenance,
    RecordedBaseline,
    Run,
    choose_baseline,
)

RUNS = MeasuredRuns(({"review": [10], "testing": [20]}, {"review": [14], "testing": [30]}), newest=5)
HOURS = {"review": 0.5, "testing": 1.0, "prd": 9.0}
MIX = "review,testing"


def recorded(name: str, *runs: Run, pattern: str = "release", whole: bool = False) -> RecordedBaseline:
    """Return a recorded baseline."""
    return RecordedBaseline(name, f"session-{name}", pattern, runs, newest=1, at=2, whole=whole)


def lengths(**by_type: float) -> dict[str, DeclaredLength]:
    """Return lengths set by hand."""
    return {name: DeclaredLength(length, 1) for name, length in by_type.items()}


def test_the_best_provenance_with_all_types_is_used() -> None:
    """Recorded, measured, set, configured, work: each is used if the previous lacks a type."""
    pinned = recorded("pin", {"review": [1], "testing": [2]})
    by_hand = lengths(review=3, testing=4)
    full = DeclaredBaselines((pinned,), by_hand)
    found = [
        choose_baseline("release", MIX, RUNS, HOURS, full),
        choose_baseline("release", MIX, RUNS, HOURS, DeclaredBaselines(set=by_hand)),
        choose_baseline("release", MIX, None, HOURS, DeclaredBaselines(set=by_hand)),
        choose_baseline("release", MIX, None, HOURS),
        choose_baseline("release", MIX, None, {"review": 1.0}),
    ]
    assert [baseline.provenance for baseline in found] == list(Provenance)
    assert [baseline.lengths for baseline in found] == [
        {"review": 1, "testing": 2},
        {"review": 12, "testing": 25},
        {"review": 3, "testing": 4},
        {"review": 0.5 * HOUR, "testing": 1.0 * HOUR},
        None,
    ]
    assert found[0].names == ("pin",)


def test_half_a_table_is_none() -> None:
    """A baseline that does not know every type of the mix is passed over for all of them."""
    only_review = MeasuredRuns(({"review": [10]},))
    assert choose_baseline("release", MIX, only_review, HOURS).provenance is Provenance.CONFIGURED
    assert (
        choose_baseline("release", MIX, None, {}, DeclaredBaselines(set=lengths(review=3))) == WORK_BASELINE
    )


def test_set_lengths_come_before_configured_ones_and_the_weaker_provenance_counts() -> None:
    """Review is set by hand, testing only configured: the baseline is configured, with the set review."""
    found = choose_baseline("release", MIX, None, HOURS, DeclaredBaselines(set=lengths(review=3)))
    assert found == Baseline(Provenance.CONFIGURED, {"review": 3, "testing": 1.0 * HOUR})


def test_a_recorded_run_counts_for_its_pattern_and_mix_alone() -> None:
    """Another pattern or another number of reviews does not match; several recordings are averaged."""
    one, two = (recorded(name, {"review": [x], "testing": [x]}) for name, x in (("one", 10), ("two", 20)))
    declared = DeclaredBaselines(
        (one, two, recorded("other", {"review": [99], "testing": [99]}, pattern="plan"))
    )
    found = choose_baseline("release", MIX, None, {}, declared)
    assert (found.provenance, found.lengths) == (Provenance.RECORDED, {"review": 15, "testing": 15})
    assert found.names == ("one", "two")
    assert choose_baseline("release", "review,review,testing", None, {}, declared) == WORK_BASELINE
    assert choose_baseline("none", MIX, None, {}, declared) == WORK_BASELINE


def test_a_whole_session_counts_for_any_mix_of_its_types() -> None:
    """Three reviews of 10, 20 and 30 and a test of 5: two reviews and a test take 45."""
    whole = recorded("whole", {"review": [10, 20, 30], "testing": [5]}, whole=True)
    exact = recorded("exact", {"review": [7], "testing": [8]})
    found = choose_baseline("release", "review,review,testing", None, {}, DeclaredBaselines((whole, exact)))
    assert found.names == ("whole",)
    assert found.estimate({"review": 2, "testing": 1}, work=1).mean == 45
    assert choose_baseline("release", "prd,review", None, {}, DeclaredBaselines((whole,))) == WORK_BASELINE
    # The same mix, pinned as such, says more about it.
    assert choose_baseline("release", MIX, None, {}, DeclaredBaselines((whole, exact))).names == ("exact",)


def test_the_run_is_the_unit_that_scatters() -> None:
    """Tasks of a run are not independent: the totals 30 and 44 give the interval, not four tasks."""
    found = RUNS.estimate({"review": 1, "testing": 1})
    assert (found.mean, found.count) == (37, 2)
    assert found.bounds == pytest.approx((0, 37 + 12.706 * 7))
    assert RUNS.lengths == {"review": 12, "testing": 25}


def test_runs_that_do_not_know_every_type_have_no_interval() -> None:
    """Of two whole sessions, the second has no tests: the means are known, their common scatter is not."""
    runs = (
        recorded("a", {"review": [10], "testing": [5]}, whole=True),
        recorded("b", {"review": [20]}, whole=True),
    )
    (known,) = DeclaredBaselines(runs).find_matching("release", MIX)
    assert known.name == "a"
    mixed = MeasuredRuns(({"review": [10], "testing": [5]}, {"review": [20]}))
    assert mixed.estimate({"review": 1, "testing": 1}).mean == 20
    assert mixed.estimate({"review": 1, "testing": 1}).bounds is None
    against = Baseline(Provenance.RECORDED, mixed.lengths, mixed)
    assert against.no_interval_reason is not None
    assert "every recorded run" in against.no_interval_reason


@pytest.mark.parametrize("provenance", [Provenance.SET, Provenance.CONFIGURED, Provenance.WORK])
def test_a_length_without_runs_has_a_reason(provenance: Provenance) -> None:
    """Hours, hand-set lengths and the work itself have no interval, each with its reason."""
    baseline = Baseline(provenance, None if provenance is Provenance.WORK else {"review": 3})
    assert baseline.estimate({"review": 2}, work=8).bounds is None
    assert baseline.estimate({"review": 2}, work=8).mean == (8 if provenance is Provenance.WORK else 6)
    assert "no mean of runs" in (baseline.no_interval_reason or "")


def test_a_single_run_has_no_interval() -> None:
    """The reason names the single run; two runs have an interval."""
    single = choose_baseline("release", MIX, MeasuredRuns(RUNS.runs[:1]), {})
    assert single.no_interval_reason == "the baseline is a single run, which has no interval"
    assert choose_baseline("release", MIX, RUNS, {}).no_interval_reason is None
