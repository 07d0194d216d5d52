"""The answer of all analyses at one instant, frozen: every surface prints findings from it."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from stretto.analysis.installed_extras import find_missing_package
from stretto.clock import SECOND
from stretto.findings.analysis_table import ANALYSES, EFFECTS, EXPLAINED, HOLDUPS, STANDINGS, UNEXPLAINED
from stretto.findings.coverage_reasons import explain_unknown_coverage
from stretto.findings.finding_changes import ADVICE, NOTABLE, count_checks, is_notable, is_quiet_effect
from stretto.findings.finding_sentences import describe_finding
from stretto.format.rfc3339 import to_exact_rfc3339
from stretto.model.decisions import ABOUT_FINDINGS, RECORDED, Decision, DecisionKind, list_last_decisions
from stretto.model.findings import Finding, FindingVerdict
from stretto.store.decision_rows import read_decisions
from stretto.store.finding_history_and_last_answers import (
    AnalysisResult,
    StoredFinding,
    make_finding_id,
    read_analysis_results,
    read_finding_history,
    read_first_kept_time,
)
from stretto.version import describe_extra_install

MOST_ANSWERS = 60
"""Answers of one analysis that surfaces list; ``checks`` counts all."""

UNKNOWN_CHECKS = "how many checks were quiet then is not kept"
"""Why the checks of an instant in the past are not counted."""

NOT_YET = "no analysis has answered yet"
"""Why no checks are counted where each analysis failed, or none has run."""


@dataclass(frozen=True)
class FindingsState:
    """The findings of a store, with the decisions about them."""

    at: int
    """The instant (ns) that it is about: when it was read, or one in the past."""
    findings: tuple[StoredFinding, ...] = ()
    """The whole history, the latest change first."""
    decisions: tuple[Decision, ...] = ()
    results: Mapping[str, AnalysisResult] = field(default_factory=dict)
    """The last good answer of each analysis."""
    zone: str = "UTC"
    missing: str | None = None
    """Why no analysis can run here, and what to install; None if they can."""
    switched_off: frozenset[str] = frozenset()
    """The analyses that are switched off; findings and answers of theirs are left out."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Analysis that cannot answer about this store → why."""
    is_past: bool = False
    """Whether it is as known at an instant in the past, of which findings are kept, but no answers."""
    first_kept: int | None = None
    """Of the past: when (ns) the first finding of all was kept; before it the history knows nothing."""

    @property
    def is_before_history(self) -> bool:
        """Whether it is of a time of which no finding can be kept, since the history begins later."""
        return self.is_past and (self.first_kept is None or self.first_kept > self.at)

    @cached_property
    def worked_out_again(self) -> list[Finding]:
        """The notable answers about a time in the past of which the history has no finding that held then.

        What applied advice brought is left out: it is listed by itself.
        """
        kept = {stored.id for stored in self.findings if stored.is_open}
        return [
            finding
            for name, result in self.results.items()
            if self.is_past and name != EFFECTS
            for finding in result.findings
            if is_notable(finding) and make_finding_id(finding.kind, finding.subject) not in kept
        ]

    @property
    def has_looked(self) -> bool:
        """Whether an analysis has answered, so that checks are counted; of the past they are not kept."""
        return any(result.at is not None for result in self.results.values())

    @property
    def checks_reason(self) -> str | None:
        """Why no checks are counted, as a clause; None if they are."""
        if self.has_looked:
            return None
        return UNKNOWN_CHECKS if self.is_past else self.missing or NOT_YET

    @cached_property
    def open_findings(self) -> list[StoredFinding]:
        """The findings to look at now, without those that a person rejected or accepted since they began."""
        return [
            stored
            for stored in self.findings
            if stored.is_open and stored.id not in self._settled_ids and not is_quiet_effect(stored.finding)
        ]

    def is_settled(self, finding: Finding) -> bool:
        """Return whether a person rejected or accepted a finding of an answer since it began."""
        return make_finding_id(finding.kind, finding.subject) in self._settled_ids

    @cached_property
    def _settled_ids(self) -> frozenset[str]:
        """The findings that hold and that a person rejected or accepted."""
        return frozenset(
            stored.id
            for stored in self.findings
            if stored.is_open and self.find_last_decision(stored) in _SETTLED
        )

    @property
    def settled_findings(self) -> list[StoredFinding]:
        """The findings that ended, were accepted or rejected, or need no look; the latest change first."""
        open_ids = {stored.id for stored in self.open_findings}
        return [stored for stored in self.findings if stored.id not in open_ids]

    @cached_property
    def regressions(self) -> list[StoredFinding]:
        """The series that got worse and are not settled, the largest first."""
        worse = [
            stored
            for stored in self.open_findings
            if stored.analysis == "changes" and stored.finding.verdict is FindingVerdict.REGRESSION
        ]
        return sorted(worse, key=lambda stored: -(stored.finding.evidence.effect or 0))

    @property
    def has_slower_tasks(self) -> bool:
        """Whether the lengths of tasks or of parallel work got worse, so that time saved is no praise."""
        return any(stored.finding.kind in _LENGTHS for stored in self.regressions)

    @cached_property
    def checks(self) -> Mapping[str, int]:
        """The number of checks of the last good answers by verdict: silence differs from not looking."""
        counts = {verdict.value: 0 for verdict in FindingVerdict} | {ADVICE: 0}
        for result in self.results.values():
            for verdict, count in count_checks(result.findings, result.unlisted).items():
                counts[verdict] += count
        return counts

    @property
    def quiet_checks(self) -> int:
        """Checks with enough data that found nothing."""
        return self.checks[FindingVerdict.NO_EVIDENCE.value]

    def find_last_decision(self, stored: StoredFinding) -> DecisionKind | None:
        """Return the decision about a finding that was recorded last since it began, if there is any."""
        last = list_last_decisions(self.list_decisions(stored))
        return last[0].kind if last else None

    def list_decisions(self, stored: StoredFinding) -> list[Decision]:
        """Return the decisions about a finding since it began, by time."""
        return [
            decision
            for decision in self._decisions_by_finding.get(stored.id, ())
            if decision.time >= stored.first_seen
        ]

    @cached_property
    def _decisions_by_finding(self) -> Mapping[str | None, Sequence[Decision]]:
        """The decisions about each finding, by time."""
        grouped: dict[str | None, list[Decision]] = defaultdict(list)
        for decision in self.decisions:
            if decision.kind in ABOUT_FINDINGS:
                grouped[decision.subject].append(decision)
        return grouped


