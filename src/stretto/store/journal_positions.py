"""How far each journal file has been read, and whether a file is still the file that was read."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from stretto import journal
from stretto.journal import FileState
from stretto.store import journal_queries
from stretto.store.database import open_transaction

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """The position in a file, with the identity of what was read."""

    offset: int
    identity: str


class JournalPositions:
    """The positions of all files. They are written in the transaction that stores what was read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._marks: dict[str, str] = dict(connection.execute("SELECT file, mark FROM file_looks"))
        """Mark of each file when its identity was last compared."""
        self._unsaved: set[str] = set()

    def read_all(self) -> dict[str, StoredPosition]:
        """Return the position in each file that was read."""
        rows = self._connection.execute("SELECT file, offset, identity FROM journal")
        return {file: StoredPosition(offset, identity) for file, offset, identity in rows}

    def write_position(self, file: str, offset: int, events: int, identity: str) -> None:
        """Store a position inside a transaction; ``events`` are added to the file's."""
        self._connection.execute(
            "INSERT INTO journal (file, offset, events, identity) VALUES (?, ?, ?, ?) ON CONFLICT (file)"
            " DO UPDATE SET offset = excluded.offset, events = events + excluded.events,"
            " identity = excluded.identity",
            (file, offset, events, identity),
        )
        if file in self._unsaved:
            self._connection.execute(
                "INSERT INTO file_looks (file, mark) VALUES (?, ?)"
                " ON CONFLICT (file) DO UPDATE SET mark = excluded.mark",
                (file, self._marks[file]),
            )
            self._unsaved.discard(file)

    def find_start(self, folder: Path, file: str, state: FileState, stored: StoredPosition | None) -> int:
        """Return the offset to read a file from: its position, or 0 if it is another file than was read.

        The content is compared only if the file looks changed. A file that was cut, replaced or restored
        begins again, which adds nothing twice; a file that a prune has just rewritten does not.
        """
        if self._marks.get(file) == state.mark and stored is not None:
            return stored.offset
        offset = 0 if stored is None else stored.offset
        if stored is not None and not _is_same_file(folder, file, state, stored):
            moved = self._adopt_rewritten(folder, file)
            offset = moved if moved is not None else self._restart_file(file, state, stored)
        # Saved with the next position: a file that was only touched is compared again after a start.
        self._marks[file] = state.mark
        self._unsaved.add(file)
        return offset

    def plan_rewrite(self, file: str, offset: int, events: int, identity: str) -> None:
        """Note the position in a file as a prune is about to rewrite it, before the file is replaced."""
        self._connection.execute(
            "INSERT INTO file_looks (file, mark, moved_offset, moved_events, moved_identity)"
            " VALUES (?, '', ?, ?, ?) ON CONFLICT (file) DO UPDATE SET moved_offset = excluded.moved_offset,"
            " moved_events = excluded.moved_events, moved_identity = excluded.moved_identity",
            (file, offset, events, identity),
        )

    def finish_rewrite(self, file: str) -> None:
        """Make the planned position of a rewritten file its position; forget a file that was deleted."""
        row = self._read_planned(file)
        with open_transaction(self._connection):
            self.forget_file(file)
            if row is not None and row[1]:
                self.write_position(file, *row)

    def forget_file(self, file: str) -> None:
        """Delete position, rejects and looks of a file, inside a transaction."""
        for table in ("journal", "rejects", "file_looks"):
            query = f"DELETE FROM {table} WHERE file = ?"  # noqa: S608  # names from the line above
            self._connection.execute(query, (file,))
        self._marks.pop(file, None)
        self._unsaved.discard(file)

    def forget_looks(self) -> None:
        """Delete all looks, inside a transaction: the files are read anew."""
        self._connection.execute("DELETE FROM file_looks")
        self._marks.clear()
        self._unsaved.clear()

    def _read_planned(self, file: str) -> tuple[int, int, str] | None:
        query = (
            "SELECT moved_offset, moved_events, moved_identity FROM file_looks"
            " WHERE file = ? AND moved_offset IS NOT NULL"
        )
        row: tuple[int, int, str] | None = self._connection.execute(query, (file,)).fetchone()
        return row

    def _adopt_rewritten(self, folder: Path, file: str) -> int | None:
        """Return the position in a file that was rewritten before a kill; None if it is no such file."""
        planned = self._read_planned(file)
        if planned is None:
            return None
        offset, events, identity = planned
        if events and journal.identify_content(folder, file, offset) != identity:
            return None
        self.finish_rewrite(file)
        return offset if events else 0

    def _restart_file(self, file: str, state: FileState, stored: StoredPosition) -> int:
        """Delete the position of a file that is not the file that was read, and note it as a problem."""
        lost_bytes = max(0, stored.offset - state.size)
        LOG.warning("%s was cut or replaced (%d bytes shorter) and is read again", file, lost_bytes)
        with open_transaction(self._connection):
            self.forget_file(file)
            journal_queries.note_shortened_file(self._connection, file, lost_bytes)
        return 0


def _is_same_file(folder: Path, file: str, state: FileState, stored: StoredPosition) -> bool:
    if state.size < stored.offset:
        return False
    # Without an identity, as after an import into a store of a test, the size alone decides.
    return not stored.identity or journal.identify_content(folder, file, stored.offset) == stored.identity
