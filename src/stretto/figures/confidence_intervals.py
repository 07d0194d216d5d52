"""Compute 95 % confidence intervals of means of a few runs, and test whether two means differ.

The interval is Student's (1908): mean ± t · s / √n contains the true mean in 95 of 100 cases if runs scatter
normally. t has n - 1 degrees of freedom. Sums of independent means use the degrees of freedom of Welch and
Satterthwaite (Welch, Biometrika 34, 1947), rounded down, which widens the interval. A single run has no
scatter and so no interval. Example: runs of 90 s and 110 s give 100 ± 12.706 · 10 s.

An interval is shown only if it rests on 5 runs or more and does not reach 0: fewer runs say little about
their scatter, and an interval from 0 says that nothing is known. It answers the question beside it: how long
*these* tasks would have taken, which scatters as every run does, and not how long they take on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor, sqrt
from statistics import NormalDist, fmean, variance

LEVEL = 0.95
FEWEST_RUNS = 5
"""Fewest runs that a shown interval rests on."""

Bounds = tuple[float, float]
"""(low, high)."""

# The 97.5 % quantile of Student's t for 1 to 30 degrees of freedom: NIST/SEMATECH e-Handbook, 1.3.6.7.2.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_ROUNDING = 1e-9
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


def compute_student_t(freedom: float) -> float:
    """Return the half width of the 95 % interval in standard errors, at so many degrees of freedom.

    A fraction is rounded down, after a tolerance for floating point. Beyond the table the value is the
    expansion of Abramowitz and Stegun, 26.7.5, exact to the fourth digit. Raises ValueError below 1.
    """
    degrees = floor(freedom + _ROUNDING)
    if degrees < 1:
        raise ValueError(f"no interval at {freedom} degrees of freedom")
    if degrees <= len(_T):
        return _T[degrees - 1]
    z = _Z
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of independent values, or a sum of such means.

    ``variance`` is the variance of the mean, its standard error squared; None if it rests on a single value.
    """

    mean: float
    count: int
    variance: float | None = None
    freedom: float = 0.0
    """Degrees of freedom of the variance."""
    fewest: int | None = None
    """The fewest values that a part of a sum rests on; None for a mean."""

    @property
    def bounds(self) -> Bounds | None:
        """The 95 % interval of a length, never below 0; None for a single value."""
        if self.variance is None:
            return None
        reach = compute_student_t(self.freedom) * sqrt(self.variance) if self.variance else 0.0
        return max(0.0, self.mean - reach), self.mean + reach

    @property
    def interval(self) -> Bounds | None:
        """The interval if it may be shown."""
        return self.bounds if self.no_interval_reason is None else None

    @property
    def no_interval_reason(self) -> str | None:
        """Why no interval may be shown; None if it may."""
        runs = self.count if self.fewest is None else self.fewest
        bounds = self.bounds
        if bounds is None:
            return "a single run has no interval" if self.count == 1 else "it is no mean of runs"
        if runs < FEWEST_RUNS:
            return f"an interval needs {FEWEST_RUNS} runs, it rests on {runs}"
        return "the runs scatter so much that the interval would start at 0" if bounds[0] <= 0 else None


def estimate_mean(values: Sequence[float]) -> Estimate:
    """Return the mean of one or more values with the variance of that mean."""
    count = len(values)
    if count == 1:
        return Estimate(float(values[0]), 1)
    return Estimate(fmean(values), count, variance(values) / count, count - 1)


def predict_total(past_totals: Sequence[float], repeats: int) -> Estimate:
    """Return the mean of totals, as the estimate of new totals of so many repeats together.

    ``past_totals`` are of as many repeats each. The variance is that of the mean and that of the repeats.
    Example: runs of 90 s and 110 s, s = 14.1 s, predict the next run with the variance 200 / 2 + 200.
    """
    estimate = estimate_mean(past_totals)
    if estimate.variance is None:
        return estimate
    return replace(estimate, variance=estimate.variance * (1 + estimate.count / repeats))


def sum_estimates(parts: Sequence[Estimate]) -> Estimate:
    """Return the sum of independent estimates; without an interval if any of them has none."""
    mean, count = sum(part.mean for part in parts), sum(part.count for part in parts)
    variances = [(part.variance, part.freedom) for part in parts if part.variance is not None]
    fewest = min((part.count if part.fewest is None else part.fewest for part in parts), default=0)
    if len(variances) < len(parts) or not parts:
        return Estimate(mean, count, fewest=fewest)
    total_variance = sum(variance for variance, _ in variances)
    scatter = sum(variance**2 / freedom for variance, freedom in variances)
    # Without any scatter the interval has no width, for any degrees of freedom.
    freedom = total_variance**2 / scatter if scatter else min(freedom for _, freedom in variances)
    return Estimate(mean, count, total_variance, freedom, fewest)


def compute_improvement_bounds(sequential: Bounds, elapsed: float) -> tuple[float | None, float | None]:
    """Return the interval of the improvement (1 - elapsed / sequential) from the interval of sequential.

    If sequential may be 0, the improvement has no lower bound.
    """
    low, high = (1 - elapsed / edge if edge > 0 else None for edge in sequential)
    return low, high


def compute_difference_bounds(first: Sequence[float], second: Sequence[float]) -> Bounds:
    """Return the 95 % interval of the second mean minus the first, by Welch.

    Raises ValueError if a group has fewer than two values.
    """
    means = estimate_mean(first), estimate_mean(second)
    if any(mean.variance is None for mean in means):
        raise ValueError("a group of one value has no scatter")
    difference = means[1].mean - means[0].mean
    combined = sum_estimates(means)
    reach = compute_student_t(combined.freedom) * sqrt(combined.variance) if combined.variance else 0.0
    return difference - reach, difference + reach


def has_significant_difference(first: Sequence[float], second: Sequence[float]) -> bool:
    """Return whether the means of two groups differ by more than their scatter: Welch's test at 5 %.

    Raises ValueError if a group has fewer than two values.
    """
    low, high = compute_difference_bounds(first, second)
    return low > 0 or high < 0
