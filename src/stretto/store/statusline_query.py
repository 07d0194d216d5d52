"""Brief: a session in a few numbers, for a process that may take no longer than a blink.

It imports next to nothing: the modules that read more of the store take longer to load than this to answer.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from stretto.store.schema import find_version_problem, is_empty

BUSY_SECONDS = 0.02
"""What is being written now is not waited for: the next look comes within seconds."""

LAG_NS = 30_000_000_000
"""A service that follows has read what is in the journal long before."""


class SessionBrief(NamedTuple):
    """One session so far. Lengths in nanoseconds; only finished fan-outs count."""

    tasks: int
    running: int
    fanouts: int
    work: int
    elapsed: int

    @property
    def speedup(self) -> float | None:
        """Work over elapsed of all fan-outs together: held against the same tasks one after another."""
        return self.work / self.elapsed if self.elapsed else None

    @property
    def saved(self) -> int:
        """Work less elapsed (ns)."""
        return self.work - self.elapsed


def read_brief(path: Path, session: str) -> SessionBrief | None:
    """Return what the store holds of a session, or None where it is unknown.

    Raises sqlite3.Error where there is no store, it is of another version, or it cannot be read now.
    """
    with closing(_open_store(path)) as connection:
        row = connection.execute("SELECT tasks, running FROM sessions WHERE id = ?", (session,)).fetchone()
        if row is None:
            return None
        found = connection.execute(
            "SELECT COUNT(*), COALESCE(SUM(work), 0), COALESCE(SUM(elapsed), 0) FROM fanouts"
            " WHERE session = ?",
            (session,),
        ).fetchone()
    return SessionBrief(*row, *found)


def is_behind(path: Path, journal: Path, now: int) -> bool:
    """Tell whether the journal holds what the store at ``path`` has not taken in for long (``LAG_NS``).

    Raises sqlite3.Error or OSError where that cannot be seen.
    """
    newest = max(journal.glob("????-??-??.jsonl"), default=None)
    if newest is None:
        return False
    with closing(_open_store(path)) as connection:
        row = connection.execute("SELECT offset FROM journal WHERE file = ?", (newest.name,)).fetchone()
    if row is not None and newest.stat().st_size <= row[0]:
        return False
    log = path.with_name(path.name + "-wal")
    written = max(file.stat().st_mtime_ns for file in (path, log) if file.exists())
    return now - written > LAG_NS


def _open_store(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=BUSY_SECONDS
    )
    try:
        if is_empty(connection) or find_version_problem(connection):
            raise sqlite3.DatabaseError("no store that this version reads")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
