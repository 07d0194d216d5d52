"""Answer what happens now: monitor, live-metrics, dashboard, alerts."""

from __future__ import annotations

from typing import Any

from stretto.clock import DAY, SECOND, to_rfc3339
from stretto.findings.finding_sentences import describe_finding, describe_left
from stretto.format import quantities
from stretto.model.findings import RECOMMENDATION_PREFIX
from stretto.notifications import notification_log
from stretto.notifications.latest_notifications import select_alerts
from stretto.operations.advice_rows import describe_advice
from stretto.operations.operation import OperationAnswer
from stretto.operations.operation_call import OperationCall
from stretto.summaries.session_summary import build_row_document
from stretto.summaries.snapshot import LATEST

EFFICIENCY_LIMITS = {"critical": 65.0, "warning": 75.0}
"""Points of the efficiency score below which there is an alert."""

RESPONSE_LIMITS = {"critical": 8.0, "warning": 3.0}
"""Seconds to a model's first token above which there is an alert."""

COMPACT_ROWS = 5
NOT_KEPT = "what ran at an instant in the past is not kept"
LIVE_WINDOW = "1h"
DAY_WINDOW = "24h"


def answer_monitor(call: OperationCall) -> OperationAnswer:
    """Answer execution, resources and agents of now, with what fires."""
    metrics = call.options["metrics"]
    performance: dict[str, Any] = {}
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
        analysis["dashboard"] = {
            "verdicts": call.document["verdicts"],
            "sessions": _list_sessions(call, COMPACT_ROWS),
        }
    return OperationAnswer(
        [describe_activity(call), *_describe_alerts(analysis.get("alerts"))],
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
    return OperationAnswer(
        [describe_activity(call), describe_verdict(document["verdicts"][window], window)],
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
            describe_verdict(document["verdicts"][DAY_WINDOW], DAY_WINDOW),
            *sentences,
            *_describe_alerts(analysis["alerts"]),
        ],
        performance,
        analysis,
        [describe_advice(finding) for finding in advice[:3]],
        ["stretto findings", "stretto recommendations"],
    )


def answer_alerts(call: OperationCall) -> OperationAnswer:
    """Answer what fires, by the limits of the operations and by Alertmanager."""
    alerts = find_alerts(call)
    gap = call.sources.alerting_gap()
    if gap is not None:
        last = max((entry.received for entry in call.sources.notifications()), default=None)
        call.note("alertmanager", gap, last)
    return OperationAnswer(
        _describe_alerts(alerts) or ["Nothing is beyond its limit."],
        {
            "limits": {
                "efficiency_score": EFFICIENCY_LIMITS,
                "response_seconds": RESPONSE_LIMITS,
            }
        },
        alerts,
        next_steps=["stretto doctor"] if gap else ["stretto findings"],
    )


def find_alerts(call: OperationCall) -> dict[str, Any]:
    """Return what is beyond the limits of the operations now, and what Alertmanager sent."""
    checks = [_check_efficiency(call), _check_response(call), _check_opportunity(call)]
    received = [
        entry
        for entry in call.sources.notifications()
        if entry.received <= call.now and entry.received > call.now - _find_span(call)
    ]
    current = select_alerts(received, now=call.now)
    return {
        "checks": checks,
        "alerts": [check for check in checks if check["severity"] is not None],
        "firing": [notification_log.build_document(entry) for entry in current.firing],
    }


def _find_span(call: OperationCall) -> int:
    """Return how far (ns) to look back for notifications; the window of live figures is a word."""
    chosen = call.options.get("time_range") or call.options.get("time_window")
    return chosen if isinstance(chosen, int) else 30 * DAY


def _check_efficiency(call: OperationCall) -> dict[str, Any]:
    """Return whether the efficiency score of a day is below a limit; its range is judged by its upper end."""
    if call.workflow.pattern is not None:
        found = call.figures.list_figures(
            "stretto_pattern_efficiency_score", pattern=call.workflow.pattern, window=DAY_WINDOW
        )
    else:
        found = call.figures.list_figures("stretto_efficiency_score", window=DAY_WINDOW)
    value = found[0].value if found else None
    reason = found[0].reason if found else "no parallel execution ended in the last 24 hours"
    severity = find_severity(value, EFFICIENCY_LIMITS, above=False)
    limit = EFFICIENCY_LIMITS[severity or "warning"]
    change = {figure["name"]: figure for figure in call.document["change"]["figures"]}.get("improvement")
    return {
        "name": "efficiency_degradation",
        "severity": severity,
        "value": value,
        "threshold": limit,
        "trend": _name_trend(change),
        "text": f"The efficiency score is {value:.1f}, below {limit:.0f}." if severity and value else None,
        "recommendation": "stretto bottlenecks shows what holds the sessions up" if severity else None,
        "reason": reason if value is None else None,
    }


