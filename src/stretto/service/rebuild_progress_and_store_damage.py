"""The state of a rebuild of the store in the running service, and the signs that a store is damaged."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""SQLite's primary result codes for a file that is no longer the database that was written."""

SHORT_READ = 522
"""SQLite's extended code for a page behind the end of the file (SQLITE_IOERR_SHORT_READ)."""


@dataclass(frozen=True, slots=True)
class RebuildRequest:
    """Why the store is to be made again."""

    cause: str
    is_damaged: bool = False
    """Whether the present store cannot be used and is moved aside."""


@dataclass(frozen=True, slots=True)
class RebuildState:
    """A rebuild under way, or the last that was finished."""

    cause: str
    finished: bool = False
    read_bytes: int = 0
    all_bytes: int = 0
    """Bytes of the journal when the rebuild began."""
    events: int = 0
    rejects: int = 0
    sessions: int = 0
    seconds: float = 0.0

    def describe_progress(self) -> str:
        """Return a sentence on the cause and on how much of the journal was read."""
        share = 100 * self.read_bytes // self.all_bytes if self.all_bytes else 0
        return (
            f"the store is being made again from the journal: {min(share, 100)} % of"
            f" {self.all_bytes / 1e6:.1f} MB ({self.cause})"
        )


def build_rebuild_document(state: RebuildState | None) -> dict[str, Any]:
    """Return the answer of ``GET /api/rebuild``."""
    if state is None:
        return {"state": "none"}
    return {
        "state": "done" if state.finished else "running",
        "cause": state.cause,
        "read_bytes": state.read_bytes,
        "all_bytes": state.all_bytes,
        "events": state.events,
        "rejects": state.rejects,
        "sessions": state.sessions,
        "seconds": round(state.seconds, 3),
    }


def find_damage(error: BaseException) -> str | None:
    """Return why an error means that the store is damaged; None for a lock, a full disk or another fault."""
    if isinstance(error, msgspec.DecodeError):
        # SQLite has no checksums: a changed byte inside a row is seen only when the row is decoded.
        return "the store is damaged: a row cannot be decoded"
    if isinstance(error, UnicodeDecodeError):
        # SQLite quotes a damaged schema in its message.
        return "the store is damaged: its schema is not text"
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", 0) or 0
    # A file that was cut to nothing is a valid empty database.
    is_emptied = "no such table" in str(error)
    is_garbled = "Could not decode to UTF-8" in str(error)
    if code & 0xFF in DAMAGE_CODES or code == SHORT_READ or is_emptied or is_garbled:
        return f"the store is damaged: {error}"
    return None


def identify_file(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another file of the same name; None if it is missing."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
