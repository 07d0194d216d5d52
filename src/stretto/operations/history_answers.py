"""Answer how it went over time: trends, patterns, regression."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from stretto.clock import DAY, SECOND
from stretto.findings.finding_sentences import describe_finding
from stretto.findings.measure_local_days import find_date
from stretto.format import quantities
from stretto.model.findings import COINCIDES, WINDOW_DAYS, Finding, FindingVerdict
from stretto.operations.find_named_workflow import refuse_later_session
from stretto.operations.measure_finished_runs import (
    NO_COST,
    NO_TASK,
    NO_USAGE,
    keep_reasons,
    measure_outcomes,
    measure_timing,
)
from stretto.operations.operation import OperationAnswer
from stretto.operations.operation_context import OperationCall, RunSelection
from stretto.operations.operation_errors import ErrorCode, OperationError, lack_data
from stretto.store.finding_history_and_last_answers import AnalysisResult

FEWEST_TREND_DAYS = 14
TREND_TIME = 30 * DAY
"""Time (ns) of which trends are worked out at least; where more is known also those of 90 days."""
FEWEST_REGRESSION_DAYS = 15
FEWEST_PATTERN_SESSIONS = 100
HISTORY = 154 * DAY
"""Time (ns) that the analyses look back."""

TREND_KINDS: Mapping[str, frozenset[str]] = {
    "efficiency": frozenset(
        {
            "efficiency_trend",
            "fanout_elapsed_trend",
            "quality_trend",
            "failure_share_trend",
            "adoption_trend",
        }
    ),
    "execution_time": frozenset(
        {
            "task_length_trend",
            "agent_length_trend",
            "phase_length_trend",
            "tool_length_trend",
            "hook_length_trend",
        }
    ),
    "resource_usage": frozenset(
        {"task_tokens_trend", "task_dollars_trend", "processor_time_trend", "memory_peak_trend"}
    ),
}
"""Metric of the operation → kinds of findings about it."""

PATTERN_KINDS: Mapping[str, frozenset[str]] = {
    "success": frozenset({"condition_success", "condition_fast"}),
    "failure": frozenset({"condition_failure", "condition_slow"}),
}

WEEK_WINDOW = "7d"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def answer_trends(call: OperationCall) -> OperationAnswer:
    """Answer which way lengths, failures, resources and adoption go, and which hours and days differ."""
    span: int = call.options["timeframe"]
    runs = call.read_pattern_runs(span)
    days = describe_days(runs, call.sources.zone)
    # A short list of days takes nothing from the trends, which are those of thirty days at least.
    known = days
    if span < TREND_TIME:
        known = describe_days(call.read_pattern_runs(TREND_TIME), call.sources.zone)
    if len(known) < FEWEST_TREND_DAYS:
        raise lack_data("days with runs", len(known), FEWEST_TREND_DAYS)
    wanted = set().union(*(TREND_KINDS[metric] for metric in call.options["metrics"]))
    answer = call.read_answer("trends")
    about = [finding for finding in answer.findings if finding.kind in wanted and call.is_about(finding)]
    notable = [finding for finding in about if finding.verdict in _CHANGED]
    windows = list_trend_windows(about)
    changes = call.select_findings(call.try_answer("changes"))
    analysis: dict[str, Any] = {
        "trend_days": windows[-1],
        "trends": [call.describe(finding) for finding in notable],
        "quiet": len(about) - len(notable),
        "regressions": [
            describe_change(call, each) for each in changes if each.verdict is FindingVerdict.REGRESSION
        ],
        "improvements": [
            describe_change(call, each) for each in changes if each.verdict is FindingVerdict.IMPROVEMENT
        ],
    }
    if call.options["detect_patterns"]:
        if (calendar := call.try_answer("slow_times")) is not None:
            analysis["calendar"] = describe_calendar(calendar, call.pattern)
        if (lives := call.try_answer("lives")) is not None:
            analysis["life_cycle"] = describe_startup_and_slowing(lives, call.pattern)
    if call.options["include_correlations"] and (pairs := call.try_answer("correlations")) is not None:
        analysis["correlations"] = pairs.extra.get("correlations", [])
        call.note_unfiltered("correlations")
    sentences = [each.advice for each in notable if each.advice]
    quiet = (
        f"No trend can be seen in {len(about)} series over the last {' or '.join(map(str, windows))} days."
    )
    if stepped := len(analysis["regressions"]) + len(analysis["improvements"]):
        changed = quantities.format_count_with_noun(stepped, "change stands", "changes stand")
        quiet += f" {changed} below."
    return OperationAnswer(
        sentences or [quiet],
        {
            "days": days,
            "timing": measure_timing(runs.tasks),
            "outcomes": measure_outcomes(runs.tasks),
            "scores": _list_score_trends(call),
        },
        analysis,
        next_steps=["stretto regression", "stretto predictions"],
    )


def list_trend_windows(trends: Iterable[Finding]) -> list[int]:
    """Return the numbers of days that trends were looked for in, the fewest first; 30 where none is given."""
    days = {each.details.get(WINDOW_DAYS) for each in trends}
    return sorted(int(each) for each in days if isinstance(each, float)) or [TREND_TIME // DAY]


def _list_score_trends(call: OperationCall) -> list[dict[str, Any]]:
    """Return the trend of each score from outside over a week, in its own scale; of all sessions."""
    current = call.figures.list_by("stretto_score_current", "score", window=WEEK_WINDOW)
    rates = call.figures.list_by("stretto_score_rate_per_day", "score", window=WEEK_WINDOW)
    scatter = call.figures.list_by("stretto_score_volatility", "score", window=WEEK_WINDOW)
    if current:
        call.note_unfiltered("scores")
    return [
        {
            "score": score,
            "current": current[score]["value"],
            "rate_per_day": rates[score]["value"],
            "volatility": scatter[score]["value"],
            "days": current[score]["count"],
            "reason": current[score].get("reason"),
        }
        for score in sorted(current)
    ]


def answer_circumstances_of_outcomes(call: OperationCall) -> OperationAnswer:
    """Answer which circumstances go with success, failure and speed."""
    runs = call.read_pattern_runs(HISTORY)
    sessions = [run for run in runs.sessions if run.task_types]
    if len(sessions) < FEWEST_PATTERN_SESSIONS:
        raise lack_data("sessions with tasks", len(sessions), FEWEST_PATTERN_SESSIONS)
    answer = call.read_answer("conditions")
    call.note_unfiltered("patterns")
    types, least = call.options["pattern_types"], call.options["confidence_threshold"]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in types}
    for finding in answer.findings:
        is_emerging = finding.details.get("confirmed") == "no"
        for name in types:
            is_wanted = is_emerging if name == "emerging" else finding.kind in PATTERN_KINDS[name]
            if (
                is_wanted
                and (name == "emerging" or not is_emerging)
                and 1 - (finding.evidence.p or 0) >= least
            ):
                found[name].append(_describe_condition(call, finding))
    if call.options["actionable_only"]:
        found = {name: [each for each in rows if each["actionable"]] for name, rows in found.items()}
    sentences = [row["sentence"] for rows in found.values() for row in rows]
    quiet = f"Nothing among {len(sessions)} sessions goes with an outcome beyond chance."
    return OperationAnswer(
        sentences or [quiet],
        {"sessions": len(sessions), "outcomes": measure_outcomes(runs.tasks)},
        {"patterns": found, "reason": answer.extra.get("reason") or None},
        next_steps=["stretto experiment define tries a circumstance on purpose", "stretto recommendations"],
    )


def _describe_condition(call: OperationCall, finding: Finding) -> dict[str, Any]:
    condition = finding.subject.get("condition", "")
    return {
        **call.describe(finding),
        "frequency": finding.details.get("support"),
        "share_with_outcome": finding.details.get("share"),
        "one_less_p": None if finding.evidence.p is None else 1 - finding.evidence.p,
        # A circumstance KEY=VALUE and the width are chosen; retries and the weekday come as they come.
        "actionable": "=" in condition or condition.startswith("width"),
        "validated": finding.details.get("confirmed") == "yes",
        "warning_signs": None,
        "prevention": None,
        "absent": {
            "warning_signs": "the condition itself is the sign: it is known when a session begins",
            "prevention": "a condition that goes with failure need not cause it; an experiment tells",
        },
    }


def answer_regression(call: OperationCall) -> OperationAnswer:
    """Answer what got worse or better, since when, by how much, and why."""
    _check_baseline_day(call)
    _move_to_day(call, call.options["current_date"])
    runs = call.read_pattern_runs(HISTORY)
    days = describe_days(runs, call.sources.zone)
    if len(days) < FEWEST_REGRESSION_DAYS:
        raise lack_data("days with runs", len(days), FEWEST_REGRESSION_DAYS)
    answer = call.read_answer("changes")
    since = _find_midnight(call.options["baseline_date"], call.sources.zone)
    least = call.options["significance_threshold"] / 100
    changes = [
        finding
        for finding in answer.findings
        if finding.verdict in _CHANGED
        and call.is_about(finding)
        and (finding.since or 0) >= since
        and measure_size_of_change_either_way(finding) >= least
        and not call.state.is_settled(finding)
    ]
    worse = [finding for finding in changes if finding.verdict is FindingVerdict.REGRESSION]
    better = [finding for finding in changes if finding.verdict is FindingVerdict.IMPROVEMENT]
    counts = {verdict.value: 0 for verdict in FindingVerdict}
    for finding in answer.findings:
        counts[finding.verdict.value] += call.is_about(finding)
    analysis: dict[str, Any] = {
        "regressions": [describe_change(call, finding) for finding in worse],
        "improvements": [describe_change(call, finding) for finding in better],
        "checks": counts,
        "significance_threshold": {
            "percent_of_effect": call.options["significance_threshold"],
            "note": "the least size of a change, not a p value; each change shown is beyond chance",
        },
    }
    if call.options["auto_investigate"]:
        holdups = call.try_answer("holdups")
        analysis["investigation"] = [call.describe(finding) for finding in call.select_findings(holdups)]
    quiet = (
        f"No change of at least {call.options['significance_threshold']:g} %:"
        f" {counts['no_evidence']} checks were quiet, {counts['too_little_data']} have too little data."
    )
    if passed := sum(counts[verdict.value] for verdict in _CHANGED):
        quiet += f" Left out as smaller, older or settled by a person: {passed}."
    return OperationAnswer(
        [describe_finding(finding, call.sources.zone) for finding in (*worse, *better)] or [quiet],
        {"days_with_runs": len(days), "sessions": len(runs.sessions), "tasks": len(runs.tasks)},
        analysis,
        next_steps=["stretto why", "stretto annotate TEXT --new-normal, if the change was meant"],
    )


def measure_size_of_change_either_way(finding: Finding) -> float:
    """Return the size of a change as a share: .5 for a ratio of 1.5 and for one of .667 alike."""
    effect = finding.evidence.effect or 0.0
    if finding.evidence.unit == "ratio":
        return math.exp(abs(math.log(effect))) - 1 if effect > 0 else 0.0
    return abs(effect)


def describe_change(call: OperationCall, finding: Finding) -> dict[str, Any]:
    """Return a change as JSON, with what changed at the same time, which may be its cause."""
    cause = finding.details.get(COINCIDES)
    return {
        **call.describe(finding),
        "metric": finding.kind,
        "magnitude": finding.evidence.effect,
        "probable_cause": cause,
        "status": "open",
        "absent": {}
        if cause
        else {"probable_cause": "nothing that is known of the runs changed on that day"},
    }


def describe_days(runs: RunSelection, zone: str) -> list[dict[str, Any]]:
    """Return tasks, lengths, failures, tokens and money by local day, the first day first."""
    local = ZoneInfo(zone)
    by_day: dict[date, list[Any]] = defaultdict(list)
    for run in runs.tasks:
        by_day[find_date(run.start, local)].append(run)
    days = []
    for day, group in sorted(by_day.items()):
        lengths = [run.length / SECOND for run in group if run.length is not None]
        tokens = [run.tokens for run in group if run.tokens is not None]
        dollars = [run.dollars for run in group if run.dollars is not None]
        outcomes = measure_outcomes(group)
        row = {
            "day": day.isoformat(),
            "tasks": len(group),
            "median_seconds": statistics.median(lengths) if lengths else None,
            "success_share": outcomes["success_share"],
            "tokens": sum(tokens) if tokens else None,
            "cost_usd": sum(dollars) if dollars else None,
        }
        reasons = outcomes["absent"] | {"median_seconds": NO_TASK, "tokens": NO_USAGE, "cost_usd": NO_COST}
        days.append({**row, "absent": keep_reasons(row, reasons)})
    return days


def describe_calendar(calendar: AnalysisResult, pattern: str | None) -> dict[str, Any]:
    """Return busy hours, slow hours and weekdays, with the effect of Mondays, Fridays and weekends."""
    load = calendar.extra.get("load", {"hours": [], "weekdays": []})
    busy = [hour for hour, count in enumerate(load["hours"]) if count]
    busiest = max(busy, key=lambda hour: load["hours"][hour], default=None)
    quietest = min(busy, key=lambda hour: load["hours"][hour], default=None)
    rows = []
    for each in calendar.extra.get("lengths", ()):
        if pattern is None or each["subject"].get("pattern") in {None, pattern}:
            days = each["weekdays"]
            factors = days["factors"]
            rows.append(
                {
                    **each,
                    "slowest_weekday": None if days["slowest"] is None else WEEKDAYS[days["slowest"]],
                    "predictable": days["p"] is not None and days["slowest"] is not None,
                    "weekday_mean": _average_factors(factors[:5]),
                    "weekend_mean": _average_factors(factors[5:]),
                    "monday_effect": factors[0],
                    "friday_effect": factors[4],
                }
            )
    return {"peak_hour": busiest, "low_hour": quietest, "tasks_by_hour": load["hours"],
            "tasks_by_weekday": load["weekdays"], "lengths": rows}  # fmt: skip


def _average_factors(factors: Sequence[float | None]) -> float | None:
    known = [factor for factor in factors if factor]
    return statistics.geometric_mean(known) if known else None


def describe_startup_and_slowing(lives: AnalysisResult, pattern: str | None) -> dict[str, Any]:
    """Return start-up, clean-up and slowing of sessions by pattern."""
    life: Mapping[str, Any] = lives.extra.get("life", {})
    return {name: _add_reasons_to_life(each) for name, each in life.items() if pattern in {None, name}}


def _add_reasons_to_life(life: Mapping[str, Any]) -> dict[str, Any]:
    """Return the life of a pattern's sessions with the reason of each number that is not known."""
    count = life.get("slope_sessions", 0)
    slowing = (
        f"{count} sessions have enough tasks to show whether they slow down, more are needed"
        if life.get("degradation") is None
        else "all sessions slow down alike: there is no range"
    )
    reasons = dict.fromkeys(("degradation", "low", "high", "p", "detectable"), slowing)
    edges = "no session shows when its first or last task ran"
    reasons |= dict.fromkeys(("start_up_seconds", "clean_up_seconds"), edges)
    return {**life, "absent": keep_reasons(life, reasons)}


