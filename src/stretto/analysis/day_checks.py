"""Check every series on every day: how likely the last days are by chance, many series at once.

Neighbouring days of a series resemble each other, more or less. How much is hard to see in six weeks of a
single series, so that the series checked together are pooled: each keeps as much of its own estimate as they
differ among each other beyond chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stretto.analysis.day_clusters import Clusters
from stretto.analysis.rank_tests import (
    LAGS,
    WINDOW_WEIGHTS,
    WINDOWS,
    RankTable,
    WindowChecks,
    combine_p_values,
    compare_windows,
    compute_error_factors,
    compute_t_p_values,
    estimate_autocorrelation,
)
from stretto.analysis.series import Floats

PRIOR_SERIES = 5
"""Weight of ``PRIOR_CORRELATION``, in series, when autocorrelations are pooled."""

PRIOR_CORRELATION = 0.05
"""Autocorrelation of neighbouring days that is assumed before any data."""

PRIOR_SPREAD = 0.01
"""Variance of the autocorrelation between series that is assumed before any data."""

FEWEST_DEGREES = 5.0


@dataclass(frozen=True, slots=True)
class CheckedSeries:
    """A series made ready for its checks."""

    values: Floats
    clusters: Clusters
    table: RankTable


@dataclass(frozen=True, slots=True)
class CheckTable:
    """P values by series (rows) and day (columns); NaN if a series had no check on a day."""

    rise: Floats
    fall: Floats
    widest: Floats
    """The recent part (in clusters) with the smallest p value for a rise or a fall."""
    error_shares: Floats
    """Standard error of the difference of the longest recent part, as a share of the ranks."""


def prepare_checks(values: Floats, clusters: Clusters) -> CheckedSeries:
    """Return a series with its table of ranks."""
    used = values[: clusters.bounds[-1]]
    return CheckedSeries(used, clusters, RankTable(used, clusters))


def check_all_days(
    series: Sequence[CheckedSeries], days: int, windows: Sequence[int] = WINDOWS
) -> CheckTable:
    """Return the p values of all checks of some series over the same ``days``."""
    shape = (len(windows), len(series), days)
    rises, falls = np.full(shape, np.nan), np.full(shape, np.nan)
    errors = np.full(shape[1:], np.nan)
    for number, window in enumerate(windows):
        checks = [compare_windows(each.table, len(each.clusters), window) for each in series]
        correlation = _pool_autocorrelation(series, checks, days)
        for row, (each, one_series) in enumerate(zip(checks, series, strict=True)):
            if len(each.checks) == 0:
                continue
            columns = one_series.clusters.last_days[each.checks]
            difference, baseline = compute_error_factors(
                correlation[row, columns], window, each.baseline_sizes
            )
            inflation = baseline * each.baseline_sizes
            spread = (each.deviations**2).sum(axis=1) / np.maximum(0.5, each.baseline_sizes - inflation)
            error = np.sqrt(np.maximum(spread * difference, 1e-12))
            freedom = np.maximum(FEWEST_DEGREES, each.baseline_sizes / inflation - 1)
            rises[number, row, columns] = compute_t_p_values(each.differences / error, freedom)
            falls[number, row, columns] = compute_t_p_values(-each.differences / error, freedom)
            errors[row, columns] = error / each.pool_sizes
    return CheckTable(
        _combine_windows(rises),
        _combine_windows(falls),
        np.asarray(windows, dtype=np.float64)[
            np.argmin(np.where(np.isnan(rises), 2.0, np.minimum(rises, falls)), axis=0)
        ],
        errors,
    )


def _combine_windows(p_values: Floats) -> Floats:
    """Return the combined p values of the windows that were possible on each day."""
    combined = np.full(p_values.shape[1:], np.nan)
    for count in range(1, len(p_values) + 1):
        # Longer windows become possible later: on a day, the possible ones are the first ``count``.
        ready = (~np.isnan(p_values)).sum(axis=0) == count
        combined[ready] = combine_p_values(p_values[:count, ready], np.array(WINDOW_WEIGHTS[:count]))
    return combined


def _pool_autocorrelation(
    series: Sequence[CheckedSeries], checks: Sequence[WindowChecks], days: int
) -> Floats:
    """Return the autocorrelation by series, day and lag, each drawn towards the mean over the series."""
    estimates = np.full((len(series), days, LAGS), np.nan)
    sizes = np.full((len(series), days), np.nan)
    for row, (one_series, each) in enumerate(zip(series, checks, strict=True)):
        columns = one_series.clusters.last_days[each.checks]
        estimates[row, columns] = estimate_autocorrelation(each)
        sizes[row, columns] = each.baseline_sizes
    known = ~np.isnan(sizes)
    counts = known.sum(axis=0)
    prior = PRIOR_CORRELATION ** np.arange(1, LAGS + 1)
    pooled = (np.nansum(estimates, axis=0) + PRIOR_SERIES * prior) / (counts[:, None] + PRIOR_SERIES)
    noise = 1 / np.where(known, sizes, 1.0)
    apart = np.where(known, (estimates[:, :, 0] - pooled[:, 0]) ** 2 - noise, 0.0).sum(axis=0)
    spread = np.maximum(0.0, apart + PRIOR_SERIES * PRIOR_SPREAD) / (counts + PRIOR_SERIES)
    kept = (spread / (spread + noise))[:, :, None]
    drawn = pooled + kept * (np.nan_to_num(estimates) - pooled)
    return np.asarray(np.clip(drawn, 0.0, 0.95), dtype=np.float64)
