"""Answer what happens now: monitor, live-metrics, dashboard."""

from __future__ import annotations

from typing import Any

from stretto.clock import DAY, SECOND, to_rfc3339
from stretto.findings.finding_sentences import SLOWER_TASKS, build_expectation_document, describe_finding
from stretto.format import quantities
from stretto.model.findings import RECOMMENDATION_PREFIX
from stretto.names import WINDOWS
from stretto.operations.advice_rows import describe_advice
from stretto.operations.alert_answers import DAY_WINDOW, LIVE_WINDOW, describe_alerts, find_alerts
from stretto.operations.measure_finished_runs import (
    NO_COST,
    add_reasons_to_phase,
    keep_reasons,
    measure_outcomes,
    measure_parallel_work,
)
from stretto.operations.operation import OperationAnswer
from stretto.operations.operation_context import OperationCall
from stretto.summaries.session_json import build_row_document
from stretto.summaries.snapshot import LATEST

COMPACT_ROWS = 5
NOT_KEPT = "what ran at an instant in the past is not kept"
UNREPORTED = {
    "source": "no channel reported it",
    "project": "no channel reported its folder",
    "worktree": "no channel reported that it ran in a worktree",
    "repository": "no channel reported its repository",
    "pattern": "no pattern was declared or recognised",
    "recording": "no recording of it was read",
    "end": "it has not ended",
    "speedup": "nothing ran in parallel",
    "cost_usd": NO_COST,
}
"""Part of a session's row that may be null → the reason."""


def answer_monitor(call: OperationCall) -> OperationAnswer:
    """Answer execution, resources and agents of now, with what fires."""
    metrics = call.options["metrics"]
    performance: dict[str, Any] = {}
    if call.workflow.session is None:
        call.note_unfiltered(*(name for name in ("execution", "resources") if name in metrics))
    if "execution" in metrics:
        performance["execution"] = _describe_execution(call)
    if "resources" in metrics:
        performance["resources"] = _describe_resources(call)
    if "agents" in metrics:
        performance["agents"] = list_running(call)
    analysis: dict[str, Any] = {}
    if call.options["alerts"]:
        analysis["alerts"] = find_alerts(call)
    if call.options["dashboard"]:
        call.note_unfiltered("verdicts")
        analysis["dashboard"] = {
            "verdicts": call.document["verdicts"],
            "sessions": _list_sessions(call, COMPACT_ROWS),
        }
    return OperationAnswer(
        [describe_activity(call), *describe_alerts(analysis.get("alerts"))],
        performance,
        analysis,
        next_steps=["stretto top", "stretto alerts"],
    )


def answer_live_metrics(call: OperationCall) -> OperationAnswer:
    """Answer the figures of a window."""
    window: str = call.options["time_window"]
    document = call.document
    performance: dict[str, Any] = {
        "window": window,
        "activity": _describe_activity(call),
        "verdict": document["verdicts"][window],
        "efficiency": _shorten_score(document["scores"][window]["efficiency"]),
        "bottleneck": document["bottlenecks"].get(window),
    }
    if call.options["detail_level"] == "full":
        performance["figures"] = [
            figure for figure in document["figures"] if figure["labels"].get("window", window) == window
        ]
    trends = {"change": document["change"]} if call.options["include_trends"] else {}
    about = _describe_workflow(call, WINDOWS[window] * SECOND)
    performance |= about
    return OperationAnswer(
        [
            describe_activity(call),
            *_summarise_workflow(call, about),
            describe_verdict(
                document["verdicts"][window], window, are_tasks_slower=call.state.has_slower_tasks
            ),
        ],
        performance,
        trends,
        next_steps=["stretto dashboard", "stretto trends"],
    )


def answer_dashboard(call: OperationCall) -> OperationAnswer:
    """Answer the state at a glance: verdicts, scores, sessions, findings, what is expected."""
    document = call.document
    rows = COMPACT_ROWS if call.options["layout"] == "compact" else LATEST
    performance = {
        "activity": _describe_activity(call),
        "verdicts": document["verdicts"],
        "efficiency": {
            window: _shorten_score(scores["efficiency"]) for window, scores in document["scores"].items()
        },
        "sessions": _list_sessions(call, rows),
        "resources": _describe_resources(call),
    }
    about = _describe_workflow(call, DAY)
    performance |= about
    open_findings = [stored.finding for stored in call.state.open_findings if call.is_about(stored.finding)]
    advice = [finding for finding in open_findings if finding.kind.startswith(RECOMMENDATION_PREFIX)]
    others = [finding for finding in open_findings if not finding.kind.startswith(RECOMMENDATION_PREFIX)]
    analysis: dict[str, Any] = {
        "alerts": find_alerts(call),
        "findings": [call.describe(finding) for finding in others[:rows]],
        "change": document["change"],
    }
    if call.options["include_predictions"]:
        analysis["predictions"] = {"running": list_running(call)}
    sentences = [describe_finding(finding, call.sources.zone) for finding in others[:3]]
    return OperationAnswer(
        [
            describe_activity(call),
            *_summarise_workflow(call, about),
            describe_verdict(
                document["verdicts"][DAY_WINDOW], DAY_WINDOW, are_tasks_slower=call.state.has_slower_tasks
            ),
            *sentences,
            *describe_alerts(analysis["alerts"]),
        ],
        performance,
        analysis,
        [describe_advice(finding) for finding in advice[:3]],
        ["stretto findings", "stretto recommendations"],
    )


