"""The documents of sessions: of ``show --json`` and ``/api/sessions/<id>``, of lists and of pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from typing import Any

from stretto.clock import SECOND, to_rfc3339
from stretto.figures.confidence_intervals import LEVEL, compute_improvement_bounds
from stretto.figures.expected_and_missed_gains import average_targets, find_baseline_doubt
from stretto.figures.fanout_conflict_and_test_checks import IntegrationCheck, find_phase_of_task
from stretto.figures.fanouts import (
    Fanout,
    SequentialTime,
    explain_no_interval,
)
from stretto.figures.machine_contention import detect_contention, measure_session_machine_use
from stretto.figures.memory_growth import measure_memory_growth_at_constant_load
from stretto.figures.parallel_work_against_baselines import NOTHING_DELIVERED
from stretto.figures.sequential_baseline_choice import (
    Target,
)
from stretto.figures.session_analysis import (
    build_added_fanout_keys,
    build_analysis_document,
)
from stretto.figures.session_spending import Priced, SessionSpending, Spending, sum_spending
from stretto.figures.synthesis import make_synthesis_meter
from stretto.figures.unreported_tool_calls import ToolCallGaps
from stretto.format import quantities
from stretto.model.call_cost_and_usage_types import DOLLAR, Cost
from stretto.model.entities import Message, Sample, Score, Session, Task, Tokens, ToolCall
from stretto.model.score_scales import MOST, Scales, build_scale_document
from stretto.model.task_type import to_label_value
from stretto.store.session_queries import SessionRow
from stretto.summaries.session_summary import SessionSummary


def build_session_document(summary: SessionSummary) -> dict[str, Any]:
    """Return the session as JSON: times RFC 3339 in UTC, lengths in seconds, unknown values null."""
    session = summary.session
    spending = sum_spending(summary.model_calls, summary.usage_gaps)
    gaps, reports = ToolCallGaps(session), session.latest_reports
    return {
        "id": session.id,
        "source": session.source,
        "project": session.project,
        "worktree": session.worktree,
        "repository": session.repository,
        "pattern": session.pattern,
        "labels": dict(session.labels),
        "recording": session.recording,
        "start": to_rfc3339(session.start),
        "end": _format_time(session.end),
        "last": to_rfc3339(session.last),
        "elapsed_seconds": _to_seconds((session.end or session.last) - session.start),
        "outcome": session.outcome.value,
        "turns": [
            {
                "id": turn.id,
                "origin": turn.origin,
                "start": to_rfc3339(turn.start),
                "end": _format_time(turn.end),
                "seconds": _to_seconds(None if turn.end is None else turn.end - turn.start),
                "outcome": turn.outcome.value,
            }
            for turn in session.turns
        ],
        "tasks": [_build_task(task, gaps, reports.get(task.id)) for task in session.tasks],
        "tool_calls": [_build_call(call) for call in session.tool_calls],
        "tool_call_count": _count_tool_calls_known(session, gaps),
        "model_calls": [_build_model_call(priced) for priced in summary.model_calls],
        "tokens": _build_tokens(spending.total) if spending.total.tokens else None,
        **_build_side_records(session, summary.scoring.rules.scales),
        **_build_results(summary, spending, summary.fanouts, build_analysis_document(summary.analysis)),
        "absent": summary.absent,
    }


def build_page_document(
    summary: SessionSummary, most_fanouts: int, tasks: AbstractSet[str]
) -> dict[str, Any]:
    """Return the parts of ``build_session_document`` that a page with these tasks shows.

    The calls, the tasks and the pieces of the critical path one by one are left out: most of the document of
    a large session, and a page reads them from the summary itself.
    """
    session = summary.session
    spending = sum_spending(summary.model_calls, summary.usage_gaps)
    return {
        "tool_call_count": _count_tool_calls_known(session, ToolCallGaps(session)),
        "scores": [_build_score_document(score, summary.scoring.rules.scales) for score in session.scores],
        **_build_results(
            summary,
            spending,
            summary.fanouts[:most_fanouts],
            build_analysis_document(summary.analysis, tasks),
            tasks,
        ),
    }


def _count_tool_calls_known(session: Session, gaps: ToolCallGaps) -> dict[str, Any]:
    return {
        "total": gaps.total,
        "at_least": not gaps.is_total_complete,
        "seen": len(session.tool_calls),
        "tasks": len(gaps.over),
        "partial_tasks": len(gaps.partial_tasks),
    }


def _build_results(
    summary: SessionSummary,
    spending: SessionSpending,
    fanouts: Iterable[tuple[Fanout, SequentialTime]],
    analysis: Mapping[str, Any],
    tasks: AbstractSet[str] | None = None,
) -> dict[str, Any]:
    session, scoring = summary.session, summary.scoring
    measure_synthesis = make_synthesis_meter(session)
    use = measure_session_machine_use(session.samples, scoring.rules.cpu_target)
    return {
        "spending": _build_spending(spending, tasks) if summary.model_calls else None,
        "fanouts": [
            {
                "id": f"{session.id}/{number}",
                **_build_fanout(fanout, sequential, scoring.target, session.samples),
                "synthesis_seconds": _to_seconds(measure_synthesis(fanout)),
                "conflicts": _build_conflicts(check, session),
            }
            for number, ((fanout, sequential), check) in enumerate(
                zip(fanouts, summary.checks, strict=False), 1
            )
        ],
        **analysis,
        "workflow": summary.workflow,
        "kpis": summary.kpis,
        "resources": None
        if use is None
        else {
            **asdict(use),
            "memory_growth": asdict(measure_memory_growth_at_constant_load(session.samples, session.tasks)),
        },
    }


def build_row_document(row: SessionRow) -> dict[str, Any]:
    """Return a row of ``/api/sessions`` and ``sessions --json``."""
    return {
        "id": row.id,
        "title": name_session(row),
        "source": row.source,
        "project": row.project,
        "worktree": row.worktree,
        "repository": row.repository,
        "pattern": row.pattern,
        "recording": row.recording,
        "start": to_rfc3339(row.start),
        "end": _format_time(row.end),
        "last": to_rfc3339(row.last),
        "elapsed_seconds": _to_seconds((row.end or row.last) - row.start),
        "outcome": row.outcome.value,
        "turns": row.turns,
        "tasks": row.tasks,
        "tool_calls": row.tool_calls,
        "tool_calls_at_least": row.has_more_calls,
        "fanouts": row.fanouts,
        "speedup": row.speedup,
        "delivered": row.delivered,
        "failures": row.failures,
        "cost_usd": row.dollars,
        "cost_at_least": row.is_cost_lower_bound,
    }


def name_session(row: SessionRow) -> str:
    """Return a title that people recognise. Example: ``release · infra · 29 Nov 16:17 · 40 tasks``."""
    return _format_title(row.pattern or row.source, row.project, row.start, row.tasks)


def make_session_title(session: Session) -> str:
    """Return the same title of a session that was read whole."""
    return _format_title(
        session.pattern or session.source, session.project, session.start, len(session.tasks)
    )


def _format_title(name: str, project: str | None, start: int, tasks: int) -> str:
    count = quantities.format_count_with_noun(tasks, "task") if tasks else ""
    return " · ".join(part for part in (name, project, quantities.format_short_instant(start), count) if part)


def _build_task(task: Task, gaps: ToolCallGaps, report: Message | None) -> dict[str, Any]:
    delivery = task.delivery
    return {
        "id": task.id,
        "task_type": task.task_type,
        "agent": task.agent,
        "description": task.description,
        "phase": task.phase,
        "parent": task.parent,
        "start": _format_time(task.start),
        "end": _format_time(task.end),
        "seconds": _to_seconds(task.length),
        "waited_seconds": _to_seconds(task.waited),
        "open_wait": task.has_open_wait,
        "outcome": task.outcome.value,
        "delivery": None if delivery is None else delivery.delivery.value,
        "waste_reason": None if delivery is None or delivery.reason is None else delivery.reason.value,
        "tool_calls": gaps.count_calls(task),
        "progress": None if report is None else report.share,
        "blocked": None if report is None else report.description,
    }


def _build_call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "tool": call.tool,
        "task": call.task,
        "start": _format_time(call.start),
        "seconds": _to_seconds(call.duration),
        "overhead_seconds": _to_seconds(call.overhead),
        "outcome": call.outcome.value,
        "tests": None
        if call.tests is None
        else {**asdict(call.tests), "outcome": call.tests.conclude_outcome(call.outcome).value},
    }


def _build_model_call(priced: Priced) -> dict[str, Any]:
    call, cost = priced
    return {
        "id": call.id,
        "model": call.model,
        "task": call.task,
        "start": _format_time(call.start),
        "seconds": _to_seconds(call.duration),
        "outcome": call.outcome.value,
        "first_token_seconds": _to_seconds(call.first_token),
        "tokens": call.tokens.to_counts(),
        **_build_cost(cost),
    }


def _build_cost(cost: Cost | None) -> dict[str, Any]:
    cost_keys = {} if cost is None else {"cost_usd": cost.amount / DOLLAR, "cost_origin": cost.origin.value}
    return {"cost_usd": None, "cost_origin": None} | cost_keys


def _build_spending(spending: SessionSpending, tasks: AbstractSet[str] | None) -> dict[str, Any]:
    return {
        **build_spending_document(spending.total),
        "by_model": [
            {"model": model, **build_spending_document(part)} for model, part in spending.by_model.items()
        ],
        "by_task": [
            {"task": task, **build_spending_document(part)}
            for task, part in spending.by_task.items()
            if tasks is None or task in tasks
        ],
    }


def build_spending_document(part: Spending) -> dict[str, Any]:
    """Return the use and cost of some model calls as JSON."""
    return {
        "model_calls": part.model_calls,
        "tokens": _build_tokens(part),
        "cost_usd": None if part.cost is None else part.cost / DOLLAR,
        "cost_origins": part.origins,
        "unpriced_model_calls": part.unpriced,
        "coverage": {
            "share": part.coverage,
            "model_calls_at_least": not part.is_call_count_complete,
            "tokens_at_least": not part.is_token_sum_complete,
            "cost_at_least": not part.is_cost_complete,
            "tasks": part.tasks,
            "silent_tasks": part.silent_tasks,
            "incomplete_tasks": part.incomplete_tasks,
            "missing": part.missing,
            "lower_bound_calls": part.lower_bounds,
            "lower_bound_costs": part.cost_lower_bounds,
        },
    }


def _build_side_records(session: Session, scales: Scales) -> dict[str, list[dict[str, Any]]]:
    """Return the session's phases, messages, scores, and the hook runs that the agent timed itself."""
    reports = session.latest_phase_reports
    return {
        "phases": [
            {
                "id": phase.id,
                "name": phase.name,
                "start": _format_time(phase.start),
                "end": _format_time(phase.end),
                "seconds": _to_seconds(phase.interval.length if phase.interval else None),
                "outcome": phase.outcome.value,
                "progress": None if (report := reports.get(phase.id)) is None else report.share,
                "blocked": None if report is None else report.description,
            }
            for phase in session.phases
        ],
        "messages": [
            {
                "id": message.id,
                "sender": message.sender,
                "receiver": message.receiver,
                "type": message.type,
                "share": message.share,
                "description": message.description,
                "task": message.task,
                "time": to_rfc3339(message.time),
                "response_seconds": _to_seconds(message.response),
                "outcome": message.outcome.value,
            }
            for message in session.messages
        ],
        "scores": [_build_score_document(score, scales) for score in session.scores],
        "hooks_run": [
            {
                "event": run.event,
                "command": run.command,
                "task": run.task,
                "start": to_rfc3339(run.start),
                "seconds": _to_seconds(run.duration),
            }
            for run in session.hooks_run
        ],
    }


