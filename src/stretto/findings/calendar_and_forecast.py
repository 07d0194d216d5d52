"""The analyses of days: slow hours and weekdays, quantities that go together, and the next weeks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from stretto.clock import DAY, SECOND
from stretto.findings.analysis_input import AnalysisAnswer, AnalysisInput
from stretto.model.event import Outcome
from stretto.model.finished_runs import TaskRun

if TYPE_CHECKING:
    from stretto.analysis.calendar_patterns import CalendarPattern
    from stretto.analysis.forecast import Forecast
    from stretto.analysis.series import Floats, Series

CALENDAR_DAYS = 56
"""Days that calendars and correlations look at."""

FORECAST_DAYS = 120
"""Days that a forecast rests on at most."""

HORIZON_DAYS = 30
"""Days that are forecast."""

MOST_SERIES = 5
"""Series whose calendar is looked at: those with the most values."""

MOST_FORECASTS = 3
"""Series that are forecast: each takes more than a second of processor time."""

DAY_HOURS = 24
WEEK_DAYS = 7


def find_calendar(given: AnalysisInput) -> AnalysisAnswer:
    """Answer which hours and weekdays are busy or slow, how sessions live, and what rises together."""
    from stretto.analysis.calendar_patterns import find_hour_pattern, find_weekday_pattern  # noqa: PLC0415  # scipy
    from stretto.analysis.correlations import find_correlations  # noqa: PLC0415  # likewise
    from stretto.analysis.session_life import measure_session_life  # noqa: PLC0415  # likewise

    zone = ZoneInfo(given.zone)
    recent = [task for task in given.tasks if task.start >= given.instant - CALENDAR_DAYS * DAY]
    lengths = [
        {
            "kind": series.kind.value,
            "subject": dict(series.subject),
            "hours": _describe_pattern(find_hour_pattern(series, given.instant, zone)),
            "weekdays": _describe_pattern(find_weekday_pattern(series, given.instant, zone)),
        }
        for series in choose_series(given.run_series)
    ]
    life = {
        pattern: asdict(measure_session_life(runs, given.tasks))
        for pattern, runs in given.sessions_by_pattern.items()
    }
    return AnalysisAnswer(
        (),
        2 * len(lengths),
        {
            "days": len({_find_date(task.start, zone) for task in recent}),
            "load": _count_load(recent, zone),
            "lengths": lengths,
            "life": life,
            "correlations": [asdict(pair) for pair in find_correlations(measure_days(recent, zone))],
        },
    )


def forecast_days(given: AnalysisInput) -> AnalysisAnswer:
    """Answer what the next 30 days hold, and how such forecasts of the past turned out."""
    from stretto.analysis.forecast import back_test, forecast_values  # noqa: PLC0415  # loads statsmodels
    from stretto.analysis.series import SeriesScale  # noqa: PLC0415  # loads numpy
    from stretto.analysis.series_trends import average_days  # noqa: PLC0415  # likewise

    zone = ZoneInfo(given.zone)
    made = []
    for series in choose_series(given.run_series, MOST_FORECASTS):
        if series.scale is not SeriesScale.RATIO:
            continue
        numbers, means = average_days(series, given.instant, zone, FORECAST_DAYS)
        values = _place_days(numbers.astype(int).tolist(), means.tolist())
        forecast = forecast_values(values, HORIZON_DAYS)
        subject = {"kind": series.kind.value, "subject": dict(series.subject), "days": len(values)}
        if forecast is None:
            reason = f"{len(values)} days with runs, 14 are needed"
            made.append({**subject, "forecast": None, "reason": reason, "back_test": None})
            continue
        tested = back_test(values)
        made.append(
            {
                **subject,
                "forecast": _describe_forecast(forecast),
                "reason": forecast.reason,
                "back_test": None if tested is None else asdict(tested),
            }
        )
    return AnalysisAnswer((), len(made), {"series": made, "horizon_days": HORIZON_DAYS})


def choose_series(series: Sequence[Series], most: int = MOST_SERIES) -> list[Series]:
    """Return the series of task lengths and of parallel executions with the most values."""
    wanted = [each for each in series if each.kind.value in {"task_length", "fanout_elapsed"}]
    return sorted(wanted, key=lambda each: (-len(each.values), sorted(each.subject.items())))[:most]


def measure_days(tasks: Sequence[TaskRun], zone: ZoneInfo) -> dict[str, dict[date, float]]:
    """Return daily quantities by name: tasks, mean length, failures, tokens, dollars, tasks side by side."""
    by_day: dict[date, list[TaskRun]] = defaultdict(list)
    for task in tasks:
        by_day[_find_date(task.start, zone)].append(task)
    quantities: dict[str, dict[date, float]] = defaultdict(dict)
    for day, group in by_day.items():
        lengths = [task.length / SECOND for task in group if task.length]
        tokens = [task.tokens for task in group if task.tokens is not None]
        dollars = [task.dollars for task in group if task.dollars is not None]
        quantities["tasks"][day] = float(len(group))
        failed = sum(task.outcome is Outcome.FAILURE for task in group)
        quantities["failure_share"][day] = failed / len(group)
        for name, values in (
            ("mean_task_seconds", lengths),
            ("tokens_per_task", tokens),
            ("dollars_per_task", dollars),
            ("tasks_side_by_side", [task.concurrency for task in group]),
        ):
            if values:
                quantities[name][day] = sum(values) / len(values)
    return dict(quantities)


def _count_load(tasks: Sequence[TaskRun], zone: ZoneInfo) -> dict[str, list[int]]:
    """Return how many tasks began by local hour and by weekday, Monday first."""
    hours, weekdays = [0] * DAY_HOURS, [0] * WEEK_DAYS
    for task in tasks:
        local = datetime.fromtimestamp(task.start // SECOND, zone)
        hours[local.hour] += 1
        weekdays[local.weekday()] += 1
    return {"hours": hours, "weekdays": weekdays}


def _describe_pattern(pattern: CalendarPattern) -> dict[str, Any]:
    return {
        "factors": list(pattern.factors),
        "p": pattern.p,
        "days": pattern.days,
        "reason": pattern.reason,
        "slowest": pattern.slowest,
        "fastest": pattern.fastest,
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


def _place_days(numbers: Sequence[int], means: Sequence[float]) -> list[float]:
    """Return a value for each day from the first to the last known one; unknown days are NaN."""
    known: Mapping[int, float] = dict(zip(numbers, means, strict=True))
    if not known:
        return []
    return [known.get(day, float("nan")) for day in range(min(known), max(known) + 1)]


def _find_date(time: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(time // SECOND, zone).date()
