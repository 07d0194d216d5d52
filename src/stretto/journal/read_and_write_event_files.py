"""Write, read and rewrite the append-only files of events.

There is a file per day. Each record is a JSON object on its own line, written by a single ``write`` call on
an O_APPEND descriptor, with a newline before it as well as after. A record that a full disk or a kill cut
short therefore ends at the next writer's newline and does not damage the next record. Blank lines are normal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from stretto.clock import HOUR, SECOND
from stretto.journal.compression import (
    CLOSING,
    COMPRESSED,
    compress_file,
    delete_all_parts,
    get_content_part_path,
    has_uncompressed_part,
    is_compressed,
    open_joined_parts,
    read_content_size,
    write_compressed,
)
from stretto.journal.event_lines import LONGEST_LINE, parse_line, parse_valid_lines
from stretto.journal.file_identity import compute_identity
from stretto.model.event import Event, Kind

SUFFIX = ".jsonl"
CHUNK = 1 << 21
"""Bytes per read: a batch of about 10,000 events, small enough to bound memory.

Most short sessions then lie in a single batch, are concluded once and never written while they are open.
"""

RECENT = 1 << 25
"""Bytes: about a hundred thousand events, which are read in a fraction of a second."""

DAY_FILE = re.compile(r"\d{4}-\d{2}-\d{2}" + re.escape(SUFFIX)).fullmatch


@dataclass(frozen=True, slots=True)
class Reject:
    """A piece of the journal that is not a valid event, with its position and the reason.

    The part of ``reason`` before a colon is from a closed set; the part after it gives the detail.
    """

    file: str
    offset: int
    length: int
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The events and rejects between two offsets of a file; both are complete up to ``end``."""

    file: str
    start: int
    end: int
    events: tuple[Event, ...]
    rejects: tuple[Reject, ...]
    identity: str = ""
    """Identity of the file as it was read up to ``end``."""
    is_part_of_session: bool = False
    """Whether all events are of a session that the next batch probably goes on with."""


