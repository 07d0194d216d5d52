"""Read who was at work in a window: agents over time, waits for people, sessions of a project at once."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.agents_over_time import ActivityChart, ProjectOverlap, draw_activity, find_overlaps
from stretto.figures.machine_limits import MACHINE_MEASURES, MachineOverTime, find_machine_limits
from stretto.model.interval import Interval
from stretto.store import queries
from stretto.store.rollup import SLOTS
from stretto.store.tasks_and_sessions_in_window import (
    MOST_TASKS,
    read_task_memory,
    read_timed_sessions,
    read_timed_tasks,
    sum_person_waits,
)
from stretto.summaries.time_window import TimeWindow

MOST_SLOTS = 2_500
"""Slots of which the machine is judged; longer windows are judged by longer slots."""


@dataclass(frozen=True, slots=True)
class ActivitySummary:
    """The activity of a window."""

    chart: ActivityChart
    waited: int | None
    """Nanoseconds for which sessions that ended in it waited for people; None if no source reports it."""
    overlaps: tuple[ProjectOverlap, ...]
    machine: MachineOverTime
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
        read_machine_over_time(connection, extent),
        is_clipped=len(tasks) == MOST_TASKS,
    )


def read_machine_over_time(connection: sqlite3.Connection, extent: Interval) -> MachineOverTime:
    """Return when the machine was used up, by the shortest slots that are at most ``MOST_SLOTS``."""
    width = next((width for width in SLOTS if extent.length <= MOST_SLOTS * width * SECOND), SLOTS[-1])
    length = width * SECOND
    slots = range(extent.start // length, (extent.end - 1) // length + 1)
    by_slot = queries.read_sums_by_slot(connection, width, slots, MACHINE_MEASURES)
    return find_machine_limits(by_slot, length, read_task_memory(connection, extent), extent)
