"""Find conditions under which sessions succeed, fail or are fast more often: patterns of success and failure.

A condition is a yes or no about a session: a covariate, a label, its width, its time of day. Conditions are
compared within each workflow pattern, so that a pattern that always succeeds makes no condition look good.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import special, stats

from stretto.analysis.series_of_run_values import JUDGED
from stretto.analysis.two_session_comparison import measure_seconds_per_task
from stretto.clock import DAY, HOUR
from stretto.model.event import Outcome
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun

MOST_CONDITIONS = 20
SUPPORT = 15
"""Fewest sessions with a condition, and without it."""
LEVEL = 0.05
FEWEST_SESSIONS = 100
LATER_SHARE = 1 / 3
"""Share of the sessions, the latest, that confirm what the earlier ones show."""
FASTEST = 0.25
IN_TIME_PER_TASK = ("tasks", "width", "retries")
"""Beginnings of the conditions that the time per task has in it.

The number of tasks divides it, a retry adds a task, and tasks side by side share a session's time.
"""


class AssociatedOutcome(StrEnum):
    """The outcome that a condition goes with."""

    SUCCESS = "success"
    FAILURE = "failure"
    FAST = "fast"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class OutcomeCondition:
    """A condition with the outcome that it goes with."""

    condition: str
    effect: AssociatedOutcome
    support: int
    """Sessions with the condition."""
    share: float
    """Of them with the outcome that is counted: success, or being among the fastest quarter."""
    lift: float
    """That share / the share without the condition, within patterns."""
    low: float
    high: float
    p: float
    """Adjusted for all conditions and outcomes."""
    confirmed: bool
    """Whether the later sessions show it too; else it is emerging."""
    coverage: float
    """Share of the sessions whose outcome is known."""

    def to_sentence(self) -> str:
        """Return the condition in words, with the limits of its lift."""
        counted = {
            AssociatedOutcome.SUCCESS: "succeed",
            AssociatedOutcome.FAILURE: "succeed only",
            AssociatedOutcome.FAST: "are among the fastest quarter by time per task",
            AssociatedOutcome.SLOW: "are among the fastest quarter by time per task only",
        }[self.effect]
        emerging = "" if self.confirmed else "; later sessions must confirm it"
        verb = counted.removesuffix(" only")
        if math.isinf(self.lift):
            return f"Only sessions with {self.condition} {verb} ({self.support} sessions){emerging}."
        if not self.lift:
            return f"No session with {self.condition} is one of those that {verb} ({self.support}){emerging}."
        return (
            f"Sessions with {self.condition} {counted} {self.lift:.2f} times as often as those without "
            f"[{self.low:.2f}, {self.high:.2f}] ({self.support} sessions){emerging}."
        )


@dataclass(frozen=True, slots=True)
class ConditionAnswer:
    """The conditions that go with an outcome beyond chance."""

    sessions: int
    checked: int
    """Conditions and outcomes that were tested."""
    found: tuple[OutcomeCondition, ...] = ()
    reason: str = ""

    def to_findings(self) -> list[Finding]:
        """Return a finding per condition, or a single one without."""
        if not self.found:
            verdict = FindingVerdict.TOO_LITTLE_DATA if self.reason else FindingVerdict.NO_EVIDENCE
            details: dict[str, float | str | None] = {"checked": float(self.checked)}
            evidence = FindingEvidence(n=self.sessions)
            return [Finding("condition", {}, verdict, evidence, reason=self.reason, details=details)]
        good = {AssociatedOutcome.SUCCESS, AssociatedOutcome.FAST}
        return [
            Finding(
                kind=f"condition_{each.effect}",
                subject={"condition": each.condition},
                verdict=FindingVerdict.IMPROVEMENT if each.effect in good else FindingVerdict.REGRESSION,
                evidence=FindingEvidence(
                    n=self.sessions,
                    effect=_keep_finite(each.lift),
                    low=each.low,
                    high=_keep_finite(each.high),
                    p=each.p,
                    coverage=each.coverage,
                ),
                reason="" if each.confirmed else "emerging: later sessions must confirm it",
                advice=each.to_sentence(),
                details={
                    "support": float(each.support),
                    "share": each.share,
                    "confirmed": "yes" if each.confirmed else "no",
                    "checked": float(self.checked),
                },
            )
            for each in self.found
        ]


def find_outcome_conditions(sessions: Sequence[SessionRun]) -> ConditionAnswer:
    """Return the conditions whose share of success or of fast sessions differs beyond chance.

    Each is tested by Cochran, Mantel and Haenszel (Fisher's exact test for a single pattern), adjusted by
    Benjamini and Hochberg over all conditions and outcomes. It is confirmed if the later third of the
    sessions alone shows it in the same direction at p < .05.
    """
    if len(sessions) < FEWEST_SESSIONS:
        reason = f"{len(sessions)} sessions, {FEWEST_SESSIONS} are needed"
        return ConditionAnswer(len(sessions), 0, reason=reason)
    ordered = sorted(sessions, key=lambda run: (run.start, run.session))
    conditions = list_conditions(ordered)
    outcomes = {"success": _read_success(ordered), "fast": _read_fast(ordered)}
    later = ordered[math.floor(len(ordered) * (1 - LATER_SHARE)) :]
    tested: list[tuple[str, str, _Table]] = []
    for name, holds in conditions.items():
        for outcome, hits in outcomes.items():
            if outcome == "fast" and _is_in_time_per_task(name):
                continue
            table = _Table.build(ordered, holds, hits)
            if table.support >= SUPPORT and table.without >= SUPPORT:
                tested.append((name, outcome, table))
    if not tested:
        return ConditionAnswer(len(sessions), 0)
    adjusted = stats.false_discovery_control([table.test() for *_, table in tested])
    found = []
    for (name, outcome, table), p in zip(tested, adjusted, strict=True):
        if p <= LEVEL:
            lift, low, high = table.measure_lift()
            again = _Table.build(later, conditions[name], outcomes[outcome])
            same = (again.measure_lift()[0] - 1) * (lift - 1) > 0
            found.append(
                OutcomeCondition(
                    name, _name_effect(outcome, lift), table.support, table.share, lift, low, high, float(p),
                    same and again.test() <= LEVEL, (table.support + table.without) / len(sessions),
                )
            )  # fmt: skip
    found.sort(key=lambda each: (not each.confirmed, -abs(math.log(max(each.lift, 1e-9)))))
    return ConditionAnswer(len(sessions), len(tested), tuple(found))


def list_conditions(sessions: Sequence[SessionRun]) -> dict[str, frozenset[str]]:
    """Return at most twenty conditions with the ids of the sessions for which they hold.

    Those that split the sessions most evenly come first; a condition that nearly all or nearly none fulfil
    cannot show anything.
    """
    width = float(np.median([run.width for run in sessions]))
    size = float(np.median([sum(run.task_types.values()) for run in sessions]))
    checks: dict[str, Callable[[SessionRun], bool]] = {
        f"width > {width:g}": lambda run: run.width > width,
        f"tasks > {size:g}": lambda run: sum(run.task_types.values()) > size,
        "retries": lambda run: run.retries > 0,
        "conflicts": lambda run: bool(run.conflicts),
        "failed tests": lambda run: bool(run.tests_failed),
        "wait for a person": lambda run: run.wall_parts.get("waiting", 0) > 0,
        # 1970-01-01 was a Thursday; hours are UTC.
        "weekend": lambda run: (run.start // DAY + 3) % 7 >= 5,  # noqa: PLR2004  # Saturday
        "before noon UTC": lambda run: run.start % DAY < 12 * HOUR,
    }
    holds = {name: frozenset(run.session for run in sessions if check(run)) for name, check in checks.items()}
    named: dict[str, set[str]] = defaultdict(set)
    for run in sessions:
        pairs = [*run.covariates.items(), *run.labels.items()]
        pairs += [("source", run.source)] if run.source else []
        for key, value in pairs:
            named[f"{key}={value}"].add(run.session)
    holds |= {name: frozenset(ids) for name, ids in named.items()}
    count = len(sessions)
    useful = [name for name, ids in holds.items() if SUPPORT <= len(ids) <= count - SUPPORT]
    useful.sort(key=lambda name: (abs(len(holds[name]) - count / 2), name))
    everything = frozenset(run.session for run in sessions)
    chosen: dict[frozenset[str], str] = {}
    for name in useful:
        # Of a condition and its opposite, or two names of the same sessions, the first is enough.
        if chosen.keys().isdisjoint({holds[name], everything - holds[name]}):
            chosen[holds[name]] = name
    return {name: ids for ids, name in [*chosen.items()][:MOST_CONDITIONS]}


@dataclass(frozen=True, slots=True)
class _Table:
    """Counts by pattern: of those with the condition hits and all, and without it likewise."""

    rows: np.ndarray

    @classmethod
    def build(cls, sessions: Iterable[SessionRun], holds: frozenset[str], hits: Mapping[str, bool]) -> _Table:
        rows: dict[str | None, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for run in sessions:
            if run.session in hits:
                place = 0 if run.session in holds else 2
                rows[run.pattern][place] += hits[run.session]
                rows[run.pattern][place + 1] += 1
        return cls(np.array([*rows.values()], float).reshape(-1, 4))

    @property
    def support(self) -> int:
        """Sessions with the condition whose outcome is known."""
        return int(self.rows[:, 1].sum())

    @property
    def without(self) -> int:
        """Sessions without it."""
        return int(self.rows[:, 3].sum())

    @property
    def share(self) -> float:
        """Share of hits among those with the condition."""
        return float(self.rows[:, 0].sum() / max(1.0, self.rows[:, 1].sum()))

    def test(self) -> float:
        """Return the two-sided p value."""
        rows = self.rows[(self.rows[:, 1] > 0) & (self.rows[:, 3] > 0)]
        if len(rows) == 1:
            hits, count, other_hits, others = rows[0]
            table = np.array([[hits, count - hits], [other_hits, others - other_hits]])
            return float(stats.fisher_exact(table).pvalue)
        hits, count, other_hits, others = rows.T
        total = count + others
        all_hits = hits + other_hits
        expected = count * all_hits / total
        variance = count * others * all_hits * (total - all_hits) / (total**2 * np.maximum(total - 1, 1))
        if variance.sum() <= 0:
            return 1.0
        distance = abs(float((hits - expected).sum()))
        return float(2 * special.ndtr(-distance / math.sqrt(float(variance.sum()))))

    def measure_lift(self) -> tuple[float, float, float]:
        """Return the ratio of shares by Mantel and Haenszel, with Greenland and Robins' limits (1985)."""
        hits, count, other_hits, others = self.rows[(self.rows[:, 1] > 0) & (self.rows[:, 3] > 0)].T
        total = count + others
        above, below = hits * others / total, other_hits * count / total
        if not above.sum() or not below.sum():
            return (0.0 if not above.sum() else math.inf), 0.0, math.inf
        ratio = float(above.sum() / below.sum())
        spread = (count * others * (hits + other_hits) - hits * other_hits * total) / total**2
        error = math.sqrt(max(0.0, float(spread.sum() / (above.sum() * below.sum()))))
        factor = math.exp(-float(special.ndtri(LEVEL / 2)) * error)
        return ratio, ratio / factor, ratio * factor


def _is_in_time_per_task(condition: str) -> bool:
    """Return whether a condition is one of time per task; a label ``width=4`` or ``tasks=few`` is none."""
    return "=" not in condition and condition.startswith(IN_TIME_PER_TASK)


def _keep_finite(value: float) -> float | None:
    """Return a number that JSON has; None without an upper end, as if no other session had the outcome."""
    return value if math.isfinite(value) else None


def _read_success(sessions: Iterable[SessionRun]) -> dict[str, bool]:
    return {run.session: run.outcome is Outcome.SUCCESS for run in sessions if run.outcome in JUDGED}


def _read_fast(sessions: Sequence[SessionRun]) -> dict[str, bool]:
    """Return whether each session is among the fastest quarter of its pattern, by active time per task."""
    paces: dict[str | None, list[tuple[str, float]]] = defaultdict(list)
    for run in sessions:
        if (pace := measure_seconds_per_task(run)) is not None:
            paces[run.pattern].append((run.session, pace))
    fast: dict[str, bool] = {}
    for group in paces.values():
        limit = float(np.quantile([pace for _, pace in group], FASTEST))
        fast |= {session: pace <= limit for session, pace in group}
    return fast


def _name_effect(outcome: str, lift: float) -> AssociatedOutcome:
    if outcome == "success":
        return AssociatedOutcome.SUCCESS if lift > 1 else AssociatedOutcome.FAILURE
    return AssociatedOutcome.FAST if lift > 1 else AssociatedOutcome.SLOW
