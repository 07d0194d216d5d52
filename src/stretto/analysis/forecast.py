"""Forecast daily values: the next week or month as scenarios, with a range that is checked against the past.

From four weeks on the model is exponential smoothing with an additive weekly season (Hyndman et al. 2008),
with or without a damped trend, whichever has the smaller AICc. Below it is the same weekday of the last week,
with the errors that this rule made before. Needs the extra ``stretto[forecast]``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from stretto.analysis.series_of_run_values import Floats

WEEK = 7
FEWEST_PERIODS_FOR_MODEL = 4
"""Periods (weeks) from which on a model is fitted; below them the forecast repeats the last one."""

FEWEST_DAYS_FOR_FORECAST = 14
"""Days below which nothing is forecast: a week, and one to learn its errors from."""

DAYS_FOR_QUARTER = 90
"""Days that a forecast beyond a week should rest on."""

LONGEST_MEMORY = 365
SCENARIOS = (0.1, 0.5, 0.9)
"""Shares of paths that stay below the low, the middle and the high scenario."""

COVERS = (0.80, 0.95)
"""Levels of the ranges whose realised cover is measured."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Values of the coming days: a normal distribution for each, on the scale of the values."""

    means: Floats
    deviations: Floats
    model: str
    """The model that was used: ``ETS(A,N,A)``, ``ETS(A,Ad,A)``, ``same weekday`` …"""
    history: int
    """Days it rests on."""
    reason: str = ""
    """Why the range is wider than it could be, if so."""

    def compute_quantile(self, share: float) -> Floats:
        """Return the value that each day stays below with a probability."""
        return np.asarray(self.means + self.deviations * float(special.ndtri(share)))

    def compute_range(self, cover: float) -> tuple[Floats, Floats]:
        """Return the limits that hold each day with a probability."""
        return self.compute_quantile((1 - cover) / 2), self.compute_quantile((1 + cover) / 2)


def forecast_values(values: Sequence[float] | Floats, horizon: int, *, period: int = WEEK) -> Forecast | None:
    """Return the forecast of the next values; None if there are fewer than two periods of them.

    Gaps are filled by the value one period before. ``period`` 1 means that nothing repeats. A longer horizon
    leaves the first week as it is.
    """
    filled = fill_gaps(np.asarray(values, dtype=np.float64)[-LONGEST_MEMORY:], period)
    if len(filled) < max(2 * period, FEWEST_DAYS_FOR_FORECAST):
        return None
    if len(filled) < FEWEST_PERIODS_FOR_MODEL * period or np.ptp(filled) < 1e-12:  # noqa: PLR2004  # a constant
        return _repeat_period(filled, horizon, period)
    fitted = _fit_smoothing(filled, horizon, period)
    if fitted is None:
        return _repeat_period(filled, horizon, period)
    short = horizon > WEEK and len(filled) < DAYS_FOR_QUARTER
    if short:
        reason = f"{len(filled)} of {DAYS_FOR_QUARTER} days that a month's forecast should rest on"
        wider = math.sqrt(DAYS_FOR_QUARTER / len(filled))
        widened = fitted.deviations * np.where(np.arange(horizon) < WEEK, 1.0, wider)
        return Forecast(fitted.means, widened, fitted.model, fitted.history, reason)
    return fitted


def fill_gaps(values: Floats, period: int) -> Floats:
    """Return the values with each gap (NaN) filled by the value a period before, else by the mean."""
    filled = values.copy()
    known = filled[~np.isnan(filled)]
    if not len(known):
        return known
    for number in np.flatnonzero(np.isnan(filled)).tolist():
        before = filled[number - period] if number >= period else np.nan
        filled[number] = known.mean() if np.isnan(before) else before
    return filled


