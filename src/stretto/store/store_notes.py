"""Notes about the store as a whole, by name."""

from __future__ import annotations

import sqlite3

from stretto.store.derive_missing_measures_of_old_sums import OLD_DEFINITION_UNTIL


def read_old_definition_until(connection: sqlite3.Connection) -> int | None:
    """Return until when (ns) sums of pruned sessions are of the old definition; None if none are."""
    query = "SELECT value FROM meta WHERE name = ?"
    row = connection.execute(query, (OLD_DEFINITION_UNTIL,)).fetchone()
    return None if row is None else int(row[0])


def read_note(connection: sqlite3.Connection, name: str) -> str | None:
    """Return a note about the store as a whole."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else None


def write_note(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Store a note about the store as a whole."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