def _check_response(call: OperationCall) -> dict[str, Any]:
    """Return whether a model's first token takes longer than a limit."""
    figures = [
        figure
        for figure in call.figures.list_figures("stretto_first_token_quantile_seconds", window=LIVE_WINDOW)
        if ("stat", "p95") in figure.labels and figure.value is not None
    ]
    worst = max(figures, key=lambda figure: figure.value or 0.0, default=None)
    value = None if worst is None else worst.value
    severity = find_severity(value, RESPONSE_LIMITS, above=True)
    limit = RESPONSE_LIMITS[severity or "warning"]
    return {
        "name": "response_time_spike",
        "severity": severity,
        "value": value,
        "threshold": limit,
        "trend": "unknown",
        "text": f"A model's first token takes {value:.1f} s (95 % of calls)." if severity and value else None,
        "recommendation": "compare models: stretto live-metrics shows each" if severity else None,
        "reason": "no source reported the time to the first token in the last hour"
        if value is None
        else None,
    }


def _check_opportunity(call: OperationCall) -> dict[str, Any]:
    """Return the open recommendation that promises most, if there is one."""
    advice = [
        stored.finding
        for stored in call.state.open_findings
        if stored.finding.kind.startswith(RECOMMENDATION_PREFIX) and call.is_about(stored.finding)
    ]
    best = max(advice, key=lambda finding: finding.evidence.effect or 0.0, default=None)
    return {
        "name": "optimisation_opportunity",
        "severity": None if best is None else "info",
        "value": None if best is None else best.details.get("share"),
        "threshold": 0.05,
        "trend": "unknown",
        "text": None if best is None else best.advice,
        "recommendation": None if best is None else best.advice,
        "reason": "no recommendation is open" if best is None else None,
    }


def find_severity(value: float | None, limits: dict[str, float], *, above: bool) -> str | None:
    """Return the severest limit that a value is beyond; None if it is within all, or unknown.

    Example: with 65 critical and 75 warning, 70 is a warning.
    """
    if value is None:
        return None
    return next((name for name, limit in limits.items() if (value > limit) == above and value != limit), None)


def _name_trend(change: dict[str, Any] | None) -> str:
    """Return a change between weeks in a word; within the noise it is stable."""
    if change is None or change["exceeds_noise"] is None or change["difference"] is None:
        return "unknown"
    if not change["exceeds_noise"]:
        return "stable"
    return "improving" if change["difference"] > 0 else "declining"


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
            "overdue": task.is_overdue,
            "left_seconds": None if task.left is None else task.left.median / SECOND,
            "left_low_seconds": None if task.left is None else task.left.low / SECOND,
            "left_high_seconds": None if task.left is None else task.left.high / SECOND,
            "expectation": describe_left(task),
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
            "phases": session["phases"],
        }
    document = call.document
    return {
        **_describe_activity(call),
        "verdicts": {window: document["verdicts"][window] for window in (LIVE_WINDOW, DAY_WINDOW)},
    }


def _describe_resources(call: OperationCall) -> dict[str, Any]:
    if call.workflow.session is not None:
        use = call.session["resources"]
        reason = call.session["absent"].get("resources", "it was not sampled")
        return use or {"absent": {"resources": reason}}
    return {
        "agents_cpu": call.figures.describe("stretto_agents_cpu"),
        "agents_memory_bytes": call.figures.describe("stretto_agents_memory_bytes"),
        "machine_memory_available_bytes": call.figures.describe("stretto_machine_memory_available_bytes"),
        "machine_cpu_ratio": call.figures.describe("stretto_machine_cpu_ratio", window=LIVE_WINDOW),
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
    return [build_row_document(row) for row in chosen[:most]]


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


def describe_verdict(verdict: dict[str, Any], window: str) -> str:
    """Return the headline of a window as a sentence."""
    lead = verdict["lead"]
    if lead is None or lead["speedup"] is None:
        return f"Nothing ran in parallel in the last {window}."
    saved = quantities.format_duration(abs(lead["time_saved_seconds"]))
    word = "saved" if lead["time_saved_seconds"] >= 0 else "lost"
    delivered = quantities.format_delivered_tasks(lead["delivered"] + lead["taken"], lead["tasks"])
    fanouts = quantities.format_count_with_noun(lead["fanouts"], "parallel execution")
    return (
        f"In the last {window}: {quantities.format_speedup(lead['speedup'])} as fast as one after another"
        f" (baseline {lead['baseline']}), {saved} {word}, {fanouts}, {delivered}."
    )


def _describe_alerts(alerts: dict[str, Any] | None) -> list[str]:
    if alerts is None:
        return []
    sentences = [alert["text"] for alert in alerts["alerts"] if alert["severity"] != "info" and alert["text"]]
    firing = len(alerts["firing"])
    if firing:
        sentences.append(f"{quantities.format_count_with_noun(firing, 'alert')} of Alertmanager firing.")
    return sentences