def _repeat_period(values: Floats, horizon: int, period: int) -> Forecast:
    """Return the last period again, as wide as the errors of this rule were in the past."""
    steps = np.arange(horizon)
    errors = values[period:] - values[:-period]
    spread = math.sqrt(float(np.mean(errors**2)) * (1 + period / max(1, len(errors))))
    means = values[-period:][steps % period]
    name = "same weekday" if period == WEEK else "last value" if period == 1 else "same time"
    return Forecast(means, spread * np.sqrt(1 + steps // period), name, len(values))


def _fit_smoothing(values: Floats, horizon: int, period: int) -> Forecast | None:
    """Return the forecast of the exponential smoothing with the smallest AICc, or None without a fit."""
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel  # noqa: PLC0415  # an extra, and slow

    season = {"seasonal": "add", "seasonal_periods": period} if period > 1 else {}
    fits = []
    for trend in ({}, {"trend": "add", "damped_trend": True}):
        with warnings.catch_warnings():
            # A fit that ends at its limits is as good as any other: the AICc decides.
            warnings.simplefilter("ignore")
            try:
                fit = ETSModel(values, error="add", **trend, **season).fit(disp=False, maxiter=200)
                means = np.asarray(fit.forecast(horizon), dtype=np.float64)
                weights = {name: float(getattr(fit, name, None) or 0.0) for name in _WEIGHTS}
                # Each fitted number takes a degree of freedom from the errors.
                freedom = max(1, len(values) - len(fit.params))
                spread = math.sqrt(float(fit.mse) * len(values) / freedom)
                deviations = spread * widen_by_horizon(horizon, period, **weights)
            except (ValueError, FloatingPointError, np.linalg.LinAlgError):
                continue
        if np.isfinite(means).all() and np.isfinite(deviations).all():
            name = f"ETS(A,{'Ad' if trend else 'N'},{'A' if season else 'N'})"
            fits.append((float(fit.aicc), Forecast(means, deviations, name, len(values))))
    return min(fits, key=lambda each: each[0])[1] if fits else None


_WEIGHTS = ("smoothing_level", "smoothing_trend", "smoothing_seasonal", "damping_trend")


def widen_by_horizon(
    horizon: int,
    period: int,
    *,
    smoothing_level: float,
    smoothing_trend: float = 0.0,
    smoothing_seasonal: float = 0.0,
    damping_trend: float = 0.0,
) -> Floats:
    """Return the deviation of each step ahead as a multiple of the first.

    Hyndman et al. 2008, table 6.1: 1 + the sum of c(j) squared over earlier steps, with c(j) = level +
    trend × (phi + … + phi^j) + season if j is a whole number of periods. Level .5 alone widens the
    seventh day to 1.58.
    """
    steps = np.arange(1, horizon)
    damped = np.cumsum(damping_trend**steps)
    seasonal = smoothing_seasonal * (steps % period == 0) if period > 1 else 0.0
    effects = smoothing_level + smoothing_trend * damped + seasonal
    return np.asarray(np.sqrt(1 + np.concatenate([[0.0], np.cumsum(effects**2)])), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class BackTest:
    """How forecasts of the past turned out."""

    horizon: int
    forecasts: int
    """Days that were forecast."""
    covers: tuple[float, ...]
    """Share of days within each range of ``COVERS``."""
    error: float
    """Median absolute error of the middle scenario, on the scale of the values."""
    naive_error: float
    """The same of repeating the last week."""


def back_test(
    values: Sequence[float] | Floats,
    horizon: int = WEEK,
    *,
    origins: int = 4,
    forecast: Callable[[Floats, int], Forecast | None] = forecast_values,
) -> BackTest | None:
    """Return how forecasts made at earlier days, a horizon apart, turned out; None without any.

    Each uses only the days before it. This is the accuracy that is shown: never the fit to known days.
    """
    known = np.asarray(values, dtype=np.float64)
    inside: list[list[bool]] = [[] for _ in COVERS]
    errors, naive_errors = [], []
    for number in range(1, origins + 1):
        origin = len(known) - number * horizon
        made = forecast(known[:origin], horizon) if origin > 0 else None
        if made is None:
            break
        actual = known[origin : origin + horizon]
        seen = ~np.isnan(actual)
        for level, cover in enumerate(COVERS):
            low, high = made.compute_range(cover)
            inside[level] += ((actual >= low) & (actual <= high))[seen].tolist()
        errors += np.abs(actual - made.means)[seen].tolist()
        repeated = fill_gaps(known[:origin], WEEK)[-WEEK:][np.arange(horizon) % WEEK]
        naive_errors += np.abs(actual - repeated)[seen].tolist()
    if not errors:
        return None
    return BackTest(
        horizon,
        len(errors),
        tuple(float(np.mean(hits)) for hits in inside),
        float(np.median(errors)),
        float(np.median(naive_errors)),
    )
