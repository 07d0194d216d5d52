"""Find hold-ups: a session compared with its like, ranked by the seconds that each hold-up cost.

A hold-up is reported if it is larger than usual by more than chance explains. The limit is taken from the
usual sessions: each is judged like the present one, and only one of twenty may have any hold-up beyond it.
So the limit holds for all kinds together and for any shape of their scatter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import special, stats

from stretto.analysis.session_holdups import (
    HoldupKey,
    HoldupKind,
    UsualLengths,
    measure_delivered_time_of_phase,
    measure_holdups,
)
from stretto.clock import SECOND
from stretto.model.findings import HOLDUP_PREFIX, Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

LEVEL = 0.05
CAUTIOUS = 0.02
FEW = 0.005
"""Levels of groups, and of few usual sessions: limits are approximations there, and costs have long tails."""
FEWEST_SESSIONS = 5
"""Fewest usual sessions: below them nothing is usual."""
ENOUGH_SESSIONS = 19
"""Fewest usual sessions whose largest hold-up is a limit at .05; below it Student's t is used."""
MOST_SUBJECTS = 20
"""Latest sessions that are judged together."""
MOST_USUAL = 60
"""Latest usual sessions: more change the limit little, and each takes time."""
PHASE_RATIO = 1.5
"""Times its usual cost from which on a phase counts, as the client's command has it."""
FEWEST_OF_CAUSE = 5
"""Fewest sessions with and without a circumstance that are compared."""
DRAWS = 400

LARGE = 50.0
"""Largest argument of sinh: beyond it nothing would be detected."""

_FLOOR = 0.02
"""Share of the usual length of a session below which differences in cost do not matter."""


@dataclass(frozen=True, slots=True)
class Holdup:
    """A cause of delay, with the seconds that a session would save if it were as usual."""

    kind: HoldupKind
    name: str
    seconds: float
    """Mean per session, above the usual median."""
    low: float
    high: float
    share: float
    """Of the sessions' length."""
    usual: float
    """Its median cost (s) in usual sessions."""
    coverage: float = 1.0
    """Share of the compared sessions in which its cost is known."""
    cause: str = ""
    """The circumstance that explains it, such as ``version=2.1``; empty if none does."""


@dataclass(frozen=True, slots=True)
class BottleneckAnswer:
    """The hold-ups of one or some sessions of a pattern, the most expensive first."""

    verdict: FindingVerdict
    pattern: str
    subjects: int
    usual_sessions: int
    holdups: tuple[Holdup, ...] = ()
    quiet: int = 0
    """Kinds that were checked and are as usual."""
    detectable: float | None = None
    """The least seconds of the typical kind that would have been reported."""
    reason: str = ""
    links: tuple[RunLink, ...] = field(default=())

    def to_findings(self) -> list[Finding]:
        """Return a finding per hold-up, or a single one without a hold-up."""
        subject = {"pattern": self.pattern}
        if not self.holdups:
            evidence = FindingEvidence(
                n=self.subjects + self.usual_sessions,
                unit="seconds",
                detectable=self.detectable,
                runs=self.links,
            )
            return [
                Finding("holdup", subject, self.verdict, evidence, reason=self.reason,
                        details={"quiet": float(self.quiet)})
            ]  # fmt: skip
        return [
            Finding(
                kind=f"{HOLDUP_PREFIX}{holdup.kind}",
                subject=subject | ({"name": holdup.name} if holdup.name else {}),
                verdict=FindingVerdict.REGRESSION,
                evidence=FindingEvidence(
                    n=self.subjects + self.usual_sessions,
                    effect=holdup.seconds,
                    low=holdup.low,
                    high=holdup.high,
                    unit="seconds",
                    detectable=self.detectable,
                    coverage=holdup.coverage,
                    runs=self.links,
                ),
                reason="" if holdup.cause else "no cause found among versions, models, machines and branches",
                details={
                    "rank": float(rank),
                    "share": holdup.share,
                    "usual_seconds": holdup.usual,
                    "cause": holdup.cause or None,
                    "quiet": float(self.quiet),
                },
            )
            for rank, holdup in enumerate(self.holdups, 1)
        ]


def find_bottlenecks(
    subjects: Sequence[SessionRun],
    usual_sessions: Sequence[SessionRun],
    tasks: Mapping[str, Sequence[TaskRun]],
) -> BottleneckAnswer:
    """Return the hold-ups of some sessions (or a single one) compared with usual sessions of their pattern.

    ``tasks`` are the tasks by session. Example: a session whose hooks took 160 s instead of 4 s is held up by
    hooks, 156 s.
    """
    subjects, usual_sessions = [*subjects][-MOST_SUBJECTS:], [*usual_sessions][-MOST_USUAL:]
    return _judge(subjects, usual_sessions, _measure_costs(usual_sessions, subjects, tasks), tasks)


