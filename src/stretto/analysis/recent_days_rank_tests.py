"""Compare the last days of a series with the days before, by ranks averaged per day.

Runs of a day are no independent witnesses: they share a machine, a project and a person. So the unit is the
day (a cluster), and the scatter of the days before is how far a day may be off by chance. Ranks make the
test deaf to a few very long runs. All checks of a series are computed at once from one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stretto.analysis.series_of_run_values import Floats
from stretto.analysis.values_by_local_day import Clusters

WINDOWS = (1, 3, 7, 14)
"""Lengths of the recent part that are tried, in clusters."""

WINDOW_WEIGHTS = (1.0, 2.0, 4.0, 3.0)
"""Weight of each window when their p values are combined: most changes are seen within a week."""

LONGEST_BASELINE = 42
"""Most clusters before the recent part: six weeks, so that every weekday counts six times."""

SHORTEST_BASELINE = 12
"""Fewest clusters before the recent part: with fewer the scatter of days is a guess."""

LAGS = 1
"""Days over which the likeness of days is followed. More lags would take a slow drift for chance."""


class RankTable:
    """Mean ranks of the clusters of a series within any range of its clusters."""

    def __init__(self, values: Floats, clusters: Clusters) -> None:
        count = len(clusters)
        values = values[: clusters.bounds[-1]]
        labels = clusters.labels
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        # Row n counts, by cluster, the n smallest values.
        below = np.zeros((len(values) + 1, count))
        below[np.arange(1, len(values) + 1), labels[order]] = 1.0
        np.cumsum(below, axis=0, out=below)
        left = np.searchsorted(ordered, ordered, side="left")
        right = np.searchsorted(ordered, ordered, side="right")
        counts = np.empty((len(values), count))
        counts[order] = (below[left] + below[right]) / 2
        means = np.add.reduceat(counts, clusters.bounds[:-1], axis=0) / clusters.sizes[:, None]
        self._sums = np.zeros((count, count + 1))
        np.cumsum(means, axis=1, out=self._sums[:, 1:])

    def rank_clusters(self, rows: NDArray[np.intp], begin: NDArray[np.intp], end: NDArray[np.intp]) -> Floats:
        """Return the mean midrank (less 1/2) of clusters among the values of the clusters begin … end - 1."""
        return np.asarray(self._sums[rows, end] - self._sums[rows, begin], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class WindowChecks:
    """Every check of a series with one length of the recent part."""

    window: int
    checks: NDArray[np.intp]
    """Last cluster of the recent part of each check, ascending."""
    differences: Floats
    """Mean rank of the recent part less that of the baseline."""
    baseline_sizes: NDArray[np.intp]
    deviations: Floats
    """Ranks of the baseline's clusters less their mean, newest first; 0 beyond the baseline's size."""


def compare_windows(
    table: RankTable, count: int, window: int, longest_baseline: int = LONGEST_BASELINE
) -> WindowChecks:
    """Return all checks of a series of ``count`` clusters whose recent part has ``window`` clusters."""
    checks = np.arange(SHORTEST_BASELINE + window - 1, count)
    begin = np.maximum(0, checks - window + 1 - longest_baseline)
    rows = checks[:, None] - np.arange(longest_baseline + window)
    inside = rows >= begin[:, None]
    ranks = table.rank_clusters(np.maximum(rows, 0), begin[:, None], checks[:, None] + 1)
    in_baseline = inside[:, window:]
    sizes = in_baseline.sum(axis=1)
    centers = (ranks[:, window:] * in_baseline).sum(axis=1) / np.maximum(1, sizes)
    return WindowChecks(
        window,
        checks,
        ranks[:, :window].mean(axis=1) - centers,
        sizes,
        (ranks[:, window:] - centers[:, None]) * in_baseline,
    )


def estimate_autocorrelation(checks: WindowChecks) -> Floats:
    """Return the autocorrelation of the baseline's days at lags 1 … ``LAGS``, per check.

    A sample's autocorrelation is too low by about 1 / n, which is put back.
    """
    deviations = checks.deviations
    squares = np.maximum((deviations**2).sum(axis=1), 1e-300)
    lagged = [
        (deviations[:, lag:] * deviations[:, :-lag]).sum(axis=1) / squares for lag in range(1, LAGS + 1)
    ]
    return np.asarray(np.stack(lagged, axis=1) + 1 / checks.baseline_sizes[:, None], dtype=np.float64)


def compute_variance_factors(
    correlation: Floats, window: int, sizes: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Return (variance of the difference, variance of the baseline's mean) as multiples of a day's variance.

    With independent days these are 1 / window + 1 / size and 1 / size.
    """
    lags = np.arange(1, LAGS + 1)
    recent = (1 + 2 * (np.clip(1 - lags / window, 0, None) * correlation).sum(axis=1)) / window
    weights = np.clip(1 - lags / sizes[:, None], 0, None)
    baseline = (1 + 2 * (weights * correlation).sum(axis=1)) / sizes
    # Pairs of a recent day and a baseline day that are ``lag`` days apart.
    pairs = np.minimum(np.minimum(lags, window), sizes[:, None])
    covariance = (pairs * correlation).sum(axis=1) / (window * sizes)
    return recent + baseline - 2 * covariance, baseline


def combine_dependent_p_values(p_values: Floats, weights: Floats) -> Floats:
    """Return the p value of several dependent tests by the Cauchy combination (Liu and Xie 2020).

    ``p_values`` has a row per test. Tests that agree strengthen each other. A single small value counts as
    about as many times larger as its weight is a part of the sum.
    """
    clipped = np.clip(p_values, 1e-15, 1 - 1e-12)
    mean = weights @ np.tan((0.5 - clipped) * np.pi) / weights.sum()
    return np.asarray(0.5 - np.arctan(mean) / np.pi)


def select_discoveries(p_values: Floats, rate: float) -> float:
    """Return the largest p value that counts so that at most ``rate`` of the discoveries are false.

    The rule is Benjamini and Hochberg's (1995); 0 if none counts.
    """
    ordered = np.sort(p_values[~np.isnan(p_values)])
    passing = np.flatnonzero(ordered <= rate * np.arange(1, len(ordered) + 1) / max(1, len(ordered)))
    return float(ordered[passing[-1]]) if len(passing) else 0.0


def estimate_shift(before: Sequence[float] | Floats, after: Sequence[float] | Floats) -> float:
    """Return the Hodges–Lehmann shift: the median of all differences after - before."""
    return float(np.median(np.subtract.outer(np.asarray(after), np.asarray(before))))


def compute_one_sided_p_values(t: Floats, freedom: Floats) -> Floats:
    """Return the one-sided p values of t statistics."""
    return np.asarray(special.stdtr(freedom, -t))
