"""Prune runs: delete those past their retention, and beyond the size cap those of the oldest months.

The runs of pruned sessions are in kept records. A record without its runs still has its sums, so no figure of
a window changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from stretto import journal
from stretto.journal.pruned_session_records import (
    KeptRecord,
    drop_rows_from_file,
    find_month_end_of_file,
    read_kept_lines,
)
from stretto.store.database import open_transaction
from stretto.store.database_schema import RUN_TIMES
from stretto.store.journal_positions import JournalPositions


def delete_old_runs_of_pruned_sessions(connection: sqlite3.Connection, cut: int) -> None:
    """Delete the runs of pruned sessions from before ``cut`` (ns), inside a transaction."""
    for table, column in RUN_TIMES.items():
        query = f'DELETE FROM {table} WHERE kept > 0 AND "{column}" < ?'  # noqa: S608  # a constant
        connection.execute(query, (cut,))


def drop_runs_of_oldest_months(
    connection: sqlite3.Connection,
    positions: JournalPositions,
    folder: Path,
    is_too_large: Callable[[], bool],
) -> Iterator[str]:
    """Drop the runs of one month of pruned sessions after another, the oldest first, while it is too large.

    Yields the file of each month, so that the caller may do other work in between.
    """
    files = [file for file in sorted(journal.list_file_sizes(folder)) if find_month_end_of_file(file)]
    for file in files:
        if not is_too_large():
            return
        sessions = _list_sessions_with_runs(folder, file)
        if not sessions:
            continue
        with open_transaction(connection):
            # The file is read again from its start, which adds no record twice.
            positions.forget_file(file)
            for table in RUN_TIMES:
                delete = f"DELETE FROM {table} WHERE session = ? AND kept > 0"  # noqa: S608  # a constant
                connection.executemany(delete, [(session,) for session in sessions])
        drop_rows_from_file(folder, file, frozenset(RUN_TIMES))
        yield file


def _list_sessions_with_runs(folder: Path, file: str) -> list[str]:
    with journal.open_content(folder, file) as content:
        return [
            line.content.session
            for line in read_kept_lines(content, file, 0)
            if isinstance(line.content, KeptRecord) and not RUN_TIMES.keys().isdisjoint(line.content.rows)
        ]