_LENGTHS = frozenset({"task_length", "agent_length", "phase_length", "fanout_elapsed"})
"""Kinds of series whose rise makes the time saved larger."""

_SETTLED = frozenset({DecisionKind.ACCEPTED, DecisionKind.REJECTED})


def read_findings_state(
    connection: sqlite3.Connection,
    now: int,
    zone: str = "UTC",
    *,
    at: int | None = None,
    switched_off: frozenset[str] = frozenset(),
    absent: Mapping[str, str] | None = None,
    with_last_answers: bool = False,
) -> FindingsState:
    """Read the findings of a store at ``now`` (ns), without those of analyses that are off or ``absent``.

    With ``at`` (ns) they are as known then, without answers of analyses: only the last are stored. For a time
    that has just ended these may serve (``with_last_answers``).
    Answers of analyses that this version does not have are left out: nothing would ever renew or end them.
    """
    results = read_analysis_results(connection) if at is None or with_last_answers else {}
    shown = {analysis.name for analysis in ANALYSES} - switched_off - (absent or {}).keys()
    return FindingsState(
        at=now if at is None else at,
        findings=tuple(
            stored for stored in read_finding_history(connection, at=at) if stored.analysis in shown
        ),
        decisions=tuple(read_decisions(connection, at=at)),
        results={name: result for name, result in results.items() if name in shown},
        zone=zone,
        missing=describe_missing_extra(),
        switched_off=switched_off,
        absent=absent or {},
        is_past=at is not None,
        first_kept=None if at is None else read_first_kept_time(connection),
    )


def describe_missing_extra() -> str | None:
    """Return a sentence on what to install if no analysis can run here, else None."""
    missing = find_missing_package("analysis")
    if missing is None:
        return None
    return f"the analyses need {missing}: {describe_extra_install('analysis')}"


def build_findings_document(state: FindingsState) -> dict[str, Any]:
    """Return the findings as JSON."""
    return {
        "at": to_exact_rfc3339(state.at),
        "missing": state.missing,
        "switched_off": sorted(state.switched_off),
        "absent": dict(state.absent),
        "worked_out_again": [build_finding_document(each, state.zone) for each in state.worked_out_again],
        "open": [_build_stored(state, stored) for stored in state.open_findings],
        "settled": [_build_stored(state, stored) for stored in state.settled_findings],
        "quiet_checks": state.quiet_checks if state.has_looked else None,
        "checks": dict(state.checks) if state.has_looked else None,
        "checks_reason": state.checks_reason,
        "analyses": [_build_result(state, result) for result in state.results.values()],
        "annotations": [
            _build_decision(decision)
            for decision in state.decisions
            if decision.kind is DecisionKind.ANNOTATION
        ],
    }


def build_finding_document(finding: Finding, zone: str = "UTC") -> dict[str, Any]:
    """Return one finding as JSON, with its sentence."""
    evidence = finding.evidence
    return {
        "kind": finding.kind,
        "subject": dict(finding.subject),
        "verdict": finding.verdict.value,
        "sentence": describe_finding(finding, zone),
        "since": None if finding.since is None else to_exact_rfc3339(finding.since),
        "reason": finding.reason,
        "advice": finding.advice,
        "evidence": {
            "n": evidence.n, "effect": evidence.effect, "low": evidence.low, "high": evidence.high,
            "unit": evidence.unit, "p": evidence.p, "detectable": evidence.detectable,
            "coverage": evidence.coverage,
            "coverage_reason": explain_unknown_coverage(finding),
            "runs": [{"session": run.session, "task": run.task, "role": run.role} for run in evidence.runs],
        },
        "details": dict(finding.details),
    }  # fmt: skip


