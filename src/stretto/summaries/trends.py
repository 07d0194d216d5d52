"""Read the trends of parallel work by day and by week, as the JSON of ``/api/trends``."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from stretto.clock import DAY, SECOND, to_rfc3339
from stretto.figures.parallel_work_by_week import PERIOD_MEASURES, PeriodRow, add_sums, build_period_row
from stretto.figures.sequential_baseline_choice import NOTHING_DECLARED, DeclaredBaselines, Hours
from stretto.figures.sums_by_dimension import Sums
from stretto.figures.window_gain_verdict import (
    BY_WORK,
    HeadlineRule,
    build_verdict_document,
    choose_headline_provenance,
)
from stretto.store import store_notes, sum_queries
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.store.window_sums import fold_slots
from stretto.summaries.time_window import TimeWindow

DAYS = 30
WEEKS = 12
MOST_DAYS = 92
"""Most days that are listed: those of a longer window are the last ones of it."""
_WEEK = 7
_MONDAY = 4
"""The day of the epoch's first Monday: 1 January 1970 was a Thursday."""


def read_trends(
    connection: sqlite3.Connection,
    now: int,
    hours: Hours,
    declared: DeclaredBaselines = NOTHING_DECLARED,
    rule: HeadlineRule = BY_WORK,
    *,
    window: TimeWindow | None = None,
) -> dict[str, Any]:
    """Return the last 30 days and 12 weeks as JSON, the current day and week last.

    With a window, the days are those of the window, ``DAYS`` at least and ``MOST_DAYS`` at most, and the last
    day and week are those of its end; without bounds, those of the newest sums. Days are those of UTC, weeks
    begin on Monday. All are compared with the baselines known now, and all days and weeks with the same kind
    of baseline: the one that suits the whole time.
    """
    # Example: on Wednesday 7 January 2026 the current week begins on Monday 5 January.
    today, days_listed = _choose_days(connection, now, window)
    monday = today - (today - _MONDAY) % _WEEK
    first = min(today - days_listed + 1, monday - (WEEKS - 1) * _WEEK)
    connection.execute("BEGIN")
    try:
        by_day = fold_slots(
            sum_queries.read_sums_by_slot(connection, DAY // SECOND, range(first, today + 1), PERIOD_MEASURES)
        )
        until = store_notes.read_old_definition_until(connection)
        find_baseline = make_baseline_finder(connection, hours, declared, now=now)
        chosen = choose_headline_provenance(add_sums(by_day.values()), rule)
        days = [
            (day, build_period_row("day", by_day.get(day, {}), find_baseline, rule, chosen))
            for day in range(today - days_listed + 1, today + 1)
        ]
        weeks = [
            (start, build_period_row("week", _add_days(by_day, start, _WEEK), find_baseline, rule, chosen))
            for start in range(monday - (WEEKS - 1) * _WEEK, monday + 1, _WEEK)
        ]
    finally:
        connection.execute("ROLLBACK")
    return {
        "at": to_rfc3339(now),
        "old_definition_until": None if until is None else to_rfc3339(until),
        "days": [_build_period_document(day, period) for day, period in days],
        "weeks": [_build_period_document(start, period) for start, period in weeks],
    }


def _choose_days(connection: sqlite3.Connection, now: int, window: TimeWindow | None) -> tuple[int, int]:
    """Return the number of the last day, and how many days to list."""
    today = now // DAY
    if window is None:
        return today, DAYS
    if window.end is not None:
        last = min(now, window.end - 1) // DAY
    else:
        last = today if window.start is not None else sum_queries.find_newest_day(connection, today)
    days = MOST_DAYS if window.start is None else last - window.start // DAY + 1
    return last, min(MOST_DAYS, max(DAYS, days))


def _add_days(by_day: Mapping[int, Sums], first: int, count: int) -> Sums:
    return add_sums(by_day[day] for day in range(first, first + count) if day in by_day)


def _build_period_document(day: int, period: PeriodRow) -> dict[str, Any]:
    document = build_verdict_document(period.verdict)
    return {
        "begins": datetime.fromtimestamp(day * DAY // SECOND, UTC).date().isoformat(),
        "fanouts": document["fanouts"],
        "all_fanouts": document["all_fanouts"],
        "parallel_tasks": document["tasks"],
        "tasks": period.tasks,
        "success": period.success,
        "lead": document["lead"],
        "parts": document["parts"],
    }
