"""The journal: append-only lines in a file a day, kept as the truth from which everything can be built again.

Each record is one JSON object on a line of its own, written by one ``write`` on an O_APPEND descriptor, with a
newline before it as well as after: a record that was torn by a full disk or a kill ends at the next writer's
newline instead of swallowing the next record. Blank lines are therefore normal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from stretto.clock import SECOND
from stretto.model.event import VERSION, Event

SUFFIX = ".jsonl"
CHUNK = 1 << 20
"""Bytes read at once; a batch of about 4,000 events, small enough to keep memory flat."""

_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Reject:
    """A stretch of the journal that holds no event: where it stands and why it was set aside."""

    file: str
    offset: int
    length: int
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read gave: events and rejects of one file, and the offset up to which both are complete."""

    file: str
    start: int
    end: int
    events: tuple[Event, ...]
    rejects: tuple[Reject, ...]


def encode(event: Event) -> bytes:
    """Return the journal record of an event, newlines included."""
    kept = {
        name: value
        for name in Event.__dataclass_fields__
        if (value := getattr(event, name)) is not None and value != {}
    }
    return b"\n" + _encoder.encode(kept) + b"\n"


def file_of(folder: Path, now: int) -> Path:
    """Return the file that takes what happens at ``now``: one a day, by UTC."""
    return folder / (datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y-%m-%d") + SUFFIX)


def append(path: Path, records: bytes) -> None:
    """Append whole records with one write call, making folder (0700) and file (0600) where missing.

    Raises OSError where the write is refused or cut short: the caller decides who needs to know.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        written = os.write(descriptor, records)
        if written < len(records):
            raise OSError(f"only {written} of {len(records)} bytes were written to {path}")
    finally:
        os.close(descriptor)


def files(folder: Path) -> dict[str, int]:
    """Return the journal's files and their sizes in bytes, in the order of their names."""
    try:
        with os.scandir(folder) as entries:
            sizes = {e.name: e.stat().st_size for e in entries if e.name.endswith(SUFFIX) and e.is_file()}
    except FileNotFoundError:
        return {}
    return dict(sorted(sizes.items()))


def parse_line(line: bytes) -> Event | str:
    """Return the event on a line, or in a few words why there is none. Never raises."""
    try:
        event = _decoder.decode(line)
    except msgspec.ValidationError as error:
        return f"not an event: {error}"
    except (msgspec.DecodeError, RecursionError):
        return "not JSON"
    if event.version > VERSION:
        return f"written by a newer version ({event.version})"
    return event


def read(folder: Path, file: str, offset: int, *, limit: int = CHUNK) -> Batch:
    """Read whole lines of one file from ``offset``, about ``limit`` bytes of them.

    A last line without its newline is left for the next read: its writer may still be at it. A line longer than
    ``limit`` is read in full.
    """
    with (folder / file).open("rb") as journal:
        journal.seek(offset)
        data = journal.read(limit)
        end = data.rfind(b"\n") + 1
        while not end and len(data) >= limit:
            more = journal.read(limit)
            if not more:
                break
            data += more
            end = data.rfind(b"\n") + 1
    events: list[Event] = []
    rejects: list[Reject] = []
    for position, line in _lines(data[:end], offset):
        found = parse_line(line)
        if isinstance(found, Event):
            events.append(found)
        else:
            rejects.append(Reject(file, position, len(line), found))
    return Batch(file, offset, offset + end, tuple(events), tuple(rejects))


def _lines(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    for line in data.split(b"\n"):
        if line.strip():
            yield offset, line
        offset += len(line) + 1