def explain_each_session(
    sessions: Sequence[SessionRun], tasks: Mapping[str, Sequence[TaskRun]], *, latest: int = MOST_USUAL
) -> dict[str, BottleneckAnswer]:
    """Return the hold-ups of each of the latest sessions of a pattern, compared with the others, by session.

    The costs of all are measured once: this takes little longer than the answer about a single session.
    """
    sessions = [*sessions][-MOST_USUAL - 1 :]
    costs = _measure_costs(sessions, (), tasks)
    return {
        run.session: _judge([run], [other for other in sessions if other is not run], costs, tasks)
        for run in sessions[-latest:]
    }


def _judge(
    subjects: Sequence[SessionRun],
    usual_sessions: Sequence[SessionRun],
    costs_of: Mapping[str, Mapping[HoldupKey, float]],
    tasks: Mapping[str, Sequence[TaskRun]],
) -> BottleneckAnswer:
    pattern = subjects[0].pattern or "none" if subjects else "none"
    links = tuple(RunLink(run.session, role="slowest") for run in sorted(subjects, key=_get_wall)[-1:])
    answer = BottleneckAnswer(
        FindingVerdict.TOO_LITTLE_DATA, pattern, len(subjects), len(usual_sessions), links=links
    )
    if not subjects or len(usual_sessions) < FEWEST_SESSIONS:
        reason = f"{len(usual_sessions)} usual sessions of the pattern, {FEWEST_SESSIONS} are needed"
        return replace(answer, reason=reason)
    before, now = ([costs_of[run.session] for run in group] for group in (usual_sessions, subjects))
    keys = sorted(
        key
        for key in {key for costs in now for key in costs}
        if sum(key in costs for costs in before) >= FEWEST_SESSIONS
        and sum(key in costs for costs in now) == len(now)
    )
    if not keys:
        reason = "its tasks and parts of wall time are not known in usual sessions"
        return replace(answer, reason=reason)
    floor = max(_FLOOR * float(np.median([_get_wall(run) for run in usual_sessions])), 1e-9)
    scores, limit, detectable = _score_kinds(keys, before, now, floor)
    wall = float(np.mean([_get_wall(run) for run in subjects]))
    holdups = [
        holdup
        for key, score in zip(keys, scores, strict=True)
        if score > limit
        and (holdup := _describe(key, before, now, wall)).seconds > floor
        and (
            key[0] is not HoldupKind.PHASE
            or _compare_phase(key[1], subjects, usual_sessions, tasks) > PHASE_RATIO
        )
    ]
    holdups = [_explain(holdup, [*usual_sessions, *subjects], costs_of, subjects) for holdup in holdups]
    return replace(
        answer,
        verdict=FindingVerdict.REGRESSION if holdups else FindingVerdict.NO_EVIDENCE,
        holdups=tuple(sorted(holdups, key=lambda holdup: -holdup.seconds)),
        quiet=len(keys) - len(holdups),
        detectable=detectable,
        reason="" if holdups else "every kind of hold-up is as usual",
    )


def _measure_costs(
    usual_sessions: Sequence[SessionRun],
    subjects: Sequence[SessionRun],
    tasks: Mapping[str, Sequence[TaskRun]],
) -> dict[str, Mapping[HoldupKey, float]]:
    """Return what each hold-up cost each session, by its id.

    Usual lengths are those of usual sessions, and of a single session itself: like the others it takes part
    in them.
    """
    known = [*usual_sessions, *subjects] if len(subjects) == 1 else usual_sessions
    lengths = UsualLengths(run for session in known for run in tasks.get(session.session, ()))
    price = _price_conflict(usual_sessions)
    return {
        run.session: measure_holdups(run, tasks.get(run.session, ()), lengths) | _charge_conflicts(run, price)
        for run in (*usual_sessions, *subjects)
    }


def _explain(
    holdup: Holdup,
    sessions: Sequence[SessionRun],
    costs_of: Mapping[str, Mapping[HoldupKey, float]],
    subjects: Sequence[SessionRun],
) -> Holdup:
    """Return the hold-up with the circumstance that explains it, if there is any.

    The hold-up's cost is compared between sessions with and without each circumstance that all subjects
    share, by the Mann-Whitney test; p values are adjusted by Benjamini and Hochberg. Of those that pass, the
    largest difference is named.
    """
    shared = set.intersection(*({*run.covariates.items()} for run in subjects))
    key = holdup.kind, holdup.name
    known = [(run, costs_of[run.session][key]) for run in sessions if key in costs_of[run.session]]
    candidates: list[tuple[str, float, float]] = []
    for name, value in sorted(shared):
        with_it = [cost for run, cost in known if run.covariates.get(name) == value]
        without = [cost for run, cost in known if run.covariates.get(name, value) != value]
        if min(len(with_it), len(without)) >= FEWEST_OF_CAUSE:
            p = float(stats.mannwhitneyu(with_it, without, alternative="greater").pvalue)
            candidates.append((f"{name}={value}", p, float(np.median(with_it) - np.median(without))))
    if not candidates:
        return holdup
    adjusted = stats.false_discovery_control([p for _, p, _ in candidates])
    passed = [
        (difference, name)
        for (name, _, difference), p in zip(candidates, adjusted, strict=True)
        if p <= LEVEL and difference >= holdup.seconds / 2
    ]
    return replace(holdup, cause=max(passed)[1]) if passed else holdup


