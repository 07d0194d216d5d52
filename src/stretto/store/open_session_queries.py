"""Queries of the sessions that are open, and of what runs in them now."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

from stretto.model.entities import HostProcesses
from stretto.model.phases_messages_and_scores_from_facts import conclude_host_processes
from stretto.store.session_queries import SessionRow, select_sessions
from stretto.store.stored_facts import (
    load_facts_of_session_alone,
)


@dataclass(frozen=True, slots=True)
class Activity:
    """Counts of what is running now, and of what is stored."""

    sessions_open: int
    sessions_busy: int
    tasks_running: int
    last_event: int | None
    sessions: int
    recordings: int
    busy_since: int | None = None
    """Start (ns) of the busy session that has run longest."""


def read_activity(connection: sqlite3.Connection) -> Activity:
    """Return the counts of what is running now, and of what is stored."""
    is_open, busy, running, since = connection.execute(
        "SELECT COUNT(*), COALESCE(SUM(busy), 0), COALESCE(SUM(running), 0),"
        " MIN(CASE WHEN busy THEN start END) FROM sessions WHERE outcome = 'running'"
    ).fetchone()
    last, count, recordings = connection.execute(
        "SELECT MAX(last), (SELECT COUNT(*) FROM sessions), (SELECT COUNT(*) FROM sessions WHERE recording)"
        " FROM sessions"
    ).fetchone()
    return Activity(is_open, busy, running, last, count, recordings, since)


class BusySession(NamedTuple):
    """A busy session: when it began (ns), and the processes that run it where they are known."""

    id: str
    start: int
    processes: HostProcesses | None


def list_busy_session_processes(connection: sqlite3.Connection) -> list[BusySession]:
    """Return the busy sessions that are not recordings, with their processes."""
    rows = connection.execute(
        "SELECT id, start FROM sessions WHERE outcome = 'running' AND busy AND NOT recording"
        " ORDER BY start, id"
    ).fetchall()
    return [BusySession(id, start, read_host_processes(connection, id)) for id, start in rows]


def list_busy_session_ids(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the ids of the busy sessions."""
    return frozenset(
        id for (id,) in connection.execute("SELECT id FROM sessions WHERE outcome = 'running' AND busy")
    )


def list_open_session_keys(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Return (id, last event in ns) of the open sessions that are not recordings."""
    return connection.execute(
        "SELECT id, last FROM sessions WHERE outcome = 'running' AND NOT recording"
    ).fetchall()


def read_host_processes(connection: sqlite3.Connection, session_id: str) -> HostProcesses | None:
    """Return the processes in which a session runs, or None if no source reported any."""
    return conclude_host_processes(load_facts_of_session_alone(connection, session_id))


def list_sessions_with_running_tasks(connection: sqlite3.Connection, began_before: int) -> list[SessionRow]:
    """Return the open sessions that began before a time (ns) and have a running task."""
    rest = "WHERE outcome = 'running' AND running AND start < ? ORDER BY start, id"
    return select_sessions(connection, rest, (began_before,))


def list_open_sessions(connection: sqlite3.Connection, limit: int) -> list[SessionRow]:
    """Return the open sessions without recordings: busy ones first, then by latest event."""
    rest = "WHERE outcome = 'running' AND NOT recording ORDER BY busy DESC, last DESC, id LIMIT ?"
    return select_sessions(connection, rest, (limit,))
