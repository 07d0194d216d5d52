"""Judge recommendations that were applied: the effect they had, and whether it is within the promise.

The sessions of the pattern before and after are compared by their elapsed time per usual work, so that larger
work afterwards is no failure of the advice, and smaller work no success. The time after has a fixed end: what
changes later has other causes, and must not change the verdict.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

import numpy as np

from stretto.analysis.effect_estimates import EffectEstimate, estimate_ratio_of_geometric_means
from stretto.analysis.experiment_definition_and_plan import find_detectable_ratio
from stretto.analysis.rule_inputs_and_promised_gains import measure_session_log_spans_per_work
from stretto.analysis.session_holdups import UsualLengths
from stretto.analysis.session_lane_schedule import order_tasks_of_known_length
from stretto.clock import DAY, SECOND
from stretto.model.findings import EFFECT_PREFIX, Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

WAIT = 7 * DAY
"""Time after which an applied recommendation is judged, by the sessions up to then."""
LONGEST_WAIT = 28 * DAY
"""Time up to which it waits for enough sessions; later ones are never compared."""
BEFORE = 28 * DAY
"""Time before it that is compared."""
FEWEST_SESSIONS = 5
FEWEST_DAYS = 5
"""Days from which on a day counts once, however many sessions it has."""
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class RealisedEffect:
    """The effect that an applied recommendation had."""

    verdict: FindingVerdict
    before: int
    after: int
    seconds: float | None = None
    """Saved per session."""
    low: float | None = None
    high: float | None = None
    within_promise: bool | None = None
    """Whether the seconds lie within the promised limits."""
    detectable: float | None = None
    """The smallest saving (s) that would have been seen."""
    reason: str = ""
    promised: float | None = None
    """Seconds per session that were promised; None without a verdict."""
    coverage: float | None = None
    """Share of the sessions before and after whose tasks are known; None without a verdict."""

    @classmethod
    def from_finding(cls, finding: Finding) -> RealisedEffect:
        """Return the effect that ``to_finding`` made a finding of."""
        evidence, details = finding.evidence, finding.details
        return cls(
            finding.verdict,
            _read_count(details, "before"),
            _read_count(details, "after"),
            evidence.effect,
            evidence.low,
            evidence.high,
            {"yes": True, "no": False}.get(str(details.get("within_promise"))),
            evidence.detectable,
            finding.reason,
            promised if isinstance(promised := details.get("promised"), int | float) else None,
            evidence.coverage,
        )

    @property
    def outcome(self) -> str | None:
        """``helped`` or ``without_effect``, as feedback counts it; None while there is too little data."""
        if self.verdict is FindingVerdict.TOO_LITTLE_DATA:
            return None
        return "helped" if self.verdict is FindingVerdict.IMPROVEMENT else "without_effect"

    def to_finding(
        self, kind: str, subject: Mapping[str, str], applied: int, runs: tuple[RunLink, ...] = ()
    ) -> Finding:
        """Return the effect as a finding about the recommendation's subject, since it was applied (ns).

        ``runs`` are sessions to look at, before and after.
        """
        return Finding(
            kind=f"{EFFECT_PREFIX}{kind}",
            subject=subject,
            verdict=self.verdict,
            evidence=FindingEvidence(
                n=self.before + self.after,
                effect=self.seconds,
                low=self.low,
                high=self.high,
                unit="seconds",
                detectable=self.detectable,
                coverage=self.coverage,
                runs=runs,
            ),
            since=applied,
            reason=self.reason,
            details={
                "before": float(self.before),
                "after": float(self.after),
                "within_promise": None
                if self.within_promise is None
                else "yes"
                if self.within_promise
                else "no",
                "promised": self.promised,
            },
        )


def judge_applied(
    promised: tuple[float, float, float],
    applied: int,
    sessions: Sequence[SessionRun],
    tasks: Mapping[str, Sequence[TaskRun]],
    *,
    instant: int,
    zone: tzinfo = UTC,
) -> RealisedEffect:
    """Return the effect of a recommendation that was applied at a time (ns), by the sessions of its pattern.

    ``promised`` are the seconds per session with their limits. Sessions up to 28 days before are compared
    with those of the 7 days after. Where these are fewer than 5, the time after lasts until the fifth, at
    most 28 days. The verdict is too little data until then, and the same at every later instant. Sessions of
    a local day of ``zone`` count once.
    """
    closing = find_closing(applied, [run for run in sessions if tasks.get(run.session)])
    before = [run for run in sessions if applied - BEFORE <= run.start and run.end <= applied]
    after = [run for run in sessions if run.start >= applied and run.end <= min(instant, closing)]
    if instant - applied < WAIT:
        days = math.ceil((WAIT - (instant - applied)) / DAY)
        return RealisedEffect(
            FindingVerdict.TOO_LITTLE_DATA, len(before), len(after), reason=f"it is judged in {days} days"
        )
    usual = UsualLengths(task for run in before for task in tasks.get(run.session, ()))
    old, new = (sum(bool(tasks.get(run.session)) for run in group) for group in (before, after))
    if min(old, new) < FEWEST_SESSIONS:
        since = "after" if instant < closing else f"in the {LONGEST_WAIT // DAY} days after"
        return RealisedEffect(
            FindingVerdict.TOO_LITTLE_DATA,
            old,
            new,
            reason=f"{old} sessions before and {new} {since}, {FEWEST_SESSIONS} are needed",
        )
    logs = [_measure_sides(group, tasks, usual, zone) for group in (before, after)]
    spans = [order_tasks_of_known_length(tasks.get(run.session, ())).span / SECOND for run in before]
    length = float(np.mean([span for span in spans if span]))
    estimate = estimate_ratio_of_geometric_means(
        [math.exp(value) for value in logs[0]], [math.exp(value) for value in logs[1]]
    )
    if estimate is None:
        return RealisedEffect(FindingVerdict.TOO_LITTLE_DATA, old, new, reason="the sessions do not scatter")
    spread = math.sqrt((np.var(logs[0], ddof=1) + np.var(logs[1], ddof=1)) / 2)
    ratio = find_detectable_ratio(min(map(len, logs)), spread)
    seconds = length * (1 - estimate.effect)
    return RealisedEffect(
        _conclude(estimate),
        old,
        new,
        seconds,
        length * (1 - estimate.high),
        length * (1 - estimate.low),
        promised[1] <= seconds <= promised[2],
        length * (1 - 1 / ratio),
        "" if estimate.p <= LEVEL else "no effect that can be seen",
        promised[0],
        (old + new) / (len(before) + len(after)),
    )


def find_closing(applied: int, sessions: Sequence[SessionRun]) -> int:
    """Return when the time ends (ns) by whose sessions a recommendation is judged that was applied at a time.

    It is 7 days after, or the end of the fifth session since if that is later, at most 28 days after.
    """
    ends = sorted(run.end for run in sessions if run.start >= applied)
    if len(ends) < FEWEST_SESSIONS:
        return applied + LONGEST_WAIT
    return min(max(applied + WAIT, ends[FEWEST_SESSIONS - 1]), applied + LONGEST_WAIT)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the promises of judged recommendations compare with what they brought."""

    judged: int
    within: int
    """Those whose effect lay within the promised limits."""
    promised_seconds: float
    realised_seconds: float

    @property
    def ratio(self) -> float | None:
        """Realised / promised seconds; None if nothing was promised."""
        return self.realised_seconds / self.promised_seconds if self.promised_seconds > 0 else None


