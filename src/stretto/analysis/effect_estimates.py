"""Compare two groups of values: how much larger the second is, in which interval, and by which p value.

Lengths, tokens and money are compared as ratios, on logarithms, because they scatter by factors; scores as
differences, by ranks; shares as differences, by counts. Every value must be independent of the others: a
caller that has many tasks of a session passes a mean per session.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

LEVEL = 0.05
"""Two-sided p value from which on two groups differ, and 1 - confidence of the intervals."""

FEWEST_VALUES = 2
"""Fewest values of a group that have a scatter."""

EXACT_RATES = 60
"""Largest group whose share is tested exactly; beyond it the score test is as good and much faster."""


@dataclass(frozen=True, slots=True)
class EffectEstimate:
    """How the second of two groups differs from the first."""

    first_count: int
    second_count: int
    effect: float
    """Second / first if the unit is ``ratio``, second - first otherwise."""
    low: float
    high: float
    p: float
    """Two-sided."""
    unit: str = "ratio"
    standard_error: float | None = None
    """Of the logarithm of the ratio; None for shares and scores."""

    @property
    def z(self) -> float:
        """The p value as a distance from the middle of a normal curve, with the effect's sign."""
        neutral = 1.0 if self.unit == "ratio" else 0.0
        return math.copysign(-float(special.ndtri(max(self.p, 1e-300) / 2)), self.effect - neutral)


def estimate_ratio_of_geometric_means(
    first: Sequence[float], second: Sequence[float]
) -> EffectEstimate | None:
    """Return the ratio of the geometric means by Welch's test on logarithms.

    None if a group has fewer than two values or nothing scatters. Values are above 0. Example: (1, 2, 4)
    and (2, 4, 8) have the ratio 2.
    """
    return estimate_change_of_means([*np.log(first)], [*np.log(second)], is_ratio=True)


def estimate_change_of_means(
    first: Sequence[float], second: Sequence[float], *, is_ratio: bool
) -> EffectEstimate | None:
    """Return the change from the mean of one group to that of the other, by Welch's test.

    The values are logarithms, and the change a ratio, or they are shares. None if a group has fewer than two
    values or nothing scatters. Example: the shares (.1, .3) and (.2, .4) differ by .1.
    """
    if min(len(first), len(second)) < FEWEST_VALUES:
        return None
    parts = [float(np.var(group, ddof=1)) / len(group) for group in (first, second)]
    variance = sum(parts)
    if variance <= 0:
        return None
    freedom = variance**2 / (parts[0] ** 2 / (len(first) - 1) + parts[1] ** 2 / (len(second) - 1))
    change, counts = float(np.mean(second) - np.mean(first)), (len(first), len(second))
    make = _make_ratio if is_ratio else _make_share
    return make(change, math.sqrt(variance), freedom, counts)


def estimate_stratified_ratio(
    strata: Sequence[tuple[Sequence[float], Sequence[float]]],
) -> EffectEstimate | None:
    """Return the ratio within strata: groups that differ in their mix are compared like with like.

    Each stratum is a pair of groups. The model is additive on logarithms: a level per stratum and the same
    ratio in all. A stratum with a single group adds nothing. With a single stratum this is Welch's test.
    Example: the strata (1, 2) against (2, 4) and (10, 20, 40) against (20, 40, 80) have the ratio 2.
    """
    shared = [(first, second) for first, second in strata if len(first) and len(second)]
    if len(shared) <= 1:
        return estimate_ratio_of_geometric_means(*shared[0]) if shared else None
    weight_sum = weighted = squares = 0.0
    parts: list[tuple[np.ndarray, np.ndarray]] = [(np.log(first), np.log(second)) for first, second in shared]
    for one_log, other_log in parts:
        weight = len(one_log) * len(other_log) / (len(one_log) + len(other_log))
        weight_sum += weight
        weighted += weight * float(other_log.mean() - one_log.mean())
    difference = weighted / weight_sum
    for one_log, other_log in parts:
        residual = np.concatenate([one_log, other_log - difference])
        squares += float(((residual - residual.mean()) ** 2).sum())
    counts = sum(len(first) for first, _ in shared), sum(len(second) for _, second in shared)
    freedom = sum(counts) - len(shared) - 1
    if freedom < 1 or squares <= 0:
        return None
    error = math.sqrt(squares / freedom / weight_sum)
    return _make_ratio(difference, error, freedom, counts)


def estimate_paired_ratio(pairs: Sequence[tuple[float, float]]) -> EffectEstimate | None:
    """Return the ratio by pairs of the same work in both groups; None below two pairs or without scatter."""
    logs = zip(np.log([first for first, _ in pairs]), np.log([second for _, second in pairs]), strict=True)
    return estimate_paired_change([*logs], is_ratio=True)


