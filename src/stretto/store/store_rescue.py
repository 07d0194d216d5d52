"""Rescue: move a store aside that this program cannot use, after everything in it that no journal holds.

The sums of pruned sessions in a store from before kept records, and the notes about sent spans, are written
to the journal first. The rest of a store is made again from the journal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from stretto.clock import SECOND
from stretto.journal.pruned_session_records import (
    KeptRecord,
    KeptRow,
    KeptSum,
    encode_kept_record,
    hash_session_id,
    write_record_of_whole_store,
)
from stretto.store.database import STORE_ERRORS, SUFFIXES
from stretto.store.database_schema import EXECUTIONS, find_version_problem
from stretto.store.sent_spans import EMITTING_SINCE
from stretto.store.shipped_sessions import ShippedRow
from stretto.store.sums_by_time_slot import SLOTS, decode_dims

FIRST_WITH_RECORDS = 7
"""The first version of the schema whose pruned sessions all have kept records."""

UNREAD_PREFIX = "unread-"
"""Prefix of the name of a store with damaged rows that are in no journal: it is never deleted."""

ASIDE = "aside"
"""Name of the folder beside the store for stores that were moved aside."""


@dataclass(frozen=True, slots=True)
class AsideStore:
    """A store that was moved aside."""

    cause: str
    """Why it could not be used."""
    path: Path
    """Where it is now."""
    unread: tuple[str, ...] = ()
    """The tables whose kept rows could not all be read: they are in no journal, only in the file."""


@dataclass(slots=True)
class _OldRows:
    """The rows of an old store that could be read."""

    connection: sqlite3.Connection
    unread: list[str] = field(default_factory=list)

    def read_table(self, table: str, condition: str = "1") -> Iterator[dict[str, Any]]:
        """Yield the readable rows of a table by column; note the table if it is damaged."""
        try:
            cursor = self.connection.execute(f"SELECT * FROM {table} WHERE {condition}")  # noqa: S608  # constants
            columns = [column[0] for column in cursor.description]
            for row in cursor:
                yield dict(zip(columns, row, strict=True))
        except STORE_ERRORS:
            self.unread.append(table)

    def read_optional_table(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield the readable rows of a table that older stores lack; a damaged one is not noted.

        Its rows can be lost: without them sessions are shipped again, which changes nothing.
        """
        unread = [*self.unread]
        yield from self.read_table(table)
        self.unread[:] = unread


def find_store_problem(path: Path, *, thorough: bool = False) -> str | None:
    """Return why this program cannot use a store, or None if it can or there is none.

    ``thorough`` reads every page, which takes seconds for a large store.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path)) as connection:
            problem = find_version_problem(connection)
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            if problem is None and thorough:
                (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                problem = None if answer == "ok" else str(answer)
    except sqlite3.OperationalError:
        # A lock or a missing permission is not damage: opening the store reports it.
        return None
    except STORE_ERRORS as error:
        return str(error)
    return problem


def move_unusable_store_aside(
    path: Path, journal: Path, now: int, *, thorough: bool = False
) -> AsideStore | None:
    """Move a store that cannot be used aside; None if it can be used. Raises OSError."""
    problem = find_store_problem(path, thorough=thorough)
    return None if problem is None else rescue_and_move_store_aside(path, journal, now, problem)


def rescue_and_move_store_aside(path: Path, journal: Path, now: int, cause: str) -> AsideStore:
    """Write everything in a store that no journal holds to the journal, and move its files aside.

    Nothing is deleted. A move that was killed is done again: the same record is written once.
    Raises OSError if a file cannot be written or moved.
    """
    # A missing file would be created by opening it.
    unread = _write_rescued_rows(path, journal) if path.exists() else ()
    folder = path.parent / ASIDE
    folder.mkdir(mode=0o700, exist_ok=True)
    stamp = datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y%m%dT%H%M%S")
    prefix, number = UNREAD_PREFIX if unread else "", 0
    while (
        target := folder / f"{prefix}{path.stem}-{stamp}{f'-{number}' if number else ''}{path.suffix}"
    ).exists():
        number += 1
    # The database first: SQLite deletes a log without its database, and would apply it to a new one.
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            moved = path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
            # Its age counts from now: pruning deletes what has been aside for long.
            moved.touch()
    return AsideStore(cause, target, unread)


def describe_aside_store(aside: AsideStore) -> str:
    """Return the sentence about a store that was moved aside."""
    place = f"it is now {aside.path}, and" if aside.path.exists() else "it"
    text = f"the store could not be used ({aside.cause}): {place} is made again from the journal"
    if aside.unread:
        text += f"; sums of pruned sessions in {', '.join(aside.unread)} are damaged: keep that file"
    return text


def _write_rescued_rows(path: Path, journal: Path) -> tuple[str, ...]:
    """Write the record of a store, if it has anything to keep; return the tables that are damaged."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            rows = _OldRows(connection)
            record = _make_store_record(rows, has_kept_rows=0 < version < FIRST_WITH_RECORDS)
    except STORE_ERRORS:
        return ("all tables",)
    if record is not None:
        write_record_of_whole_store(journal, record)
    return tuple(rows.unread) if 0 < version < FIRST_WITH_RECORDS else ()


