"""The values that the page of findings shows. No arithmetic: sentences come from ``findings``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.findings.analysis_table import EFFECTS
from stretto.findings.finding_changes import ADVICE, NOTABLE
from stretto.findings.finding_sentences import (
    describe_finding,
    describe_left,
    describe_run_count,
)
from stretto.findings.findings_snapshot import (
    FindingsState,
    list_latest_answers,
)
from stretto.findings.look_up_findings_about_sessions import SessionFinding, find_session_findings
from stretto.format.quantities import format_count_with_noun, format_duration
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.findings import FindingVerdict, RunLink
from stretto.store.finding_history_and_last_answers import StoredFinding
from stretto.summaries.running_tasks import ExpectedTask

MOST_SETTLED = 50
MOST_NEWS = 3

_RANKS = {FindingVerdict.REGRESSION: 0, FindingVerdict.IMPROVEMENT: 2}


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding as the page shows it."""

    id: str
    sentence: str
    reason: str
    first_seen: int
    ended: int | None
    runs: Sequence[RunLink]
    basis: str
    """How many runs it rests on, with their noun."""
    decisions: Sequence[Decision]
    verdict: str


@dataclass(frozen=True, slots=True)
class AnswerView:
    """How old the answer of an analysis is."""

    name: str
    at: int | None
    checks: int
    error: str | None
    shortened: str = ""
    """Of how many days it is and why, if the whole history was too much."""
    sentences: Sequence[str] = ()
    """The findings, then the quiet checks with what would have been seen."""


def describe_stored(state: FindingsState, stored: StoredFinding) -> FindingView:
    """Return a finding with its sentence and what was decided about it."""
    finding = stored.finding
    return FindingView(
        id=stored.id,
        sentence=describe_finding(finding, state.zone),
        reason=finding.reason,
        first_seen=stored.first_seen,
        ended=stored.ended,
        runs=finding.evidence.runs,
        basis=describe_run_count(finding),
        decisions=state.list_decisions(stored),
        verdict=ADVICE if finding.advice and finding.verdict not in NOTABLE else finding.verdict.value,
    )


def rank_open(state: FindingsState) -> list[StoredFinding]:
    """Return the open findings: what got worse, advice, what got better; of each the latest change first."""
    return sorted(state.open_findings, key=lambda stored: _RANKS.get(stored.finding.verdict, 1))


def list_settled(state: FindingsState) -> list[StoredFinding]:
    """Return the latest findings that ended, or that were accepted or rejected."""
    return state.settled_findings[:MOST_SETTLED]


def list_effects(state: FindingsState) -> list[tuple[str, Sequence[RunLink]]]:
    """Return a sentence on what each applied recommendation brought, with the runs before and after."""
    result = state.results.get(EFFECTS)
    return [
        (describe_finding(finding, state.zone), finding.evidence.runs)
        for finding in (() if result is None else result.findings)
    ]


def list_annotations(state: FindingsState) -> list[Decision]:
    """Return the annotations, the latest first."""
    return [each for each in reversed(state.decisions) if each.kind is DecisionKind.ANNOTATION]


def list_regressions_and_overdue_tasks(
    state: FindingsState, expected: Iterable[ExpectedTask]
) -> list[tuple[str, str]]:
    """Return what the first page shows before everything else: what got worse, and what is overdue now.

    Each sentence has the address that it leads to.
    """
    news = [
        (describe_finding(stored.finding, state.zone), f"/findings/{stored.id}")
        for stored in state.regressions[:MOST_NEWS]
    ]
    overdue = [task for task in expected if task.is_overdue]
    if overdue:
        longest = max(task.elapsed for task in overdue) / SECOND
        noun = format_count_with_noun(len(overdue), "running task")
        sentence = f"{noun} overdue among their kind; the longest runs for {format_duration(longest)}."
        news.append((sentence, "/findings#running"))
    return news


def describe_expected(expected: Iterable[ExpectedTask]) -> list[tuple[ExpectedTask, str]]:
    """Return the running tasks, each with a text on the time that is left."""
    return [(task, describe_left(task)) for task in expected]


def describe_answers(state: FindingsState, now: int) -> list[AnswerView]:
    """Return how old each analysis' answer is."""
    return [
        AnswerView(
            result.kind,
            None if result.at is None else min(result.at, now),
            result.checks,
            result.error,
            result.shortened,
            [describe_finding(finding, state.zone) for finding in list_latest_answers(result)],
        )
        for result in state.results.values()
    ]


def list_absent(state: FindingsState) -> list[tuple[str, str]]:
    """Return the analyses that cannot answer about the store, together if for one reason."""
    names: dict[str, list[str]] = {}
    for name, reason in sorted(state.absent.items()):
        names.setdefault(reason, []).append(name)
    return [(", ".join(of_reason), reason) for reason, of_reason in names.items()]


def list_naming(state: FindingsState, session: str) -> list[tuple[StoredFinding, str]]:
    """Return the open findings that name a session as a run to look at, each with its sentence."""
    found = find_session_findings(state, {session: None}).get(session, SessionFinding())
    return [(stored, describe_finding(stored.finding, state.zone)) for stored in found.evidence_of]
