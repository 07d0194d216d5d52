from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from stretto.model.interval import (
    Interval,
    count_peak_overlap,
    measure_union_length,
    pack_lanes,
    split_union_into_shares,
)

EDGE = st.integers(0, 60)
INTERVALS = st.lists(st.builds(Interval, EDGE, EDGE), max_size=12)
"""Few edges, so that touching, nested, equal and empty intervals are common."""


def test_an_interval_is_half_open() -> None:
    """Intervals that touch share nothing, and an empty interval shares nothing with any."""
    assert count_peak_overlap([Interval(0, 10), Interval(10, 20)]) == 1
    assert count_peak_overlap([Interval(0, 11), Interval(10, 20)]) == 2
    assert count_peak_overlap([Interval(5, 5), Interval(0, 10)]) == 1
    assert count_peak_overlap([Interval(0, 10), Interval(0, 10)]) == 2


def test_a_length_is_never_negative() -> None:
    """An end before its start gives an empty interval."""
    assert Interval(10, 3).length == 0
    assert Interval(3, 10).length == 7


def test_union_counts_each_instant_once() -> None:
    """Of overlaps, gaps, nested and empty intervals only covered instants count."""
    assert measure_union_length([]) == 0
    assert (
        measure_union_length(
            [Interval(0, 10), Interval(5, 15), Interval(6, 7), Interval(20, 25), Interval(9, 2)]
        )
        == 20
    )


def test_width_is_the_most_at_one_instant() -> None:
    """Three intervals that overlap only in pairs have width 2; intervals that touch have width 1."""
    assert count_peak_overlap([]) == 0
    assert count_peak_overlap([Interval(0, 10), Interval(5, 15), Interval(10, 20)]) == 2
    assert count_peak_overlap([Interval(0, 10), Interval(10, 20)]) == 1


def test_an_instant_is_shared_by_the_intervals_that_cover_it() -> None:
    """0-5 alone, 5-10 with two, 10-20 with the second: 7.5 and 12.5 of 20; an empty one gets nothing."""
    assert split_union_into_shares([Interval(0, 10), Interval(5, 20), Interval(7, 7)]) == [7.5, 12.5, 0]


def test_lanes_are_packed_by_start() -> None:
    """An interval takes the lane that has been free longest and opens a lane only if none is free."""
    intervals = [Interval(0, 10), Interval(0, 20), Interval(10, 30), Interval(25, 30)]
    assert pack_lanes(intervals) == [[0, 2], [1, 3]]
    assert pack_lanes([Interval(3, 3)]) == []


@given(INTERVALS)
def test_union_and_width_agree_with_counting_instants(intervals: list[Interval]) -> None:
    """Union and width equal those counted instant by instant."""
    held = [sum(one.start <= instant < one.end for one in intervals) for instant in range(61)]
    assert measure_union_length(intervals) == sum(count > 0 for count in held)
    assert count_peak_overlap(intervals) == max(held)


@given(INTERVALS)
def test_there_are_as_many_lanes_as_the_width(intervals: list[Interval]) -> None:
    """Packing opens no unneeded lane, loses no work and overfills no lane."""
    busy = [sum(intervals[place].length for place in lane) for lane in pack_lanes(intervals)]
    assert len(busy) == count_peak_overlap(intervals)
    assert sum(busy) == sum(interval.length for interval in intervals)
    assert max(busy, default=0) <= measure_union_length(intervals)


@given(INTERVALS)
def test_shares_sum_to_the_union(intervals: list[Interval]) -> None:
    """The shares sum to the union, and each equals the share counted instant by instant."""
    found = split_union_into_shares(intervals)
    exact = [
        sum(
            (
                Fraction(1, sum(other.start <= instant < other.end for other in intervals))
                for instant in range(one.start, one.end)
            ),
            Fraction(0),
        )
        for one in intervals
    ]
    assert sum(exact) == measure_union_length(intervals)
    assert all(abs(share - float(true)) < 1e-9 for share, true in zip(found, exact, strict=True))
