"""Confidence: how far the mean of a few runs may lie from the mean of all runs there could be.

The interval is the one of Student (1908): mean ± t · s / √n holds the true mean in 95 of 100 cases, where
single runs scatter about it normally; t has one degree of freedom less than there are runs. Sums of
independent means take the degrees of freedom that Welch and Satterthwaite give (Welch, Biometrika 34, 1947),
rounded down, which widens. One run has no scatter and so no interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, sqrt
from statistics import NormalDist, fmean, variance

LEVEL = 0.95

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
    """Return by how many standard errors the interval reaches to each side, at so many degrees of freedom.

    A fraction is rounded down, but for what floating point may have taken off a whole number. Beyond the
    table it is the expansion of Abramowitz and Stegun, 26.7.5, right to the fourth digit. Raises ValueError
    below 1.
    """
    whole = floor(freedom + _ROUNDING)
    if whole < 1:
        raise ValueError(f"no interval at {freedom} degrees of freedom")
    if whole <= len(_T):
        return _T[whole - 1]
    z = _Z
    return z + (z**3 + z) / (4 * whole) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * whole**2)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of independent values, or a sum of such means.

    ``variance`` is that of the mean itself, its standard error squared; None where a single value gave it.
    """

    mean: float
    count: int
    variance: float | None = None
    freedom: float = 0.0
    """Degrees of freedom of the variance."""

    @property
    def bounds(self) -> Bounds | None:
        """The 95 % interval of a length, which is never below 0; None of a single value."""
        if self.variance is None:
            return None
        reach = compute_student_t(self.freedom) * sqrt(self.variance) if self.variance else 0.0
        return max(0.0, self.mean - reach), self.mean + reach


def estimate_mean(values: Sequence[float]) -> Estimate:
    """Return the mean of at least one value with what its scatter says of it."""
    count = len(values)
    if count == 1:
        return Estimate(float(values[0]), 1)
    return Estimate(fmean(values), count, variance(values) / count, count - 1)


def sum_estimates(parts: Sequence[Estimate]) -> Estimate:
    """Return the sum of independent estimates; without an interval where one of them has none."""
    mean, count = sum(part.mean for part in parts), sum(part.count for part in parts)
    known = [(part.variance, part.freedom) for part in parts if part.variance is not None]
    if len(known) < len(parts) or not parts:
        return Estimate(mean, count)
    whole = sum(variance for variance, _ in known)
    scatter = sum(variance**2 / freedom for variance, freedom in known)
    # Without any scatter the interval has no width, whatever the degrees of freedom.
    freedom = whole**2 / scatter if scatter else min(freedom for _, freedom in known)
    return Estimate(mean, count, whole, freedom)


def compute_improvement_bounds(sequential: Bounds, elapsed: float) -> tuple[float | None, float | None]:
    """Return the interval of the improvement, 1 less elapsed over sequential, from that of sequential.

    Where sequential may be 0 there is no least improvement, so that side has no bound.
    """
    low, high = (1 - elapsed / edge if edge > 0 else None for edge in sequential)
    return low, high


def has_significant_difference(one: Sequence[float], other: Sequence[float]) -> bool:
    """Tell whether the means of two groups differ by more than their scatter explains: Welch's test at 5 %.

    Raises ValueError where a group has fewer than two values.
    """
    means = estimate_mean(one), estimate_mean(other)
    if any(mean.variance is None for mean in means):
        raise ValueError("a group of one value has no scatter")
    difference = abs(means[0].mean - means[1].mean)
    both = sum_estimates(means)
    reach = compute_student_t(both.freedom) * sqrt(both.variance) if both.variance else 0.0
    return difference > reach
