"""Explain the work, or a session, from the answers of all analyses: notable findings, and late tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stretto.clock import SECOND
from stretto.findings.analysis_table import HOLDUPS, MOST_EXPLAINED
from stretto.findings.finding_changes import is_notable
from stretto.findings.finding_sentences import (
    describe_finding,
    describe_session_holdup,
    describe_standing,
)
from stretto.findings.findings_snapshot import (
    FindingsState,
    build_finding_document,
    get_extra_value,
    get_holdups_by_session,
    get_standings_by_session,
    get_unexplained_by_session,
)
from stretto.format.quantities import format_count_with_noun, format_duration
from stretto.model.entities import Session, Task
from stretto.model.findings import HOLDUP_PREFIX, Finding

EXPLAINING = (HOLDUPS, "changes", "unusual", "weeks", "lives", "slow_times", "conditions", "correlations")
"""The analyses whose findings explain how long work takes, the most direct first."""

EXPECTING = "lengths"
"""The analysis that knows the usual length of each kind of task."""


ONLY_LATEST = f"only the latest {MOST_EXPLAINED} finished sessions of each pattern are explained"
"""Why an older session is not explained until somebody asks for it."""

NOTHING_UNUSUAL = "nothing that is unusual for its pattern"

MOST_LATE = 10
"""Late tasks that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class LateTask:
    """A task that took longer than four of five of its kind are expected to."""

    task: str
    type: str
    seconds: float
    usual_seconds: float
    low_seconds: float
    high_seconds: float

    def to_sentence(self) -> str:
        """Return it in words, with the usual range."""
        took, usual, low, high = (
            format_duration(value)
            for value in (self.seconds, self.usual_seconds, self.low_seconds, self.high_seconds)
        )
        return f"the task {self.task} ({self.type}) took {took}; usual are {usual} ({low} to {high})"


def list_notable_unsettled_findings(state: FindingsState) -> list[Finding]:
    """Return the notable findings that are not settled."""
    return [
        finding
        for name in EXPLAINING
        for finding in _list_answers(state, name)
        if is_notable(finding) and not state.is_settled(finding)
    ]


@dataclass(frozen=True, slots=True)
class SessionExplanation:
    """The standing of a session among its like, its hold-ups, and other explanations of its length."""

    session: str
    standing: Mapping[str, Any] | None
    holdups: Sequence[Mapping[str, Any]] | None
    """The most expensive first; None if they are not known."""
    reason: str | None
    """Why the hold-ups are not known, as a clause."""
    late: Sequence[LateTask]
    findings: Sequence[Finding]
    """Notable ones about its pattern, or about an agent, a kind of task or a tool that it has."""
    zone: str = "UTC"
    shortened: str = ""
    """Of how many days the hold-ups and the standing are and why, if the whole history was too much."""

    def list_sentences(self) -> list[str]:
        """Return all of it in words, without why the hold-ups are not known."""
        sentences = [] if self.standing is None else [describe_standing(self.standing)]
        if self.holdups is not None:
            sentences += [*map(describe_session_holdup, self.holdups)] or [NOTHING_UNUSUAL]
        if self.shortened:
            sentences.append(f"not of the whole history: {self.shortened}")
        sentences += [task.to_sentence() for task in self.late[:MOST_LATE]]
        if len(self.late) > MOST_LATE:
            more = format_count_with_noun(len(self.late) - MOST_LATE, "more task")
            sentences.append(f"{more} took longer than usual")
        now = [
            f"of its {_name_relation(finding)} now: {describe_finding(finding, self.zone)}"
            for finding in self.findings
        ]
        return [*sentences, *now]

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "session": self.session,
            "standing": self.standing,
            "holdups": self.holdups,
            "reason": self.reason,
            "shortened": self.shortened or None,
            "late_tasks": [asdict(task) for task in self.late],
            "findings": [build_finding_document(finding, self.zone) for finding in self.findings],
        }


