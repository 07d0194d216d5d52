from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.clock import HOUR, SECOND
from stretto.figures.quantile_sketch import (
    FLOOR,
    RELATIVE_ERROR,
    compute_quantile,
    find_bucket,
    get_bucket_value,
)
from stretto.names import QUANTILES

LENGTHS = st.lists(st.integers(FLOOR + 1, 10_000 * HOUR), min_size=1, max_size=200)


@given(LENGTHS, st.sampled_from(list(QUANTILES.values())) | st.floats(0, 1))
def test_a_quantile_is_within_the_promised_error(lengths: list[int], q: float) -> None:
    """The exact quantile is the least length that a share q of all lengths does not exceed."""
    exact = next(
        length
        for number, length in enumerate(sorted(lengths), 1)
        if number >= q * len(lengths) - 1e-9  # the share is a float: 0.07 of 100 is a little over 7
    )
    found = compute_quantile(Counter(find_bucket(length) for length in lengths), q)
    assert found is not None
    assert abs(found - exact) <= RELATIVE_ERROR * exact * (1 + 1e-9)


@given(LENGTHS, LENGTHS)
def test_sketches_merge_by_adding(one: list[int], other: list[int]) -> None:
    """The sum of two sketches is the sketch of all lengths; subtracted lengths are removed."""
    left, right = (Counter(find_bucket(length) for length in lengths) for lengths in (one, other))
    both = Counter(find_bucket(length) for length in one + other)
    assert left + right == both
    assert both - right == left


@pytest.mark.parametrize("length", [0, 1, FLOOR])
def test_lengths_below_clock_resolution_share_a_bucket(length: int) -> None:
    """All lengths up to a microsecond share a bucket."""
    assert find_bucket(length) == 0
    assert get_bucket_value(0) <= FLOOR


def test_longer_is_never_in_a_lower_bucket() -> None:
    """Around every edge of a bucket the order is kept."""
    lengths = [
        round(get_bucket_value(index) * factor) for index in range(1, 700) for factor in (0.98, 1, 1.02)
    ]
    buckets = [find_bucket(length) for length in sorted(lengths)]
    assert buckets == sorted(buckets)


def test_without_values_there_is_no_quantile() -> None:
    """Without values, or with all values removed, the quantile is None and not 0."""
    assert compute_quantile({}, 0.5) is None
    assert compute_quantile({3: 0}, 0.5) is None


def test_the_lower_value_is_taken_between_two() -> None:
    """The median of 1 s and 3 s is 1 s, not 2 s."""
    found = compute_quantile(Counter(find_bucket(length * SECOND) for length in (1, 3)), 0.5)
    assert found == pytest.approx(SECOND, rel=RELATIVE_ERROR)


def test_p95_of_a_few_is_the_longest() -> None:
    """Of 45 s and 70 s half took 70 s: 45 s is exceeded by more than 5 %."""
    for lengths in ((45, 70), (501, 507, 701), tuple(range(1, 20))):
        found = compute_quantile(Counter(find_bucket(length * SECOND) for length in lengths), 0.95)
        assert found == pytest.approx(max(lengths) * SECOND, rel=RELATIVE_ERROR)
    found = compute_quantile(Counter(find_bucket(length * SECOND) for length in range(1, 21)), 0.95)
    assert found == pytest.approx(19 * SECOND, rel=RELATIVE_ERROR)
