"""Trends: parallel work by day and by week, the document of ``/api/trends``."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from stretto.clock import DAY, SECOND, rfc3339
from stretto.figures.baselines import NOTHING_DECLARED, Declared, Hours
from stretto.figures.period_rows import MEASURES, Period, added, period
from stretto.figures.tallies import Sums
from stretto.figures.verdict import held_against_document
from stretto.store import queries
from stretto.store.fanout_queries import baselines

DAYS = 30
WEEKS = 12
_WEEK = 7
_MONDAY = 4
"""The day of the epoch's first Monday: 1 January 1970 was a Thursday."""


def trends(
    connection: sqlite3.Connection, now: int, hours: Hours, declared: Declared = NOTHING_DECLARED
) -> dict[str, Any]:
    """Return the last 30 days and 12 weeks as JSON, the ones under way last.

    Days are those of UTC, weeks begin on Monday. Each is held against the baselines that are known now.
    """
    today = now // DAY
    monday = today - (today - _MONDAY) % _WEEK
    first = min(today - DAYS + 1, monday - (WEEKS - 1) * _WEEK)
    connection.execute("BEGIN")
    try:
        by_day = queries.sums_by_slot(connection, DAY // SECOND, range(first, today + 1), MEASURES)
        find = baselines(connection, hours, declared)
        days = [(day, period("day", by_day.get(day, {}), find)) for day in range(today - DAYS + 1, today + 1)]
        weeks = [
            (start, period("week", _sums(by_day, start, _WEEK), find))
            for start in range(monday - (WEEKS - 1) * _WEEK, monday + 1, _WEEK)
        ]
    finally:
        connection.execute("ROLLBACK")
    return {
        "at": rfc3339(now),
        "days": [_document(day, found) for day, found in days],
        "weeks": [_document(start, found) for start, found in weeks],
    }


def _sums(by_day: Mapping[int, Sums], first: int, count: int) -> Sums:
    return added(by_day[day] for day in range(first, first + count) if day in by_day)


def _document(day: int, found: Period) -> dict[str, Any]:
    lead, *others = found.verdict.parts or (None,)
    return {
        "begins": datetime.fromtimestamp(day * DAY // SECOND, UTC).date().isoformat(),
        "fanouts": found.verdict.fanouts,
        "parallel_tasks": found.verdict.tasks,
        "tasks": found.tasks,
        "success": found.success,
        "lead": None if lead is None else held_against_document(lead),
        "others": [held_against_document(part) for part in others if part is not None],
    }
