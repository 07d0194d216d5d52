"""Connections to the store's SQLite database: a writer, read-only readers, transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stretto.errors import StoreError
from stretto.store.database_schema import create_tables, find_version_problem, is_database_empty

BUSY_MS = 5_000

LOG_BYTES = 32_000_000
"""Size of SQLite's log beyond which it is cut back."""

STORE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""Errors of an unusable store: SQLite quotes a damaged schema in its message, which then is no text."""

SUFFIXES = ("", "-wal", "-shm")
"""Suffixes of the names of the store's files: the database, its log and the index of the log."""


def bound_instant(at: int | None) -> int:
    """Return the instant (ns) up to which a query reads: all there is if ``at`` is None."""
    return (1 << 63) - 1 if at is None else at


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the store for its only writer; create folder (0700), file (0600) and schema if missing.

    Raises StoreError if the store cannot be written, is not a database or has another schema version.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives the files that it creates beside it the same mode.
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            "the store cannot be created",
            where=str(path),
            cause=str(error),
            hint="check the permissions of that folder",
        ) from error
    try:
        problem = _prepare_connection(connection)
    except STORE_ERRORS as error:
        connection.close()
        raise StoreError(
            "the store cannot be opened",
            where=str(path),
            cause=str(error),
            hint="move the file away and run 'stretto rebuild', which makes the store again from the journal",
        ) from error
    if problem:
        connection.close()
        raise _make_unusable_error(path, problem)
    path.chmod(0o600)
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the store read-only. Raises StoreError if there is no store yet, or it cannot be read."""
    if not path.exists():
        raise _make_missing_error(path)
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        problem = find_version_problem(connection)
        empty = is_database_empty(connection)
    except STORE_ERRORS as error:
        connection.close()
        raise _make_unusable_error(path, str(error)) from error
    if problem or empty:
        connection.close()
        raise _make_unusable_error(path, problem) if problem else _make_missing_error(path)
    return connection


def get_store_size(path: Path) -> int:
    """Return the size in bytes of the store's files on disk."""
    total = 0
    for suffix in SUFFIXES:
        with suppress(OSError):
            total += path.with_name(path.name + suffix).stat().st_size
    return total


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether a store has a table that only some stores have."""
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(query, (name,)).fetchone() is not None


@contextmanager
def open_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block in a transaction: all of its changes are stored, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # After some errors, such as a full disk, SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _prepare_connection(connection: sqlite3.Connection) -> str | None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    # Takes effect only while there is no table yet. It lets pruning give space back to the disk.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    # A lost last transaction is read again from the journal, so no sync per commit is needed.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA temp_store = MEMORY")
    # Kilobytes: a batch touches the newest sessions and the sums of the present, whatever the store's size.
    connection.execute("PRAGMA cache_size = -8000")
    # Large enough that pages shared by many sessions are copied back once for several batches.
    connection.execute("PRAGMA wal_autocheckpoint = 8000")
    # A log that a long reader let grow is cut back to this size by the next checkpoint that resets it.
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    problem = find_version_problem(connection)
    if problem is None:
        create_tables(connection)
    return problem


def _make_missing_error(path: Path) -> StoreError:
    return StoreError(
        "there is no store yet", where=str(path), hint="run 'stretto up', or 'stretto import' a recording"
    )


def _make_unusable_error(path: Path, problem: str) -> StoreError:
    return StoreError(
        "the store cannot be used", where=str(path), cause=problem, hint="run 'stretto rebuild'"
    )
