"""Find quantities that go together from day to day, beyond a common trend and the weekday."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

import numpy as np
from scipy import special, stats

from stretto.analysis.recent_days_rank_tests import select_discoveries
from stretto.analysis.remove_weekday_pattern import WEEK
from stretto.analysis.series_of_run_values import Floats
from stretto.analysis.series_trends import correct_autocorrelation
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict

FEWEST_COMMON_DAYS = 21
"""Fewest days on which both quantities are known."""

FALSE_CORRELATIONS = 0.05
"""Share of false ones among the correlations shown that is accepted (Benjamini and Hochberg)."""


POWER = 0.9
"""Chance with which a correlation of the detectable size is seen."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """Two quantities that rise and fall together (above 0) or against each other (below 0)."""

    first: str
    second: str
    rho: float
    """Spearman's rank correlation of the daily residuals."""
    p: float
    days: int


def find_correlations(pairs: Sequence[Correlation]) -> list[Correlation]:
    """Return the pairs of daily quantities that go together beyond chance, the strongest first."""
    cut = select_discoveries(np.array([pair.p for pair in pairs]), FALSE_CORRELATIONS)
    return sorted((pair for pair in pairs if pair.p <= cut), key=lambda pair: -abs(pair.rho))


def list_pairs(
    quantities: Mapping[str, Mapping[date, float]], *, left_out: Collection[frozenset[str]] = ()
) -> list[Correlation]:
    """Return all pairs of daily quantities with enough common days, whether beyond chance or not.

    Pairs of names in ``left_out`` are not compared, such as those of which one is counted in the other.
    """
    pairs = []
    for first, second in combinations(sorted(quantities), 2):
        if {first, second} in left_out:
            continue
        common = sorted(quantities[first].keys() & quantities[second].keys())
        if len(common) >= FEWEST_COMMON_DAYS:
            correlation = _correlate(
                first, second, *(_take_residuals(quantities[name], common) for name in (first, second))
            )
            if correlation is not None:
                pairs.append(correlation)
    return pairs


def judge_correlations(pairs: Sequence[Correlation], days: int) -> list[Finding]:
    """Return a finding for each pair that goes together, or a quiet one about all pairs.

    ``days`` are those with runs. That quantities go together is no cause, and the sentence warns of that.
    """
    found = find_correlations(pairs)
    if found:
        return [_conclude_pair(pair) for pair in found]
    if not pairs:
        reason = f"{days} of {FEWEST_COMMON_DAYS} days with runs"
        return [_conclude_quiet(FindingVerdict.TOO_LITTLE_DATA, days, None, reason)]
    days = max(pair.days for pair in pairs)
    reason = f"{len(pairs)} pairs of daily quantities were compared"
    return [
        _conclude_quiet(FindingVerdict.NO_EVIDENCE, days, compute_detectable_rho(days, len(pairs)), reason)
    ]


def compute_detectable_rho(days: int, pairs: int) -> float:
    """Return the correlation that the strictest of several tests would see nine times of ten.

    By Fisher's transformation, with eight days lost to level, trend and weekdays: atanh(rho) scatters by
    1.06 / sqrt(days - 11).
    """
    needed = -special.ndtri(FALSE_CORRELATIONS / 2 / pairs) + special.ndtri(POWER)
    return math.tanh(float(needed) * 1.06 / math.sqrt(days - WEEK - 4))


def _conclude_pair(pair: Correlation) -> Finding:
    first, second = (name.replace("_", " ") for name in (pair.first, pair.second))
    way = "more" if pair.rho > 0 else "less"
    return Finding(
        "correlation",
        {"first": pair.first, "second": pair.second},
        FindingVerdict.NO_EVIDENCE,
        FindingEvidence(n=pair.days, effect=pair.rho, unit="rho", p=pair.p),
        advice=(
            f"Days with more {first} than their trend and weekday have {way} {second}"
            f" (rank correlation {pair.rho:.2f} over {pair.days} days); which causes which is open."
        ),
    )


def _conclude_quiet(verdict: FindingVerdict, days: int, detectable: float | None, reason: str) -> Finding:
    return Finding(
        "correlation", {}, verdict, FindingEvidence(n=days, unit="rho", detectable=detectable), reason=reason
    )


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