Costs = Sequence[Mapping[HoldupKey, float]]


def _score_kinds(
    keys: Sequence[HoldupKey], before: Costs, now: Costs, floor: float
) -> tuple[list[float], float, float | None]:
    """Return each kind's distance from its usual value in spreads, the limit, and what is detectable (s)."""
    usual = np.array([[costs.get(key, np.nan) for key in keys] for costs in before])
    present = np.array([[costs[key] for key in keys] for costs in now])
    count = len(before)
    # A single session is a member of the group that it is compared with: only then is its rank among them
    # uniform if nothing holds it up.
    group = np.vstack([usual, present]) if len(now) == 1 else usual
    # Linear within the usual scatter, logarithmic beyond it: a wait for a person scatters by factors.
    unit = np.maximum(np.nanquantile(group, 0.95, axis=0) - np.nanmedian(group, axis=0), floor)
    usual, group = np.arcsinh(usual / unit), np.arcsinh(group / unit)
    present = np.arcsinh(present / unit).mean(axis=0)
    if count < ENOUGH_SESSIONS:
        center = np.nanmean(usual, axis=0)
        spread = np.maximum(np.nanstd(usual, axis=0, ddof=1), 0.1) * math.sqrt(1 / len(now) + 1 / count)
        limit = -float(special.stdtrit(count - 1, FEW / len(keys)))
    else:
        center = np.nanmedian(group, axis=0)
        # Most sessions have no late start, a few a long one: the upper tail is the scatter that matters.
        deviation = (np.nanquantile(group, 0.95, axis=0) - center) / -float(special.ndtri(0.05))
        spread = np.maximum(deviation, 0.1) / math.sqrt(len(now))
        limit = _find_limit(usual - center, spread, len(now))
    scores = [float(score) for score in (present - center) / spread]
    return scores, limit, float(np.median(np.sinh(np.minimum(limit * spread, LARGE)) * unit))


def _find_limit(deviations: np.ndarray, spread: np.ndarray, size: int) -> float:
    """Return the distance that only one of twenty usual groups of this size passes in any kind."""
    deviations = np.nan_to_num(deviations)
    if size == 1:
        largest = np.sort((deviations / spread).max(axis=1))
        # With the session itself there is one more: of 41, the two largest are a twentieth.
        return float(largest[-max(1, math.floor(LEVEL * (len(largest) + 1)))])
    # Drawn with replacement: a group of usual sessions, as large as that of the subjects. The middle is not
    # known better than the usual sessions allow.
    rng = np.random.default_rng(0)
    groups = rng.integers(len(deviations), size=(DRAWS, size))
    means = deviations[groups].mean(axis=1) * math.sqrt(1 + size / len(deviations))
    return float(np.quantile((means / spread).max(axis=1), 1 - CAUTIOUS))


def _compare_phase(
    phase: str,
    subjects: Sequence[SessionRun],
    usual_sessions: Sequence[SessionRun],
    tasks: Mapping[str, Sequence[TaskRun]],
) -> float:
    """Return how many times as long as usual a phase took."""
    now, before = (
        float(
            np.median([measure_delivered_time_of_phase(tasks.get(run.session, ()), phase) for run in group])
        )
        for group in (subjects, usual_sessions)
    )
    return now / before if before else math.inf


def _price_conflict(sessions: Sequence[SessionRun]) -> float | None:
    """Return how many seconds longer a session is per conflict; None if its history does not show it."""
    known = [(run.conflicts, _get_wall(run)) for run in sessions if run.conflicts is not None]
    if sum(count > 0 for count, _ in known) < FEWEST_OF_CAUSE or len({count for count, _ in known}) < 2:  # noqa: PLR2004
        return None
    line = stats.linregress([float(count) for count, _ in known], [wall for _, wall in known])
    return float(line.slope) if line.slope > 0 and line.pvalue < LEVEL else None


def _charge_conflicts(run: SessionRun, price: float | None) -> dict[HoldupKey, float]:
    return (
        {} if price is None or run.conflicts is None else {(HoldupKind.CONFLICTS, ""): price * run.conflicts}
    )


def _describe(key: HoldupKey, before: Costs, now: Costs, wall: float) -> Holdup:
    usual = np.array([costs[key] for costs in before if key in costs])
    present = np.array([costs[key] for costs in now])
    seconds = float(present.mean() - np.median(usual))
    # The saving if the session had been one of the usual ones, whichever.
    low, high = present.mean() - np.quantile(usual, [0.975, 0.025])
    if len(present) > 1:
        rng = np.random.default_rng(0)
        means = present[rng.integers(len(present), size=(DRAWS, len(present)))].mean(axis=1)
        medians = np.median(usual[rng.integers(len(usual), size=(DRAWS, len(usual)))], axis=1)
        low, high = np.quantile(means - medians, [0.025, 0.975])
    return Holdup(
        key[0],
        key[1],
        seconds,
        float(low),
        float(high),
        seconds / wall if wall else 0.0,
        float(np.median(usual)),
        (len(usual) + len(now)) / (len(before) + len(now)),
    )


def _get_wall(run: SessionRun) -> float:
    return (run.end - run.start) / SECOND
