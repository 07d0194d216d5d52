"""Read which files sessions wrote, and remember it: a session is read whole for it."""

from __future__ import annotations

import sqlite3
from threading import Lock

from stretto.figures.agents_over_time import TimedSession
from stretto.figures.file_conflicts_between_sessions import SessionWrites
from stretto.figures.file_writes import list_file_writes
from stretto.store import session_queries

MOST_REMEMBERED = 1_000
"""Sessions whose writes are remembered, the last ones read."""


class RememberedWrittenFiles:
    """What sessions wrote. Several threads may ask at once; a session with new events is read again."""

    def __init__(self) -> None:
        self._read: dict[TimedSession, SessionWrites] = {}
        self._lock = Lock()

    def read_writes(self, connection: sqlite3.Connection, session: TimedSession) -> SessionWrites:
        """Return what a session wrote; nothing of a session that is no longer stored."""
        with self._lock:
            known = self._read.pop(session, None)
        if known is None:
            known = _read_writes(connection, session)
        with self._lock:
            self._read[session] = known
            if len(self._read) > MOST_REMEMBERED:
                del self._read[next(iter(self._read))]
        return known


def _read_writes(connection: sqlite3.Connection, session: TimedSession) -> SessionWrites:
    # The types of its tasks are of no interest here.
    whole = session_queries.read_session(connection, session.id, None)
    if whole is None:
        return SessionWrites(session.id, session.interval)
    writes = tuple(list_file_writes(whole.tasks, whole.tool_calls))
    writers = {write.task for write in writes}
    titles = {
        task.id: task.description or task.agent or task.id for task in whole.tasks if task.id in writers
    }
    return SessionWrites(session.id, session.interval, writes, titles)
