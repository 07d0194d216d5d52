"""Queries of how far the journal was read, and of the lines and bytes of it that could not be."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from stretto.store.store_notes import write_note


@dataclass(frozen=True, slots=True)
class JournalPosition:
    """How far a journal file has been read."""

    file: str
    offset: int
    events: int


_SHORTENED = "shortened "
"""Prefix of the names of notes about journal files that became shorter."""


def read_journal_positions(connection: sqlite3.Connection) -> list[JournalPosition]:
    """Return how far each journal file has been read."""
    return [
        JournalPosition(*row)
        for row in connection.execute("SELECT file, offset, events FROM journal ORDER BY file")
    ]


def count_rejects(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the number of rejected pieces of input by reason."""
    return dict(connection.execute("SELECT reason, COUNT(*) FROM rejects GROUP BY reason ORDER BY reason"))


def count_reject_kinds(rejects: Mapping[str, int]) -> dict[str, int]:
    """Return the rejects by kind of fault, the commonest first.

    The kind is the text before a reason's colon. The text after it is the detail of a single line.
    """
    kinds: Counter[str] = Counter()
    for reason, count in rejects.items():
        kinds[reason.partition(":")[0]] += count
    return dict(kinds.most_common())


def list_newest_rejects(connection: sqlite3.Connection, limit: int = 5) -> list[tuple[str, int, str]]:
    """Return (file, offset, reason) of the newest rejects."""
    rows = connection.execute(
        "SELECT file, offset, reason FROM rejects ORDER BY file DESC, offset DESC LIMIT ?", (limit,)
    )
    return list(rows)


def read_shortened_files(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the journal files that were cut after they were read, and by how many bytes."""
    rows = connection.execute(
        "SELECT name, value FROM meta WHERE name LIKE ? ORDER BY name", (_SHORTENED + "%",)
    )
    return {name.removeprefix(_SHORTENED): int(value) for name, value in rows}


def note_shortened_file(connection: sqlite3.Connection, file: str, lost_bytes: int) -> None:
    """Note that a journal file has lost some bytes, added to those it lost before."""
    write_note(connection, _SHORTENED + file, str(read_shortened_files(connection).get(file, 0) + lost_bytes))


def forget_shortened_files(connection: sqlite3.Connection) -> None:
    """Delete the notes about cut files, since the store is made anew from the files as they are."""
    connection.execute("DELETE FROM meta WHERE name LIKE ?", (_SHORTENED + "%",))
