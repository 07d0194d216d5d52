"""The sessions whose spans were sent, and those whose spans are still to be sent."""

from __future__ import annotations

import sqlite3

EMITTING_SINCE = "emitting since"
"""Name of the note of when spans were first sent. Sessions that ended before are never sent."""


def get_last_event_time_of_sent_spans(connection: sqlite3.Connection, id: str) -> int | None:
    """Return the time (ns) of a session's last event when its spans were sent, or None before that."""
    row = connection.execute("SELECT at FROM emitted WHERE session = ?", (id,)).fetchone()
    return int(row[0]) if row else None


def list_unsent_session_ids(connection: sqlite3.Connection, since: int) -> list[str]:
    """Return the ended sessions with events since a time (ns) whose spans, as they are now, were not sent."""
    rows = connection.execute(
        "SELECT id FROM sessions LEFT JOIN emitted ON emitted.session = sessions.id"
        " WHERE outcome <> 'running' AND NOT recording AND last >= ? AND (at IS NULL OR at <> last)"
        " ORDER BY last",
        (since,),
    )
    return [session_id for (session_id,) in rows]


def note_spans_emitted(connection: sqlite3.Connection, id: str, at: int) -> None:
    """Note that the spans of a session were sent."""
    connection.execute("INSERT OR REPLACE INTO emitted VALUES (?, ?)", (id, at))
