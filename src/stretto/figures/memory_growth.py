"""Judge whether a session's processes keep memory that they no longer need: growth without more agents.

More agents need more memory, so only minutes with the same number of running tasks are compared. The slope is
that of ordinary least squares with a level of its own for each number of tasks. Neighbouring minutes
resemble each other, so n values count as n · (1 - r) / (1 + r), with r the residuals' correlation from one
to the next (Bayley and Hammersley, Supplement to the JRSS 8, 1946). Beside a fitted line n residuals show
r too small by about (2 + 4 · r) / n, which is added. Memory that wanders without a drift still looks like
growth at times, so a leak is suspected only if each third of the time grows, too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import fmean

from stretto.clock import HOUR
from stretto.figures.confidence_intervals import compute_student_t
from stretto.model.entities import Sample, Task

FEWEST_COMPARED = 30
"""Fewest samples: half an hour of minutes."""

LEAK_PER_HOUR = 0.10
"""Share of the mean memory by which it grows in an hour if a leak is suspected."""

CLOSEST = 0.99
"""Largest correlation between neighbours that is reckoned with."""


PARTS = 3
"""Parts of the time, with as many samples each, that all have to grow if a leak is suspected."""

Point = tuple[float, float]
"""The time (hours) and the memory (bytes) of a sample."""


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """How a session's memory changed while as many tasks ran; None if unknown, with the reason."""

    samples: int
    """Samples in which the number of running tasks did not change."""
    bytes_per_hour: float | None = None
    low_bytes_per_hour: float | None = None
    """The limits of the 95 % interval."""
    high_bytes_per_hour: float | None = None
    ratio_per_hour: float | None = None
    """The growth as a share of the mean memory."""
    is_leak_suspected: bool | None = None
    """Whether the interval is above 0, and the growth and that of each part beyond ``LEAK_PER_HOUR``."""
    reason: str | None = None


def measure_memory_growth_at_constant_load(samples: Sequence[Sample], tasks: Sequence[Task]) -> MemoryGrowth:
    """Return the growth of a session's memory at a constant number of running tasks.

    Example: 60 minutes with 1.00 to 1.59 GB, 10 MB more each minute, and the same two tasks: 0.6 GB an hour,
    46 % of the mean, so a leak is suspected.
    """
    groups = _group_samples(samples, tasks)
    compared = sum(map(len, groups))
    if compared < FEWEST_COMPARED:
        return MemoryGrowth(
            compared,
            reason=f"{compared} samples with a constant number of tasks, {FEWEST_COMPARED} are needed",
        )
    points, spread = _centre(groups)
    if not spread:
        return MemoryGrowth(compared, reason="all samples are of one moment")
    slope = _fit_slope(points, spread)
    residuals = sorted((time, memory - slope * offset) for time, offset, memory in points)
    likeness = _correlate_neighbours([value for _, value in residuals])
    effective = compared * (1 - likeness) / (1 + likeness)
    freedom = effective - len(groups) - 1
    if freedom < 1:
        return MemoryGrowth(compared, reason="neighbouring samples are too alike to tell growth from chance")
    scatter = sum(value**2 for _, value in residuals) / compared
    reach = compute_student_t(freedom) * sqrt(scatter * compared / freedom / spread)
    mean = fmean(memory for group in groups for _, memory in group)
    ratio = slope / mean if mean else 0.0
    return MemoryGrowth(
        compared,
        slope,
        slope - reach,
        slope + reach,
        ratio,
        slope - reach > 0 and ratio > LEAK_PER_HOUR and _do_parts_grow(groups, LEAK_PER_HOUR * mean),
    )


def _centre(groups: Sequence[Sequence[Point]]) -> tuple[list[tuple[float, float, float]], float]:
    """Return (time, time and memory less their means in the group), and the sum of squares of the second."""
    points = []
    for group in groups:
        centre, level = (fmean(values) for values in zip(*group, strict=True))
        points += [(time, time - centre, memory - level) for time, memory in group]
    return points, sum(offset**2 for _, offset, _ in points)


def _fit_slope(points: Sequence[tuple[float, float, float]], spread: float) -> float:
    return sum(offset * memory for _, offset, memory in points) / spread


def _do_parts_grow(groups: Sequence[Sequence[Point]], least: float) -> bool:
    """Return whether memory grows by more than ``least`` (bytes an hour) in each part of the time."""
    times = sorted(time for group in groups for time, _ in group)
    edges = [times[len(times) * part // PARTS] for part in range(1, PARTS)]
    for part in range(PARTS):
        within = [[point for point in group if bisect_right(edges, point[0]) == part] for group in groups]
        points, spread = _centre([group for group in within if len(group) > 1])
        if not spread or _fit_slope(points, spread) <= least:
            return False
    return True


def _group_samples(samples: Sequence[Sample], tasks: Sequence[Task]) -> list[list[Point]]:
    """Return the samples by the number of tasks that ran throughout."""
    edges = sorted(
        edge
        for task in tasks
        if task.start is not None
        for edge in ((task.start, 1), *(((task.end, -1),) if task.end is not None else ()))
    )
    times = [time for time, _ in edges]
    counts = [0]
    for _, step in edges:
        counts.append(counts[-1] + step)
    groups: dict[int, list[Point]] = defaultdict(list)
    for sample in samples:
        if sample.memory is None:
            continue
        before, after = bisect_right(times, sample.start), bisect_left(times, sample.start + sample.duration)
        if before == after:
            groups[counts[before]].append((sample.start / HOUR, float(sample.memory)))
    # A number that was seen once has a level and no slope.
    return [group for _, group in sorted(groups.items()) if len(group) > 1]


def _correlate_neighbours(values: Sequence[float]) -> float:
    """Return the correlation of each residual of a line with the next, without its bias, at least 0."""
    total = sum(value**2 for value in values)
    if not total:
        return 0.0
    shared = sum(value * following for value, following in pairwise(values))
    likeness = shared / total
    return min(CLOSEST, max(0.0, likeness + (2 + 4 * likeness) / len(values)))
