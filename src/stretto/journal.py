"""The journal: append-only lines in a file a day, kept as the truth from which everything can be built again.

Each record is one JSON object on a line of its own, written by one ``write`` on an O_APPEND descriptor, with
a newline before it as well as after: a record that was torn by a full disk or a kill ends at the next
writer's newline instead of swallowing the next record. Blank lines are therefore normal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from stretto.clock import DAY, HOUR, SECOND
from stretto.model.event import LATEST, VERSION, Event, Kind, Outcome, Value

SUFFIX = ".jsonl"
CHUNK = 1 << 19
"""Bytes read at once; a batch of about 2,000 events, small enough to keep memory flat."""

LONGEST_LINE = 1 << 20
"""Bytes. An event is made of bounded parts and stays far below; what is longer is not even looked at."""

LONGEST_TEXT = 200
"""Characters of a name, an id or an attribute."""

LONGEST_LIST = 1_000
MOST_ATTRIBUTES = 64
LONGEST_DURATION = 3_650 * DAY
"""Nanoseconds. Like the bound on times, it keeps sums of what is believed inside 64 bits."""

RECENT = 1 << 25
"""Bytes: about a hundred thousand events, read in a fraction of a second."""

DAY_FILE = re.compile(r"\d{4}-\d{2}-\d{2}" + re.escape(SUFFIX)).fullmatch

_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Reject:
    """A stretch of the journal that holds no event: where it stands and why it was set aside.

    The words before a colon in ``reason`` are of a closed set; what follows says what exactly was wrong.
    """

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


def encode_event(event: Event) -> bytes:
    """Return the journal record of an event, newlines included."""
    kept = {
        name: value
        for name in Event.__dataclass_fields__
        if (value := getattr(event, name)) is not None and value != {}
    }
    return b"\n" + _encoder.encode(kept) + b"\n"


def get_day_file(folder: Path, now: int) -> Path:
    """Return the file that takes what happens at ``now``: one a day, by UTC."""
    return folder / (datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y-%m-%d") + SUFFIX)


def append_records(path: Path, records: bytes) -> None:
    """Append whole records with one write call, making folder (0700) and file (0600) where missing.

    Raises OSError where the write is refused or cut short: the caller decides who needs to know.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Windows must not make two characters of a line's end.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        written = os.write(descriptor, records)
        if written < len(records):
            raise OSError(f"only {written} of {len(records)} bytes were written to {path}")
    finally:
        os.close(descriptor)


def list_files(folder: Path) -> dict[str, int]:
    """Return the journal's files and their sizes in bytes, in the order of their names."""
    sizes: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                # A file may be pruned between being listed and being looked at; the others are still there.
                with suppress(FileNotFoundError):
                    if entry.name.endswith(SUFFIX) and entry.is_file():
                        sizes[entry.name] = entry.stat().st_size
    except FileNotFoundError:
        return {}
    return dict(sorted(sizes.items()))


def parse_line(line: bytes) -> Event | str:
    """Return the event on a line, or in a few words why there is none. Never raises."""
    try:
        event = _decoder.decode(line)
    except msgspec.ValidationError as error:
        # The message may quote the value, and says where it stands only at the end.
        return f"not an event: {str(error).rpartition(' - at ')[2].strip('`')[:LONGEST_TEXT]}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "not JSON"
    return _problem(event) or event


def is_closed(file: str, now: int) -> bool:
    """Tell whether nobody writes to a file any more at ``now`` (ns): a day's, an hour after the day."""
    return DAY_FILE(file) is not None and file < get_day_file(Path(), now - HOUR).name


def read_batch(folder: Path, file: str, offset: int, *, limit: int = CHUNK, closed: bool = False) -> Batch:
    """Read whole lines of one file from ``offset``, about ``limit`` bytes of them.

    A last line without its newline is left for the next read, because its writer may still be at it, unless
    the file is ``closed``: then it is taken for what it is. What a source reported as unreadable stands among
    the rejects, at its own place.
    """
    with (folder / file).open("rb") as journal:
        journal.seek(offset)
        data = _whole_lines(journal, limit, to_the_end=closed)
        if data is None:
            length, ended = _skip_line(journal, offset)
            if not ended and not closed:
                length = 0
            found = (Reject(file, offset, length - ended, "too long"),) if length else ()
            return Batch(file, offset, offset + length, (), found)
    return _batch(file, offset, data)


def split_batch(folder: Path, batch: Batch) -> Iterator[Batch]:
    """Read a batch again and yield each line of it as one of its own."""
    with (folder / batch.file).open("rb") as journal:
        journal.seek(batch.start)
        data = journal.read(batch.end - batch.start)
    position = batch.start
    # Not splitlines: of the bytes that it takes for the end of a line, the journal knows one.
    for line in data.removesuffix(b"\n").split(b"\n"):
        yield _batch(batch.file, position, line + b"\n")
        position += len(line) + 1


