"""Check every series on every day: how likely the last days are by chance, many series at once.

Neighbouring days of a series resemble each other, more or less. How much is hard to see in six weeks of a
single series, so that the series checked together are pooled: each keeps as much of its own estimate as they
differ among each other beyond chance. A level that drifts for weeks shows only in how the same comparisons
came out before; so each check has a second p value, by the wander of its series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stretto.analysis.level_wander import compute_error_inflation
from stretto.analysis.recent_days_rank_tests import (
    LAGS,
    LONGEST_BASELINE,
    WINDOW_WEIGHTS,
    WINDOWS,
    RankTable,
    WindowChecks,
    combine_dependent_p_values,
    compare_windows,
    compute_one_sided_p_values,
    compute_variance_factors,
    estimate_autocorrelation,
)
from stretto.analysis.series_of_run_values import Floats
from stretto.analysis.skewness_correction import estimate_baseline_skewness, pool_skewness, straighten_t
from stretto.analysis.values_by_local_day import Clusters

PRIOR_SERIES = 5
"""Weight of ``PRIOR_CORRELATION``, in series, when autocorrelations are pooled."""

PRIOR_CORRELATION = 0.05
"""Autocorrelation of neighbouring days that is assumed before any data."""

PRIOR_SPREAD = 0.01
"""Variance of the autocorrelation between series that is assumed before any data."""

FEWEST_DEGREES = 5.0

WEEK = 7
"""The recent part whose error says how much could be seen within a week."""

TABLES = 2
"""Tables of ranks of a series: of the values, and of the values capped at the early median."""


@dataclass(frozen=True, slots=True)
class CheckedSeries:
    """A series made ready for its checks."""

    values: Floats
    clusters: Clusters
    tables: tuple[RankTable, RankTable]
    """Ranks of the values, and of the values capped at their early median."""


@dataclass(frozen=True, slots=True)
class CheckTable:
    """P values by series (rows) and day (columns); NaN if a series had no check on a day."""

    rise: Floats
    fall: Floats
    rise_beyond_wander: Floats
    """The same, with errors as large as the series' comparisons were off on earlier days."""
    fall_beyond_wander: Floats
    wander: Floats
    """Factor by which errors over the longest window are too small, at least 1."""
    week_error: Floats
    """Standard error of P(value of the last week > earlier one) by day, with the wander; NaN if unknown."""
    widest: Floats
    """The recent part (in clusters) with the smallest p value for a rise or a fall."""


def prepare_checks(values: Floats, clusters: Clusters) -> CheckedSeries:
    """Return a series with its tables of ranks.

    Lengths have slow spells of their own, such as retries. The faster half of the runs does not see them, and
    shows a change of all runs more clearly. Its limit is fixed early, so that later runs do not move it.
    """
    used = values[: clusters.bounds[-1]]
    early = used[: clusters.bounds[min(len(clusters), LONGEST_BASELINE)]]
    capped = np.minimum(used, np.median(early)) if len(early) else used
    return CheckedSeries(used, clusters, (RankTable(used, clusters), RankTable(capped, clusters)))


def check_all_days(
    series: Sequence[CheckedSeries], days: int, windows: Sequence[int] = WINDOWS
) -> CheckTable:
    """Return the p values of all checks of some series over the same ``days``."""
    tests = [(table, window) for table in range(TABLES) for window in windows]
    shape = (len(tests), len(series), days)
    p_values = {name: np.full(shape, np.nan) for name in ("rise", "fall", "rise_beyond", "fall_beyond")}
    longest = np.ones(shape[1:])
    week_error = np.full(shape[1:], np.nan)
    for number, (table, window) in enumerate(tests):
        t, freedom, errors = _compute_t(series, table, window, days)
        p_values["rise"][number] = compute_one_sided_p_values(t, freedom)
        p_values["fall"][number] = compute_one_sided_p_values(-t, freedom)
        wander = compute_error_inflation(p_values["fall"][number], window)
        p_values["rise_beyond"][number] = compute_one_sided_p_values(t / wander, freedom)
        p_values["fall_beyond"][number] = compute_one_sided_p_values(-t / wander, freedom)
        if window == max(windows) and table == 0:
            longest = wander
        if window == WEEK and table == 0:
            week_error = draw_errors_together(errors * wander, freedom)
    smaller = np.minimum(p_values["rise"], p_values["fall"])
    smallest = np.argmin(np.where(np.isnan(smaller), 2.0, smaller), axis=0)
    weights = np.array([WINDOW_WEIGHTS[WINDOWS.index(window)] for _, window in tests])
    combined = {name: _combine_tests(each, weights) for name, each in p_values.items()}
    return CheckTable(
        combined["rise"],
        combined["fall"],
        combined["rise_beyond"],
        combined["fall_beyond"],
        longest,
        week_error,
        np.array([window for _, window in tests], dtype=np.float64)[smallest],
    )


