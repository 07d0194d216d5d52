"""Read who was at work in a window: agents over time, waits for people, sessions of a project at once."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from stretto.figures.agents_over_time import ActivityChart, ProjectOverlap, draw_activity, find_overlaps
from stretto.model.interval import Interval
from stretto.store import queries
from stretto.store.tasks_and_sessions_in_window import (
    MOST_TASKS,
    read_timed_sessions,
    read_timed_tasks,
    sum_person_waits,
)
from stretto.summaries.time_window import TimeWindow


@dataclass(frozen=True, slots=True)
class ActivitySummary:
    """The activity of a window."""

    chart: ActivityChart
    waited: int | None
    """Nanoseconds for which sessions that ended in it waited for people; None if no source reports it."""
    overlaps: tuple[ProjectOverlap, ...]
    is_clipped: bool
    """Whether the chart has the newest tasks alone, ``MOST_TASKS`` of them."""


def read_activity_summary(connection: sqlite3.Connection, window: TimeWindow, now: int) -> ActivitySummary:
    """Return the activity of a window as of ``now`` (ns)."""
    end = now if window.end is None else min(now, window.end)
    start = window.start
    if start is None:
        first = queries.find_first_slot_time(connection)
        start = end if first is None else first
    extent = Interval(min(start, end - 1), end)
    tasks = read_timed_tasks(connection, extent)
    return ActivitySummary(
        draw_activity(tasks, extent),
        sum_person_waits(connection, extent),
        tuple(find_overlaps(read_timed_sessions(connection, extent))),
        is_clipped=len(tasks) == MOST_TASKS,
    )
