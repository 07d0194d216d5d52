"""Explain the work, or a session, from the answers of all analyses: what is notable, and what was late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stretto.clock import SECOND
from stretto.findings.analysis_table import HOLDUPS, MOST_EXPLAINED
from stretto.findings.finding_changes import is_notable
from stretto.findings.findings_snapshot import FindingsState, get_extra_value, get_holdups_by_session
from stretto.format.quantities import format_duration
from stretto.model.entities import Session, Task
from stretto.model.findings import Finding

EXPLAINING = (HOLDUPS, "changes", "unusual", "weeks", "lives", "slow_times", "conditions", "correlations")
"""The analyses whose findings explain how long work takes, the most direct first."""

EXPECTING = "lengths"
"""The analysis that knows the usual length of each kind of task."""


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


def list_notable_unsettled_findings(state: FindingsState, pattern: str | None = None) -> list[Finding]:
    """Return what is notable and not settled, of a pattern and of no pattern, or all without one."""
    return [
        finding
        for name in EXPLAINING
        for finding in _list_answers(state, name)
        if is_notable(finding)
        and not state.is_settled(finding)
        and (pattern is None or finding.subject.get("pattern") in {None, pattern})
    ]


def explain_unknown_holdups(state: FindingsState, session: Session) -> str | None:
    """Return why it is not known what held a session up, as a clause; None if it was analysed."""
    if session.id in get_holdups_by_session(state):
        return None
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
        (answered is None, "there is no answer about hold-ups yet"),
        (
            (session.end or 0) > (answered or 0),
            "it ended after the answer, which is renewed every five minutes",
        ),
        (True, f"only the latest {MOST_EXPLAINED} finished sessions of each pattern are explained"),
    )
    return next(reason for applies, reason in reasons if applies)


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
