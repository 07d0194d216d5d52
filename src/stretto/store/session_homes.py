"""Session homes: traces and threads that turned out to be part of a session that has another name.

The spans of a trace may come before the span that names their session. They are a session named by the trace
until then. The name is noted here, the trace's facts move into the named session, and so do its later events.
A thread of Codex is part of the session of the thread that started it, and that thread may in turn be part of
another's. Both are called traces here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from stretto.model.event import MOVABLE_ID, Event, Kind


def find_sessions_by_trace(events: Iterable[Event]) -> dict[str, str]:
    """Return trace → session for the spans whose session is named otherwise than their trace."""
    homes: dict[str, str] = {}
    for event in events:
        if event.kind is Kind.SPAN:
            trace = event.attributes.get("trace")
            if isinstance(trace, str) and trace != event.session:
                homes.setdefault(trace, event.session)
    return homes


def note_session_home(connection: sqlite3.Connection, trace: str, session: str) -> bool:
    """Note the session that a trace belongs to; return False if the trace has a session already.

    Two traces that name each other, as only a false report does, leave the second where it is.
    """
    if find_session_home(connection, session) == trace:
        return False
    query = "INSERT OR IGNORE INTO session_homes VALUES (?, ?)"
    return connection.execute(query, (trace, session)).rowcount > 0


def find_session_home(connection: sqlite3.Connection, session_id: str) -> str:
    """Return the session that the events of a session belong to: mostly itself."""
    query = "SELECT session FROM session_homes WHERE trace = ?"
    # Other ids have no home but themselves: looking for it costs nothing.
    while MOVABLE_ID.fullmatch(session_id) is not None:
        row = connection.execute(query, (session_id,)).fetchone()
        if row is None:
            break
        session_id = str(row[0])
    return session_id
