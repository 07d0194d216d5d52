"""The arithmetic beneath the verdicts, compared with scipy, with brute force and with examples on paper."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stretto.analysis.change_points import (
    compute_variance_inflation,
    drop_small_steps,
    find_change_points,
    partition_values,
)
from stretto.analysis.recent_days_rank_tests import (
    RankTable,
    combine_dependent_p_values,
    compare_windows,
    compute_variance_factors,
    estimate_autocorrelation,
    estimate_shift,
    select_discoveries,
)
from stretto.analysis.values_by_local_day import merge_days_into_clusters


@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=4), min_size=2, max_size=6), st.data())
@settings(max_examples=25, deadline=None)
def test_ranks_within_any_range_are_those_of_scipy(days: list[list[int]], data: st.DataObject) -> None:
    """The table gives the mean midrank of a cluster in a pool of clusters, ties included."""
    values = np.array([value for day in days for value in day], dtype=float)
    clusters = merge_days_into_clusters(np.repeat(np.arange(len(days)), [len(day) for day in days]), fewest=1)
    begin = data.draw(st.integers(0, len(days) - 1))
    end = data.draw(st.integers(begin + 1, len(days)))
    pool = values[clusters.bounds[begin] : clusters.bounds[end]]
    ranks = stats.rankdata(pool) - 0.5
    expected = [
        ranks[clusters.bounds[row] - clusters.bounds[begin] :][: len(days[row])].mean()
        for row in range(begin, end)
    ]
    rows = np.arange(begin, end)
    table = RankTable(values, clusters)
    actual = table.rank_clusters(rows, np.full(len(rows), begin), np.full(len(rows), end))
    assert actual == pytest.approx(expected)


def test_windows_compare_the_last_days_with_those_before() -> None:
    """Of 14 days of which the last is longest, the check of one day sees its rank above all others."""
    values = np.arange(14.0)
    clusters = merge_days_into_clusters(np.arange(14), fewest=1)
    checks = compare_windows(RankTable(values, clusters), 14, 1)
    assert checks.checks.tolist() == [12, 13]
    assert checks.baseline_sizes.tolist() == [12, 13]
    assert checks.differences.tolist() == [6.5, 7.0]
    # A straight line resembles itself: the estimate is high.
    assert (estimate_autocorrelation(checks) > 0.5).all()


def test_the_error_of_independent_days_is_the_textbook_one() -> None:
    """Without autocorrelation the variance is 1/w + 1/B; with it both parts grow and share a border."""
    difference, baseline = compute_variance_factors(np.zeros((1, 1)), 7, np.array([42]))
    assert difference == pytest.approx([1 / 7 + 1 / 42])
    assert baseline == pytest.approx([1 / 42])
    # The variance by hand: sum of the correlation matrix of two neighbouring blocks of 2 and 3 days.
    likeness = 0.4
    weights = np.array([1 / 2, 1 / 2, -1 / 3, -1 / 3, -1 / 3])
    matrix = np.eye(5) + likeness * (np.eye(5, k=1) + np.eye(5, k=-1))
    difference, _ = compute_variance_factors(np.array([[likeness]]), 2, np.array([3]))
    assert difference == pytest.approx([weights @ matrix @ weights])


def test_windows_that_agree_strengthen_each_other() -> None:
    """Equal p values stay as they are; one small value among four counts about four times as large."""
    weights = np.ones(4)
    assert combine_dependent_p_values(np.full((4, 1), 0.02), weights)[0] == pytest.approx(0.02)
    alone = np.array([[0.001], [0.5], [0.5], [0.5]])
    assert combine_dependent_p_values(alone, weights)[0] == pytest.approx(0.004, rel=0.01)


def test_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    """The cut is scipy's: values up to it are exactly those whose adjusted p value is within the rate."""
    p_values = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, np.nan])
    adjusted = stats.false_discovery_control(p_values[:-1])
    cut = select_discoveries(p_values, 0.05)
    assert (p_values[:-1] <= cut).tolist() == (adjusted <= 0.05).tolist()
    assert select_discoveries(np.array([0.5, np.nan]), 0.05) == 0


def test_the_shift_is_hodges_and_lehmanns() -> None:
    """The median of all differences, deaf to one wild value."""
    assert estimate_shift([0, 1, 2], [10, 11, 1000]) == 10


def find_best_by_force(values: np.ndarray[tuple[int], np.dtype[np.float64]], penalty: float) -> float:
    """The least cost of any partition."""
    count = len(values)
    costs = []
    for size in range(count):
        for points in itertools.combinations(range(1, count), size):
            edges = [0, *points, count]
            parts = [values[left:right] for left, right in itertools.pairwise(edges)]
            costs.append(sum(float(((part - part.mean()) ** 2).sum()) for part in parts) + penalty * size)
    return min(costs)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8), st.floats(0.1, 5))
@settings(max_examples=20, deadline=None)
def test_the_partition_is_the_best_of_all(numbers: list[int], penalty: float) -> None:
    """No other partition has a smaller error + penalty."""
    values = np.array(numbers, dtype=float)
    points = partition_values(values, penalty)
    edges = [0, *points, len(values)]
    parts = [values[left:right] for left, right in itertools.pairwise(edges)]
    cost = sum(float(((part - part.mean()) ** 2).sum()) for part in parts) + penalty * len(points)
    assert cost == pytest.approx(find_best_by_force(values, penalty), abs=1e-9)


def test_a_step_is_dated_and_noise_is_not() -> None:
    """Twenty days around 0 and twenty around 1 change at 20; a series without scatter or of 3 days never."""
    noise = np.tile([0.05, -0.05], 20)
    assert find_change_points(noise + np.repeat([0.0, 1.0], 20)) == [20]
    assert find_change_points(noise) == []
    assert find_change_points(np.zeros(30)) == []
    assert find_change_points(np.arange(3.0)) == []


def test_small_steps_are_dropped() -> None:
    """A step below ten percent is none; the smallest goes first, so that two small ones may leave one."""
    values = np.repeat([0.0, 0.06, 0.12], 10)
    assert drop_small_steps(values, [10, 20], 0.07) == [20]
    assert drop_small_steps(values, [10, 20], 0.05) == [10, 20]


def test_days_that_resemble_each_other_widen_the_error() -> None:
    """Alternating values inflate nothing, slow waves do."""
    wave = np.sin(np.arange(60) / 5)
    assert compute_variance_inflation(np.tile([1.0, -1.0], 30)) == 1
    assert compute_variance_inflation(wave - wave.mean()) > 5
    assert compute_variance_inflation(np.zeros(3)) == 1
