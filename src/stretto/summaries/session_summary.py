"""Summarise a session: its entities with all that is computed of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from stretto.figures.fanout_conflict_and_test_checks import IntegrationCheck
from stretto.figures.fanouts import (
    Fanout,
    SequentialTime,
    estimate_sequential_time,
)
from stretto.figures.scores.score_rules import Scoring
from stretto.figures.scores.session_kpis import build_kpis_document, compute_session_prompt_cache_figures
from stretto.figures.sequential_baseline_choice import (
    NOTHING_DECLARED,
    Baseline,
    DeclaredBaselines,
    FindBaseline,
    Hours,
)
from stretto.figures.session_analysis import (
    SessionAnalysis,
    analyse_work_tree,
)
from stretto.figures.session_spending import Priced
from stretto.figures.sessions_against_configured_hours import (
    NO_TASK,
    build_workflow_document,
    measure_workflow,
)
from stretto.figures.unreported_model_calls import UsageGaps
from stretto.figures.wall_time_parts import compute_wall_figures
from stretto.figures.work_signature import identify_work
from stretto.figures.work_tree import LONGEST_SESSION
from stretto.model.call_cost_and_usage_types import Price, get_reported_cost
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import Session, Task
from stretto.model.event import Outcome
from stretto.names import NONE
from stretto.store import session_queries
from stretto.store.concluded_session import Rules
from stretto.store.contributions.registry import NOT_SCORED
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.store.sums_of_one_session import SessionSums, compute_session_sums


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session with its analysis, its KPIs, and its fan-outs with their sequential times."""

    session: Session
    fanouts: tuple[tuple[Fanout, SequentialTime], ...]
    analysis: SessionAnalysis
    model_calls: tuple[Priced, ...]
    """The session's model calls, each with its cost if known."""
    usage_gaps: UsageGaps
    """What is known of model calls that are missing."""
    absent: dict[str, str]
    """Figure → the reason for its absence."""
    scoring: Scoring = field(default_factory=Scoring)
    kpis: dict[str, Any] = field(default_factory=dict)
    """The session's KPIs and scores as JSON (``figures.scores.session_kpis``)."""
    checks: tuple[IntegrationCheck, ...] = ()
    """How the results of each fan-out fit together, in the order of ``fanouts``."""
    workflow: dict[str, Any] | None = None
    """The comparison with its pattern's hours as JSON (``figures.sessions_against_configured_hours``)."""


def summarise_session(
    connection: sqlite3.Connection,
    id: str,
    classify: Classify,
    hours: Hours,
    price: Price = get_reported_cost,
    *,
    declared: DeclaredBaselines = NOTHING_DECLARED,
    scoring: Scoring | None = None,
    workflows: Hours = MappingProxyType({}),
    now: int | None = None,
) -> SessionSummary | None:
    """Return the summary of a session, or None if the session is unknown.

    Measured baselines are judged at ``now`` (ns), without it at the newest run or execution of the same work.
    """
    scoring = scoring or Scoring()
    connection.execute("BEGIN")
    try:
        loaded = session_queries.read_session_with_facts(connection, id, classify)
        if loaded is None:
            return None
        session, facts, known = loaded
        find_baseline = make_baseline_finder(connection, hours, declared, now=now)
        rules = Rules(classify, price, scoring.rules.scales)
        sums = compute_session_sums(facts, session, rules, without=NOT_SCORED, known=known)
        context = sums.context
        fanouts_with_baseline = tuple(
            (
                fanout,
                estimate_sequential_time(fanout, _find_baseline_of(session, fanout, find_baseline)),
            )
            for fanout in context.fanouts
        )
        kpis = _build_kpis(sums, session, find_baseline, scoring)
    finally:
        connection.execute("ROLLBACK")
    analysis = analyse_work_tree(
        session,
        context.fanouts,
        context.work_tree,
        path=context.critical_path,
        slack=context.slack,
        wall_parts=context.wall_parts,
    )
    usage_gaps = UsageGaps(session)
    absent = _explain_absences(session, usage_gaps, bool(fanouts_with_baseline))
    workflow = None
    if session.pattern is not None and session.pattern in workflows:
        run = measure_workflow(session, analysis.wall)
        if run is None:
            absent["workflow"] = absent.get("wall_time") or _explain_no_workflow(session)
        else:
            workflow = build_workflow_document(run, workflows[session.pattern])
    return SessionSummary(
        session,
        fanouts_with_baseline,
        analysis,
        tuple((call, price(call)) for call in session.model_calls),
        usage_gaps,
        absent,
        scoring,
        kpis,
        context.integration_checks,
        workflow,
    )