def _compute_t(
    series: Sequence[CheckedSeries], table: int, window: int, days: int
) -> tuple[Floats, Floats, Floats]:
    """Return (t statistic of a rise, its degrees of freedom, its standard error) by series and day.

    The error is that of P(recent value > earlier one). All are NaN without a check.
    """
    checks = [compare_windows(each.tables[table], len(each.clusters), window) for each in series]
    correlation = _pool_autocorrelation(series, checks, days)
    skewness = _pool_skewness(series, checks, days)
    t, freedom, errors = np.full((3, len(series), days), np.nan)
    for row, (each, one_series) in enumerate(zip(checks, series, strict=True)):
        if len(each.checks) == 0:
            continue
        columns = one_series.clusters.last_days[each.checks]
        difference, baseline = compute_variance_factors(
            correlation[row, columns], window, each.baseline_sizes
        )
        inflation = baseline * each.baseline_sizes
        spread = (each.deviations**2).sum(axis=1) / np.maximum(0.5, each.baseline_sizes - inflation)
        error = np.sqrt(np.maximum(spread * difference, 1e-12))
        t[row, columns] = straighten_t(
            each.differences / error, skewness[row, columns], difference - baseline, baseline
        )
        bounds = one_series.clusters.bounds
        errors[row, columns] = error / (
            bounds[each.checks + 1] - bounds[each.checks + 1 - window - each.baseline_sizes]
        )
        freedom[row, columns] = np.maximum(FEWEST_DEGREES, each.baseline_sizes / inflation - 1)
    return t, freedom, errors


def draw_errors_together(errors: Floats, freedom: Floats) -> Floats:
    """Return errors by series and day, each drawn towards the day's mean as far as they differ by chance.

    The logarithm of an error of n degrees of freedom scatters by 1 / 2n. A series whose error came out small
    by luck is the one that seems to have changed.
    """
    known = ~np.isnan(errors)
    counts = np.maximum(1, known.sum(axis=0))
    logs = np.log(np.where(known, errors, 1.0))
    means = logs.sum(axis=0) / counts
    noise = np.where(known, 1 / (2 * freedom), 0.0).sum(axis=0) / counts
    spread = np.maximum(0.0, np.where(known, (logs - means) ** 2, 0.0).sum(axis=0) / counts - noise)
    kept = spread / np.maximum(spread + noise, 1e-12)
    return np.where(known, np.exp(means + kept * (logs - means)), np.nan)


def _combine_tests(p_values: Floats, weights: Floats) -> Floats:
    """Return the combined p values of the tests that were possible on each day: longer windows come later."""
    known = ~np.isnan(p_values)
    combined = np.full(p_values.shape[1:], np.nan)
    for count in np.unique(known.sum(axis=0)):
        ready = known.sum(axis=0) == count
        if count:
            chosen = known[:, ready][:, 0]
            combined[ready] = combine_dependent_p_values(p_values[chosen][:, ready], weights[chosen])
    return combined


def _pool_skewness(series: Sequence[CheckedSeries], checks: Sequence[WindowChecks], days: int) -> Floats:
    """Return the skewness of days by series and day, each drawn towards the mean over the series."""
    estimates, sizes = np.full((2, len(series), days), np.nan)
    for row, (one_series, each) in enumerate(zip(series, checks, strict=True)):
        columns = one_series.clusters.last_days[each.checks]
        estimates[row, columns] = estimate_baseline_skewness(each)
        sizes[row, columns] = each.baseline_sizes
    return pool_skewness(estimates, sizes)


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