def estimate_paired_change(means: Sequence[tuple[float, float]], *, is_ratio: bool) -> EffectEstimate | None:
    """Return the mean change from the first of each pair to the second, by Student's t over the pairs.

    The means are logarithms, and the change a ratio, or they are shares. None below two pairs or without
    scatter. Example: the shares (.1, .2) and (.2, .4) changed by .15.
    """
    if len(means) < FEWEST_VALUES:
        return None
    differences = np.array([after - before for before, after in means])
    change, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(len(means))
    if error <= 0:
        return None
    make = _make_ratio if is_ratio else _make_share
    return make(change, error, len(means) - 1, (len(means), len(means)))


def estimate_share_difference(first: tuple[int, int], second: tuple[int, int]) -> EffectEstimate | None:
    """Return the difference of two shares, each given as (hits, cases), by Barnard's test.

    The interval is Newcombe's (1998, method 10): the Wilson limits of both shares combined. None if a group
    has no case. Example: 16 of 20 and 19 of 20 differ by .15, from -.07 to .36.
    """
    (first_hits, first_cases), (second_hits, second_cases) = first, second
    if not first_cases or not second_cases:
        return None
    first_share, second_share = first_hits / first_cases, second_hits / second_cases
    first_low, first_high = compute_wilson_interval(first_hits, first_cases)
    second_low, second_high = compute_wilson_interval(second_hits, second_cases)
    difference = second_share - first_share
    below = math.hypot(second_share - second_low, first_high - first_share)
    above = math.hypot(second_high - second_share, first_share - first_low)
    return EffectEstimate(
        first_cases,
        second_cases,
        difference,
        max(-1.0, difference - below),
        min(1.0, difference + above),
        _test_shares(first, second),
        unit="share",
    )


def estimate_score_difference(first: Sequence[float], second: Sequence[float]) -> EffectEstimate | None:
    """Return the Hodges-Lehmann difference of scores with its interval, by the Mann-Whitney test.

    None if a group has fewer than two values. The interval cuts as many pairs off both ends as the test
    would not notice.
    """
    if min(len(first), len(second)) < FEWEST_VALUES:
        return None
    pairs = np.sort(np.subtract.outer(np.asarray(second, float), np.asarray(first, float)).ravel())
    spread = math.sqrt(pairs.size * (len(first) + len(second) + 1) / 12)
    cut = int(max(0, math.floor(pairs.size / 2 + float(special.ndtri(LEVEL / 2)) * spread)))
    p = float(stats.mannwhitneyu(second, first, alternative="two-sided").pvalue)
    return EffectEstimate(
        len(first),
        len(second),
        float(np.median(pairs)),
        float(pairs[cut]),
        float(pairs[-1 - cut]),
        1.0 if math.isnan(p) else p,
        unit="score",
    )


def compute_wilson_interval(hits: int, cases: int) -> tuple[float, float]:
    """Return the Wilson interval of a share."""
    interval = stats.binomtest(hits, cases).proportion_ci(1 - LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def widen_ratio_to_level(estimate: EffectEstimate, level: float) -> EffectEstimate:
    """Return a ratio's estimate with the interval at another level, by the normal curve.

    Shares and scores keep theirs: their limits are not symmetric.
    """
    if estimate.standard_error is None or estimate.effect <= 0:
        return estimate
    # Half a width at .05 divided by the normal one gives the standard error with Student's correction in it.
    half = math.log(estimate.high / estimate.effect) / -float(special.ndtri(LEVEL / 2))
    half *= -float(special.ndtri(level / 2))
    return replace(estimate, low=estimate.effect * math.exp(-half), high=estimate.effect * math.exp(half))


def _make_ratio(difference: float, error: float, freedom: float, counts: tuple[int, int]) -> EffectEstimate:
    half = -float(special.stdtrit(freedom, LEVEL / 2)) * error
    return EffectEstimate(
        *counts,
        effect=math.exp(difference),
        low=math.exp(difference - half),
        high=math.exp(difference + half),
        p=float(2 * special.stdtr(freedom, -abs(difference) / error)),
        standard_error=error,
    )


def _make_share(change: float, error: float, freedom: float, counts: tuple[int, int]) -> EffectEstimate:
    half = -float(special.stdtrit(freedom, LEVEL / 2)) * error
    p = float(2 * special.stdtr(freedom, -abs(change) / error))
    return EffectEstimate(*counts, change, max(-1.0, change - half), min(1.0, change + half), p, unit="share")


def _test_shares(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return the two-sided p value of two shares, exact for small groups."""
    (first_hits, first_cases), (second_hits, second_cases) = first, second
    pooled = (first_hits + second_hits) / (first_cases + second_cases)
    if pooled in {0.0, 1.0}:
        return 1.0
    if max(first_cases, second_cases) <= EXACT_RATES:
        table = [
            [first_hits, second_hits],
            [first_cases - first_hits, second_cases - second_hits],
        ]
        return min(1.0, float(stats.barnard_exact(table).pvalue))
    error = math.sqrt(pooled * (1 - pooled) * (1 / first_cases + 1 / second_cases))
    return float(2 * special.ndtr(-abs(second_hits / second_cases - first_hits / first_cases) / error))