def list_running(call: OperationCall) -> list[dict[str, Any]]:
    """Return the running tasks of the workflow with what is expected of them, the overdue ones first."""
    if call.at is not None:
        call.note("running", NOT_KEPT)
        return []
    return [
        {
            "session": task.running.session,
            "task": task.running.task,
            "task_type": task.running.kind[1],
            "agent": task.running.agent,
            "pattern": task.running.kind[0],
            "start": to_rfc3339(task.running.start),
            **build_expectation_document(task),
        }
        for task in call.sources.expected_tasks()
        if call.workflow.session in {None, task.running.session}
        and call.workflow.pattern in {None, task.running.kind[0]}
    ]


def _describe_execution(call: OperationCall) -> dict[str, Any]:
    if call.workflow.session is not None:
        session = call.session
        tasks = session["tasks"]
        over = [task for task in tasks if task["outcome"] != "running"]
        return {
            "session": call.workflow.session,
            "outcome": session["outcome"],
            "elapsed_seconds": session["elapsed_seconds"],
            "tasks": len(tasks),
            "tasks_over": len(over),
            "tasks_failed": sum(task["outcome"] == "failure" for task in over),
            "fanouts": len(session["fanouts"]),
            "phases": [add_reasons_to_phase(phase) for phase in session["phases"]],
        }
    document = call.document
    return {
        **_describe_activity(call),
        "verdicts": {window: document["verdicts"][window] for window in (LIVE_WINDOW, DAY_WINDOW)},
    }


def _describe_workflow(call: OperationCall, span: int) -> dict[str, Any]:
    """Return what ran of the workflow in a time span (ns); nothing without a workflow."""
    if call.workflow.session is not None:
        return {"workflow": _describe_execution(call)}
    if call.workflow.pattern is None:
        return {}
    runs = call.read_runs(span)
    return {
        "workflow": {
            "sessions": len(runs.sessions),
            "outcomes": measure_outcomes(runs.tasks),
            "parallel_work": measure_parallel_work(runs.fanouts),
        }
    }


def _summarise_workflow(call: OperationCall, about: dict[str, Any]) -> list[str]:
    """Return the workflow in a sentence, which says that the figures beside it are of everything."""
    if not about:
        return []
    if call.workflow.session is not None:
        over, tasks = about["workflow"]["tasks_over"], about["workflow"]["tasks"]
        return [
            f"Session {call.workflow.session}: {over} of {tasks} tasks over; the figures below are of all."
        ]
    sessions = quantities.format_count_with_noun(about["workflow"]["sessions"], "session")
    return [
        f"{sessions} of {call.workflow.pattern} ended in this time; the figures below are of all workflows."
    ]


def _describe_resources(call: OperationCall) -> dict[str, Any]:
    if call.workflow.session is not None:
        use = call.session["resources"]
        reason = call.session["absent"].get("resources", "it was not sampled")
        return use or {"absent": {"resources": reason}}
    return {
        "agents_cpu": call.figures.describe("stretto_agents_cpu"),
        "agents_memory_bytes": call.figures.describe("stretto_agents_memory_bytes"),
        "machine_cpu": call.figures.describe("stretto_machine_cpu"),
        "machine_memory_available_bytes": call.figures.describe("stretto_machine_memory_available_bytes"),
        "machine_cpu_last_hour_ratio": call.figures.describe("stretto_machine_cpu_ratio", window=LIVE_WINDOW),
    }


def _describe_activity(call: OperationCall) -> dict[str, Any]:
    """Return what runs now; what ran at an instant in the past is not kept."""
    if call.at is not None:
        return {"absent": {"activity": NOT_KEPT}}
    activity: dict[str, Any] = call.document["activity"]
    return activity


def _list_sessions(call: OperationCall, most: int) -> list[dict[str, Any]]:
    if call.at is not None:
        call.note("sessions", NOT_KEPT)
        return []
    snapshot = call.snapshot
    rows = {row.id: row for row in (*snapshot.open_sessions, *snapshot.latest)}
    chosen = [
        row
        for row in rows.values()
        if call.workflow.session in {None, row.id} and call.workflow.pattern in {None, row.pattern}
    ]
    documents = [build_row_document(row) for row in chosen[:most]]
    return [{**row, "absent": keep_reasons(row, UNREPORTED)} for row in documents]


def _shorten_score(score: dict[str, Any]) -> dict[str, Any]:
    return {key: score[key] for key in ("score", "low", "high", "coverage", "reason")}


def describe_activity(call: OperationCall) -> str:
    """Return what runs now as a sentence."""
    if call.at is not None:
        return "What ran then is not kept; what had ended by then is counted."
    activity = call.snapshot.activity
    if not activity.sessions:
        return "No session is known yet."
    tasks = quantities.format_count_with_noun(activity.tasks_running, "task")
    sessions = quantities.format_count_with_noun(activity.sessions_open, "session")
    return f"{sessions} open, {activity.sessions_busy} busy, {tasks} running."


def describe_verdict(verdict: dict[str, Any], window: str, *, are_tasks_slower: bool = False) -> str:
    """Return the headline of a window as a sentence; a gain is not praised while tasks got slower."""
    lead = verdict["lead"]
    if lead is None:
        return f"Nothing ran in parallel in the last {window}."
    if lead["speedup"] is None:
        return f"No speed-up is known of the last {window}: the parallel tasks took no time."
    saved = quantities.format_duration(abs(lead["time_saved_seconds"]))
    word = "saved" if lead["time_saved_seconds"] >= 0 else "lost"
    delivered = quantities.format_delivered_tasks(lead["delivered"] + lead["taken"], lead["tasks"])
    fanouts = quantities.format_count_with_noun(lead["fanouts"], "parallel execution")
    slower = f" {SLOWER_TASKS}" if are_tasks_slower and word == "saved" else ""
    return (
        f"In the last {window}: {quantities.format_speedup(lead['speedup'])} as fast as one after another"
        f" (baseline {lead['baseline']}), {saved} {word}, {fanouts}, {delivered}.{slower}"
    )
