"""opencode's database: read the rows that were written since the last read, without ever writing to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from stretto.sources.histories.decoder import FileFacts, Memory
from stretto.sources.histories.history_read_result import HistoryChunk
from stretto.sources.histories.records import Record, decode_records
from stretto.sources.opencode.opencode_rows import KILO, OPENCODE, OpencodeDecoder, list_opencode_sessions

ROWS = 5000
"""Rows read of a table at once."""

OVERLAP = 2000
"""Milliseconds that a read goes back behind the last: a row may be written again in the same instant."""

_TABLES = ("session", "message", "part")
_SESSION_COLUMNS = ("id", "parent_id", "title", "agent", "directory", "time_created", "time_updated")


def is_opencode_database(path: Path) -> bool:
    """Return whether a SQLite file has the tables of opencode; False if it cannot be read."""
    try:
        with _open_database(path) as connection:
            names = {
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            }
    except (sqlite3.Error, OSError):
        return False
    return names.issuperset(_TABLES)


def read_opencode_database(
    path: Path, memory: Memory, *, latest: int, key: bytes, test_commands: Sequence[str] = ()
) -> HistoryChunk:
    """Return the events of the rows written since the read that left ``memory``, a few thousand at most.

    Never raises: a database that cannot be read gives a reject.
    """
    try:
        with _open_database(path) as connection:
            return _read_rows(connection, path, memory, latest=latest, key=key, test_commands=test_commands)
    except (sqlite3.Error, OSError) as error:
        return HistoryChunk((), ((0, f"cannot be read: {type(error).__name__}"),), 0, memory, ended=True)


def _read_rows(
    connection: sqlite3.Connection,
    path: Path,
    memory: Memory,
    *,
    latest: int,
    key: bytes,
    test_commands: Sequence[str],
) -> HistoryChunk:
    connection.row_factory = sqlite3.Row
    columns = {row["name"] for row in connection.execute("PRAGMA table_info(session)")}
    wanted = ", ".join(name for name in _SESSION_COLUMNS if name in columns)
    session_rows = {row["id"]: dict(row) for row in connection.execute(f"SELECT {wanted} FROM session")}  # noqa: S608  # names from a constant
    memory = {"calls": dict(memory.get("calls", {})), "tables": dict(memory.get("tables", {}))}
    decoder = OpencodeDecoder(
        FileFacts(path.stem),
        memory,
        sessions=list_opencode_sessions(session_rows),
        product=KILO if "kilo" in path.stem or path.parent.name == "kilo" else OPENCODE,
        latest=latest,
        key=key,
        test_commands=test_commands,
    )
    rejects: list[tuple[int, str]] = []
    ended = True
    for table in _TABLES:
        position = memory["tables"].get(table, {"cursor": 0, "recent": {}})
        rows = list(_fetch_rows(connection, table, position["cursor"]))
        ended = ended and len(rows) < ROWS
        for row in rows:
            if position["recent"].get(row["id"]) == row["time_updated"]:
                continue
            record, reason = _to_record(table, row)
            reason = reason or decoder.decode(record)
            if reason is not None:
                rejects.append((row["time_updated"], reason))
        memory["tables"][table] = _move_position(position, rows)
    return HistoryChunk(tuple(decoder.events), tuple(rejects), 0, memory, ended=ended)


def _fetch_rows(connection: sqlite3.Connection, table: str, cursor: int) -> Iterator[sqlite3.Row]:
    columns = "id, time_created, time_updated" + ("" if table == "session" else ", session_id, data")
    yield from connection.execute(
        f"SELECT {columns} FROM {table} WHERE time_updated > ? ORDER BY time_updated LIMIT ?",  # noqa: S608  # names from constants
        (cursor - OVERLAP, ROWS),
    )


def _move_position(position: Record, rows: list[sqlite3.Row]) -> Record:
    """Return the position behind the rows, with the rows of the overlap: the next read skips them."""
    if not rows:
        return position
    cursor = max(row["time_updated"] for row in rows)
    if len(rows) == ROWS and cursor - OVERLAP < position["cursor"]:
        # More rows than one read takes lie within the overlap, so the next read must go past them.
        cursor += OVERLAP
    recent = {**position["recent"], **{row["id"]: row["time_updated"] for row in rows}}
    return {
        "cursor": cursor,
        "recent": {id: updated for id, updated in recent.items() if updated > cursor - OVERLAP},
    }


def _to_record(table: str, row: sqlite3.Row) -> tuple[Record, str | None]:
    head = {"table": table, "id": row["id"], "time_created": row["time_created"]}
    if table == "session":
        return {**head, "session_id": row["id"]}, None
    data = row["data"]
    records, reason = decode_records(
        data.encode("utf-8", "replace") if isinstance(data, str) else data or b""
    )
    return {**head, "session_id": row["session_id"], "data": records[0] if records else {}}, reason


@contextmanager
def _open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading only.

    SQLite itself would create a log and its index beside a database that nobody has open. Without a log the
    main file is whole, and is read as a file that nobody changes.
    """
    address = f"{path.absolute().as_uri()}?mode=ro"
    if not path.with_name(f"{path.name}-wal").exists():
        address += "&immutable=1"
    with closing(sqlite3.connect(address, uri=True, timeout=2)) as connection:
        yield connection
