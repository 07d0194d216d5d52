"""Read who was at work in a window: agents over time, waits for people, sessions of a project at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest
from operator import attrgetter

from stretto.clock import SECOND
from stretto.figures.agents_over_time import (
    ActivityChart,
    ProjectOverlap,
    TimedSession,
    draw_activity,
    find_overlaps,
)
from stretto.figures.file_conflicts_between_sessions import SessionConflict, find_session_conflicts
from stretto.figures.when_machine_was_used_up import MACHINE_MEASURES, MachineOverTime, find_machine_limits
from stretto.model.interval import Interval
from stretto.store import sum_queries
from stretto.store.sums_by_time_slot import SLOTS
from stretto.store.tasks_and_sessions_in_window import (
    MOST_TASKS,
    read_newest_finished_tasks,
    read_task_memory,
    read_timed_sessions,
    sum_person_waits,
)
from stretto.summaries.remembered_written_files import RememberedWrittenFiles
from stretto.summaries.time_window import TimeWindow

MOST_SLOTS = 2_500
"""Slots of which the machine is judged; longer windows are judged by longer slots."""


MOST_COMPARED = 100
"""Most sessions whose writes are compared, the newest: each is read whole."""


@dataclass(frozen=True, slots=True)
class ParallelSessions:
    """Sessions of one project that were open at once, and what they did to each other."""

    overlap: ProjectOverlap
    conflicts: tuple[SessionConflict, ...]
    compared: int
    """Sessions that were looked at for written files."""
    writing: int
    """Those of them of which a written file is known."""


@dataclass(frozen=True, slots=True)
class ActivitySummary:
    """The activity of a window."""

    chart: ActivityChart
    waited: int | None
    """Nanoseconds for which sessions that ended in it waited for people; None if no source reports it."""
    parallel: tuple[ParallelSessions, ...]
    """By project, the longest overlap first."""
    machine: MachineOverTime
    is_clipped: bool
    """Whether the chart has the newest tasks alone, ``MOST_TASKS`` of them."""


def read_activity_summary(
    connection: sqlite3.Connection, window: TimeWindow, now: int, written: RememberedWrittenFiles
) -> ActivitySummary:
    """Return the activity of a window as of ``now`` (ns); ``written`` remembers what sessions wrote."""
    end = now if window.end is None else min(now, window.end)
    start = window.start
    if start is None:
        first = sum_queries.find_first_slot_time(connection)
        start = end if first is None else first
    extent = Interval(min(start, end - 1), end)
    tasks = read_newest_finished_tasks(connection, extent)
    return ActivitySummary(
        draw_activity(tasks, extent),
        sum_person_waits(connection, extent),
        read_parallel_sessions(connection, read_timed_sessions(connection, extent), written),
        read_machine_over_time(connection, extent),
        is_clipped=len(tasks) == MOST_TASKS,
    )


def read_parallel_sessions(
    connection: sqlite3.Connection,
    sessions: Iterable[TimedSession],
    written: RememberedWrittenFiles,
    *,
    most: int = MOST_COMPARED,
) -> tuple[ParallelSessions, ...]:
    """Return the sessions of each project that were open at once, with the conflicts between them.

    The newest ``most`` sessions are read for what they wrote.
    """
    by_id = {session.id: session for session in sessions}
    overlaps = find_overlaps(by_id.values())
    overlapping = [by_id[id] for overlap in overlaps for id in overlap.sessions]
    newest = nlargest(most, overlapping, attrgetter("interval"))
    writes = {session.id: written.read_writes(connection, session) for session in newest}
    found = []
    for overlap in overlaps:
        compared = [writes[id] for id in overlap.sessions if id in writes]
        found.append(
            ParallelSessions(
                overlap,
                tuple(find_session_conflicts(compared)),
                len(compared),
                sum(bool(each.writes) for each in compared),
            )
        )
    return tuple(found)


def read_machine_over_time(connection: sqlite3.Connection, extent: Interval) -> MachineOverTime:
    """Return when the machine was used up, by the shortest slots that are at most ``MOST_SLOTS``."""
    width = next((width for width in SLOTS if extent.length <= MOST_SLOTS * width * SECOND), SLOTS[-1])
    length = width * SECOND
    slots = range(extent.start // length, (extent.end - 1) // length + 1)
    by_slot = sum_queries.read_sums_by_slot(connection, width, slots, MACHINE_MEASURES)
    return find_machine_limits(by_slot, length, read_task_memory(connection, extent), extent)
