"""Session homes: traces and threads that turned out to be part of a session that has another name.

The spans of a trace may come before the span that names their session. They are a session named by the trace
until then. The name is noted here, the trace's facts move into the named session, and so do its later events.
A thread of Codex is part of the session of the thread that started it, and that thread may in turn be part of
another's. Traces that a runtime's span links join are a single session, too. All of these are called traces
here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from stretto.model.event import MOVABLE_ID, Event, Kind


class SessionJoin(NamedTuple):
    """The report that two ids belong to the same session."""

    trace: str
    session: str
    is_link: bool
    """Whether the second is a trace, too, so that neither names the session."""


def find_session_joins(events: Iterable[Event]) -> list[SessionJoin]:
    """Return the joins that spans report: of their trace with their session, and with linked traces."""
    joins: dict[SessionJoin, None] = {}
    span = Kind.SPAN
    for event in [event for event in events if event.kind is span]:
        trace = event.attributes.get("trace")
        if not isinstance(trace, str):
            continue
        if trace != event.session:
            joins[SessionJoin(trace, event.session, False)] = None
        linked = event.attributes.get("joined")
        for other in linked if isinstance(linked, list) else ():
            joins[SessionJoin(trace, other, True)] = None
    return list(joins)


def merge_sessions_and_find_moved_id(connection: sqlite3.Connection, join: SessionJoin) -> str | None:
    """Note that two ids belong to the same session; return the id that moved to the other, or None.

    A name that a trace has stays. Of two linked traces without a name, the session is that with the smaller
    id, so that the order of the reports does not matter.
    """
    first, second = (find_session_home(connection, id) for id in join[:2])
    moving, home = (max(first, second), min(first, second)) if join.is_link else (first, second)
    if join.is_link and MOVABLE_ID.fullmatch(moving) is None:
        moving, home = home, moving
    if first == second or MOVABLE_ID.fullmatch(moving) is None:
        return None
    connection.execute("INSERT INTO session_homes VALUES (?, ?)", (moving, home))
    return moving


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
