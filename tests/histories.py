"""Recorded histories of other agents, read by their decoders as an import reads them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from stretto.model.conclude_session import conclude_session
from stretto.model.entities import Session
from stretto.model.event import Event
from stretto.sources.histories.history_read_result import HistoryChunk
from stretto.sources.histories.history_reading import HistoryPosition, read_history
from stretto.sources.histories.importable_files import find_files
from tests.fakes import ROOT
from tests.scenes import fold_scene

HISTORIES = ROOT / "tests" / "recorded" / "histories"


def read_whole(path: Path, position: HistoryPosition | None = None) -> tuple[list[Event], list[str]]:
    """Return the events of one history and the reasons of its rejects."""
    ((_, history_format),) = find_files(path).histories
    position = position or HistoryPosition()
    events: list[Event] = []
    reasons: list[str] = []
    while True:
        chunk, position = read_history(path, history_format, position)
        events += chunk.events
        reasons += (reason for _, reason in chunk.rejects)
        if chunk.ended:
            return events, reasons


def read_folder(folder: Path) -> list[Event]:
    """Return the events of all histories in a folder; none of their lines may be rejected."""
    events: list[Event] = []
    for path, _ in find_files(folder).histories:
        found, reasons = read_whole(path)
        assert reasons == [], path
        events += found
    return events


def read_once(path: Path, position: HistoryPosition) -> tuple[HistoryChunk, HistoryPosition]:
    """Return one read of a history and the position behind it, as it comes back from its file."""
    ((_, history_format),) = find_files(path).histories
    chunk, position = read_history(path, history_format, position)
    kept = json.loads(json.dumps({"memory": position.memory}))
    return chunk, HistoryPosition(position.title, position.offset, kept["memory"])


def conclude_only(events: Iterable[Event]) -> Session:
    """Return the one session that the events are of, after silence."""
    events = list(events)
    (session_id,) = {event.session for event in events}
    facts = fold_scene(events)
    assert facts.id == session_id
    return conclude_session(facts, lost=True, classify=lambda *_: "other")


def make_opencode_database(dump: Path, path: Path, until: int | None = None) -> Path:
    """Write opencode's database from its tables as JSON lines; ``until``: those last written by then (ms)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            connection.executescript((dump / "schema.sql").read_text(encoding="utf-8"))
        for table in ("session", "message", "part"):
            lines = (dump / f"{table}.jsonl").read_text(encoding="utf-8").splitlines()
            for row in map(json.loads, lines):
                # A session's row is there before its messages, and is written again with each of them.
                written = row["time_created" if table == "session" else "time_updated"]
                if until is None or written <= until:
                    _insert_row(connection, table, row)
        connection.commit()
    return path


def _insert_row(connection: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    values = {
        name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in row.items()
    }
    known = {column[1] for column in connection.execute(f"PRAGMA table_info({table})")}
    values = {name: value for name, value in values.items() if name in known}
    marks = ", ".join("?" * len(values))
    connection.execute(
        f"INSERT OR REPLACE INTO {table} ({', '.join(values)}) VALUES ({marks})",  # a test's own names
        list(values.values()),
    )