def _check_baseline_day(call: OperationCall) -> None:
    """Raise OperationError (INVALID_OPTIONS) if the day of the baseline is after the current one."""
    since, current = call.options["baseline_date"], call.options["current_date"]
    today = find_date(call.now, ZoneInfo(call.sources.zone))
    if since is None or since <= (current or today):
        return
    problem = "lies in the future" if current is None else f"lies after the current date, {current}"
    raise _refuse_day(call, "baseline_date", problem)


def _refuse_day(call: OperationCall, option: str, problem: str) -> OperationError:
    return OperationError(
        ErrorCode.INVALID_OPTIONS,
        f"'{option}' {problem}",
        {"problems": {option: problem}, "known": [*call.options]},
    )


def _move_to_day(call: OperationCall, day: date | None) -> None:
    """Let the call be about the end of a local day. Raises OperationError (INVALID_OPTIONS)."""
    if day is None:
        return
    end = _find_midnight(day + timedelta(days=1), call.sources.zone)
    now = call.sources.clock()
    if end - DAY > now:
        raise _refuse_day(call, "current_date", "lies in the future")
    if end < now:
        call.at = end
        with call.sources.connect() as connection:
            refuse_later_session(connection, call.workflow, end)


def _find_midnight(day: date | None, zone: str) -> int:
    """Return the beginning (ns) of a local day; 0 without one."""
    if day is None:
        return 0
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


_CHANGED = frozenset({FindingVerdict.REGRESSION, FindingVerdict.IMPROVEMENT})