def get_day_file(folder: Path, now: int) -> Path:
    """Return the file for events at ``now`` (ns); days are by UTC."""
    return folder / (datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y-%m-%d") + SUFFIX)


def append_records(path: Path, records: bytes, *, sync: bool = False) -> None:
    """Append whole records with a single write call; create folder (0700) and file (0600) if missing.

    ``sync`` waits until the records are on the disk. Raises OSError if the write fails or is cut short: the
    caller decides how to report it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Without O_BINARY, Windows would write two characters for a newline.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        written = os.write(descriptor, records)
        if written < len(records):
            raise OSError(f"only {written} of {len(records)} bytes were written to {path}")
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class FileState:
    """The state of a journal file on the disk."""

    size: int
    """Bytes of its content."""
    disk: int
    """Bytes that it takes on the disk."""
    modified: int
    """Time (ns) of the last write."""
    mark: str
    """Changes with each write, and with a move, a restore or a replacement of the file."""


def scan_file_states(folder: Path) -> dict[str, FileState]:
    """Return the journal's files with their states, by name; the parts of a compressed file are one file."""
    parts: dict[str, list[FileState]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = entry.name.removesuffix(COMPRESSED).removesuffix(CLOSING)
                # A file may be pruned between listing and stat; the others still exist.
                with suppress(FileNotFoundError):
                    if name.endswith(SUFFIX) and entry.is_file():
                        state = _read_state(entry)
                        parts.setdefault(name, []).append(state)
    except FileNotFoundError:
        return {}
    return {name: _join_states(parts[name]) for name in sorted(parts)}


def _read_state(entry: os.DirEntry[str]) -> FileState:
    status = entry.stat()
    mark = f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"
    size = status.st_size
    if entry.name.endswith(COMPRESSED):
        # A part that is too short for a size is read all the same, and reported then.
        with suppress(OSError):
            size = read_content_size(Path(entry.path), mark)
    return FileState(size, status.st_size, status.st_mtime_ns, mark)


def _join_states(parts: list[FileState]) -> FileState:
    if len(parts) == 1:
        return parts[0]
    return FileState(
        sum(part.size for part in parts),
        sum(part.disk for part in parts),
        max(part.modified for part in parts),
        "|".join(part.mark for part in parts),
    )


def list_file_sizes(folder: Path) -> dict[str, int]:
    """Return the journal's files with their sizes in bytes, by name."""
    return {file: state.size for file, state in scan_file_states(folder).items()}


def measure_disk_use(folder: Path) -> int:
    """Return the bytes that the journal's files take on the disk."""
    return sum(state.disk for state in scan_file_states(folder).values())


def open_content(folder: Path, file: str) -> BinaryIO:
    """Open the uncompressed content of a journal file for reading. Raises OSError."""
    return open_joined_parts(folder, file)


def identify_content(folder: Path, file: str, offset: int) -> str | None:
    """Return the identity of a file that was read up to ``offset``; None if it is shorter."""
    with open_content(folder, file) as content:
        return compute_identity(content, offset)


def is_day_file_closed(file: str, now: int) -> bool:
    """Return whether a day's file receives no more events at ``now`` (ns): an hour after the day's end."""
    return DAY_FILE(file) is not None and file < get_day_file(Path(), now - HOUR).name


def read_batch(folder: Path, file: str, offset: int, *, limit: int = CHUNK, closed: bool = False) -> Batch:
    """Read about ``limit`` bytes of whole lines of a file from ``offset``.

    A last line without a newline is left for the next read, since its writer may not have finished. If the
    file is ``closed``, it is parsed as it is. Events of kind ``reject`` are returned among the rejects.
    """
    with open_content(folder, file) as content:
        return read_next_batch(content, file, offset, limit=limit, closed=closed)


def read_next_batch(
    content: BinaryIO,
    file: str,
    offset: int,
    *,
    limit: int = CHUNK,
    closed: bool = False,
    ends_between_sessions: bool = False,
) -> Batch:
    """Read a batch of an open file, as ``read_batch`` does.

    With ``ends_between_sessions`` the events of the last session are left for the next read. If the batch has
    no other session, it is marked as a part of it.
    """
    content.seek(offset)
    data = _read_whole_lines(content, limit, to_the_end=closed)
    if data is None:
        length, has_newline = _skip_line(content, offset)
        if not has_newline and not closed:
            length = 0
        rejects = (Reject(file, offset, length - has_newline, "too long"),) if length else ()
        batch = Batch(file, offset, offset + length, (), rejects)
    else:
        batch = _parse_batch(file, offset, data, ends_between_sessions=ends_between_sessions)
    if batch.end == offset:
        return batch
    return replace(batch, identity=compute_identity(content, batch.end) or "")


def reread_batch_by_line(folder: Path, batch: Batch) -> Iterator[Batch]:
    """Read a batch again and yield a batch for each of its lines."""
    with open_content(folder, batch.file) as content:
        content.seek(batch.start)
        data = content.read(batch.end - batch.start)
        position = batch.start
        # Not splitlines, which also splits at other bytes than the newline.
        for line in data.removesuffix(b"\n").split(b"\n"):
            parsed = _parse_batch(batch.file, position, line + b"\n")
            position += len(line) + 1
            yield replace(parsed, identity=compute_identity(content, parsed.end) or "")


def _parse_batch(file: str, offset: int, data: bytes, *, ends_between_sessions: bool = False) -> Batch:
    lines = data.split(b"\n")
    # Nearly every batch has nothing to reject, and then no line's position is needed.
    valid = parse_valid_lines(lines)
    if valid is not None:
        left = _count_events_of_last_session(valid) if ends_between_sessions else 0
        if left == len(valid):
            return Batch(
                file, offset, offset + len(data), tuple(valid), (), is_part_of_session=ends_between_sessions
            )
        end = offset + len(data) - _measure_last_lines(lines, left)
        return Batch(file, offset, end, tuple(valid[: len(valid) - left]), ())
    events: list[Event] = []
    rejects: list[Reject] = []
    position = offset
    for line in lines:
        if line and not line.isspace():
            event = parse_line(line) if len(line) < LONGEST_LINE else "too long"
            if isinstance(event, str):
                rejects.append(Reject(file, position, len(line), event))
            elif event.kind is Kind.REJECT:
                rejects.append(Reject(file, position, len(line), _get_reported_reason(event)))
            else:
                events.append(event)
        position += len(line) + 1
    return Batch(file, offset, offset + len(data), tuple(events), tuple(rejects))


def _count_events_of_last_session(events: Sequence[Event]) -> int:
    """Return how many events at the end are of the same session."""
    for count, event in enumerate(reversed(events)):
        if event.session != events[-1].session:
            return count
    return len(events)


def _measure_last_lines(lines: Sequence[bytes], count: int) -> int:
    """Return the bytes from the first of the last ``count`` lines that are not empty to the end."""
    # No newline follows the last of the pieces between newlines.
    length = -1
    for line in reversed(lines if count else ()):
        length += len(line) + 1
        count -= bool(line)
        if not count:
            return length
    return 0


@dataclass(frozen=True, slots=True)
class PlannedRewrite:
    """A journal file as a prune is about to leave it; ``events`` is 0 if the file is deleted."""

    events: int
    size: int
    identity: str


def rewrite_with_kept_sessions(
    folder: Path, file: str, is_kept: Callable[[str], bool], announce: Callable[[PlannedRewrite], None]
) -> PlannedRewrite | None:
    """Rewrite a closed file with only the events whose session is kept, and replace it in a single step.

    ``announce`` is called just before the file is replaced or deleted, so that a kill in between is
    understood. Returns None if nothing was dropped, or if the file grew meanwhile. Lines that are not events
    are dropped too. Raises OSError if the file cannot be written.
    """
    compressed = is_compressed(folder, file)
    if compressed:
        # Lines that arrived since are compressed too, so that there is one part to replace.
        while has_uncompressed_part(folder, file):
            if not compress_file(folder, file):
                return None
    before = scan_file_states(folder).get(file)
    new = (folder / file).with_suffix(".new")
    events = dropped = 0
    with open_content(folder, file) as old, new.open("w+b") as output:
        new.chmod(0o600)
        for line in old:
            if line.isspace():
                continue
            event = parse_line(line) if len(line) < LONGEST_LINE else "too long"
            if isinstance(event, Event) and event.kind is not Kind.REJECT and is_kept(event.session):
                output.write(line)
                events += 1
            else:
                dropped += 1
        output.flush()
        os.fsync(output.fileno())
        size = output.tell()
        rewrite = PlannedRewrite(events, size, compute_identity(output, size) or "")
        target = folder / file
        if compressed and events and dropped:
            target = get_content_part_path(folder, file, COMPRESSED)
            output.seek(0)
            write_compressed(
                get_content_part_path(folder, file, ".gz.new"), iter(lambda: output.read(CHUNK), b"")
            )
    # Without events the file is deleted even if nothing was dropped: it is blank.
    if (events and not dropped) or scan_file_states(folder).get(file) != before:
        new.unlink()
        get_content_part_path(folder, file, ".gz.new").unlink(missing_ok=True)
        return None
    announce(rewrite)
    if events:
        (get_content_part_path(folder, file, ".gz.new") if compressed else new).replace(target)
        new.unlink(missing_ok=True)
    else:
        new.unlink()
        delete_all_parts(folder, file)
    return rewrite


def find_recent_events(
    folder: Path, pattern: re.Pattern[bytes], *, last_bytes: int = RECENT
) -> Iterator[Event]:
    """Yield the events on those lines of the last ``last_bytes`` that match a pattern, oldest first.

    Only the files of days are read: imported files are not recent.
    """
    spans: list[tuple[str, int]] = []
    for file, size in reversed(
        [(name, size) for name, size in list_file_sizes(folder).items() if DAY_FILE(name)]
    ):
        spans.append((file, max(0, size - last_bytes)))
        last_bytes -= size
        if last_bytes <= 0:
            break
    for file, offset in reversed(spans):
        with open_content(folder, file) as content:
            content.seek(offset)
            for line in content:
                if pattern.search(line):
                    event = parse_line(line)
                    if isinstance(event, Event):
                        yield event


def _read_whole_lines(journal: BinaryIO, limit: int, *, to_the_end: bool) -> bytes | None:
    """Return the whole lines in the next ``limit`` bytes, at least the first; None if that is too long.

    With ``to_the_end`` a last line without a newline counts as whole.
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
    """Return the length in bytes of the line at ``offset``, and whether it ends with a newline."""
    journal.seek(offset)
    length = 0
    while chunk := journal.read(CHUNK):
        end = chunk.find(b"\n") + 1
        if end:
            return length + end, True
        length += len(chunk)
    return length, False


def _get_reported_reason(event: Event) -> str:
    reason = event.attributes.get("reason")
    return f"payload: {reason}" if isinstance(reason, str) else "payload: unreadable"