def _build_stored(state: FindingsState, stored: StoredFinding) -> dict[str, Any]:
    return {
        "id": stored.id,
        "analysis": stored.analysis,
        "first_seen": to_exact_rfc3339(stored.first_seen),
        "last_change": to_exact_rfc3339(stored.last_change),
        "ended": None if stored.ended is None else to_exact_rfc3339(stored.ended),
        "decisions": [_build_decision(decision) for decision in state.list_decisions(stored)],
        **build_finding_document(stored.finding, state.zone),
    }


def _build_decision(decision: Decision) -> dict[str, Any]:
    return {
        "id": decision.id,
        "time": to_exact_rfc3339(decision.time),
        "recorded": to_exact_rfc3339(decision.recorded_at),
        "kind": decision.kind.value,
        "subject": decision.subject,
        "text": decision.text,
        "details": {name: value for name, value in decision.details.items() if name != RECORDED},
    }


def _build_result(state: FindingsState, result: AnalysisResult) -> dict[str, Any]:
    return {
        "name": result.kind,
        "at": None if result.at is None else to_exact_rfc3339(result.at),
        "age_seconds": None if result.at is None else (state.at - result.at) / SECOND,
        "seconds": result.seconds,
        "checks": result.checks,
        "notable": sum(finding.verdict in NOTABLE for finding in result.findings),
        "error": result.error,
        "shortened": result.shortened or None,
        "answers": [build_finding_document(finding, state.zone) for finding in list_latest_answers(result)],
    }


def list_shortened_answers(state: FindingsState) -> list[str]:
    """Return a clause on each analysis whose last good answer is not about the whole history."""
    return [f"{result.kind}: {result.shortened}" for result in state.results.values() if result.shortened]


def list_latest_answers(result: AnalysisResult) -> list[Finding]:
    """Return the last answers of an analysis: findings, then quiet checks, then too little data."""
    order = {FindingVerdict.NO_EVIDENCE: 1, FindingVerdict.TOO_LITTLE_DATA: 2}
    ordered = sorted(result.findings, key=lambda each: (not is_notable(each), order.get(each.verdict, 0)))
    return ordered[:MOST_ANSWERS]


def get_extra_value(state: FindingsState, analysis: str, name: str) -> Any:
    """Return a further value of an analysis' last good answer, or None."""
    result = state.results.get(analysis)
    return None if result is None else result.extra.get(name)


def get_holdups_by_session(state: FindingsState) -> Mapping[str, list[dict[str, Any]]]:
    """Return the hold-ups of each session that was analysed, the most seconds first."""
    holdups: Mapping[str, list[dict[str, Any]]] = get_extra_value(state, HOLDUPS, EXPLAINED) or {}
    return holdups


def get_standings_by_session(state: FindingsState) -> Mapping[str, Mapping[str, Any]]:
    """Return how each session that has a rank stands among its like."""
    standings: Mapping[str, Mapping[str, Any]] = get_extra_value(state, HOLDUPS, STANDINGS) or {}
    return standings


def get_unexplained_by_session(state: FindingsState) -> Mapping[str, str]:
    """Return why it is not known of some analysed sessions what held them up, as a clause."""
    reasons: Mapping[str, str] = get_extra_value(state, HOLDUPS, UNEXPLAINED) or {}
    return reasons


def add_explained_session(state: FindingsState, session: str, answer: AnalysisResult | str) -> FindingsState:
    """Return the findings with the hold-ups and standing of one more session, from an answer about it.

    A text instead of an answer is why there is none.
    """
    last = state.results.get(HOLDUPS) or AnalysisResult(HOLDUPS)
    if isinstance(answer, str):
        answer = replace(last, extra={UNEXPLAINED: {session: answer}})
    values = answer.extra
    if session not in values.get(EXPLAINED, {}) and session not in values.get(UNEXPLAINED, {}):
        values = {**values, UNEXPLAINED: {session: "the analysis has no run of it"}}
    more = {
        name: {**last.extra.get(name, {}), session: values[name][session]}
        for name in (EXPLAINED, STANDINGS, UNEXPLAINED)
        if session in values.get(name, {})
    }
    result = replace(last, extra={**last.extra, **more}, shortened=answer.shortened)
    return replace(state, results={**state.results, HOLDUPS: result})


def find_stored(findings: Sequence[StoredFinding], id: str) -> list[StoredFinding]:
    """Return the findings whose id begins with a text; exactly that one if it is a whole id."""
    exact = [stored for stored in findings if stored.id == id]
    return exact or [stored for stored in findings if id and stored.id.startswith(id)]