def calibrate_promises(effects: Sequence[RealisedEffect]) -> Calibration:
    """Return how the promises held that effects are known of; undecided effects do not count."""
    known = [effect for effect in effects if effect.seconds is not None]
    return Calibration(
        judged=len(known),
        within=sum(bool(effect.within_promise) for effect in known),
        promised_seconds=sum(effect.promised or 0.0 for effect in known),
        realised_seconds=sum(effect.seconds or 0.0 for effect in known),
    )


def link_sessions_around_application(sessions: Sequence[SessionRun], applied: int) -> tuple[RunLink, ...]:
    """Return the last session before and the first after a recommendation was applied."""
    before = [run for run in sessions if run.end <= applied][-1:]
    after = [run for run in sessions if run.start >= applied][:1]
    return tuple(
        RunLink(run.session, role=role)
        for group, role in ((before, "before"), (after, "after"))
        for run in group
    )


def _measure_sides(
    sessions: Sequence[SessionRun],
    tasks: Mapping[str, Sequence[TaskRun]],
    usual: UsualLengths,
    zone: tzinfo,
) -> list[float]:
    """Return the logarithms of span per usual work: means of days if there are enough days, else of sessions.

    Sessions of a local day resemble each other; days are what is independent.
    """
    schedules = [order_tasks_of_known_length(tasks.get(run.session, ())) for run in sessions]
    values = measure_session_log_spans_per_work(schedules, usual)
    days: dict[date, list[float]] = defaultdict(list)
    for place, value in values.items():
        days[datetime.fromtimestamp(sessions[place].start // SECOND, zone).date()].append(value)
    if len(days) < FEWEST_DAYS:
        return [*values.values()]
    return [float(np.mean(group)) for group in days.values()]


def _read_count(details: Mapping[str, float | str | None], name: str) -> int:
    count = details.get(name)
    return round(count) if isinstance(count, int | float) else 0


def _conclude(estimate: EffectEstimate) -> FindingVerdict:
    if estimate.p > LEVEL:
        return FindingVerdict.NO_EVIDENCE
    return FindingVerdict.IMPROVEMENT if estimate.effect < 1 else FindingVerdict.REGRESSION