def explain_session(state: FindingsState, session: Session) -> SessionExplanation:
    """Return the explanation of a session. Of the past, only tasks that were over then count."""
    tasks = session.tasks
    if state.is_past:
        tasks = tuple(task for task in tasks if task.end is not None and task.end <= state.at)
    present: Mapping[str, set[str | None]] = {
        "agent": {task.agent for task in session.tasks},
        "type": {task.task_type for task in session.tasks},
        "tool": {call.tool for call in session.tool_calls},
    }
    return SessionExplanation(
        session.id,
        get_standings_by_session(state).get(session.id),
        get_holdups_by_session(state).get(session.id),
        explain_unknown_holdups(state, session),
        list_tasks_longer_than_usual(state, session.pattern, tasks),
        [
            finding
            for finding in list_notable_unsettled_findings(state)
            if not finding.kind.startswith(HOLDUP_PREFIX) and _is_about(finding, session.pattern, present)
        ],
        state.zone,
        explain_shorter_history(state, session.id),
    )


def explain_shorter_history(state: FindingsState, session: str) -> str:
    """Return of how many days the hold-ups of a session are and why; empty if of all, or if not known."""
    return state.results[HOLDUPS].shortened if session in get_holdups_by_session(state) else ""


def _is_about(finding: Finding, own: str | None, present: Mapping[str, set[str | None]]) -> bool:
    """Return whether a finding is about a session's ``own`` pattern, or about parts that it has."""
    pattern = finding.subject.get("pattern")
    if pattern is not None:
        return pattern == own
    named = present.keys() & finding.subject.keys()
    return bool(named) and all(finding.subject[name] in present[name] for name in named)


def _name_relation(finding: Finding) -> str:
    """Return what a session shares with a finding about it."""
    names = {"pattern": "pattern", "agent": "agent", "type": "kind of task", "tool": "tool"}
    return next(text for name, text in names.items() if finding.subject.get(name) is not None)


def explain_unknown_holdups(state: FindingsState, session: Session) -> str | None:
    """Return why it is not known what held a session up, as a clause; None if it was analysed."""
    if session.id in get_holdups_by_session(state):
        return None
    return next(_list_reasons(state, session), ONLY_LATEST)


def is_explained_on_demand(state: FindingsState, session: Session) -> bool:
    """Return whether only its age keeps a session from being explained: asked for, it can be."""
    return explain_unknown_holdups(state, session) == ONLY_LATEST


def _list_reasons(state: FindingsState, session: Session) -> Iterator[str]:
    """Yield why a session is not explained, the most general first."""
    result = state.results.get(HOLDUPS)
    answered = None if result is None else result.at
    reasons = (
        (state.missing is not None, state.missing),
        (HOLDUPS in state.switched_off, f"the analysis {HOLDUPS} is switched off"),
        (HOLDUPS in state.absent, state.absent.get(HOLDUPS)),
        (session.pattern is None, "it has no named pattern, so it is not known which sessions are like it"),
        (not session.tasks, "it delegated no task"),
        (session.end is None, "it is not over"),
        (state.is_past and (session.end or 0) > state.at, "it was not over then"),
        (True, get_unexplained_by_session(state).get(session.id)),
        (answered is None, "there is no answer about hold-ups yet"),
        (
            (session.end or 0) > (answered or 0),
            "it ended after the answer, which is renewed every five minutes",
        ),
    )
    return (reason for applies, reason in reasons if applies and reason is not None)


def _list_answers(state: FindingsState, name: str) -> Sequence[Finding]:
    result = state.results.get(name)
    return () if result is None else result.findings


def list_tasks_longer_than_usual(
    state: FindingsState, pattern: str | None, tasks: Iterable[Task]
) -> list[LateTask]:
    """Return the tasks of a session that took longer than their kind, the one that lost most first."""
    rows: Sequence[Mapping[str, Any]] = get_extra_value(state, EXPECTING, "expected") or ()
    usual = {row["type"]: row for row in rows if row["pattern"] == pattern}
    late = [
        LateTask(task.id, task.task_type, task.length / SECOND, row["seconds"], row["low"], row["high"])
        for task in tasks
        if task.length and (row := usual.get(task.task_type)) and task.length / SECOND > row["high"]
    ]
    return sorted(late, key=lambda each: each.usual_seconds - each.seconds)
