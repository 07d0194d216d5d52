"""Rank statistics of two small samples, in the standard library: p value, ratio, interval, runs needed.

Runs are what is independent: rounds inside a run share its machine state, so a run counts once. Ranks need no
assumption about the shape of the noise, and equal values are allowed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, median

EXACT_PAIRS = 2_500
"""Largest product of both sizes whose distribution is counted out; above it the normal curve is as good."""

MOST_PAIRED = 200

_NORMAL = NormalDist()


def compute_p_value(new: Sequence[float], old: Sequence[float]) -> float:
    """Return the probability of ranks at least as high for ``new`` if both came from one distribution.

    The one-sided Mann-Whitney test, exact by counting for small samples. Example: (4, 5, 6) above (1, 2, 3)
    is 1 of 20 ways to divide six runs: 0.05.
    """
    doubled = _double_ranks([*new, *old])
    rank_sum = sum(doubled[: len(new)])
    has_ties = len({*new, *old}) < len(new) + len(old)
    if len(new) * len(old) <= EXACT_PAIRS:
        if not has_ties:
            counts = _count_u(len(new), len(old))
            u = rank_sum // 2 - len(new) * (len(new) + 1) // 2
            return sum(counts[u:]) / sum(counts)
        if len(doubled) <= 60:  # noqa: PLR2004  # counting with ties takes the cube of it
            return _count_tied(doubled, len(new), rank_sum)
    return _approximate(doubled, len(new), rank_sum)


def compute_ratio(new: Sequence[float], old: Sequence[float]) -> float:
    """Return the Hodges-Lehmann ratio: the median over all pairs of new over old. Values are above 0."""
    return math.exp(median(_list_differences(new, old)))


def compute_interval(
    new: Sequence[float], old: Sequence[float], level: float = 0.95
) -> tuple[float, float] | None:
    """Return the interval of the ratio at a level of confidence; None if so few runs have none.

    It is the test turned round: pairs are left out on both sides as long as the test would not notice.
    """
    pairs = sorted(_list_differences(new, old))
    sizes = len(new), len(old)
    if math.prod(sizes) <= EXACT_PAIRS:
        counts = _count_u(*sizes)
        total, below, cut = sum(counts), 0, 0
        while (below + counts[cut]) / total <= (1 - level) / 2:
            below += counts[cut]
            cut += 1
    else:
        spread = math.sqrt(math.prod(sizes) * (sum(sizes) + 1) / 12)
        cut = max(0, int(math.prod(sizes) / 2 - _NORMAL.inv_cdf((1 + level) / 2) * spread))
    if cut == 0:
        return None
    return math.exp(pairs[cut - 1]), math.exp(pairs[-cut])


def adjust_p_values(p_values: Sequence[float]) -> list[float]:
    """Return the p values adjusted for their number by Benjamini and Hochberg, in the same order.

    Of those at most .05 afterwards, at most a twentieth is expected to be false.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    adjusted, least = [1.0] * len(p_values), 1.0
    for position, index in enumerate(order):
        least = min(least, p_values[index] * len(p_values) / (len(p_values) - position))
        adjusted[index] = least
    return adjusted


