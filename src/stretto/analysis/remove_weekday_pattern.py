"""Align weekdays: take a clear weekly pattern out of a series before its days are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stretto.analysis.series_of_run_values import Floats
from stretto.analysis.values_by_local_day import Clusters, LocalDays

FEWEST_WEEKS = 4
"""Fewest weeks with every weekday: below them a pattern is a guess."""

CLEAR = 0.01
"""Largest p value of a pattern that is taken out."""

WEEK = 7


def measure_weekdays(
    residuals: Floats, weekdays: NDArray[np.intp], fewest: int = FEWEST_WEEKS
) -> tuple[Floats, float] | None:
    """Return (offset by weekday, p value) of daily values, or None below ``fewest`` values of each.

    The test is Kruskal and Wallis' on days, never on runs: runs of a day are not independent.
    """
    groups = [np.flatnonzero(weekdays == weekday) for weekday in range(WEEK)]
    if min(len(group) for group in groups) < fewest or np.ptp(residuals) == 0:
        return None
    p = float(stats.kruskal(*(residuals[group] for group in groups)).pvalue)
    offsets = np.array([np.median(residuals[group]) for group in groups])
    return offsets - offsets.mean(), p


def subtract_median_of_week_around(means: Floats) -> Floats:
    """Return daily values less the median of the seven days around each: a change of level is no pattern."""
    padded = np.pad(means, WEEK // 2, mode="edge")
    return np.asarray(means - np.median(np.lib.stride_tricks.sliding_window_view(padded, WEEK), axis=1))


def subtract_line(means: Floats) -> Floats:
    """Return daily values less the straight line through them."""
    centred = np.arange(len(means)) - (len(means) - 1) / 2
    return np.asarray(means - means.mean() - centred * (centred @ means) / max(1.0, float(centred @ centred)))


def remove_weekday_pattern(values: Floats, clusters: Clusters, days: LocalDays) -> Floats:
    """Return the values without the offset of their weekday, if the pattern is clear; else as they are.

    Only clusters of a single day count: merged days have no weekday.
    """
    single = clusters.first_days == clusters.last_days
    if single.sum() < FEWEST_WEEKS * WEEK:
        return values
    weekdays = np.array([days.dates[day].weekday() for day in clusters.last_days])
    means = clusters.average_by_cluster(values)
    measured = measure_weekdays(subtract_median_of_week_around(means[single]), weekdays[single])
    if measured is None or measured[1] > CLEAR:
        return values
    offsets = np.where(single, measured[0][weekdays], 0.0)
    aligned = values.copy()
    aligned[: clusters.bounds[-1]] -= np.repeat(offsets, clusters.sizes)
    return aligned