def _build_tokens(part: Spending) -> dict[str, int | None]:
    return dict.fromkeys(Tokens().to_counts()) | part.tokens


def _build_fanout(
    fanout: Fanout, sequential: SequentialTime, target: Target, samples: tuple[Sample, ...]
) -> dict[str, Any]:
    saved = sequential.length - fanout.elapsed
    return {
        "tasks": [task.id for task in fanout.tasks],
        "delivered": len(fanout.delivered),
        "parent": fanout.parent,
        "start": to_rfc3339(fanout.start),
        "end": to_rfc3339(fanout.end),
        "width": fanout.width,
        "work_seconds": _to_seconds(fanout.work),
        "delivered_work_seconds": _to_seconds(fanout.delivered_work),
        "elapsed_seconds": _to_seconds(fanout.elapsed),
        "waited_seconds": _to_seconds(fanout.waited),
        "open_wait": fanout.has_open_wait,
        "sequential_seconds": _to_seconds(sequential.length),
        "baseline": sequential.provenance.value,
        "not_measured": sequential.baseline.refusal,
        "doubt": find_baseline_doubt(fanout, sequential),
        "work_speedup": fanout.delivered_work / fanout.elapsed,
        "speedup": sequential.length / fanout.elapsed,
        "improvement": saved / sequential.length if sequential.length else None,
        "reason": None if fanout.delivered else NOTHING_DELIVERED,
        "time_saved_seconds": _to_seconds(saved),
        "efficiency": fanout.efficiency,
        "load_balance": fanout.load_balance,
        "concurrency": fanout.concurrency,
        "delivery": fanout.delivery,
        **build_added_fanout_keys(fanout),
        "expected_improvement": average_targets(fanout, target),
        "contention": asdict(detect_contention(fanout, sequential, samples)),
        "confidence": _build_confidence(fanout, sequential),
    }


