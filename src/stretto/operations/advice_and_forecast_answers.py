"""Answer what to do and what comes: recommendations, tune-suggestions, capacity-planning, predictions."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from stretto.analysis.missing_score_points import ScoreTuning, TunablePart, suggest_tuning
from stretto.analysis.recommendation import Effort, Priority
from stretto.clock import DAY
from stretto.findings.analysis_table import EFFECTS
from stretto.findings.finding_sentences import describe_finding
from stretto.findings.issued_forecasts import OUTLOOKS, describe_cover
from stretto.format import quantities
from stretto.model.findings import Finding
from stretto.model.task_delivery_classes import Delivery
from stretto.operations.advice_on_low_judgements import advise_on_judgements
from stretto.operations.advice_rows import describe_advice
from stretto.operations.efficiency_answers import SCORE_WINDOW
from stretto.operations.history_answers import HISTORY, describe_days
from stretto.operations.live_answers import list_running
from stretto.operations.measure_finished_runs import (
    find_quantile,
    keep_reasons,
    measure_timing,
    measure_usage,
)
from stretto.operations.operation import OperationAnswer
from stretto.operations.operation_context import OperationCall
from stretto.operations.operation_errors import lack_data
from stretto.store.finding_history_and_last_answers import AnalysisResult
from stretto.store.sum_queries import find_first_slot_time

FEWEST_SESSIONS = 5
FEWEST_FORECAST_DAYS = 28
FEWEST_COST_DAYS = 7
ADVICE_TIME = 28 * DAY
EFFORTS: Mapping[str, Effort] = {"low": Effort.LOW, "low_medium": Effort.MEDIUM, "all": Effort.HIGH}
PRIORITIES: Mapping[str, Priority] = {
    "high": Priority.HIGH,
    "high_medium": Priority.MEDIUM,
    "all": Priority.LOW,
}
SCENARIOS = ("best_case", "likely", "worst_case")
RANGES = {0.80: "0.80", 0.95: "0.95"}
"""Confidence → the name of the range of a forecast."""


def answer_recommendations(call: OperationCall) -> OperationAnswer:
    """Answer what to do first, with what it brings, and what earlier advice brought."""
    _require_sessions(call, ADVICE_TIME)
    answer = call.read_answer("advice")
    scope = call.options["scope"]
    kept, passed = [], 0
    for finding in call.select_findings(answer):
        is_wanted = scope == "workflow_and_system" or (
            (finding.details.get("category") == "resource_allocation") == (scope == "system")
        )
        if is_wanted and passes_filters(finding, call.options):
            kept.append(finding)
        else:
            passed += 1
    effects = call.try_answer(EFFECTS)
    # They promise no share, so that only the scope and the priority leave them out.
    judged = [
        row
        for row in (advise_on_judgements(call) if scope != "system" else [])
        if Priority[row["priority"].upper()] >= PRIORITIES[call.options["priority_filter"]]
    ]
    rows = [*(describe_advice(finding) for finding in kept), *judged]
    reasons = answer.extra.get("reasons", {})
    if call.pattern is not None:
        reasons = {name: reason for name, reason in reasons.items() if name == call.pattern}
    return OperationAnswer(
        [row["text"] for row in rows] or ["Nothing to do that promises enough."],
        {"sessions": len(call.read_pattern_runs(ADVICE_TIME).sessions)},
        {
            "by_horizon": {
                horizon: [row["text"] for row in rows if row["horizon"] == horizon]
                for horizon in ("immediate", "strategic", "experimental")
            },
            "filtered_out": passed,
            "reasons_for_none": reasons,
            "realised": []
            if effects is None
            else [call.describe(finding) for finding in effects.findings if call.is_about(finding)],
            "calibration": _describe_calibration(effects),
        },
        rows,
        ["stretto decide applied ID, after following one: its effect is then judged", "stretto findings"],
    )


def _describe_calibration(effects: AnalysisResult | None) -> dict[str, Any]:
    """Return how promises of advice held; an empty object where the analysis has no answer."""
    calibration = {} if effects is None else dict(effects.extra.get("calibration", {}))
    unjudged = {"ratio": "no effect of applied advice that promised time is known"}
    return {**calibration, "absent": keep_reasons(calibration, unjudged)} if calibration else {}


def passes_filters(finding: Finding, options: Mapping[str, Any]) -> bool:
    """Return whether a recommendation passes priority, effort and least gain."""
    effort = Effort[str(finding.details.get("effort", "high")).upper()]
    priority = Priority[str(finding.details.get("priority", "low")).upper()]
    share = finding.details.get("share")
    return (
        effort <= EFFORTS[options["implementation_effort"]]
        and priority >= PRIORITIES[options["priority_filter"]]
        and isinstance(share, int | float)
        and share > options["expected_roi"]
    )


def answer_tune_suggestions(call: OperationCall) -> OperationAnswer:
    """Answer which parts of the efficiency score can give the points that miss, and whether they do."""
    _require_sessions(call, ADVICE_TIME)
    metric: str = call.options["target_metric"]
    parts = list_score_parts(call, metric)
    tuning = suggest_tuning(
        parts, call.options["target_score"], delivered_share=measure_delivered_share(call)
    )
    is_reached = tuning.current is not None and tuning.current >= tuning.target
    no_need = "the target is reached" if is_reached else "this part alone cannot reach the target"
    given = call.options["current_score"]
    suggestions = [
        {
            "part": each.name,
            "score": 100 * each.value,
            "slope": each.slope,
            "most_points": each.most,
            "needed_score": None if each.needed is None else 100 * each.needed,
            "absent": {} if each.needed is not None else {"needed_score": no_need},
        }
        for each in tuning.suggestions
    ]
    no_code = {"no_breaking_changes", "no_code_changes"} & {*(call.options["constraints"] or ())}
    advice = [
        describe_advice(finding)
        for finding in call.select_findings(call.try_answer("advice"))
        if not (no_code and finding.details.get("changes_code") == "yes")
    ]
    return OperationAnswer(
        [describe_tuning(tuning), *filter(None, [_compare_given(given, tuning.current)])],
        {"current_score": tuning.current, "target_score": tuning.target, "highest_score": tuning.highest},
        {
            "feasible": tuning.feasible,
            "suggestions": suggestions,
            "unknown_parts": list(tuning.unknown),
            "reason": tuning.reason or None,
        },
        advice,
        ["stretto efficiency", "stretto recommendations"],
    )


def measure_delivered_share(call: OperationCall) -> float | None:
    """Return the share of tasks that were delivered, which caps the score; None if no task is over.

    It is that of the session whose parts are tuned, else that of everything.
    """
    if call.workflow.session is not None:
        classes = [task["delivery"] for task in call.session["tasks"] if task["delivery"] is not None]
        return 1 - classes.count(Delivery.WASTED.value) / len(classes) if classes else None
    every = call.figures.sum_values("stretto_window_deliveries", window=SCORE_WINDOW)
    wasted = call.figures.sum_values(
        "stretto_window_deliveries", window=SCORE_WINDOW, delivery=Delivery.WASTED.value
    )
    return 1 - (wasted or 0.0) / every if every else None


def list_score_parts(call: OperationCall, metric: str) -> list[TunablePart]:
    """Return the parts of the efficiency score, or of one of its dimensions, with their weights."""
    if call.workflow.session is not None:
        dimensions = call.session["kpis"]["efficiency"]["parts"]
    else:
        dimensions = call.document["scores"][SCORE_WINDOW]["efficiency"]["dimensions"]
        if call.workflow.pattern is not None:
            call.note("dimensions", "the parts of the score, and the score here, are those of all patterns")
    parts = []
    for name, dimension in dimensions.items():
        if metric not in {"overall_efficiency", name}:
            continue
        known = [part for part in dimension["parts"].values() if part["score"] is not None]
        for part, score in dimension["parts"].items():
            weight = dimension["weight"] / (len(known) or len(dimension["parts"]))
            value = None if score["score"] is None else min(1.0, max(0.0, score["score"] / 100))
            parts.append(TunablePart(f"{name}.{part}", value, weight))
    return parts


def describe_tuning(tuning: ScoreTuning) -> str:
    """Return in a sentence how a target can be reached."""
    if tuning.current is None:
        return f"No part of the score is known: {tuning.reason}."
    best = tuning.suggestions[0] if tuning.suggestions else None
    head = f"The score of the known parts is {tuning.current:.1f}"
    if tuning.reason:
        return f"{head}; {tuning.reason}."
    return f"{head}; {best.name} can give up to {best.most:.1f} points." if best else f"{head}."


def _compare_given(given: float | None, current: float | None) -> str:
    if given is None or current is None or abs(given - current) < 1:
        return ""
    return f"The given current score of {given:.1f} is not what was measured."


def answer_capacity_planning(call: OperationCall) -> OperationAnswer:
    """Answer how many agents side by side pay, and how many once the work has grown."""
    _require_sessions(call, ADVICE_TIME)
    growth = call.options["growth_projection"] / 100
    plans = call.read_answer("widths", growth)
    gains = call.try_answer("gains")
    goals, months = call.options["optimization_goals"], call.options["time_horizon"] / (30 * DAY)
    rows = [describe_capacity_plan(finding, call) for finding in plans.findings if call.is_about(finding)]
    curves = {} if gains is None else gains.extra.get("sentences", {})
    runs = call.read_pattern_runs(ADVICE_TIME)
    usage = measure_usage(runs.tasks, runs.sessions)
    analysis: dict[str, Any] = {
        "plans": rows if call.options["include_scenarios"] else [{**row, "widths": []} for row in rows],
        "gain_by_width": {name: text for name, text in curves.items() if call.pattern in {None, name}},
        "growth": growth,
        "months": months,
        "goals": list(goals),
    }
    if "cost" in goals:
        known = measure_known_time_in_four_weeks(call)
        analysis |= project_cost(usage, known, growth, call.options["time_horizon"])
    sentences = [
        f"{row['workflow']}: {row['text']}"
        + (
            f" {row['agents_after_growth']} keep that time once work has grown by {growth:.0%}."
            if row["agents_after_growth"]
            else ""
        )
        for row in rows
        if row["text"]
    ]
    lacking = [f"{row['workflow']}: {row['reason']}." for row in rows if not row["text"] and row["reason"]]
    return OperationAnswer(
        sentences or lacking or ["No pattern has enough sessions to plan with."],
        {"sessions": len(runs.sessions), "usage": usage},
        analysis,
        next_steps=["stretto predictions", "stretto resource-efficiency"],
    )


def measure_known_time_in_four_weeks(call: OperationCall) -> int:
    """Return the time (ns) of the last four weeks since the first event: before it nothing is known."""
    with call.sources.connect() as connection:
        first = find_first_slot_time(connection)
    return 0 if first is None else min(ADVICE_TIME, call.now - first)


def project_cost(usage: Mapping[str, Any], known: int, growth: float, horizon: int) -> dict[str, Any]:
    """Return what work costs until the ``horizon`` (ns) and a month after it, or why that is not known.

    The cost of the ``known`` time (ns) is that of now. Work grows evenly, by ``growth`` at the horizon. The
    cost until then is cost / known · horizon · (1 + growth / 2), and a month after it costs
    cost / known · 30 days · (1 + growth). Example: 7 dollars in seven days and a growth of 0.5 give 112.50
    dollars for ninety days, and 45 dollars for a month after them.
    """
    names = ("cost_until_horizon_usd", "cost_per_month_after_growth_usd")
    unknown: dict[str, Any] = dict.fromkeys(names)
    cost = usage["cost_usd"]
    if cost is None:
        return {**unknown, "absent": dict.fromkeys(names, usage["absent"]["cost_usd"])}
    if known < FEWEST_COST_DAYS * DAY:
        few = (
            f"{known / DAY:.1f} days are known, {FEWEST_COST_DAYS} are needed: weekends differ from weekdays"
        )
        return {**unknown, "absent": dict.fromkeys(names, few)}
    costs = (cost * horizon / known * (1 + growth / 2), cost * 30 * DAY / known * (1 + growth))
    return {**dict(zip(names, costs, strict=True)), "absent": {}}


def describe_capacity_plan(finding: Finding, call: OperationCall) -> dict[str, Any]:
    """Return the plan of a pattern: the advised width, what binds, and the time by width."""
    details = finding.details
    untried = details.get("extrapolated_from")
    widths = [
        {"agents": (agents := int(name.removeprefix("seconds_"))), "seconds": value,
         "efficiency": details.get(f"efficiency_{agents}"),
         "extrapolated": isinstance(untried, int | float) and agents >= untried}
        for name, value in details.items()
        if name.startswith("seconds_")
    ]  # fmt: skip
    after = details.get("width_after_growth")
    grown = round(after) if isinstance(after, int | float) and details.get("growth") else None
    no_growth = "no width keeps the time" if details.get("growth") else "no growth was asked for"
    return {
        "workflow": finding.subject.get("pattern"),
        "text": finding.advice,
        "advised_agents": details.get("advised"),
        "binds": details.get("binds"),
        "agents_after_growth": grown,
        "absent": {"agents_after_growth": no_growth} if grown is None else {},
        "usual_agents": details.get("usual"),
        "seconds": next((row["seconds"] for row in widths if row["agents"] == details.get("advised")), None),
        "low_seconds": details.get("advised_low_seconds"),
        "high_seconds": details.get("advised_high_seconds"),
        "sessions": finding.evidence.n,
        "widths": widths,
        "reason": finding.reason,
        "sentence": describe_finding(finding, call.sources.zone),
    }


def answer_predictions(call: OperationCall) -> OperationAnswer:
    """Answer the next days with ranges, how such forecasts turned out, and when running tasks end."""
    runs = call.read_pattern_runs(HISTORY)
    days = describe_days(runs, call.sources.zone)
    if len(days) < FEWEST_FORECAST_DAYS:
        raise lack_data("days with runs", len(days), FEWEST_FORECAST_DAYS)
    answer = call.read_answer(OUTLOOKS)
    horizon = round(call.options["forecast_horizon"] / DAY)
    name = RANGES[min(RANGES, key=lambda level: abs(level - call.options["confidence_interval"]))]
    scenarios: Sequence[str] = call.options["include_scenarios"]
    rows = [
        _cut_forecast(each, horizon, name, scenarios)
        for each in answer.extra.get("series", ())
        if call.pattern is None or each["subject"].get("pattern") in {None, call.pattern}
    ]
    tested = [row["back_test"]["covers"][0] for row in rows if row["back_test"]]
    unusual = call.try_answer("unusual")
    factors = call.options["factors"]
    analysis: dict[str, Any] = {
        "forecasts": rows,
        "range": name,
        "horizon_days": horizon,
        "anomalies": [call.describe(finding) for finding in call.select_findings(unusual)],
        "running": list_running(call),
    }
    if "workload" in factors:
        analysis["workload"] = _describe_workload(days)
    if "resources" in factors:
        analysis["resources"] = measure_usage(runs.tasks, runs.sessions)
    if "external" in factors:
        analysis["absent"] = {"external": "nothing from outside the sessions is known to Stretto"}
    sentences = [_describe_forecast(row) for row in rows if row["likely_seconds"]]
    if sentences and (cover := describe_cover(answer.extra)) is not None:
        sentences.append(cover)
    return OperationAnswer(
        sentences or ["No series has enough days to forecast."],
        {"days": len(days), "timing": measure_timing(runs.tasks)},
        analysis,
        next_steps=["stretto trends", "stretto capacity-planning"],
        accuracy=statistics.fmean(tested) if tested else None,
        no_accuracy="no earlier forecast could be held against what came",
    )


def _cut_forecast(
    series: Mapping[str, Any], horizon: int, range_: str, scenarios: Sequence[str]
) -> dict[str, Any]:
    forecast = series["forecast"]
    row = {
        "kind": series["kind"],
        "subject": series["subject"],
        "days": series["days"],
        "reason": series["reason"] or None,
        "back_test": series["back_test"],
        "model": None if forecast is None else forecast["model"],
        "likely_seconds": None if forecast is None else forecast["likely"][:horizon],
    }
    if forecast is not None:
        low, high = forecast["ranges"][range_]
        row |= {"low_seconds": low[:horizon], "high_seconds": high[:horizon]}
        row["scenarios"] = {name: forecast[name][:horizon] for name in SCENARIOS if name in scenarios}
    return row


def _describe_forecast(row: Mapping[str, Any]) -> str:
    name = ", ".join(row["subject"].values())
    likely, low, high = (
        quantities.format_duration(row[key][0]) for key in ("likely_seconds", "low_seconds", "high_seconds")
    )
    kind = row["kind"].replace("_", " ").capitalize()
    return f"{kind} ({name}) tomorrow: {likely} [{low}, {high}], by {row['model']}."


def _describe_workload(days: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the tasks of a day over the last four weeks: their median, and their quarter on each side."""
    counts = sorted(day["tasks"] for day in days[-28:])
    low, middle, high = (find_quantile(counts, share) for share in (0.25, 0.5, 0.75))
    return {"tasks_per_day_median": middle, "low_quarter": low, "high_quarter": high, "days": len(counts)}


def _require_sessions(call: OperationCall, span: int) -> None:
    """Raise OperationError unless there are enough sessions with tasks."""
    count = sum(bool(run.task_types) for run in call.read_pattern_runs(span).sessions)
    if count < FEWEST_SESSIONS:
        raise lack_data("sessions with tasks in four weeks", count, FEWEST_SESSIONS)
