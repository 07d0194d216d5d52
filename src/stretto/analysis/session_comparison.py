"""Compare a session with another, with its like and with groups; find a pattern's best period.

Two sessions can be described, never tested: with one run on each side nothing is known about their scatter.
Groups are compared by day, since the sessions of a day resemble each other.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stretto.analysis.effect_estimates import (
    EffectEstimate,
    compute_wilson_interval,
    estimate_score_difference,
    estimate_share_difference,
)
from stretto.analysis.series import JUDGED
from stretto.clock import DAY, SECOND
from stretto.model.event import Outcome
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.model.runs import SessionRun

SIMILAR = 0.6
"""Least similarity of a session's like."""
SIZE_RANGE = 2.0
"""Most times as many tasks, or as few, as a session's like may have."""
FEWEST_SIMILAR = 5
FEWEST_DAYS = 4
"""Fewest days of a group: below it no order of days is unlikely enough."""
LEADERS = 0.10
"""Share of the like that leads: the single best is mostly luck."""
PERIOD_DAYS = 3
FEWEST_PERIOD_DAYS = 10
SHUFFLES = 500
LEVEL = 0.05
NOT_WORK = ("waiting", "idle")
"""Parts of wall time in which a session waited for a person or did nothing."""


@dataclass(frozen=True, slots=True)
class MeasureComparison:
    """A measure of two sessions side by side."""

    measure: str
    current: float | None
    other: float | None

    @property
    def improvement(self) -> float | None:
        """Share by which it is less than the other; None if either is unknown."""
        if self.current is None or not self.other:
            return None
        return 1 - self.current / self.other


@dataclass(frozen=True, slots=True)
class PairComparison:
    """Two sessions; a description only."""

    current: str
    other: str
    similarity: float
    measures: tuple[MeasureComparison, ...]
    note: str = "n = 1 on each side: no significance is possible"


def describe_pair(current: SessionRun, other: SessionRun) -> PairComparison:
    """Return the measures of two sessions side by side."""
    readers: dict[str, Callable[[SessionRun], float | None]] = {
        "elapsed_seconds": lambda run: _to_seconds(run.elapsed),
        "wall_seconds": lambda run: _to_seconds(run.end - run.start),
        "work_seconds": lambda run: _to_seconds(run.work),
        "tokens": lambda run: run.tokens,
        "dollars": lambda run: run.dollars,
        "retries": lambda run: run.retries,
        "cpu_seconds": lambda run: run.cpu_seconds,
        "memory_peak_bytes": lambda run: run.memory_peak,
    }
    return PairComparison(
        current.session,
        other.session,
        measure_similarity(current.task_types, other.task_types),
        tuple(MeasureComparison(name, read(current), read(other)) for name, read in readers.items()),
    )


def measure_similarity(some: Mapping[str, int], others: Mapping[str, int]) -> float:
    """Return the weighted Jaccard similarity of two multisets of task types, from 0 to 1.

    Example: 2 reviews and 2 tests share 3 of 5 tasks with 1 review and 3 tests: 0.6.
    """
    types = {*some, *others}
    largest = sum(max(some.get(type_, 0), others.get(type_, 0)) for type_ in types)
    return sum(min(some.get(type_, 0), others.get(type_, 0)) for type_ in types) / largest if largest else 0.0


def list_similar(current: SessionRun, sessions: Iterable[SessionRun]) -> list[tuple[SessionRun, float]]:
    """Return the other sessions that are like this one, with their similarity, the most similar first."""
    size = sum(current.task_types.values())
    similar = [
        (run, similarity)
        for run in sessions
        if run.session != current.session
        and (similarity := measure_similarity(current.task_types, run.task_types)) >= SIMILAR
        and size / SIZE_RANGE <= sum(run.task_types.values()) <= size * SIZE_RANGE
    ]
    return sorted(similar, key=lambda pair: (-pair[1], pair[0].session))


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


def compare_groups(first: Sequence[SessionRun], second: Sequence[SessionRun]) -> GroupComparison:
    """Return whether the second group is faster or slower, by the Hodges-Lehmann ratio of its days.

    Both tests together keep the error at .05: each is judged at half of it.
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
    if success is not None and success.p <= LEVEL / 2:
        verdict = FindingVerdict.IMPROVEMENT if success.effect > 0 else FindingVerdict.REGRESSION
    if elapsed is not None and elapsed.p <= LEVEL / 2 and verdict is not FindingVerdict.REGRESSION:
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


def measure_pace(run: SessionRun) -> float | None:
    """Return the seconds per task without waits and idle time; None without tasks."""
    count = sum(run.task_types.values())
    active = measure_active_time(run)
    return active / SECOND / count if active > 0 and count else None


def measure_active_time(run: SessionRun) -> int:
    """Return the session's wall time (ns) without waits for a person and idle time."""
    return run.end - run.start - sum(run.wall_parts.get(part, 0) for part in NOT_WORK)


def _to_seconds(length: int | None) -> float | None:
    return None if length is None else length / SECOND
