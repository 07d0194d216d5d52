"""History chunk: the events of one read of a history, and the state from which the next read continues."""

from __future__ import annotations

from dataclasses import dataclass

from stretto.model.event import Event
from stretto.sources.histories.decoder import Memory

UNREADABLE = "cannot be read"
"""Beginning of a reject's reason if the file, not a line of it, cannot be read."""


@dataclass(frozen=True, slots=True)
class HistoryChunk:
    """The events of a read."""

    events: tuple[Event, ...]
    rejects: tuple[tuple[int, str], ...]
    """Byte offset, or a row's time in milliseconds, and reason of each record that could not be read."""
    offset: int
    """Byte offset at which the next read begins; 0 for a database."""
    memory: Memory
    ended: bool
    """Whether the read reached the end; if False, more can be read at once."""
