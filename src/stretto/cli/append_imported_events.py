"""Import journal: append the events of imported files to journal files of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stretto import journal
from stretto.clock import read_wall_clock
from stretto.config.configuration import Config
from stretto.features.collection_filter import decide_collection
from stretto.model.event import Event, Kind
from stretto.sources.redact import redact_for_journal

IMPORTS = "import-"
"""Prefix of the journal files of imports."""


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """The result of importing a file."""

    file: str
    kind: str
    """``recording``, ``transcript`` or ``history``."""
    events: int
    sessions: frozenset[str]
    rejects: tuple[tuple[int, str], ...]
    """Line number (in a transcript or history the byte offset) and reason of each line set aside."""
    already_known: bool
    left: int = 0
    """Bytes of an unfinished last line, left for the next import."""
    format: str | None = None
    """The format in words, if the file is a history: ``a Codex rollout``."""


def append_events(
    target: Path, events: Iterable[Event], rejects: Iterable[tuple[int, str]], *, config: Config
) -> None:
    """Append events to a journal file, redacted, and an event for each line that was set aside."""
    lost_lines = [_make_reject(reason) for _, reason in rejects]
    collection = decide_collection(config.features)
    collected = (collection.keep_event(event) for event in (*events, *lost_lines))
    records = b"".join(
        journal.encode_event(redact_for_journal(event, describe=config.descriptions))
        for event in collected
        if event is not None
    )
    if records:
        journal.append_records(target, records)


def _make_reject(reason: str) -> Event:
    """Return the event that counts a line that could not be parsed."""
    return Event(kind=Kind.REJECT, session="", time=read_wall_clock(), attributes={"reason": reason})
