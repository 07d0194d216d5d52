"""Half-open stretches of time [start, end), in nanoseconds: the arithmetic under every figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappush, heapreplace
from typing import NamedTuple


class Interval(NamedTuple):
    """The stretch [start, end); empty where end ≤ start."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Nanoseconds in the stretch, never negative."""
        return max(0, self.end - self.start)

    def overlaps(self, other: Interval) -> bool:
        """Tell whether the two share an instant; touching is not sharing."""
        return self.start < other.end and other.start < self.end and self.length > 0 and other.length > 0


def measure_union(intervals: Iterable[Interval]) -> int:
    """Return the nanoseconds covered by at least one of the intervals."""
    total = 0
    reach: int | None = None
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if reach is None or start > reach:
            total += end - start
            reach = end
        elif end > reach:
            total += end - reach
            reach = end
    return total


def measure_width(intervals: Iterable[Interval]) -> int:
    """Return the most intervals that share one instant."""
    edges: list[tuple[int, int]] = []
    for start, end in intervals:
        if end > start:
            # An end sorts before a start at the same instant: stretches that touch never count twice.
            edges += [(start, 1), (end, -1)]
    most = now = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


def split_shares(intervals: Sequence[Interval]) -> list[float]:
    """Split the union among the intervals: each instant is shared equally by those that hold it.

    Returns one length in nanoseconds per interval, in the given order; they sum to ``union_length``.
    """
    steps: dict[int, int] = {}
    for start, end in intervals:
        if end > start:
            steps[start] = steps.get(start, 0) + 1
            steps[end] = steps.get(end, 0) - 1
    # What whoever runs throughout has got so far; an interval's share is what this grows by while it runs.
    got = 0.0
    got_until: dict[int, float] = {}
    holders, last = 0, 0
    for edge in sorted(steps):
        if holders:
            got += (edge - last) / holders
        got_until[edge] = got
        holders, last = holders + steps[edge], edge
    return [got_until[end] - got_until[start] if end > start else 0.0 for start, end in intervals]


def pack_lanes(intervals: Sequence[Interval]) -> list[int]:
    """Pack the intervals, by start, into as few lanes as fit, and return each lane's busy nanoseconds.

    There are as many lanes as ``width``: taking the lane that has been free longest never opens one too many.
    """
    free_from: list[tuple[int, int]] = []
    busy: list[int] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if free_from and free_from[0][0] <= start:
            lane = free_from[0][1]
            heapreplace(free_from, (end, lane))
            busy[lane] += end - start
        else:
            heappush(free_from, (end, len(busy)))
            busy.append(end - start)
    return busy