def _batch(file: str, offset: int, data: bytes) -> Batch:
    events: list[Event] = []
    rejects: list[Reject] = []
    position = offset
    for line in data.split(b"\n"):
        if line and not line.isspace():
            event = parse_line(line) if len(line) < LONGEST_LINE else "too long"
            if isinstance(event, str):
                rejects.append(Reject(file, position, len(line), event))
            elif event.kind is Kind.REJECT:
                rejects.append(Reject(file, position, len(line), _reported(event)))
            else:
                events.append(event)
        position += len(line) + 1
    return Batch(file, offset, offset + len(data), tuple(events), tuple(rejects))


def drop_sessions(folder: Path, file: str, keeps: Callable[[str], bool]) -> tuple[int, int] | None:
    """Rewrite a file nobody appends to any more with the events alone whose session is kept.

    Returns how many events and bytes are left, or None where nothing had to go. What holds no event goes too,
    and a file without any is removed. It is replaced in one step. Raises OSError where it cannot be written.
    """
    path = folder / file
    new = path.with_suffix(".new")
    events = gone = 0
    with path.open("rb") as old, new.open("wb") as kept:
        new.chmod(0o600)
        for line in old:
            if line.isspace():
                continue
            event = parse_line(line) if len(line) < LONGEST_LINE else "too long"
            if isinstance(event, Event) and event.kind is not Kind.REJECT and keeps(event.session):
                kept.write(line)
                events += 1
            else:
                gone += 1
        kept.flush()
        os.fsync(kept.fileno())
        size = kept.tell()
    if events and gone:
        new.replace(path)
    else:
        new.unlink()
    if not events:
        path.unlink()
    return (events, size) if gone or not events else None


def find_recent(folder: Path, mark: re.Pattern[bytes], *, limit: int = RECENT) -> Iterator[Event]:
    """Yield the events, oldest first, on those of the last ``limit`` bytes' lines in which a mark occurs.

    Only the files of days are looked at: what was imported is no news.
    """
    spans: list[tuple[str, int]] = []
    for file, size in reversed([(name, size) for name, size in list_files(folder).items() if DAY_FILE(name)]):
        spans.append((file, max(0, size - limit)))
        limit -= size
        if limit <= 0:
            break
    for file, offset in reversed(spans):
        with (folder / file).open("rb") as journal:
            journal.seek(offset)
            for line in journal:
                if mark.search(line):
                    event = parse_line(line)
                    if isinstance(event, Event):
                        yield event


def _whole_lines(journal: BinaryIO, limit: int, *, to_the_end: bool) -> bytes | None:
    """Return the whole lines in the next ``limit`` bytes, or else the first; None where that is too long.

    ``to_the_end`` says that a last line without its newline is whole.
    """
    data = journal.read(limit)
    end = data.rfind(b"\n") + 1
    while not end and len(data) < LONGEST_LINE:
        more = journal.read(limit)
        if not more:
            return data if to_the_end else b""
        end = more.rfind(b"\n") + 1
        end += len(data) if end else 0
        data += more
    return data[:end] if end else None


def _skip_line(journal: BinaryIO, offset: int) -> tuple[int, bool]:
    """Return how many bytes the line at ``offset`` takes, and whether the last of them is its newline."""
    journal.seek(offset)
    length = 0
    while chunk := journal.read(CHUNK):
        end = chunk.find(b"\n") + 1
        if end:
            return length + end, True
        length += len(chunk)
    return length, False


def _problem(event: Event) -> str | None:
    """Return why an event cannot be believed: what passes fits the store's columns and a figure's labels."""
    problem: str | None
    if not 0 < event.version <= VERSION:
        problem = "newer version" if event.version > 0 else "not an event: $.version"
    elif not 0 < event.time < LATEST:
        problem = "time out of range"
    elif event.duration is not None and not 0 <= event.duration <= LONGEST_DURATION:
        problem = "duration out of range"
    elif event.outcome is Outcome.RUNNING:
        problem = "not an event: $.outcome"
    elif not event.session and event.kind is not Kind.REJECT:
        problem = "no session"
    else:
        problem = _texts_problem(event)
        if problem is None and event.attributes:
            problem = _attributes_problem(event.attributes)
    return problem


def _texts_problem(event: Event) -> str | None:
    named = (event.source, event.id, event.parent, event.name, event.type)
    together = len(event.session)
    for text in named:
        if text is not None:
            if not text:
                return "empty text"
            together += len(text)
    # All of them together are nearly always shorter than one of them may be.
    if together > LONGEST_TEXT and _longest(filter(None, (event.session, *named))) > LONGEST_TEXT:
        return "text too long"
    return None


def _attributes_problem(attributes: Mapping[str, Value]) -> str | None:
    if len(attributes) > MOST_ATTRIBUTES:
        return "too many attributes"
    longest = _longest(attributes)
    for value in attributes.values():
        if isinstance(value, str):
            longest = max(longest, len(value))
        elif isinstance(value, list):
            if len(value) > LONGEST_LIST:
                return "list too long"
            if "" in value:
                return "empty text"
            longest = max(longest, _longest(value))
    return "text too long" if longest > LONGEST_TEXT else None


def _longest(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)


def _reported(event: Event) -> str:
    reason = event.attributes.get("reason")
    return f"payload: {reason}" if isinstance(reason, str) else "payload: unreadable"
