"""Compare the judged quality of sessions that ran tasks in parallel with that of sessions that ran none.

Sessions of the same pattern are compared, because unlike work is judged unlike. The differences within the
patterns are averaged, each by the number of sessions that it rests on, with the interval of Welch and
Satterthwaite (``figures.confidence_intervals``). A session counts once, with the mean of its judgements:
those of a session are given by the same person and are no independent values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from stretto.figures.confidence_intervals import (
    FEWEST_RUNS,
    Estimate,
    compute_student_t,
    estimate_mean,
    sum_estimates,
)

FEWEST_OF_PATTERN = 2
"""Fewest sessions of a pattern on each side: one alone has no scatter."""


@dataclass(frozen=True, slots=True)
class JudgedSession:
    """A finished session with the mean of its judgements of quality, from 0 to 10."""

    end: int
    pattern: str | None
    is_parallel: bool
    """Whether it had a parallel execution."""
    quality: float


@dataclass(frozen=True, slots=True)
class QualityDifference:
    """The mean quality with parallel work minus that without, in points of 10, with its 95 % interval."""

    mean: float
    low: float
    high: float
    parallel: int
    """Sessions with parallel work that were compared."""
    alone: int
    """Sessions without it that were compared."""


def compare_quality(sessions: Iterable[JudgedSession]) -> QualityDifference | str:
    """Return the difference within patterns, or why there is none.

    Example: judged 8, 9, 8, 9, 8 with parallel work and 7, 8, 7, 8, 7 without, the difference is 1 point.
    """
    sides: dict[str | None, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for session in sessions:
        sides[session.pattern][not session.is_parallel].append(session.quality)
    if not sides:
        return "nobody judged the quality of a session"
    compared = [pair for pair in sides.values() if min(map(len, pair)) >= FEWEST_OF_PATTERN]
    parallel, alone = (sum(len(pair[side]) for pair in compared) for side in (0, 1))
    if min(parallel, alone) < FEWEST_RUNS:
        return (
            f"judged sessions of the same patterns: {parallel} with parallel work and {alone} without,"
            f" {FEWEST_RUNS} of each are asked for"
        )
    weights = [len(first) * len(second) / (len(first) + len(second)) for first, second in compared]
    total = sum_estimates(
        [
            _scale(estimate_mean(values), sign * weight / sum(weights))
            for weight, pair in zip(weights, compared, strict=True)
            for sign, values in zip((1, -1), pair, strict=True)
        ]
    )
    reach = compute_student_t(total.freedom) * sqrt(total.variance) if total.variance else 0.0
    return QualityDifference(total.mean, total.mean - reach, total.mean + reach, parallel, alone)


def _scale(estimate: Estimate, factor: float) -> Estimate:
    variance = None if estimate.variance is None else estimate.variance * factor**2
    return Estimate(estimate.mean * factor, estimate.count, variance, estimate.freedom)
