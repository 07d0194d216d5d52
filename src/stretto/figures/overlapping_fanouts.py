"""Count overlapping fan-outs of a session once: those that overlap in time share the elapsed time.

A fan-out inside a task of another one, or beside it, runs at the same time. Their sequential times add up,
their elapsed times do not: each instant is shared equally by the fan-outs running then. Overlapping fan-outs
are counted together, at the end of the last of them, so that a window has all of a group or nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stretto.figures.fanouts import Fanout
from stretto.model.interval import Interval, split_union_into_shares


class CountedFanout(NamedTuple):
    """A fan-out as it counts for the headline. Lengths in ns."""

    fanout: Fanout
    at: int
    """End of the group of overlapping fan-outs that it belongs to."""
    elapsed: int
    """Its share of the group's elapsed time."""


def count_fanouts_once(fanouts: Iterable[Fanout]) -> Iterator[CountedFanout]:
    """Yield the fan-outs of a session; over a group ``elapsed`` sums to the length of the union."""
    # Example: a fan-out at 0-60 s with another inside it at 10-50 s: 40 s and 20 s, both at 60 s.
    group: list[Fanout] = []
    group_end = 0
    for fanout in sorted(fanouts, key=lambda fanout: (fanout.start, fanout.end)):
        if group and fanout.start >= group_end:
            yield from _share_group(group, group_end)
            group, group_end = [], 0
        group.append(fanout)
        group_end = max(group_end, fanout.end)
    if group:
        yield from _share_group(group, group_end)


def _share_group(group: list[Fanout], at: int) -> Iterator[CountedFanout]:
    if len(group) == 1:
        yield CountedFanout(group[0], at, group[0].elapsed)
        return
    owners = [(number, busy) for number, fanout in enumerate(group) for busy in _find_busy(fanout)]
    elapsed = [0.0] * len(group)
    for (number, _), share in zip(owners, split_union_into_shares([busy for _, busy in owners]), strict=True):
        elapsed[number] += share
    for fanout, share in zip(group, elapsed, strict=True):
        yield CountedFanout(fanout, at, round(share))


def _find_busy(fanout: Fanout) -> list[Interval]:
    """Return when any task of the fan-out ran, as disjoint intervals."""
    merged: list[Interval] = []
    for start, end in sorted(piece for task in fanout.tasks for piece in task.busy):
        if merged and start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, end))
        else:
            merged.append(Interval(start, end))
    return merged
