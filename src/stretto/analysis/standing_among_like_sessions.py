"""Compare a session with its like, and groups of sessions; find a pattern's best period.

Groups are compared by day, since the sessions of a day resemble each other.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stretto.analysis.effect_estimates import (
    EffectEstimate,
    compute_wilson_interval,
    estimate_score_difference,
    estimate_share_difference,
)
from stretto.analysis.series import JUDGED
from stretto.analysis.two_session_comparison import list_similar, measure_pace
from stretto.clock import DAY
from stretto.model.event import Outcome
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.model.run_rows_for_analyses import SessionRun

FEWEST_SIMILAR = 5
FEWEST_DAYS = 4
"""Fewest days of a group: below it no order of days is unlikely enough."""
LEADERS = 0.10
"""Share of the like that leads: the single best is mostly luck."""
PERIOD_DAYS = 3
FEWEST_PERIOD_DAYS = 10
SHUFFLES = 500
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Standing:
    """How a session stands among its like."""

    session: str
    similar: int
    percentile: float | None = None
    """Share of its like that took longer; 1 is the fastest."""
    low: float | None = None
    high: float | None = None
    gap_seconds: float | None = None
    """Seconds to the fastest tenth of its like; below 0 if it is faster."""
    links: tuple[RunLink, ...] = ()
    reason: str = ""

    def to_finding(self) -> Finding:
        """Return the standing as a finding about the session."""
        return Finding(
            kind="standing",
            subject={"session": self.session},
            verdict=FindingVerdict.TOO_LITTLE_DATA if self.percentile is None else FindingVerdict.NO_EVIDENCE,
            evidence=FindingEvidence(
                n=self.similar,
                effect=self.percentile,
                low=self.low,
                high=self.high,
                unit="share",
                runs=self.links,
            ),
            reason=self.reason,
            details={"gap_seconds": self.gap_seconds},
        )


def rank_session(current: SessionRun, sessions: Iterable[SessionRun]) -> Standing:
    """Return the percentile of a session's active time per task among its like, with an interval.

    The gap is that to the fastest tenth: the single fastest is mostly luck.
    """
    similar = [
        (run, pace) for run, _ in list_similar(current, sessions) if (pace := measure_pace(run)) is not None
    ]
    own = measure_pace(current)
    if own is None:
        return Standing(current.session, len(similar), reason="it ran no tasks")
    if len(similar) < FEWEST_SIMILAR:
        reason = f"{len(similar)} sessions are like it, {FEWEST_SIMILAR} are needed"
        return Standing(current.session, len(similar), reason=reason)
    paces = np.array([pace for _, pace in similar])
    slower = int((paces > own).sum())
    equal = int((paces == own).sum())
    low, high = compute_wilson_interval(slower, len(paces))
    tasks = max(1, sum(current.task_types.values()))
    leader = float(np.quantile(paces, LEADERS))
    fastest = min(similar, key=lambda pair: pair[1])[0]
    return Standing(
        current.session,
        len(similar),
        (slower + 0.5 * equal + 0.5) / (len(paces) + 1),
        low,
        high,
        (own - leader) * tasks,
        (RunLink(fastest.session, role="fastest"), RunLink(similar[0][0].session, role="similar")),
    )


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


@dataclass(frozen=True, slots=True)
class BestPeriod:
    """The three days in a row in which a pattern was fastest."""

    start: int | None
    """First day, midnight UTC (ns)."""
    days: int
    """Days that were looked at."""
    ratio: float | None = None
    """Active time per task / that of the other days."""
    p: float | None = None
    """Share of shuffled calendars with as good a period: there are many periods, and one is always best."""
    conditions: tuple[str, ...] = ()
    """Circumstances that most of its sessions share and most others do not."""
    reason: str = ""

    @property
    def reproducible(self) -> bool | None:
        """Whether it is better than the best of chance; None if there are too few days."""
        return None if self.p is None else self.p <= LEVEL


def find_best_period(sessions: Sequence[SessionRun]) -> BestPeriod:
    """Return the best three days in a row, how often chance gives as good a period, and its conditions."""
    paces = {run.session: pace for run in sessions if (pace := measure_pace(run)) is not None}
    by_day: dict[int, list[SessionRun]] = defaultdict(list)
    for run in sessions:
        if run.session in paces:
            by_day[run.start // DAY].append(run)
    if len(by_day) < FEWEST_PERIOD_DAYS:
        reason = f"{len(by_day)} days with sessions, {FEWEST_PERIOD_DAYS} are needed"
        return BestPeriod(None, len(by_day), reason=reason)
    days = sorted(by_day)
    values = np.array([np.mean([math.log(paces[run.session]) for run in by_day[day]]) for day in days])
    means = _average_periods(values)
    place = int(means.argmin())
    rng = np.random.default_rng(0)
    by_chance = [float(_average_periods(rng.permutation(values)).min()) for _ in range(SHUFFLES)]
    inside = [run for day in days[place : place + PERIOD_DAYS] for run in by_day[day]]
    outside = [run for day in days for run in by_day[day] if run not in inside]
    others = np.delete(values, range(place, place + PERIOD_DAYS))
    return BestPeriod(
        days[place] * DAY,
        len(days),
        math.exp(float(means[place] - others.mean())),
        (1 + sum(value <= float(means[place]) for value in by_chance)) / (1 + SHUFFLES),
        tuple(_list_conditions(inside, outside)),
    )


def _average_periods(values: np.ndarray) -> np.ndarray:
    return np.convolve(values, np.ones(PERIOD_DAYS) / PERIOD_DAYS, "valid")


def _list_conditions(inside: Sequence[SessionRun], outside: Sequence[SessionRun]) -> Iterable[str]:
    """Yield the covariates that more than half of the sessions inside share and less than half outside."""
    counts = [
        Counter(pair for run in group for pair in run.covariates.items()) for group in (inside, outside)
    ]
    for pair, count in sorted(counts[0].items()):
        if count * 2 > len(inside) and counts[1][pair] * 2 < len(outside):
            yield "=".join(pair)


def _average_days(sessions: Iterable[SessionRun]) -> list[float]:
    days: dict[int, list[float]] = defaultdict(list)
    for run in sessions:
        if (pace := measure_pace(run)) is not None:
            days[run.start // DAY].append(math.log(pace))
    return [float(np.mean(values)) for _, values in sorted(days.items())]


def _count_success(sessions: Iterable[SessionRun]) -> tuple[int, int]:
    known = [run.outcome for run in sessions if run.outcome in JUDGED]
    return known.count(Outcome.SUCCESS), len(known)
