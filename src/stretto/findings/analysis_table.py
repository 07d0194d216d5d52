"""The table of analyses: which questions are asked of the store, how often, and what each needs.

An analysis is a function of the runs, the decisions and an instant. It is imported when it runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from stretto.clock import DAY
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.findings import Finding
from stretto.model.runs import SessionRun, TaskRun

FIVE_MINUTES, HOUR_SECONDS = 300, 3_600

HISTORY_DAYS = 154
"""Days of runs that are read: a season of baselines, and the changes before them."""

NEW_NORMAL = "new_normal"
"""The detail of an annotation after which earlier runs are no longer compared."""

RECENT_DAYS = 1
"""Sessions of the last days are what a pattern is held up by now; earlier ones are usual."""

MOST_EXPLAINED = 40
"""Sessions, the latest first, for which it is worked out what held them up."""


@dataclass(frozen=True)
class AnalysisInput:
    """The input of all analyses: runs and decisions as known at an instant."""

    instant: int
    tasks: Sequence[TaskRun]
    sessions: Sequence[SessionRun]
    decisions: Sequence[Decision] = ()
    zone: str = "UTC"
    machine_memory: float | None = None
    """Bytes of the machine, if they are known."""
    subjects: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    """Id of each finding of the history → its kind and subject, which decisions refer to."""

    @cached_property
    def tasks_by_session(self) -> Mapping[str, Sequence[TaskRun]]:
        """The tasks of each session, by start."""
        grouped: dict[str, list[TaskRun]] = defaultdict(list)
        for run in self.tasks:
            grouped[run.session].append(run)
        return grouped

    @cached_property
    def sessions_by_pattern(self) -> Mapping[str, Sequence[SessionRun]]:
        """The sessions that delegated, by pattern, each by end. Those without a pattern are left out."""
        grouped: dict[str, list[SessionRun]] = defaultdict(list)
        for run in self.sessions:
            if run.pattern is not None and run.task_types:
                grouped[run.pattern].append(run)
        return grouped


@dataclass(frozen=True, slots=True)
class AnalysisAnswer:
    """The answer of an analysis."""

    findings: Sequence[Finding]
    checks: int | None = None
    """Comparisons that were made; None if each is a finding."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further values for surfaces, such as the hold-ups of single sessions."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A row of the table."""

    name: str
    every: int
    """Seconds from one answer to the next."""
    run: Callable[[AnalysisInput], AnalysisAnswer]
    extra: str = "analysis"
    """The extra of Stretto that it needs."""


def find_changes(given: AnalysisInput) -> AnalysisAnswer:
    """Answer whether lengths, failures, tokens or money of any series changed, since when and by how much."""
    from stretto.analysis.regression import Boundary, judge_changes  # noqa: PLC0415  # loads scipy
    from stretto.analysis.series import (  # noqa: PLC0415  # likewise
        SeriesKind,
        make_fanout_series,
        make_task_series,
    )

    boundaries = [
        Boundary(decision.time)
        for decision in given.decisions
        if decision.kind is DecisionKind.ANNOTATION and decision.details.get(NEW_NORMAL) is True
    ]
    for decision in given.decisions:
        kind, subject = given.subjects.get(decision.subject or "", ("", {}))
        if decision.kind is DecisionKind.ACCEPTED and kind in set(SeriesKind):
            boundaries.append(Boundary(decision.time, SeriesKind(kind), subject))
    series = [*make_task_series(given.tasks), *make_fanout_series(given.sessions)]
    findings = judge_changes(series, given.instant, ZoneInfo(given.zone), boundaries)
    return AnalysisAnswer(findings)


def find_holdups(given: AnalysisInput) -> AnalysisAnswer:
    """Answer what holds up each pattern's sessions of the last day, and each of the latest sessions."""
    from stretto.analysis.bottleneck_causes import (  # noqa: PLC0415  # loads scipy
        explain_sessions,
        find_bottlenecks,
    )

    findings: list[Finding] = []
    by_session: dict[str, list[dict[str, Any]]] = {}
    since = given.instant - RECENT_DAYS * DAY
    for runs in given.sessions_by_pattern.values():
        recent, usual = [run for run in runs if run.end >= since], [run for run in runs if run.end < since]
        if recent:
            findings += find_bottlenecks(recent, usual, given.tasks_by_session).to_findings()
        explained = explain_sessions(runs, given.tasks_by_session, latest=MOST_EXPLAINED)
        for session, answer in explained.items():
            by_session[session] = [
                {"kind": str(holdup.kind), "name": holdup.name, "seconds": holdup.seconds, "low": holdup.low,
                 "high": holdup.high, "share": holdup.share, "cause": holdup.cause or None}
                for holdup in answer.holdups
            ]  # fmt: skip
    return AnalysisAnswer(findings, extra={"sessions": by_session})


def plan_widths(given: AnalysisInput) -> AnalysisAnswer:
    """Answer how many agents side by side pay for each pattern."""
    from stretto.analysis.capacity_plan import plan_capacity  # noqa: PLC0415  # loads scipy

    return AnalysisAnswer(
        [
            plan_capacity(
                pattern, runs, given.tasks_by_session, machine_memory=given.machine_memory
            ).to_finding()
            for pattern, runs in given.sessions_by_pattern.items()
        ]
    )


def fit_width_gains(given: AnalysisInput) -> AnalysisAnswer:
    """Answer what each further agent of a pattern still brings, by the curve through its sessions."""
    from stretto.analysis.width_gain import fit_width_curve  # noqa: PLC0415  # loads scipy

    curves = [
        fit_width_curve(pattern, runs, given.tasks_by_session)
        for pattern, runs in given.sessions_by_pattern.items()
    ]
    return AnalysisAnswer(
        [curve.to_finding() for curve in curves],
        extra={"sentences": {curve.pattern: curve.to_sentence() for curve in curves}},
    )


def judge_experiments(given: AnalysisInput) -> AnalysisAnswer:
    """Answer how each experiment stands that is not concluded."""
    from stretto.analysis.experiments import (  # noqa: PLC0415  # loads scipy
        judge_experiment,
        list_experiment_units,
    )
    from stretto.findings.experiment_records import read_definitions  # noqa: PLC0415  # likewise

    return AnalysisAnswer(
        [
            judge_experiment(
                definition, list_experiment_units(definition, given.sessions, given.tasks, given.instant)
            ).to_finding()
            for definition in read_definitions(given.decisions)
        ]
    )


ANALYSES: tuple[Analysis, ...] = (
    Analysis("changes", FIVE_MINUTES, find_changes),
    Analysis("holdups", FIVE_MINUTES, find_holdups),
    Analysis("experiments", FIVE_MINUTES, judge_experiments),
    Analysis("widths", HOUR_SECONDS, plan_widths),
    Analysis("gains", HOUR_SECONDS, fit_width_gains),
)


def list_due(
    results: Mapping[str, int | None], now: int, analyses: Iterable[Analysis] = ANALYSES
) -> list[str]:
    """Return the analyses whose last good answer (ns, by name) is too old at ``now`` (ns)."""
    return [
        analysis.name
        for analysis in analyses
        if (at := results.get(analysis.name)) is None or now - at >= analysis.every * 10**9
    ]
