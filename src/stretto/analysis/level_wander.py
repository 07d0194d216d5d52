"""Measure how far a series wanders by itself, from how its comparisons came out on earlier days.

A level that drifts for weeks makes comparisons of neighbouring weeks look like changes, and six weeks of days
do not show it: they drift along. But the same comparisons on the days before do. With nothing changed their
squares are 1 on average. Where they are 1.8, errors are 1.34 times as large as the days of a baseline say. It
is an empirical null (Efron 2004), from the series' own past, drawn towards that of all series.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from stretto.analysis.series_of_run_values import Floats

GAP = 14
"""Days before a check that say nothing about it: a change of the last two weeks must not hide itself."""

LARGEST_SQUARE = 9.0
"""A comparison counts up to three standard errors: a real change of the past is no wander."""

CAPPED_MEAN = 0.975
"""Mean of such capped squares of normal deviates."""

PRIOR_COMPARISONS = 5.0
"""Weight of "it does not wander", in independent comparisons."""

PRIOR_SERIES = 5.0
PRIOR_SPREAD = 0.02
"""Variance of the mean squares between series that is assumed before any data, and its weight in series."""

SMALLEST_P = 1e-9


def compute_error_inflation(falls: Floats, window: int) -> Floats:
    """Return by what factor the errors of a comparison are too small, at least 1, by series and day.

    ``falls`` are the p values for a fall when the last ``window`` clusters are compared with those before, or
    NaN. Neighbouring days share most of their clusters: ``window`` of them count as one.
    """
    known = ~np.isnan(falls)
    deviates = special.ndtri(np.clip(np.where(known, falls, 0.5), SMALLEST_P, 1 - SMALLEST_P))
    squares = np.where(known, np.minimum(deviates**2, LARGEST_SQUARE) / CAPPED_MEAN, 0.0)
    sums, counts = (_add_up_past(each) for each in (squares, known.astype(np.float64)))
    has_past = counts > 0
    means = np.where(has_past, sums / np.maximum(counts, 1.0), 1.0)
    independent = counts / window
    pooled = ((means * independent).sum(axis=0) + PRIOR_COMPARISONS) / (
        independent.sum(axis=0) + PRIOR_COMPARISONS
    )
    # The mean of n squares of normal deviates scatters by 2 / n.
    noise = 2 * pooled**2 / np.where(has_past, independent, 1.0)
    apart = np.where(has_past, (means - pooled) ** 2 - noise, 0.0).sum(axis=0)
    spread = np.maximum(0.0, apart + PRIOR_SERIES * PRIOR_SPREAD) / (has_past.sum(axis=0) + PRIOR_SERIES)
    kept = np.where(has_past, spread / (spread + noise), 0.0)
    return np.asarray(np.sqrt(np.maximum(1.0, pooled + kept * (means - pooled))), dtype=np.float64)


def _add_up_past(values: Floats) -> Floats:
    """Return for each day the sum over the days before the gap."""
    sums = np.zeros_like(values)
    sums[:, GAP:] = np.cumsum(values, axis=1)[:, : max(0, values.shape[1] - GAP)]
    return sums
