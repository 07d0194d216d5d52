"""Import positions: how far each imported file was read, a row for each file.

A row is written as soon as its file was read, so that memory does not grow with the number of files. Earlier
versions kept all positions in one JSON file, whose content is taken over once.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

Position = TypeVar("Position")

FILE = "imports.db"
"""The file in the state folder that holds the positions."""

BUSY_MS = 10_000

_TABLE = """
CREATE TABLE IF NOT EXISTS positions (
  kind TEXT NOT NULL, file TEXT NOT NULL, beginning TEXT, unmarked INTEGER NOT NULL DEFAULT 0,
  position BLOB NOT NULL, -- compressed JSON
  PRIMARY KEY (kind, file)
);
CREATE INDEX IF NOT EXISTS positions_by_beginning ON positions (kind, beginning) WHERE beginning IS NOT NULL;
"""


class ImportPositions(Generic[Position]):
    """The positions in the files of a kind, such as ``transcripts``.

    Files with the same ``beginning`` may share lines. A file is ``unmarked`` while it has new lines that were
    not compared with those of such files. Without the table every file is read again, which adds nothing.
    """

    def __init__(self, state: Path, kind: str, position: type[Position]) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(position).decode
        self._encode = msgspec.json.Encoder().encode
        path = state / FILE
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._connection = _open_table(path)
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(FILE + suffix).unlink(missing_ok=True)
            self._connection = _open_table(path)
        self._adopt_json(state / f"{kind}.json")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def get(self, file: str) -> Position | None:
        """Return the position in a file, None if it was not read yet or the row cannot be read."""
        query = "SELECT position FROM positions WHERE kind = ? AND file = ?"
        row = self._connection.execute(query, (self._kind, file)).fetchone()
        with suppress(zlib.error, msgspec.DecodeError):
            return None if row is None else self._decode(zlib.decompress(row[0]))
        return None

    def put(
        self, file: str, position: Position, *, beginning: str | None = None, is_unmarked: bool = False
    ) -> None:
        """Store the position in a file, at once. A file stays unmarked until ``mark``."""
        self._put_all({file: position}, {file: beginning}, is_unmarked=is_unmarked)

    def mark(self, file: str) -> None:
        """Note that the new lines of a file were compared with those of the files that begin alike."""
        query = "UPDATE positions SET unmarked = 0 WHERE kind = ? AND file = ?"
        self._connection.execute(query, (self._kind, file))

    def list_unmarked(self) -> list[tuple[str, str | None]]:
        """Return (file, beginning) of the unmarked files."""
        query = "SELECT file, beginning FROM positions WHERE kind = ? AND unmarked"
        return self._connection.execute(query, (self._kind,)).fetchall()

    def list_with_beginning(self, beginning: str) -> list[str]:
        """Return the files with a beginning."""
        query = "SELECT file FROM positions WHERE kind = ? AND beginning = ?"
        return [file for (file,) in self._connection.execute(query, (self._kind, beginning))]

    def list_files(self) -> frozenset[str]:
        """Return the files that were read."""
        query = "SELECT file FROM positions WHERE kind = ?"
        return frozenset(file for (file,) in self._connection.execute(query, (self._kind,)))

    def _put_all(
        self, positions: Mapping[str, Position], beginnings: Mapping[str, str | None], *, is_unmarked: bool
    ) -> None:
        rows: Iterable[tuple[object, ...]] = (
            (self._kind, file, beginnings.get(file), is_unmarked, zlib.compress(self._encode(position), 1))
            for file, position in positions.items()
        )
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO positions (kind, file, beginning, unmarked, position) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (kind, file) DO UPDATE SET beginning = excluded.beginning,"
            " unmarked = MAX(unmarked, excluded.unmarked), position = excluded.position",
            rows,
        )
        self._connection.execute("COMMIT")

    def _adopt_json(self, old: Path) -> None:
        """Take over the positions of earlier versions, once."""
        try:
            entries = msgspec.json.decode(old.read_bytes(), type=dict[str, msgspec.Raw])
        except (OSError, msgspec.DecodeError):
            return
        positions: dict[str, Position] = {}
        beginnings: dict[str, str | None] = {}
        for file, entry in entries.items():
            with suppress(msgspec.DecodeError):
                positions[file] = self._decode(entry)
                beginnings[file] = getattr(positions[file], "beginning", None) or None
        self._put_all(positions, beginnings, is_unmarked=False)
        old.unlink(missing_ok=True)


def _open_table(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_TABLE)
    except BaseException:
        connection.close()
        raise
    return connection
