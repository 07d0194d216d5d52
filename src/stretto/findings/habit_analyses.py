"""The analyses of habits: calendar, sessions' life, quantities that go together, this week, the next week."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from statistics import fmean
from typing import Any
from zoneinfo import ZoneInfo

from stretto.clock import DAY, SECOND
from stretto.findings.analysis_input import AnalysisAnswer, AnalysisInput
from stretto.model.event import Outcome
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.model.finished_runs import TaskRun

COMPARED_DAYS = 90
"""Days whose quantities are compared."""

MOST_PREDICTED = 40
"""Kinds of tasks, the most frequent first, whose expected length is shown."""

PREDICTED_DAYS = 28
"""Days whose kinds of tasks are predicted."""

MOST_LEARNED = 20_000
"""Tasks, the latest, that lengths are predicted from."""


def find_slow_times(given: AnalysisInput) -> AnalysisAnswer:
    """Answer which weekdays and hours are slow."""
    from stretto.analysis.calendar_findings import judge_calendars  # noqa: PLC0415  # loads scipy

    return AnalysisAnswer(judge_calendars(given.run_series, given.instant, ZoneInfo(given.zone)))


def follow_session_lives(given: AnalysisInput) -> AnalysisAnswer:
    """Answer how long sessions take to start and to end, and whether they slow down."""
    from stretto.analysis.session_life import judge_session_lives  # noqa: PLC0415  # loads scipy

    return AnalysisAnswer(judge_session_lives(given.sessions_by_pattern, given.tasks_by_session))


def correlate_days(given: AnalysisInput) -> AnalysisAnswer:
    """Answer which quantities of a day go together."""
    from stretto.analysis.correlations import judge_correlations, list_pairs  # noqa: PLC0415  # loads scipy

    quantities = collect_day_quantities(given)
    return AnalysisAnswer(judge_correlations(quantities), max(1, len(list_pairs(quantities))))


def compare_weeks(given: AnalysisInput) -> AnalysisAnswer:
    """Answer whether the last week of a pattern differs from the weeks before, and when it was best."""
    from stretto.analysis.usual_comparison import judge_weeks  # noqa: PLC0415  # loads scipy

    return AnalysisAnswer(judge_weeks(given.sessions_by_pattern, given.instant, ZoneInfo(given.zone)))


def forecast_lengths(given: AnalysisInput) -> AnalysisAnswer:
    """Answer how long tasks will take in the next week, and how often such ranges held."""
    from stretto.analysis.length_outlook import judge_length_outlooks  # noqa: PLC0415  # loads scipy

    findings, covers = judge_length_outlooks(given.run_series, given.instant, ZoneInfo(given.zone))
    listed = [{"level": each.level, "inside": each.inside, "days": each.days} for each in covers]
    return AnalysisAnswer(findings, extra={"covers": listed})


def predict_lengths(given: AnalysisInput) -> AnalysisAnswer:
    """Answer how long a task of each kind takes, and how well that is known on sessions held out."""
    from stretto.analysis.length_predictor import fit_predictor  # noqa: PLC0415  # loads numpy

    tasks = given.tasks[-MOST_LEARNED:]
    predictor = fit_predictor(tasks)
    quality = predictor.quality
    known = quality.median_error is not None
    finding = Finding(
        "length_prediction",
        {},
        FindingVerdict.NO_EVIDENCE if known else FindingVerdict.TOO_LITTLE_DATA,
        FindingEvidence(n=quality.tasks, unit="log"),
        reason="" if known else f"{quality.sessions} sessions with delivered tasks",
        details={
            "method": str(quality.method),
            "sessions": float(quality.sessions),
            "median_error": quality.median_error,
            "boosting_error": quality.boosting_error,
            "why_no_boosting": quality.reason or None,
        },
    )
    since = given.instant - PREDICTED_DAYS * DAY
    typical: dict[tuple[str | None, str], TaskRun] = {
        (task.pattern, task.type): task for task in tasks if task.start >= since
    }
    counts = Counter((task.pattern, task.type) for task in tasks if task.start >= since)
    kinds = [kind for kind, _ in counts.most_common(MOST_PREDICTED)]
    forecasts = predictor.predict_lengths([typical[kind] for kind in kinds])
    expected: list[dict[str, Any]] = [
        {"pattern": pattern, "type": type_, "seconds": made.seconds, "low": made.low, "high": made.high,
         "tasks": made.tasks, "method": str(made.method)}
        for (pattern, type_), made in zip(kinds, forecasts, strict=True)
        if made is not None
    ]  # fmt: skip
    return AnalysisAnswer([finding], extra={"expected": expected})


def collect_day_quantities(given: AnalysisInput) -> Mapping[str, Mapping[date, float]]:
    """Return by name the daily quantities that are compared: counts, means and shares of local days."""
    zone, since = ZoneInfo(given.zone), given.instant - COMPARED_DAYS * DAY
    values: dict[str, dict[date, list[float]]] = defaultdict(lambda: defaultdict(list))
    for session in given.sessions:
        if session.end < since or not session.task_types:
            continue
        day = datetime.fromtimestamp(session.end // SECOND, zone).date()
        values["sessions"][day].append(1.0)
        values["tasks"][day].append(float(sum(session.task_types.values())))
        values["retries"][day].append(float(session.retries))
        values["width"][day].append(float(session.width))
        values["seconds_per_task"][day].append(
            session.work / SECOND / max(1, sum(session.task_types.values()))
        )
        if session.outcome in {Outcome.SUCCESS, Outcome.FAILURE}:
            values["failures"][day].append(float(session.outcome is Outcome.FAILURE))
        if session.tokens is not None:
            values["tokens"][day].append(float(session.tokens))
        if session.memory_peak is not None:
            values["memory_peak"][day].append(session.memory_peak)
    totals = {"sessions", "tasks", "retries", "tokens"}
    return {
        name: {day: sum(several) if name in totals else fmean(several) for day, several in by_day.items()}
        for name, by_day in values.items()
    }
