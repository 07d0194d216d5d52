"""Opening the database: pragmas, transactions, read-only handles."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from stretto.errors import StoreError
from stretto.store.schema import create, version_problem

BUSY_MS = 5_000


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the store for its one writer, creating folder (0700) and schema where missing.

    Raises StoreError where the file is no database or was made by a newer version.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        # A lost last transaction is read again from the journal, so a sync per commit would buy nothing.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -16000")
        problem = version_problem(connection)
        if problem is None:
            create(connection)
    except sqlite3.DatabaseError as error:
        raise StoreError(
            "the store cannot be opened",
            where=str(path),
            cause=str(error),
            hint="move the file away and run 'stretto rebuild': everything is in the journal",
        ) from error
    if problem:
        raise StoreError(
            "the store cannot be used", where=str(path), cause=problem, hint="run 'stretto rebuild'"
        )
    path.chmod(0o600)
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the store read-only. Raises StoreError where there is none yet."""
    if not path.exists():
        raise StoreError(
            "there is no store yet", where=str(path), hint="run 'stretto up', or 'stretto import' a recording"
        )
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    problem = version_problem(connection)
    if problem:
        connection.close()
        raise StoreError(
            "the store cannot be used", where=str(path), cause=problem, hint="run 'stretto rebuild'"
        )
    return connection


def remove_unusable(path: Path) -> None:
    """Remove a store that this program cannot read: it is a view of the journal and can be made anew."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path)) as connection:
            usable = version_problem(connection) is None
    except sqlite3.DatabaseError:
        usable = False
    if not usable:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block in one transaction: all of it happens, or none of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
