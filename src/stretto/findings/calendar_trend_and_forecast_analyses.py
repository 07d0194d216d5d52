"""The analyses of habits: calendar, sessions' life, quantities that go together, this week, the next weeks.

Each answers with findings, for all surfaces, and with the rows that operations show of the same figures.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from stretto.clock import DAY, SECOND
from stretto.findings.analysis_input_and_answer import AnalysisAnswer, AnalysisInput
from stretto.findings.issued_forecasts import AS_GIVEN, WORKED_OUT_AGAIN, judge_issued_forecasts
from stretto.findings.measure_local_days import (
    ENTAILED_PAIRS,
    count_starts_by_hour_and_weekday,
    find_date,
    measure_day_quantities,
)
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.model.run_rows_for_analyses import TaskRun

if TYPE_CHECKING:
    from stretto.analysis.calendar_findings import SeriesCalendar
    from stretto.analysis.calendar_patterns import CalendarPattern
    from stretto.analysis.daily_task_length_forecasts import LengthOutlook
    from stretto.analysis.forecast import Forecast
    from stretto.analysis.series_of_run_values import Floats

LOAD_DAYS = 56
"""Days whose load by hour and weekday is counted: those that calendars look at."""

MOST_CALENDARS = 5
"""Series, those with the most runs, whose calendar operations show."""

COMPARED_DAYS = 90
"""Days whose quantities are compared."""

MOST_PREDICTED = 40
"""Kinds of tasks, the most frequent first, whose expected length is shown."""

PREDICTED_DAYS = 28
"""Days whose kinds of tasks are predicted."""

MOST_LEARNED = 20_000
"""Tasks, the latest, that lengths are predicted from."""


def find_slow_times(given: AnalysisInput) -> AnalysisAnswer:
    """Answer which weekdays and hours are slow, and when tasks begin."""
    from stretto.analysis.calendar_findings import find_calendars, judge_calendars  # noqa: PLC0415  # scipy

    zone = ZoneInfo(given.zone)
    calendars = find_calendars(given.run_series, given.instant, zone)
    largest = sorted(calendars, key=lambda each: -len(each.series.values))
    recent = [task for task in given.tasks if task.start >= given.instant - LOAD_DAYS * DAY]
    return AnalysisAnswer(
        judge_calendars(calendars),
        extra={
            "days": len({find_date(task.start, zone) for task in recent}),
            "load": count_starts_by_hour_and_weekday(recent, zone),
            "lengths": [_describe_calendar(each) for each in largest[:MOST_CALENDARS]],
        },
    )


def follow_session_lives(given: AnalysisInput) -> AnalysisAnswer:
    """Answer how long sessions take to start and to end, and whether they slow down."""
    from stretto.analysis.session_startup_slowing_and_end import (  # noqa: PLC0415  # loads scipy
        judge_session_lives,
        measure_session_lives,
    )

    lives = measure_session_lives(given.sessions_by_pattern, given.tasks_by_session)
    life = {pattern: asdict(each) for pattern, each in lives.items()}
    return AnalysisAnswer(judge_session_lives(lives), extra={"life": life})


def correlate_days(given: AnalysisInput) -> AnalysisAnswer:
    """Answer which quantities of a day go together."""
    from stretto.analysis.correlations import (  # noqa: PLC0415  # loads scipy
        find_correlations,
        judge_correlations,
        list_pairs,
    )

    since = given.instant - COMPARED_DAYS * DAY
    quantities = measure_day_quantities(
        [session for session in given.sessions if session.end >= since],
        [task for task in given.tasks if task.start >= since],
        ZoneInfo(given.zone),
    )
    pairs = list_pairs(quantities, left_out=ENTAILED_PAIRS)
    findings = judge_correlations(pairs, max(map(len, quantities.values()), default=0))
    return AnalysisAnswer(
        findings,
        {FindingVerdict.NO_EVIDENCE: max(0, len(pairs) - len(findings))},
        {"correlations": [asdict(pair) for pair in find_correlations(pairs)]},
    )


def compare_weeks(given: AnalysisInput) -> AnalysisAnswer:
    """Answer whether the last week of a pattern differs from the weeks before, and when it was best."""
    from stretto.analysis.pattern_week_comparison import compare_last_week_with_month_before  # noqa: PLC0415  # loads scipy

    return AnalysisAnswer(
        compare_last_week_with_month_before(given.sessions_by_pattern, given.instant, ZoneInfo(given.zone))
    )


def forecast_daily_lengths(given: AnalysisInput) -> AnalysisAnswer:
    """Answer how long tasks and parallel work take in the next 30 days, and how often such ranges held."""
    from stretto.analysis.daily_task_length_forecasts import (  # noqa: PLC0415  # loads scipy and statsmodels
        HORIZON_DAYS,
        forecast_lengths,
        judge_length_outlook,
        sum_covers_by_level,
    )

    zone = ZoneInfo(given.zone)
    outlooks = forecast_lengths(given.run_series, given.instant, zone)
    given_covers = judge_issued_forecasts(given.issued, outlooks, given.instant, zone)
    covers = [
        {"level": each.level, "inside": each.inside, "days": each.days}
        for each in given_covers or sum_covers_by_level(outlooks)
    ]
    return AnalysisAnswer(
        [judge_length_outlook(each) for each in outlooks],
        extra={
            "covers": covers,
            "covers_of": AS_GIVEN if given_covers else WORKED_OUT_AGAIN,
            "series": [_describe_outlook(each) for each in outlooks],
            "horizon_days": HORIZON_DAYS,
        },
    )


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
        FindingEvidence(n=quality.tasks, unit="log", coverage=quality.tasks / len(tasks) if tasks else None),
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


def _describe_calendar(calendar: SeriesCalendar) -> dict[str, Any]:
    return {
        "kind": calendar.series.kind.value,
        "subject": dict(calendar.series.subject),
        "hours": _describe_pattern(calendar.hours),
        "weekdays": _describe_pattern(calendar.weekdays),
    }


def _describe_pattern(pattern: CalendarPattern) -> dict[str, Any]:
    return {
        "factors": list(pattern.factors),
        "p": pattern.p,
        "days": pattern.days,
        "reason": pattern.reason,
        "slowest": pattern.slowest,
        "fastest": pattern.fastest,
    }


def _describe_outlook(outlook: LengthOutlook) -> dict[str, Any]:
    return {
        "kind": outlook.series.kind.value,
        "subject": dict(outlook.series.subject),
        "days": len(outlook.days),
        "forecast": None if outlook.forecast is None else _describe_forecast(outlook.forecast),
        "reason": outlook.reason,
        "back_test": None if outlook.tested is None else asdict(outlook.tested),
    }


def _describe_forecast(forecast: Forecast) -> dict[str, Any]:
    """Return a forecast of logarithms as ranges on the scale of the values, by day."""
    from stretto.analysis.forecast import COVERS, SCENARIOS  # noqa: PLC0415  # loads scipy

    scenarios = zip(("best_case", "likely", "worst_case"), SCENARIOS, strict=True)
    return {
        "model": forecast.model,
        "days": forecast.history,
        **{name: _leave_logarithms(forecast.compute_quantile(share)) for name, share in scenarios},
        "ranges": {
            f"{cover:.2f}": [_leave_logarithms(end) for end in forecast.compute_range(cover)]
            for cover in COVERS
        },
    }


def _leave_logarithms(values: Floats) -> list[float]:
    """Return seconds of logarithms of nanoseconds."""
    import numpy as np  # noqa: PLC0415  # the room does not load it

    return [float(value) / SECOND for value in np.exp(values)]
