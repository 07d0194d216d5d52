"""Confidence intervals: the published values of Student and Welch, and values without an interval."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.figures.confidence_intervals import (
    Estimate,
    compute_difference_bounds,
    compute_improvement_bounds,
    compute_student_t,
    estimate_mean,
    has_significant_difference,
    sum_estimates,
)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (5, 2.571), (30, 2.042), (40, 2.021), (60, 2.000), (100, 1.984), (1e9, 1.960)],
)
def test_the_quantile_of_t_is_the_published_one(freedom: float, quantile: float) -> None:
    """To the three decimals that tables print, in the table of ours and beyond it."""
    assert compute_student_t(freedom) == pytest.approx(quantile, abs=0.0006)


def test_a_fraction_of_a_degree_widens() -> None:
    """Degrees of freedom are rounded down; below 1 there is no interval."""
    assert compute_student_t(2.99) == compute_student_t(2)
    assert all(compute_student_t(n) > compute_student_t(n + 1) for n in range(1, 200))
    with pytest.raises(ValueError, match="degrees of freedom"):
        compute_student_t(0.9)


def test_rounding_takes_no_degree() -> None:
    """The sum of a single mean has that mean's interval, for any rounding of its degrees of freedom."""
    random = Random(7)
    for count in range(2, 40):
        for _ in range(50):
            one = estimate_mean([random.uniform(1e9, 1e12) for _ in range(count)])
            assert sum_estimates([one]).bounds == one.bounds


def test_a_mean_has_the_interval_of_its_scatter() -> None:
    """90, 100 and 110: 100 ± 4.303 · 10 / √3."""
    found = estimate_mean([90, 100, 110])
    reach = 4.303 * 10 / math.sqrt(3)
    assert (found.mean, found.count, found.freedom) == (100, 3, 2)
    assert found.bounds == pytest.approx((100 - reach, 100 + reach))


def test_one_value_has_no_interval_and_equal_ones_a_narrow_one() -> None:
    """Nothing is known of the scatter of a single run; runs that do not scatter leave no doubt."""
    assert estimate_mean([7]).bounds is None
    assert estimate_mean([7, 7, 7]).bounds == (7, 7)


def test_a_length_is_never_below_nothing() -> None:
    """An interval that would reach below 0 ends there."""
    assert estimate_mean([1, 9]).bounds == pytest.approx((0, 5 + 12.706 * 4))


def test_a_sum_takes_the_degrees_of_welch_and_satterthwaite() -> None:
    """Variances 1 and 2 at 4 and 9 degrees: 9 / (1/4 + 4/9) = 12.96, rounded down to 12."""
    found = sum_estimates([Estimate(10, 5, 1.0, 4), Estimate(20, 10, 2.0, 9)])
    assert (found.mean, found.count, found.variance) == (30, 15, 3)
    assert found.freedom == pytest.approx(12.96)
    assert found.bounds == pytest.approx((30 - 2.179 * 3**0.5, 30 + 2.179 * 3**0.5))
    assert sum_estimates([Estimate(10, 5, 1.0, 4), Estimate(20, 1)]).bounds is None
    assert sum_estimates([estimate_mean([4, 4]), estimate_mean([6, 6])]).bounds == (10, 10)
    assert sum_estimates([]).bounds is None


def test_an_improvement_may_be_without_a_least_one() -> None:
    """Where sequential may be next to nothing, nothing bounds the loss."""
    assert compute_improvement_bounds((50, 200), 100) == (-1, 0.5)
    assert compute_improvement_bounds((0, 200), 100) == (None, 0.5)


def test_a_difference_counts_only_beyond_its_noise() -> None:
    """The same gap of means is noise between scattered days and none between steady ones."""
    assert has_significant_difference([2.0, 2.1, 1.9, 2.0], [3.0, 3.1, 2.9, 3.0])
    assert not has_significant_difference([0.5, 3.5, 1.0, 3.0], [1.5, 4.5, 2.0, 4.0])
    assert not has_significant_difference([2, 2, 2], [2, 2, 2])
    assert has_significant_difference([2, 2, 2], [3, 3, 3])
    with pytest.raises(ValueError, match="scatter"):
        has_significant_difference([1], [2, 3])


@given(st.lists(st.floats(0, 1e12), min_size=2, max_size=30))
def test_the_mean_lies_in_its_interval(values: list[float]) -> None:
    """Whatever the values, low ≤ mean ≤ high."""
    found = estimate_mean(values)
    assert found.bounds is not None
    low, high = found.bounds
    assert 0 <= low <= found.mean * (1 + 1e-12)
    assert found.mean <= high * (1 + 1e-12)


def test_the_interval_of_a_difference_is_that_of_both_means() -> None:
    """1, 2, 3 and 3, 4, 5 differ by 2 ± 2.776 · √(1/3 + 1/3): four degrees of freedom by Welch."""
    low, high = compute_difference_bounds([1, 2, 3], [3, 4, 5])
    assert (low, high) == pytest.approx((2 - 2.2666, 2 + 2.2666), abs=1e-3)
    assert compute_difference_bounds([2, 2], [3, 3]) == (1, 1)