def _make_store_record(rows: _OldRows, *, has_kept_rows: bool) -> KeptRecord | None:
    sums: dict[int, tuple[KeptSum, ...]] = {}
    executions: dict[str, tuple[KeptRow, ...]] = {}
    members: dict[str, int] = {}
    if has_kept_rows:
        members = {hash_session_id(row["session"]): row["last"] for row in rows.read_table("pruned")}
        sums = _read_kept_sums(rows)
        for table in EXECUTIONS:
            kept = rows.read_table(table, "kept > 0")
            executions[table] = tuple({**row, "session": hash_session_id(row["session"])} for row in kept)
    notes = {row["name"]: row["value"] for row in rows.read_table("meta") if row["name"] == EMITTING_SINCE}
    emitted = {row["session"]: row["at"] for row in rows.read_table("emitted")}
    # A store from before the hub has no such table.
    shipped = {row["session"]: _get_shipped_row(row) for row in rows.read_optional_table("shipped")}
    if not (members or sums or notes or emitted or shipped or any(executions.values())):
        return None
    record = KeptRecord(
        session="",
        last=max([*members.values(), *emitted.values()], default=0),
        sums=sums,
        rows={table: kept_rows for table, kept_rows in executions.items() if kept_rows},
        members=members,
        emitted=emitted,
        shipped=shipped,
        notes=notes,
    )
    name = f"store-{sha256(encode_kept_record(record)).hexdigest()[:16]}"
    return replace(record, session=name)


def _get_shipped_row(row: dict[str, Any]) -> ShippedRow:
    return row["revision"], row["day"], row["digest"], row["at"], row["refusal"]


def _read_kept_sums(rows: _OldRows) -> dict[int, tuple[KeptSum, ...]]:
    """Return the kept sums by width, each without its part in the narrower slots, which count in it anyway.

    Example: 5 at width 300 and 7 at width 3,600 become 5 and 2.
    """
    stored: dict[int, dict[tuple[int, str, str], int]] = {width: {} for width in SLOTS}
    for row in rows.read_table("rollup", "kept > 0 ORDER BY width, slot, measure, dims"):
        stored.get(row["width"], {})[row["slot"], row["measure"], row["dims"]] = row["value"]
    sums = {}
    for narrower, width in zip((0, *SLOTS), SLOTS, strict=False):
        rest = dict(stored[width])
        for (slot, measure, dims), value in (stored[narrower] if narrower else {}).items():
            cell = (slot // (width // narrower), measure, dims)
            rest[cell] = rest.get(cell, 0) - value
        sums[width] = tuple(
            (slot, measure, decode_dims(dims), value)
            for (slot, measure, dims), value in rest.items()
            if value
        )
    return {width: amounts for width, amounts in sums.items() if amounts}
