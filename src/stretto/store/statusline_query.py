"""Query for the status line: a session in a few numbers, in a process that must answer at once.

It imports almost nothing: loading the other modules of the store would take longer than the query.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from stretto.store.database_schema import find_version_problem, is_database_empty

BUSY_SECONDS = 0.02
"""How long a reader waits for a writer: the next status line follows within seconds."""

LAG_NS = 30_000_000_000
"""A running service reads new journal lines much sooner than this."""


class SessionBrief(NamedTuple):
    """Counts of a session so far. Lengths are in nanoseconds, of finished fan-outs only."""

    tasks: int
    running: int
    fanouts: int
    delivered_work: int
    """Summed lengths of the tasks that were delivered or taken as delivered."""
    paid: int
    """Elapsed of each fan-out, summed; below a wasted task only what lies outside of it."""
    elapsed: int
    """Elapsed, overlapping fan-outs counted once."""

    @property
    def speedup(self) -> float | None:
        """1 + time saved over elapsed of all fan-outs, by the tasks' own lengths: as in the headline."""
        return 1 + self.saved / self.elapsed if self.elapsed else None

    @property
    def saved(self) -> int:
        """Delivered work less the elapsed time paid for (ns)."""
        return self.delivered_work - self.paid


def read_session_brief(path: Path, session: str) -> SessionBrief | None:
    """Return the numbers of a session, or None for an unknown session.

    Raises sqlite3.Error if there is no store, it has another version, or it cannot be read now.
    """
    with closing(_open_store(path)) as connection:
        row = connection.execute("SELECT tasks, running FROM sessions WHERE id = ?", (session,)).fetchone()
        if row is None:
            return None
        fanout_sums = connection.execute(
            "SELECT COUNT(*), COALESCE(SUM(delivered_work), 0), COALESCE(SUM(paid), 0),"
            " COALESCE(SUM(counted), 0) FROM fanouts WHERE session = ?",
            (session,),
        ).fetchone()
    return SessionBrief(*row, *fanout_sums)


def is_ingest_behind(path: Path, journal: Path, now: int) -> bool:
    """Return whether the journal has lines that the store did not ingest for long (``LAG_NS``).

    Raises sqlite3.Error or OSError if that cannot be determined.
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
        if is_database_empty(connection) or find_version_problem(connection):
            raise sqlite3.DatabaseError("no store that this version reads")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
