"""Align weekdays: take a clear weekly pattern out of a series before its days are compared."""

from __future__ import annotations

import numpy as np
from scipy import stats

from stretto.analysis.day_clusters import Clusters, LocalDays
from stretto.analysis.series import Floats

FEWEST_WEEKS = 4
"""Fewest weeks with every weekday: below them a pattern is a guess."""

CLEAR = 0.01
"""Largest p value of a pattern that is taken out."""

WEEK = 7


def measure_weekdays(means: Floats, weekdays: Floats) -> tuple[Floats, float] | None:
    """Return (offset by weekday, p value) of daily values, or None below four values of each weekday.

    Each value is compared with the median of the seven days around it, so that a change of level is no
    pattern. The test is Kruskal and Wallis' on days, never on runs: runs of a day are not independent.
    """
    groups = [np.flatnonzero(weekdays == weekday) for weekday in range(WEEK)]
    if min(len(group) for group in groups) < FEWEST_WEEKS:
        return None
    padded = np.pad(means, WEEK // 2, mode="edge")
    residuals = means - np.median(np.lib.stride_tricks.sliding_window_view(padded, WEEK), axis=1)
    if np.ptp(residuals) == 0:
        return None
    p = float(stats.kruskal(*(residuals[group] for group in groups)).pvalue)
    offsets = np.array([np.median(residuals[group]) for group in groups])
    return offsets - offsets.mean(), p


def remove_weekday_pattern(values: Floats, clusters: Clusters, days: LocalDays) -> Floats:
    """Return the values without the offset of their weekday, if the pattern is clear; else as they are.

    Only clusters of a single day count: merged days have no weekday.
    """
    single = clusters.first_days == clusters.last_days
    if single.sum() < FEWEST_WEEKS * WEEK:
        return values
    weekdays = np.array([days.dates[day].weekday() for day in clusters.last_days])
    means = clusters.average_by_cluster(values)
    measured = measure_weekdays(means[single], weekdays[single])
    if measured is None or measured[1] > CLEAR:
        return values
    offsets = np.where(single, measured[0][weekdays], 0.0)
    aligned = values.copy()
    aligned[: clusters.bounds[-1]] -= np.repeat(offsets, clusters.sizes)
    return aligned
