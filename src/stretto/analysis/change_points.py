"""Date changes of level: split a series of daily values into segments of constant mean.

Optimal partitioning with squared error (Jackson et al. 2005) finds the exact minimum of error + penalty per
segment. The penalty is a multiple of variance × log n (Yao 1988). The variance comes in two stages: first the
total one, which is safe and finds the large changes, then the one around the segments that were found, times
the inflation by autocorrelation, so that days that resemble their neighbours are not taken for a level.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from stretto.analysis.series_of_run_values import Floats

PENALTY = 3.0
"""Multiple of variance × log n that a further segment must gain."""

SHORTEST = 2
"""Fewest days of a segment."""

LEAST_STEP = math.log(1.10)
"""Smallest difference of the medians of neighbouring segments of logarithms: ten percent."""

_TINY = 1e-12


def find_change_points(
    values: Floats, *, penalty: float = PENALTY, least_step: float = LEAST_STEP, shortest: int = SHORTEST
) -> list[int]:
    """Return the first index of each segment but the first, ascending.

    Example: twenty values around 0 and then twenty around 1 have the change point 20.
    """
    count = len(values)
    if count < 2 * shortest:
        return []
    variance = float(np.var(values, ddof=1))
    points: list[int] = []
    for _ in range(3):
        if variance <= _TINY:
            break
        points = partition_values(values, penalty * variance * math.log(count), shortest)
        residuals = values - _fill_segments(values, points)
        variance = float(np.sum(residuals**2)) / max(1, count - len(points) - 1)
        variance *= compute_variance_inflation(residuals)
    return drop_small_steps(values, points, least_step)


def partition_values(values: Floats, penalty: float, shortest: int = 1) -> list[int]:
    """Return the change points that minimise squared error + ``penalty`` per segment, exactly."""
    count = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(values**2)])
    best = np.full(count + 1, np.inf)
    best[0] = -penalty
    previous = np.zeros(count + 1, dtype=np.intp)
    for end in range(shortest, count + 1):
        begin = np.arange(end - shortest + 1)
        error = squares[end] - squares[begin] - (sums[end] - sums[begin]) ** 2 / (end - begin)
        total = best[begin] + error + penalty
        chosen = int(np.argmin(total))
        best[end], previous[end] = total[chosen], chosen
    points = []
    end = int(previous[count])
    while end > 0:
        points.append(end)
        end = int(previous[end])
    return points[::-1]


def compute_variance_inflation(residuals: Floats) -> float:
    """Return by which factor autocorrelation raises the variance of a mean, at least 1.

    Autocovariances are summed in pairs while the pairs are positive (Geyer 1992), over lags that the length
    of the series can support.
    """
    count = len(residuals)
    square_sum = float(np.sum(residuals**2))
    if count < 4 or square_sum <= _TINY:  # noqa: PLR2004  # two pairs of lags
        return 1.0
    total = 0.0
    for lag in range(1, count // 2, 2):
        pair = sum(
            float(np.dot(residuals[step:], residuals[: count - step])) / square_sum for step in (lag, lag + 1)
        )
        if pair <= 0:
            break
        total += pair
    return max(1.0, 1.0 + 2.0 * total)


def drop_small_steps(values: Floats, points: list[int], least_step: float) -> list[int]:
    """Return the change points whose neighbouring segments have medians at least ``least_step`` apart.

    The smallest step goes first: a slow rise in many small steps may leave a single large one.
    """
    kept = list(points)
    while kept:
        edges = [0, *kept, len(values)]
        medians = [float(np.median(values[left:right])) for left, right in itertools.pairwise(edges)]
        steps = np.abs(np.diff(medians))
        smallest = int(np.argmin(steps))
        if steps[smallest] >= least_step:
            break
        del kept[smallest]
    return kept


def _fill_segments(values: Floats, points: list[int]) -> NDArray[np.float64]:
    """Return the mean of its segment for each value."""
    edges = [0, *points, len(values)]
    sizes = np.diff(edges)
    means = np.add.reduceat(values, edges[:-1]) / sizes
    return np.repeat(means, sizes)
