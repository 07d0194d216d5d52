"""Kept records and the store: make the record of a session that is pruned, and add records to the store."""

from __future__ import annotations

import sqlite3
from collections import Counter

import msgspec

from stretto.clock import SECOND
from stretto.journal.pruned_session_records import KeptRecord, KeptRow, KeptSum, hash_session_id
from stretto.store.contributions.registry import get_sums_version
from stretto.store.database_schema import KEPT_TABLES
from stretto.store.derive_missing_measures_of_old_sums import (
    OLD_DEFINITION_UNTIL,
    Amounts,
    complete_old_sums,
    is_old_definition,
)
from stretto.store.finding_history_and_last_answers import write_finding_changes
from stretto.store.shipped_sessions import restore_shipped_rows
from stretto.store.sums_by_time_slot import SLOTS, Additions, Cells, add_kept_sums

_NOT_KEPT = frozenset({"session", "kept"})
"""Columns that a record does not repeat in each row."""

_encode = msgspec.json.Encoder().encode


def make_kept_record(
    connection: sqlite3.Connection, session_id: str, additions: Additions, *, coarse_before: int
) -> KeptRecord:
    """Return the record of a stored session; sums before ``coarse_before`` (ns) are by the hour."""
    (last,) = connection.execute("SELECT last FROM sessions WHERE id = ?", (session_id,)).fetchone()
    sent = connection.execute(
        "SELECT 1 FROM emitted WHERE session = ? AND at = ?", (session_id, last)
    ).fetchone()
    return KeptRecord(
        session=hash_session_id(session_id),
        last=last,
        sums=_split_by_age(additions, coarse_before // (SLOTS[0] * SECOND)),
        rows={
            table: rows for table in KEPT_TABLES if (rows := read_session_rows(connection, table, session_id))
        },
        spans_sent=sent is not None,
        counted_by=get_sums_version(),
    )


def is_record_added(connection: sqlite3.Connection, record: KeptRecord) -> bool:
    """Return whether a record was added before."""
    query = "SELECT 1 FROM pruned WHERE session = ? AND last = ?"
    return connection.execute(query, (record.session, record.last)).fetchone() is not None


def find_pruned_until(connection: sqlite3.Connection, session_id: str) -> int | None:
    """Return the time (ns) up to which the events of a session are in kept records; None if in none."""
    query = "SELECT MAX(last) FROM pruned WHERE session = ?"
    (last,) = connection.execute(query, (hash_session_id(session_id),)).fetchone()
    return None if last is None else int(last)


def add_kept_record(connection: sqlite3.Connection, record: KeptRecord) -> None:
    """Add a record's sums, runs and parallel executions to the store, and note that it was added."""
    sums: dict[int, Cells] = {}
    for width, kept_sums in record.sums.items():
        amounts: Amounts = Counter()
        for slot, measure, dims, value in kept_sums:
            amounts[slot, measure, tuple(dims)] += value
        if is_old_definition(record.counted_by):
            amounts = complete_old_sums(amounts, record.counted_by)
        sums[width] = {
            (slot, measure, _encode(dims).decode()): value for (slot, measure, dims), value in amounts.items()
        }
    add_kept_sums(connection, sums)
    for table in KEPT_TABLES:
        _insert_rows(connection, table, record.session, record.rows.get(table, ()))
    write_finding_changes(connection, record.findings)
    connection.executemany(
        "INSERT OR IGNORE INTO pruned VALUES (?, ?)", [(record.session, record.last), *record.members.items()]
    )
    connection.executemany("INSERT OR IGNORE INTO emitted VALUES (?, ?)", [*record.emitted.items()])
    restore_shipped_rows(connection, record.shipped)
    connection.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", [*record.notes.items()])
    if record.sums and is_old_definition(record.counted_by):
        connection.execute(
            "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE"
            " SET value = MAX(CAST(value AS INTEGER), ?2)",
            (OLD_DEFINITION_UNTIL, record.last),
        )


def read_session_rows(connection: sqlite3.Connection, table: str, session_id: str) -> tuple[KeptRow, ...]:
    """Return a session's rows of a table by column, without empty ones and without its id."""
    cursor = connection.execute(
        f"SELECT * FROM {table} WHERE session = ? AND kept = 0 ORDER BY number",  # noqa: S608  # a constant
        (session_id,),
    )
    columns = [column[0] for column in cursor.description]
    rows = [dict(zip(columns, row, strict=True)) for row in cursor]
    for row in rows:
        if "task" in row:
            # The id of a task may say what it is about; outside of its session a number names it as well.
            row["task"] = str(row["number"])
    return tuple(
        {name: value for name, value in row.items() if name not in _NOT_KEPT and value is not None}
        for row in rows
    )


def _split_by_age(additions: Additions, coarse_before: int) -> dict[int, tuple[KeptSum, ...]]:
    """Return additions by width of slot: those before a slot of the narrowest width as sums by the hour.

    Example: 2 in slot 11 and 3 in slot 12, both before the limit, are 2 in hour 0 and 3 in hour 1.
    """
    narrow, wide = SLOTS[:2]
    sums: dict[int, dict[tuple[int, str, tuple[str | int, ...]], int]] = {narrow: {}, wide: {}}
    for (slot, measure, dims), value in additions.items():
        width = narrow if slot >= coarse_before else wide
        cell = (slot // (width // narrow), measure, dims)
        sums[width][cell] = sums[width].get(cell, 0) + value
    return {
        width: tuple((*cell, value) for cell, value in sorted(cells.items(), key=repr) if value)
        for width, cells in sums.items()
        if any(cells.values())
    }


def _insert_rows(connection: sqlite3.Connection, table: str, session: str, rows: tuple[KeptRow, ...]) -> None:
    """Insert rows of pruned sessions. Columns that the schema no longer has are left out.

    The record of a whole store names session and number of pruning in each row.
    """
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    newest = f"SELECT COALESCE(MAX(kept), 0) FROM {table} WHERE session = ?"  # noqa: S608  # a constant
    (kept,) = connection.execute(newest, (session,)).fetchone()
    for row in rows:
        values = {"session": session, "kept": kept + 1} | {
            name: value for name, value in row.items() if name in columns
        }
        names, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
        query = f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  # the schema's names
        connection.execute(query, tuple(values.values()))
