"""Bounds for looks at an experiment that were planned, and an answer that holds at any look.

Somebody who tests after every run finds a difference between equal arms in one of six experiments. With looks
planned beforehand, the bounds of O'Brien and Fleming (1979) keep the error at .05: strict at the first look,
almost those of a single test at the last. For looks that were not planned, an e-process is the answer: the
probability that it ever exceeds 20, at whatever look, is at most .05 if the arms are equal (Ville, 1939).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

MOST_LOOKS = 20
"""More looks would need the e-process."""

PRIOR_SPREAD = 0.5
"""Spread of the effects that the e-process expects, in standard deviations of a pair's difference."""

_NODES = 48


@lru_cache(maxsize=256)
def compute_z_bounds_of_looks(looks: int, level: float = 0.05) -> tuple[float, ...]:
    """Return the least absolute z at which each of so many equally spaced looks may stop.

    Example: four looks at .05 have the bounds 4.05, 2.86, 2.34 and 2.02. Raises ValueError if the number of
    looks is below 1 or above 20.
    """
    if not 1 <= looks <= MOST_LOOKS:
        raise ValueError(f"looks must be from 1 to {MOST_LOOKS}, not {looks}")
    shares = [(look + 1) / looks for look in range(looks)]
    last = float(
        optimize.brentq(lambda bound: _cross_probability(_spread_bound(bound, shares)) - level, 1.0, 6.0)
    )
    return tuple(_spread_bound(last, shares))


def compute_look_inflation(looks: int, level: float, power: float) -> float:
    """Return how many times the units of a single test a plan with looks needs for the same power."""
    bounds = compute_z_bounds_of_looks(looks, level)
    single = float(stats.norm.isf(level / 2) + stats.norm.isf(1 - power))
    drift = float(
        optimize.brentq(lambda value: _cross_probability(bounds, value) - power, single * 0.9, single * 1.5)
    )
    return (drift / single) ** 2


@dataclass(frozen=True, slots=True)
class AnytimeAnswer:
    """The evidence of pairs, valid at any look."""

    pairs: int
    e_value: float
    """Evidence against equal arms; 20 and more is as strong as p < .05 at the only look."""
    ratio: float | None = None
    low: float | None = None
    """Limits that hold at all looks together."""
    high: float | None = None

    @property
    def p(self) -> float:
        """A p value that holds at any look."""
        return min(1.0, 1 / self.e_value) if self.e_value > 0 else 1.0


def weigh_pairs(pairs: Sequence[tuple[float, float]], level: float = 0.05) -> AnytimeAnswer:
    """Return the t e-process of pairs of lengths: the Bayes factor with the right Haar prior for the scale.

    It depends on the pairs only through their t statistic, so its error holds for any scale (Pérez-Ortiz and
    others, 2024). Limits are the ratios that it has not ruled out; None while it rules out none.
    """
    count = len(pairs)
    if count < 2:  # noqa: PLR2004  # one difference has no scatter
        return AnytimeAnswer(count, 1.0)
    differences = np.log([second for _, second in pairs]) - np.log([first for first, _ in pairs])
    error = float(differences.std(ddof=1)) / math.sqrt(count)
    mean = float(differences.mean())
    if error <= 0:
        return AnytimeAnswer(count, 1.0, math.exp(mean))
    freedom, growth = count - 1, 1 + count * PRIOR_SPREAD**2
    squared = (mean / error) ** 2
    log_e = -0.5 * math.log(growth) + 0.5 * count * (
        math.log1p(squared / freedom) - math.log1p(squared / (freedom * growth))
    )
    # The t at which the e-process equals 1/level: (1 + t²/f) / (1 + t²/(f g)) = k.
    k = math.exp(2 / count * (math.log(1 / level) + 0.5 * math.log(growth)))
    if k >= growth:
        return AnytimeAnswer(count, math.exp(log_e), math.exp(mean))
    half = math.sqrt(freedom * (k - 1) / (1 - k / growth)) * error
    return AnytimeAnswer(
        count, math.exp(min(log_e, 700.0)), math.exp(mean), math.exp(mean - half), math.exp(mean + half)
    )


def weigh_successes(pairs: Sequence[tuple[bool, bool]]) -> AnytimeAnswer:
    """Return the exact e-process of pairs of outcomes: if pairs differ, either side wins equally often."""
    wins = sum(second and not first for first, second in pairs)
    losses = sum(first and not second for first, second in pairs)
    log_e = float(special.betaln(wins + 0.5, losses + 0.5) - special.betaln(0.5, 0.5))
    log_e += (wins + losses) * math.log(2)
    return AnytimeAnswer(len(pairs), math.exp(min(log_e, 700.0)))


def _spread_bound(last: float, shares: Sequence[float]) -> list[float]:
    return [last / math.sqrt(share) for share in shares]


def _cross_probability(bounds: Sequence[float], drift: float = 0.0) -> float:
    """Return the probability that a standard Brownian motion with a drift is beyond a bound at a look.

    The density of paths that were inside so far is carried from look to look (Armitage, McPherson and Rowe,
    1969), by Gauss-Legendre quadrature between the bounds. ``drift`` is the mean of z at the last look.
    """
    looks = len(bounds)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    crossed = 0.0
    places = np.zeros(1)
    mass = np.ones(1)
    step = 1 / looks
    for look, bound in enumerate(bounds):
        # On the scale of the sum: z at a share t is sum / sqrt(t).
        edge = bound * math.sqrt((look + 1) * step)
        after = places + drift * step
        spread = math.sqrt(step)
        crossed += float(
            (mass * (special.ndtr((-edge - after) / spread) + special.ndtr((after - edge) / spread))).sum()
        )
        targets = nodes * edge
        density = np.exp(-0.5 * ((targets[:, None] - after[None, :]) / spread) ** 2)
        density /= spread * math.sqrt(2 * math.pi)
        mass = (density @ mass) * weights * edge
        places = targets
    return crossed
