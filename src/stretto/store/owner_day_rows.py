"""The rows of what owners did by day and task type. Only the store of a team's scope at a hub has them.

No page, export or operation reads them. They are the input of analyses that answer about five people or more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from stretto.model.owner_days import OwnerDay, OwnerWork
from stretto.store.database import has_table

_TABLE = """
CREATE TABLE IF NOT EXISTS owner_days (
  day INTEGER NOT NULL, team TEXT NOT NULL, owner TEXT NOT NULL, type TEXT NOT NULL, shown INTEGER NOT NULL,
  tasks INTEGER NOT NULL, log_length REAL NOT NULL, failures INTEGER NOT NULL, judged INTEGER NOT NULL,
  PRIMARY KEY (day, team, owner, type)
) WITHOUT ROWID
"""


def create_owner_days(connection: sqlite3.Connection) -> None:
    """Create the table if it is missing: from then on the store is that of a team."""
    connection.execute(_TABLE)


def replace_owner_days(connection: sqlite3.Connection, day: int, rows: Iterable[OwnerDay]) -> None:
    """Put the rows of a UTC day (its number) in place of earlier ones."""
    connection.execute("DELETE FROM owner_days WHERE day = ?", (day,))
    connection.executemany(
        "INSERT INTO owner_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                row.day, row.group, row.owner, row.type, row.is_shown,
                row.work.tasks, row.work.log_length, row.work.failures, row.work.judged,
            )
            for row in rows
        ],
    )  # fmt: skip


def delete_owner_days_before(connection: sqlite3.Connection, day: int) -> None:
    """Delete the rows of UTC days before ``day`` (its number), if the store is that of a team."""
    if has_table(connection, "owner_days"):
        connection.execute("DELETE FROM owner_days WHERE day < ?", (day,))


def read_owner_days(connection: sqlite3.Connection, days: range) -> list[OwnerDay] | None:
    """Return the rows of UTC days (their numbers); None if the store is not that of a team."""
    if not has_table(connection, "owner_days"):
        return None
    rows = connection.execute(
        "SELECT * FROM owner_days WHERE day >= ? AND day < ? ORDER BY day, team, owner, type",
        (days.start, days.stop),
    )
    return [
        OwnerDay(day, team, owner, type, bool(shown), OwnerWork(*work))
        for day, team, owner, type, shown, *work in rows
    ]