def _build_conflicts(check: IntegrationCheck, session: Session) -> list[dict[str, str | None]] | None:
    """Return the tasks in conflict with their phases; None if it is not known which files were written."""
    if not check.writes_known:
        return None
    return [
        {"task": task.id, "phase": find_phase_of_task(task, session.phases)}
        for task in check.fanout.tasks
        if task.id in check.conflicting
    ]


def _build_confidence(fanout: Fanout, sequential: SequentialTime) -> dict[str, Any]:
    """Return the 95 % intervals from the scatter of the baseline's runs, or the reason for their absence."""
    bounds, elapsed = sequential.estimate.interval, fanout.elapsed
    return {
        "level": LEVEL,
        "runs": sequential.estimate.count,
        "sequential_seconds": None if bounds is None else [_to_seconds(edge) for edge in bounds],
        "time_saved_seconds": None if bounds is None else [_to_seconds(edge - elapsed) for edge in bounds],
        "speedup": None if bounds is None else [edge / elapsed for edge in bounds],
        "improvement": None if bounds is None else list(compute_improvement_bounds(bounds, elapsed)),
        "reason": explain_no_interval(sequential),
    }


def _format_time(at: int | None) -> str | None:
    return None if at is None else to_rfc3339(at)


def _to_seconds(length: float | None) -> float | None:
    return None if length is None else length / SECOND


def _build_score_document(score: Score, scales: Scales) -> dict[str, Any]:
    placed = scales.place_score(to_label_value(score.name), score.value, score.out_of)
    return {
        "of": score.of,
        "of_id": score.of_id,
        "name": score.name,
        "value": placed.value if abs(placed.value) <= MOST else None,
        "scale": build_scale_document(placed.scale),
        "by": score.by,
        "time": to_rfc3339(score.time),
        "reason": placed.problem,
    }