def estimate_noise(*samples: Sequence[float]) -> float:
    """Return the spread of the logarithms within the samples, as the standard deviation of the quiet runs.

    A quarter of all differences between two runs of a sample is smaller than the spread times .45 (the
    estimator Qn of Rousseeuw and Croux, 1993). Outliers hardly count, as they hardly count in a rank test.
    """
    differences: list[float] = []
    for values in samples:
        # More runs than this add time and no knowledge.
        logs = [math.log(value) for value in values[:MOST_PAIRED]]
        differences += [abs(log - other) for index, log in enumerate(logs) for other in logs[:index]]
    if not differences:
        return 0.0
    return 2.2219 * sorted(differences)[(len(differences) - 1) // 4]


@lru_cache(maxsize=1_024)
def plan_runs(noise: float, effect: float, *, level: float, gate: float, power: float = 0.9) -> int:
    """Return how many runs each side needs to find a ratio of ``effect`` with this power.

    ``noise`` is the standard deviation of log times, ``level`` the p value that is needed, ``gate`` the ratio
    that the estimate must reach too. Example: noise .05, effect 1.2, level .05/300 and gate 1.1 need 8 runs.
    """
    fewest = next(runs for runs in range(2, 60) if 1 / math.comb(2 * runs, runs) <= level)
    if noise <= 0:
        return fewest
    shift, margin = math.log(effect) / noise, math.log(effect / gate) / noise
    low, high = fewest, fewest
    while _find_power(high, shift, margin, level) < power and high < MOST_RUNS:
        low, high = high + 1, high * 2
    while low < high:
        middle = (low + high) // 2
        if _find_power(middle, shift, margin, level) >= power:
            high = middle
        else:
            low = middle + 1
    return low


def _find_power(runs: int, shift: float, margin: float, level: float) -> float:
    """Return at least the probability that a shift passes the test and the estimate passes the gate.

    ``shift`` and ``margin`` (of the shift beyond the gate) are in standard deviations of the noise.
    """
    by_gate = _NORMAL.cdf(margin * math.sqrt(runs / 2) / _RANK_LOSS)
    pairs = runs * runs
    above = _NORMAL.cdf(shift / math.sqrt(2))
    # Mean and variance of U under the shift; the latter needs the chance that two runs are above one.
    both = sum(_NORMAL.pdf(y) * _NORMAL.cdf(shift - y) ** 2 for y in _GRID) * _STEP
    variance = pairs * (above * (1 - above) + 2 * (runs - 1) * max(0.0, both - above**2))
    critical = _find_critical_u(runs, level)
    if variance <= 0:
        return by_gate if pairs >= critical else 0.0
    by_rank = 1 - _NORMAL.cdf((critical - 0.5 - pairs * above) / math.sqrt(variance))
    return max(0.0, by_gate + by_rank - 1)


@lru_cache(maxsize=1_024)
def _find_critical_u(runs: int, level: float) -> int:
    """Return the least U of two samples of this size whose p value is at most the level."""
    pairs = runs * runs
    if pairs > EXACT_PAIRS:
        spread = math.sqrt(pairs * (2 * runs + 1) / 12)
        return math.ceil(pairs / 2 + _NORMAL.inv_cdf(1 - level) * spread + 0.5)
    counts = _count_u(runs, runs)
    tail, most = 0, level * sum(counts)
    for u in range(pairs, -1, -1):
        tail += counts[u]
        if tail > most:
            return u + 1
    return 0


MOST_RUNS = 100_000
_STEP = 0.05
_GRID = [step * _STEP for step in range(-120, 121)]
_RANK_LOSS = math.sqrt(math.pi / 3)
"""How much wider the ratio's error is than that of a mean, under normal noise."""


def _list_differences(new: Sequence[float], old: Sequence[float]) -> list[float]:
    old_logs = [math.log(value) for value in old]
    return [log - other for log in map(math.log, new) for other in old_logs]


def _double_ranks(values: Sequence[float]) -> list[int]:
    """Return twice the rank of each value; equal values share their mean rank, hence twice."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0] * len(values)
    begin = 0
    while begin < len(order):
        end = begin
        while end + 1 < len(order) and values[order[end + 1]] == values[order[begin]]:
            end += 1
        for index in order[begin : end + 1]:
            ranks[index] = begin + end + 2
        begin = end + 1
    return ranks


@lru_cache(maxsize=256)
def _count_u(some: int, others: int) -> tuple[int, ...]:
    """Return in how many ways each U from 0 to some × others comes about, without equal values.

    The coefficients of the Gaussian binomial: the product of (1 - x^(others+i)) / (1 - x^i).
    """
    size = some * others + 1
    counts = [1] + [0] * (size - 1)
    for step in range(1, some + 1):
        for u in range(size - 1, others + step - 1, -1):
            counts[u] -= counts[u - others - step]
        for u in range(step, size):
            counts[u] += counts[u - step]
    return tuple(counts)


def _count_tied(doubled: Sequence[int], size: int, rank_sum: int) -> float:
    """Return the share of all choices of ``size`` ranks whose sum is at least ``rank_sum``."""
    ways: list[dict[int, int]] = [{0: 1}] + [{} for _ in range(size)]
    for rank in doubled:
        for chosen in range(size, 0, -1):
            target = ways[chosen]
            for total, count in ways[chosen - 1].items():
                target[total + rank] = target.get(total + rank, 0) + count
    high = sum(count for total, count in ways[size].items() if total >= rank_sum)
    return high / math.comb(len(doubled), size)


def _approximate(doubled: Sequence[int], size: int, rank_sum: int) -> float:
    """Return the p value by the normal curve, with corrections for ties and for whole numbers."""
    total = len(doubled)
    mean = sum(doubled) / total
    variance = sum((rank - mean) ** 2 for rank in doubled) / (total - 1) * size * (total - size) / total
    if variance <= 0:
        return 1.0
    return 1 - _NORMAL.cdf((rank_sum - 1 - size * mean) / math.sqrt(variance))
