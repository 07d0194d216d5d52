"""Find quantities that go together from day to day, beyond a common trend and the weekday."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import combinations

import numpy as np
from scipy import special, stats

from stretto.analysis.rank_tests import select_discoveries
from stretto.analysis.series import Floats
from stretto.analysis.series_trends import correct_autocorrelation
from stretto.analysis.weekday_pattern import WEEK

FEWEST_COMMON_DAYS = 21
"""Fewest days on which both quantities are known."""

FALSE_CORRELATIONS = 0.05
"""Share of false ones among the correlations shown that is accepted (Benjamini and Hochberg)."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """Two quantities that rise and fall together (above 0) or against each other (below 0)."""

    first: str
    second: str
    rho: float
    """Spearman's rank correlation of the daily residuals."""
    p: float
    days: int


def find_correlations(quantities: Mapping[str, Mapping[date, float]]) -> list[Correlation]:
    """Return the pairs of daily quantities that go together beyond chance, the strongest first."""
    pairs = []
    for first, second in combinations(sorted(quantities), 2):
        common = sorted(quantities[first].keys() & quantities[second].keys())
        if len(common) >= FEWEST_COMMON_DAYS:
            correlation = _correlate(
                first, second, *(_take_residuals(quantities[name], common) for name in (first, second))
            )
            if correlation is not None:
                pairs.append(correlation)
    cut = select_discoveries(np.array([pair.p for pair in pairs]), FALSE_CORRELATIONS)
    return sorted((pair for pair in pairs if pair.p <= cut), key=lambda pair: -abs(pair.rho))


def _take_residuals(values: Mapping[date, float], days: list[date]) -> Floats:
    """Return the values of some days less a straight trend and their weekday."""
    numbers = np.array([day.toordinal() for day in days], dtype=np.float64)
    columns = [np.ones(len(days)), numbers - numbers.mean()]
    columns += [(numbers % WEEK == weekday).astype(np.float64) for weekday in range(1, WEEK)]
    design = np.stack(columns, axis=1)
    taken = np.array([values[day] for day in days])
    return np.asarray(taken - design @ np.linalg.lstsq(design, taken, rcond=None)[0])


def _correlate(first: str, second: str, one_side: Floats, other_side: Floats) -> Correlation | None:
    """Return the rank correlation; as many days fewer count as both sides resemble their neighbours.

    Eight days are lost to the level, the trend and the weekdays. None if a side does not scatter.
    """
    if min(np.ptp(one_side), np.ptp(other_side)) < 1e-12:  # noqa: PLR2004  # nothing but rounding
        return None
    count = len(one_side)
    rho = float(stats.spearmanr(one_side, other_side).statistic)
    likeness = math.prod(
        correct_autocorrelation(float(side[1:] @ side[:-1]) / float(side @ side), count)
        for side in (one_side, other_side)
    )
    freedom = max(3.0, (count - WEEK - 1) * (1 - likeness) / (1 + likeness) - 2)
    t = rho * math.sqrt(freedom / max(1e-12, 1 - rho**2))
    return Correlation(first, second, rho, float(2 * special.stdtr(freedom, -abs(t))), count)
