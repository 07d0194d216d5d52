"""Compare two groups of sessions by day, since the sessions of a day resemble each other."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stretto.analysis.effect_estimates import (
    EffectEstimate,
    estimate_score_difference,
    estimate_share_difference,
)
from stretto.analysis.series_of_run_values import JUDGED
from stretto.analysis.two_session_comparison import measure_seconds_per_task
from stretto.clock import DAY
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun

FEWEST_DAYS = 4
"""Fewest days of a group: below it no order of days is unlikely enough."""

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class GroupComparison:
    """Two groups of sessions, compared by day."""

    verdict: FindingVerdict
    elapsed: EffectEstimate | None
    """Ratio of active time per task, second / first."""
    success: EffectEstimate | None
    """Difference of the shares of success."""
    days: tuple[int, int]
    reason: str = ""


def compare_groups(
    first: Sequence[SessionRun], second: Sequence[SessionRun], *, level: float = LEVEL
) -> GroupComparison:
    """Return whether the second group is faster or slower, by the Hodges-Lehmann ratio of its days.

    Both tests together keep the error at ``level``: each is judged at half of it.
    """
    by_day = [_average_days(group) for group in (first, second)]
    days = len(by_day[0]), len(by_day[1])
    success = estimate_share_difference(_count_success(first), _count_success(second))
    if min(days) < FEWEST_DAYS:
        reason = f"{days[0]} and {days[1]} days with sessions, {FEWEST_DAYS} are needed on each side"
        return GroupComparison(FindingVerdict.TOO_LITTLE_DATA, None, success, days, reason)
    difference = estimate_score_difference(by_day[0], by_day[1])
    elapsed = None
    if difference is not None:
        elapsed = replace(
            difference,
            effect=math.exp(difference.effect),
            low=math.exp(difference.low),
            high=math.exp(difference.high),
            unit="ratio",
        )
    verdict = FindingVerdict.NO_EVIDENCE
    if success is not None and success.p <= level / 2:
        verdict = FindingVerdict.IMPROVEMENT if success.effect > 0 else FindingVerdict.REGRESSION
    if elapsed is not None and elapsed.p <= level / 2 and verdict is not FindingVerdict.REGRESSION:
        verdict = FindingVerdict.IMPROVEMENT if elapsed.effect < 1 else FindingVerdict.REGRESSION
    return GroupComparison(verdict, elapsed, success, days)


def _average_days(sessions: Iterable[SessionRun]) -> list[float]:
    days: dict[int, list[float]] = defaultdict(list)
    for run in sessions:
        if (pace := measure_seconds_per_task(run)) is not None:
            days[run.start // DAY].append(math.log(pace))
    return [float(np.mean(values)) for _, values in sorted(days.items())]


def _count_success(sessions: Iterable[SessionRun]) -> tuple[int, int]:
    known = [run.outcome for run in sessions if run.outcome in JUDGED]
    return known.count(Outcome.SUCCESS), len(known)
