"""Answer what is beyond its limit: by the limits of the operations, and by Alertmanager."""

from __future__ import annotations

from typing import Any

from stretto.clock import DAY
from stretto.format import quantities
from stretto.model.findings import RECOMMENDATION_PREFIX
from stretto.notifications import notification_log
from stretto.notifications.alert_states_from_notifications import find_newest_alert_states
from stretto.operations.operation import OperationAnswer
from stretto.operations.operation_context import OperationCall
from stretto.servers.alert_limits import find_limits

LIVE_WINDOW = "1h"
DAY_WINDOW = "24h"
"""The windows that are now and today."""

EFFICIENCY_LIMITS = {"critical": 65.0, "warning": 75.0}
"""Points of the efficiency score below which there is an alert."""

RESPONSE_LIMITS = {"critical": 8.0, "warning": 3.0}
"""Seconds to a model's first token above which there is an alert."""


def answer_alerts(call: OperationCall) -> OperationAnswer:
    """Answer what fires, by the limits of the operations and by Alertmanager."""
    alerts = find_alerts(call)
    configured = call.sources.alert_limits
    gap = call.sources.alerting_gap()
    if gap is not None:
        last = max((entry.received for entry in call.sources.notifications()), default=None)
        call.note("alertmanager", gap, last)
    return OperationAnswer(
        describe_alerts(alerts) or ["Nothing is beyond its limit."],
        {
            "limits": {
                "efficiency_score": find_limits(configured, "efficiency_score", EFFICIENCY_LIMITS),
                "response_seconds": find_limits(configured, "response_seconds", RESPONSE_LIMITS),
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
    current = find_newest_alert_states(received, now=call.now)
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
    """Return whether the efficiency score of a day is below a limit; a withheld score is below none."""
    value, reason = _find_efficiency(call)
    limits = find_limits(call.sources.alert_limits, "efficiency_score", EFFICIENCY_LIMITS)
    severity = find_severity(value, limits, above=False)
    limit = limits[severity or "warning"]
    change = {figure["name"]: figure for figure in call.document["change"]["figures"]}.get("improvement")
    return {
        "name": "efficiency_degradation",
        "severity": severity,
        "value": value,
        "threshold": limit,
        "trend": _name_trend(change),
        "text": f"The efficiency score is {value:.1f}, below {limit:.0f}."
        if severity and value is not None
        else None,
        "recommendation": "stretto bottlenecks shows what holds the sessions up" if severity else None,
        "reason": reason if value is None else None,
    }


def _find_efficiency(call: OperationCall) -> tuple[float | None, str | None]:
    """Return the efficiency score of the session, or of a day of the pattern or of everything, or why not."""
    if call.workflow.session is not None:
        score = call.session["kpis"]["efficiency"]
        return score["score"], score["reason"]
    if call.workflow.pattern is not None:
        found = call.figures.list_figures(
            "stretto_pattern_efficiency_score", pattern=call.workflow.pattern, window=DAY_WINDOW
        )
    else:
        found = call.figures.list_figures("stretto_efficiency_score", window=DAY_WINDOW)
    if not found:
        return None, "no parallel execution ended in the last 24 hours"
    return found[0].value, found[0].reason


def _check_response(call: OperationCall) -> dict[str, Any]:
    """Return whether a model's first token takes longer than a limit."""
    figures = [
        figure
        for figure in call.figures.list_figures("stretto_first_token_quantile_seconds", window=LIVE_WINDOW)
        if ("stat", "p95") in figure.labels and figure.value is not None
    ]
    worst = max(figures, key=lambda figure: figure.value or 0.0, default=None)
    value = None if worst is None else worst.value
    limits = find_limits(call.sources.alert_limits, "response_seconds", RESPONSE_LIMITS)
    severity = find_severity(value, limits, above=True)
    limit = limits[severity or "warning"]
    return {
        "name": "response_time_spike",
        "severity": severity,
        "value": value,
        "threshold": limit,
        "trend": "unknown",
        "text": f"A model's first token takes up to {value:.1f} s in 95 % of the calls."
        if severity and value is not None
        else None,
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


def describe_alerts(alerts: dict[str, Any] | None) -> list[str]:
    """Return what is beyond its limit in sentences; none if alerts were not asked for."""
    if alerts is None:
        return []
    sentences = [alert["text"] for alert in alerts["alerts"] if alert["severity"] != "info" and alert["text"]]
    firing = len(alerts["firing"])
    if firing:
        sentences.append(f"{quantities.format_count_with_noun(firing, 'alert')} of Alertmanager firing.")
    return sentences
