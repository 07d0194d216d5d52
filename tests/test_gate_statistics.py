from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from random import Random

import pytest

from stretto.gates import gate_statistics
from stretto.gates.gate_statistics import (
    adjust_p_values,
    compute_interval,
    compute_p_value,
    compute_ratio,
    estimate_noise,
    plan_runs,
)


def count_by_hand(new: Sequence[float], old: Sequence[float]) -> float:
    """Return the p value by trying every division of the runs."""
    values = [*new, *old]
    ranks = [sum((other < value) + (other == value) / 2 for other in values) for value in values]
    observed = sum(ranks[: len(new)])
    sums = [sum(chosen) for chosen in combinations(ranks, len(new))]
    return sum(total >= observed - 1e-9 for total in sums) / len(sums)


@pytest.mark.parametrize("values", [1_000, 4, 2])
def test_the_p_value_counts_all_divisions(values: int) -> None:
    """Without and with equal values the p value is that of trying every division."""
    rng = Random(values)
    for _ in range(30):
        new = [rng.randrange(values) + 1.0 for _ in range(rng.randrange(1, 6))]
        old = [rng.randrange(values) + 1.0 for _ in range(rng.randrange(1, 6))]
        assert compute_p_value(new, old) == pytest.approx(count_by_hand(new, old))


def test_many_runs_are_judged_by_the_normal_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both can be had, the curve and the counting agree."""
    rng = Random(3)
    for _ in range(20):
        new, old = [rng.random() + 0.1 for _ in range(40)], [rng.random() for _ in range(40)]
        exact = compute_p_value(new, old)
        monkeypatch.setattr(gate_statistics, "EXACT_PAIRS", 0)
        assert compute_p_value(new, old) == pytest.approx(exact, rel=0.15, abs=1e-4)
        monkeypatch.undo()


def test_equal_runs_are_no_evidence() -> None:
    """If all times are equal the p value is 1."""
    assert compute_p_value([1.0] * 5, [1.0] * 5) == 1
    assert compute_p_value([1.0] * 70, [1.0] * 70) == 1


def test_the_ratio_is_the_median_of_all_pairs() -> None:
    """Every new time is 1.2 times an old one; an outlier changes little."""
    old = [1.0, 1.1, 0.9, 1.05, 0.95]
    new = [1.2 * value for value in old]
    assert compute_ratio(new, old) == pytest.approx(1.2)
    assert compute_ratio([*new[:4], 1_000], old) == pytest.approx(1.2, rel=0.15)


def test_the_interval_covers_the_ratio() -> None:
    """95 % intervals hold the true ratio in 93 to 98 % of 600 samples; three runs a side have none."""
    rng, inside = Random(11), 0
    for _ in range(600):
        new = [1.3 * math.exp(rng.gauss(0, 0.2)) for _ in range(10)]
        old = [math.exp(rng.gauss(0, 0.2)) for _ in range(10)]
        interval = compute_interval(new, old)
        assert interval is not None
        inside += interval[0] <= 1.3 <= interval[1]
    assert 0.93 <= inside / 600 <= 0.98
    assert compute_interval([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) is None
    wide = compute_interval(
        [math.exp(rng.gauss(0, 0.2)) for _ in range(80)], [math.exp(rng.gauss(0, 0.2)) for _ in range(80)]
    )
    assert wide is not None
    assert wide[0] < 1 < wide[1]


def test_p_values_are_adjusted_for_their_number() -> None:
    """Benjamini and Hochberg's rule on paper: p times number over rank, never falling with rank."""
    assert adjust_p_values([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert adjust_p_values([]) == []


def test_noise_is_that_of_the_quiet_runs() -> None:
    """Two samples of one noise and different means give that noise, with outliers too; single runs none."""
    rng = Random(2)
    new = [5 * math.exp(rng.gauss(0, 0.1)) for _ in range(400)]
    old = [math.exp(rng.gauss(0, 0.1)) for _ in range(400)]
    assert estimate_noise(new, old) == pytest.approx(0.1, rel=0.1)
    assert estimate_noise([*new[:190], *[50.0] * 10], old) == pytest.approx(0.1, rel=0.2)
    assert estimate_noise([1.0], [2.0]) == 0


def test_the_planner_asks_for_more_runs_with_noise_and_tests() -> None:
    """It never asks for fewer than the best possible p value needs."""
    assert plan_runs(0.05, 1.2, level=0.05 / 300, gate=1.1) == 8
    assert plan_runs(0.0, 1.2, level=0.05, gate=1.1) == 3
    quiet, loud = (plan_runs(noise, 1.2, level=0.05, gate=1.1) for noise in (0.1, 0.3))
    assert quiet < loud
    assert plan_runs(0.1, 1.2, level=0.05 / 300, gate=1.1) > quiet
