"""Intervals of time [start, end) in nanoseconds: unions, widths, shares and lanes, used by every figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappush, heapreplace
from typing import NamedTuple


class Interval(NamedTuple):
    """The half-open interval [start, end); empty if end ≤ start."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Nanoseconds in the interval, never negative."""
        start, end = self
        return end - start if end > start else 0


def measure_union_length(intervals: Iterable[tuple[int, int]]) -> int:
    """Return the nanoseconds covered by at least one interval, (start, end)."""
    total = 0
    covered_until: int | None = None
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if covered_until is None or start > covered_until:
            total += end - start
            covered_until = end
        elif end > covered_until:
            total += end - covered_until
            covered_until = end
    return total


def count_peak_overlap(intervals: Iterable[Interval]) -> int:
    """Return the largest number of intervals that share an instant."""
    edges: list[tuple[int, int]] = []
    for start, end in intervals:
        if end > start:
            # An end sorts before a start at the same instant: intervals that only touch do not overlap.
            edges += [(start, 1), (end, -1)]
    widest = current = 0
    for _, step in sorted(edges):
        current += step
        widest = max(widest, current)
    return widest


def merge_intervals(intervals: Iterable[Interval], limits: Interval) -> list[Interval]:
    """Return the union of intervals, clipped to the limits, as disjoint intervals by start."""
    merged: list[tuple[int, int]] = []
    begin: int | None = None
    covered_until = 0
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if begin is None or start > covered_until:
            if begin is not None:
                merged.append((begin, covered_until))
            begin, covered_until = start, end
        elif end > covered_until:
            covered_until = end
    if begin is not None:
        merged.append((begin, covered_until))
    # Clipped last, since there are far fewer than before.
    first, last = limits
    if first >= last:
        return []
    return [
        Interval(max(start, first), min(end, last)) for start, end in merged if start < last and end > first
    ]


def measure_outside(intervals: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> int:
    """Return the length of the union of intervals that lies outside all of the others."""
    return measure_union_length([*intervals, *others]) - measure_union_length(others)


def find_gaps(merged: Iterable[Interval], limits: Interval) -> Iterator[Interval]:
    """Yield the gaps that disjoint intervals leave within the limits."""
    at = limits.start
    for start, end in merged:
        if start > at:
            yield Interval(at, start)
        at = end
    if limits.end > at:
        yield Interval(at, limits.end)


def subtract_intervals(interval: Interval, others: Sequence[Interval]) -> tuple[Interval, ...]:
    """Return the parts of an interval that none of the others covers, by start.

    Example: [0, 100) without [10, 70) is [0, 10) and [70, 100).
    """
    if not others:
        return (interval,) if interval.start < interval.end else ()
    return tuple(find_gaps(merge_intervals(others, interval), interval))


def split_union_into_shares(intervals: Sequence[Interval]) -> list[float]:
    """Split the union among the intervals: each instant is divided equally among the intervals covering it.

    Returns a length in nanoseconds per interval, in their order; the lengths sum to ``measure_union_length``.

    Example: [0, 10) and [4, 10) get 4 + 6/2 = 7 and 6/2 = 3.
    """
    steps: dict[int, int] = {}
    for start, end in intervals:
        if end > start:
            steps[start] = steps.get(start, 0) + 1
            steps[end] = steps.get(end, 0) - 1
    # The share, up to each edge, of an interval that covers everything. The growth of this sum from an
    # interval's start to its end is the interval's share.
    full_share = 0.0
    full_share_at: dict[int, float] = {}
    running, last_edge = 0, 0
    for edge in sorted(steps):
        if running:
            full_share += (edge - last_edge) / running
        full_share_at[edge] = full_share
        running, last_edge = running + steps[edge], edge
    return [full_share_at[end] - full_share_at[start] if end > start else 0.0 for start, end in intervals]


def pack_lanes(intervals: Sequence[Interval]) -> list[list[int]]:
    """Pack the intervals by start into as few lanes as possible; return the places of each lane's intervals.

    The number of lanes is ``count_peak_overlap``: an interval takes the lane that has been free longest.
    Empty intervals are in no lane.

    Example: [0, 10), [5, 15) and [10, 20) need two lanes, with the intervals 0 and 2, and 1.
    """
    free_from: list[tuple[int, int]] = []
    lanes: list[list[int]] = []
    for place in sorted(range(len(intervals)), key=intervals.__getitem__):
        start, end = intervals[place]
        if end <= start:
            continue
        if free_from and free_from[0][0] <= start:
            lane = free_from[0][1]
            heapreplace(free_from, (end, lane))
            lanes[lane].append(place)
        else:
            heappush(free_from, (end, len(lanes)))
            lanes.append([place])
    return lanes