def _find_baseline_of(session: Session, fanout: Fanout, find_baseline: FindBaseline) -> Baseline:
    work = identify_work(session, fanout.tasks)
    baseline = find_baseline(session.pattern or NONE, work.signature)
    # A reason that names the gap says more than that there is some gap.
    return replace(baseline, refusal=baseline.refusal and (work.gap or baseline.refusal))


def _build_kpis(
    session_sums: SessionSums, session: Session, find_baseline: FindBaseline, scoring: Scoring
) -> dict[str, Any]:
    return {
        **build_kpis_document(
            session_sums.session,
            (
                *compute_session_prompt_cache_figures(session),
                *compute_wall_figures("session", session_sums.session),
            ),
            scoring,
            find_baseline,
        ),
        "phases": [
            {
                "id": phase.id,
                "name": phase.name,
                "outcome": phase.outcome.value,
                **build_kpis_document(sums, (), scoring, find_baseline),
            }
            for phase, sums in session_sums.phases
        ],
    }


def _explain_absences(session: Session, usage_gaps: UsageGaps, parallel: bool) -> dict[str, str]:
    # Example: two tasks without a seen end give "the end of 2 task(s) was never seen".
    absent: dict[str, str] = {}
    if session.is_partial:
        absent["beginning"] = "it ran before its hooks were installed: what came before is not known"
    if not parallel:
        absent["fanouts"] = _explain_no_fanout(session.tasks)
    running = Outcome.RUNNING
    of_unknown_length = [
        (call.start, call.end)
        for call in session.tool_calls
        if call.duration is None and call.outcome is not running
    ]
    of_ended_tasks = [(task.start, task.end) for task in session.tasks if task.outcome is not running]
    for name, things, parts in (
        ("tasks.seconds", "task(s)", of_ended_tasks),
        ("tool_calls.seconds", "tool call(s)", of_unknown_length),
    ):
        reasons = _explain_missing_edges(things, parts)
        if reasons:
            absent[name] = reasons
    if session.outcome is Outcome.RUNNING:
        absent["critical_path"] = "still running"
    if (session.end or session.last) - session.start > LONGEST_SESSION:
        absent["wall_time"] = absent["critical_path"] = (
            "it seems longer than a year: the clock was changed meanwhile"
        )
    if session.end is None:
        absent["end"] = (
            "still running" if session.outcome is Outcome.RUNNING else "the session's end was never seen"
        )
    if not session.samples:
        absent["resources"] = _explain_no_samples(session)
    missing = usage_gaps.explain() if session.model_calls else "no source reported model calls; hooks do not"
    if missing is not None:
        absent["model_calls"] = missing
    return absent


def _explain_no_fanout(tasks: Sequence[Task]) -> str:
    unfinished = sum(task.outcome is Outcome.RUNNING for task in tasks)
    if not tasks:
        return "no task was delegated"
    return f"{unfinished} task(s) still running" if unfinished else "no two tasks with known ends overlapped"


def _explain_no_workflow(session: Session) -> str:
    return "still running" if session.outcome is Outcome.RUNNING else NO_TASK


def _explain_no_samples(session: Session) -> str:
    if session.processes is None:
        return "no source reported which process it runs in"
    return (
        "no sample was taken: no service ran beside it, it was busy for less than two readings, it ran on"
        " another machine, or its process is counted for another session"
    )


def _explain_missing_edges(things: str, edges: list[tuple[int | None, int | None]]) -> str:
    no_end = sum(end is None for _, end in edges)
    no_start = sum(start is None and end is not None for start, end in edges)
    counts = (("end", no_end), ("start", no_start))
    return "; ".join(f"the {edge} of {count} {things} was never seen" for edge, count in counts if count)
