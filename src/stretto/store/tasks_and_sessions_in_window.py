"""Read the tasks and sessions of a stretch of time, to draw who was at work when."""

from __future__ import annotations

import sqlite3

from stretto.clock import DAY
from stretto.figures.agents_over_time import TimedSession, TimedTask
from stretto.figures.run_circumstances import MACHINE_MEMORY, SHORT_MEMORY
from stretto.model.interval import Interval

MOST_TASKS = 50_000
"""Most tasks that are drawn: the newest ones."""

MOST_SESSIONS = 5_000

LONGEST = 2 * DAY
"""Tasks that began longer before the stretch are not looked for."""


def read_newest_finished_tasks(connection: sqlite3.Connection, extent: Interval) -> list[TimedTask]:
    """Return the newest ``MOST_TASKS`` finished tasks of known length that ran in a stretch of time."""
    rows = connection.execute(
        "SELECT agent, start, length FROM task_runs"
        " WHERE start >= ? AND start < ? AND start + length > ? AND length > 0 ORDER BY start DESC LIMIT ?",
        (extent.start - LONGEST, extent.end, extent.start, MOST_TASKS),
    )
    return [TimedTask(agent, Interval(start, start + length)) for agent, start, length in rows]


def read_task_memory(connection: sqlite3.Connection, extent: Interval) -> list[tuple[Interval, bool]]:
    """Return the time of the newest finished tasks in a stretch, and whether memory was short meanwhile.

    Tasks of which that is not known are left out.
    """
    rows = connection.execute(
        "SELECT start, length, json_extract(covariates, ?) AS memory FROM task_runs"
        " WHERE start >= ? AND start < ? AND start + length > ? AND length > 0 AND memory IS NOT NULL"
        " ORDER BY start DESC LIMIT ?",
        (f"$.{MACHINE_MEMORY}", extent.start - LONGEST, extent.end, extent.start, MOST_TASKS),
    )
    return [(Interval(start, start + length), memory == SHORT_MEMORY) for start, length, memory in rows]


def read_timed_sessions(connection: sqlite3.Connection, extent: Interval) -> list[TimedSession]:
    """Return the sessions with a known project that were open in a stretch of time."""
    rows = connection.execute(
        'SELECT id, project, start, COALESCE("end", last) AS until, tasks FROM sessions'
        " WHERE last >= ? AND start < ? AND project IS NOT NULL AND until > start ORDER BY last DESC LIMIT ?",
        (extent.start, extent.end, MOST_SESSIONS),
    )
    return [
        TimedSession(id, project, Interval(start, until), tasks) for id, project, start, until, tasks in rows
    ]


def sum_person_waits(connection: sqlite3.Connection, extent: Interval) -> int | None:
    """Return how long (ns) finished sessions of a stretch of time waited for people; None without any."""
    (waited,) = connection.execute(
        # As floats: a hub reads waits of any machine, and integers of more than 64 bits would be refused.
        "SELECT SUM(CAST(json_extract(wall_parts, '$.waiting') AS REAL)) FROM session_runs"
        ' WHERE "end" >= ? AND "end" < ?',
        (extent.start, extent.end),
    ).fetchone()
    return None if waited is None else int(waited)
