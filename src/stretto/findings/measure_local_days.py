"""Count and average what happened on each local day, and when tasks begin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from statistics import fmean
from zoneinfo import ZoneInfo

from stretto.clock import SECOND
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

DAY_HOURS = 24
WEEK_DAYS = 7

_TOTALS = frozenset({"sessions", "tasks", "retries"})
"""Quantities that add up over a day; the others are means."""

ENTAILED_PAIRS = frozenset({frozenset({"retries", "tasks"}), frozenset({"retries", "failure_share"})})
"""Quantities that go together by how they are counted: a retry is a task, and follows one that failed."""


def measure_day_quantities(
    sessions: Iterable[SessionRun], tasks: Iterable[TaskRun], zone: ZoneInfo
) -> dict[str, dict[date, float]]:
    """Return daily quantities by name: sessions, tasks and retries; means and shares of the others.

    A session counts on the day it ends, if it had tasks; a task on the day it begins.
    """
    values: dict[str, dict[date, list[float]]] = defaultdict(lambda: defaultdict(list))
    for session in sessions:
        if not session.task_types:
            continue
        day = find_date(session.end, zone)
        values["sessions"][day].append(1.0)
        values["retries"][day].append(float(session.retries))
        if session.memory_peak is not None:
            values["memory_peak"][day].append(session.memory_peak)
    for task in tasks:
        day = find_date(task.start, zone)
        values["tasks"][day].append(1.0)
        values["failure_share"][day].append(float(task.outcome is Outcome.FAILURE))
        for name, value in (
            ("seconds_per_task", task.length / SECOND if task.length else None),
            ("tokens_per_task", task.tokens),
            ("dollars_per_task", task.dollars),
            ("tasks_side_by_side", task.concurrency),
        ):
            if value is not None:
                values[name][day].append(float(value))
    return {
        name: {day: sum(several) if name in _TOTALS else fmean(several) for day, several in by_day.items()}
        for name, by_day in values.items()
    }


def count_starts_by_hour_and_weekday(tasks: Iterable[TaskRun], zone: ZoneInfo) -> Mapping[str, list[int]]:
    """Return how many tasks began by local hour and by weekday, Monday first."""
    hours, weekdays = [0] * DAY_HOURS, [0] * WEEK_DAYS
    for task in tasks:
        local = datetime.fromtimestamp(task.start // SECOND, zone)
        hours[local.hour] += 1
        weekdays[local.weekday()] += 1
    return {"hours": hours, "weekdays": weekdays}


def find_date(time: int, zone: ZoneInfo) -> date:
    """Return the local date of an instant (ns)."""
    return datetime.fromtimestamp(time // SECOND, zone).date()
