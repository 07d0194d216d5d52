"""Correct comparisons of days that scatter lopsidedly: most days fast and some slow, or the reverse.

Student's t takes a few slow days in a row for a change too easily where single slow days occur anyway. The
mean of a week leans to that side, and a baseline that had few of them seems steadier than it is. Both follow
from the skewness of the days, by the first terms of Edgeworth's series (Johnson 1978, Hall 1992). Six weeks
of a single series hardly show it: it is drawn towards the mean over the series that are checked together.
"""

from __future__ import annotations

import numpy as np

from stretto.analysis.recent_days_rank_tests import WindowChecks
from stretto.analysis.series_of_run_values import Floats

PRIOR_SERIES = 5.0
"""Weight of "days scatter evenly", in series, when skewness is pooled."""

PRIOR_SPREAD = 0.02
"""Variance of the skewness between series that is assumed before any data."""

NOISE = 6.0
"""The skewness of n values scatters by this much / n."""

LEAST_SKEWNESS = 1e-3
"""Below it a correction changes nothing."""


def estimate_baseline_skewness(checks: WindowChecks) -> Floats:
    """Return the skewness of the baseline's days per check."""
    deviations, sizes = checks.deviations, checks.baseline_sizes.astype(np.float64)
    squares = deviations * deviations
    variance = np.maximum(squares.sum(axis=1) / sizes, 1e-12)
    unbiased = np.sqrt(sizes * (sizes - 1)) / (sizes - 2)
    cubes = np.einsum("ij,ij->i", squares, deviations)
    return np.asarray(unbiased * cubes / sizes / variance**1.5, dtype=np.float64)


def pool_skewness(estimates: Floats, sizes: Floats) -> Floats:
    """Return the skewness by series and day, each drawn towards the day's mean over the series.

    ``sizes`` are the clusters that each estimate is from; both are NaN without a check.
    """
    known = ~np.isnan(sizes)
    counts = known.sum(axis=0)
    pooled = np.nansum(estimates, axis=0) / (counts + PRIOR_SERIES)
    noise = NOISE / np.where(known, sizes, 1.0)
    apart = np.where(known, (estimates - pooled) ** 2 - noise, 0.0).sum(axis=0)
    spread = np.maximum(0.0, apart + PRIOR_SERIES * PRIOR_SPREAD) / (counts + PRIOR_SERIES)
    kept = spread / (spread + noise)
    return np.asarray(pooled + kept * (np.nan_to_num(estimates) - pooled), dtype=np.float64)


def straighten_t(t: Floats, skewness: Floats, recent: Floats, baseline: Floats) -> Floats:
    """Return t statistics as they would be if days scattered evenly.

    ``recent`` and ``baseline`` are the variances of both means as multiples of a day's. The mean and the
    third cumulant of t are taken out by Wilson and Hilferty's cube root (1931), which keeps the order.
    """
    error = np.sqrt(recent + baseline)
    # The baseline has part in the difference and alone in the error, so that both come out small together.
    shift = skewness * baseline / (2 * error)
    cumulant = skewness * ((recent**2 - baseline**2) / error**3 + 3 * baseline / error)
    used = np.where(np.abs(cumulant) < LEAST_SKEWNESS, LEAST_SKEWNESS, cumulant)
    straight = 6 / used * (np.cbrt(np.maximum(0.0, 1 + used * (t - shift) / 2)) - 1) + used / 6
    return np.asarray(straight, dtype=np.float64)
