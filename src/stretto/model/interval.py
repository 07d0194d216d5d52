"""Half-open stretches of time [start, end), in nanoseconds: the arithmetic under every figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def union_length(intervals: Iterable[Interval]) -> int:
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


def width(intervals: Iterable[Interval]) -> int:
    """Return the most intervals that share one instant."""
    edges: list[tuple[int, int]] = []
    for start, end in intervals:
        if end > start:
            # An end sorts before a start at the same instant: half-open stretches that touch never count twice.
            edges += [(start, 1), (end, -1)]
    most = now = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


def shares(intervals: Sequence[Interval]) -> list[float]:
    """Split the union among the intervals: each instant is shared equally by those that hold it.

    Returns one length in nanoseconds per interval, in the given order; they sum to ``union_length``.
    """
    edges = sorted({edge for interval in intervals if interval.length for edge in interval})
    split = [0.0] * len(intervals)
    for start, end in zip(edges, edges[1:], strict=False):
        holders = [i for i, held in enumerate(intervals) if held.start <= start and end <= held.end]
        for i in holders:
            split[i] += (end - start) / len(holders)
    return split


def lanes(intervals: Sequence[Interval]) -> list[int]:
    """Pack the intervals, by start, into as few lanes as fit, and return each lane's busy nanoseconds.

    There are as many lanes as ``width``: taking the lane that has been free longest never opens one too many.
    """
    free_from: list[int] = []
    busy: list[int] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        lane = min(range(len(free_from)), key=free_from.__getitem__, default=None)
        if lane is None or free_from[lane] > start:
            free_from.append(end)
            busy.append(end - start)
        else:
            free_from[lane] = end
            busy[lane] += end - start
    return busy
