"""Kept records: the part of the journal that holds what pruned sessions leave, and the changes of findings.

A session's record is written and synced before the session's lines are removed, so the store can always be
made again from the journal. The session's id is stored as a hash. Files are named after the month of the
session's last event, and a file is deleted as a whole once the daily sums of its month are past retention.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from stretto.clock import SECOND
from stretto.journal.compression import CLOSING, COMPRESSED, get_content_part_path, write_compressed
from stretto.journal.read_and_write_event_files import (
    SUFFIX,
    Reject,
    append_records,
    list_file_sizes,
    open_content,
)

VERSION = 1
"""The version of a record. A reader sets a higher version aside instead of misreading it."""

PREFIX = "kept-"

STORE_PREFIX = f"{PREFIX}0-"
"""Prefix of the files with the record of a whole earlier store; in the order of names the first."""

_MONTH_FILE = re.compile(rf"{PREFIX}(\d{{4}})-(\d\d){re.escape(SUFFIX)}").fullmatch

KeptSum = tuple[int, str, tuple[str | int, ...], int]
"""(slot, measure, values of its dimensions, sum)."""

KeptRow = Mapping[str, str | int | float | None]
"""Column → value of a row of a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRecord:
    """The amounts and rows that a session leaves when it is pruned."""

    session: str
    """Hash of the session's id, or the name of the record of a whole store."""
    last: int
    """Time (ns) of its last event: earlier events of the session are counted in the record."""
    sums: Mapping[int, tuple[KeptSum, ...]] = field(default_factory=dict)
    """Width of the slots in seconds → sums. Sums of a width are part of the sums of each wider width."""
    rows: Mapping[str, tuple[KeptRow, ...]] = field(default_factory=dict)
    """Table → its rows."""
    spans_sent: bool = False
    """Whether the session's spans were sent, as far as the sender knows."""
    counted_by: str = ""
    """The version of the sums that the record was made with."""
    members: Mapping[str, int] = field(default_factory=dict)
    """In the record of a whole store: hash of each session in it → time (ns) of its last event."""
    emitted: Mapping[str, int] = field(default_factory=dict)
    """In the record of a whole store: id of each stored session whose spans were sent → its last event."""
    shipped: Mapping[str, tuple[int, int, str, int, str | None]] = field(default_factory=dict)
    """In the record of a whole store: id of each stored session → the hub's last answer about it."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """In the record of a whole store: its notes."""
    findings: tuple[KeptRow, ...] = ()
    """In the record of an analysis: the findings that began, changed or ended."""
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line of a file of kept records: the record, or the reason for setting the line aside."""

    start: int
    end: int
    """Offset after the line."""
    content: KeptRecord | Reject | None
    """None for a blank line."""


_decode = msgspec.json.Decoder(KeptRecord).decode
_encode = msgspec.json.Encoder().encode


def hash_session_id(session_id: str) -> str:
    """Return the hash that stands for a session's id in its record."""
    return sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_kept_file(file: str) -> bool:
    """Return whether a journal file has kept records."""
    return file.startswith(PREFIX)


def find_month_end_of_file(file: str) -> int | None:
    """Return the end (ns) of the month that a file of kept records is named after; None for other files."""
    match = _MONTH_FILE(file)
    if match is None:
        return None
    year, month = int(match[1]), int(match[2])
    following = (year + 1, 1) if month == 12 else (year, month + 1)  # noqa: PLR2004  # December
    return round(datetime(*following, 1, tzinfo=UTC).timestamp()) * SECOND


def find_month_start(time: int) -> int:
    """Return the start (ns) of the month that an instant (ns) falls into."""
    day = datetime.fromtimestamp(time // SECOND, UTC)
    return round(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * SECOND


def encode_kept_record(record: KeptRecord) -> bytes:
    """Return the line of a record, newlines included; empty fields are omitted."""
    present = {
        name: value
        for name in KeptRecord.__dataclass_fields__
        if (value := getattr(record, name)) not in ({}, ())
    }
    return b"\n" + _encode(present) + b"\n"


class FileGrowth(NamedTuple):
    """The size of a file, in bytes, before and after records were appended."""

    before: int
    after: int


def append_kept_records(folder: Path, records: Iterable[KeptRecord]) -> dict[str, FileGrowth]:
    """Append records to the files of their months and sync them; return how each file grew.

    Raises OSError if a record cannot be written: no session may be removed then.
    """
    lines: dict[str, list[bytes]] = {}
    for record in records:
        month = datetime.fromtimestamp(record.last // SECOND, UTC).strftime("%Y-%m")
        lines.setdefault(f"{PREFIX}{month}{SUFFIX}", []).append(encode_kept_record(record))
    growths: dict[str, FileGrowth] = {}
    for file, texts in lines.items():
        before = list_file_sizes(folder).get(file, 0)
        append_records(folder / file, b"".join(texts), sync=True)
        growths[file] = FileGrowth(before, list_file_sizes(folder)[file])
    if any(not growth.before for growth in growths.values()):
        sync_folder(folder)
    return growths


def drop_rows_from_file(folder: Path, file: str, tables: frozenset[str]) -> None:
    """Rewrite a file of kept records without the rows of some tables; the sums of its sessions stay.

    Killed at any moment, each record is there at least once. Raises OSError if the file cannot be written.
    """
    # Only the process that prunes appends to these files, so nothing is lost between reading and replacing.
    new = get_content_part_path(folder, file, f"{COMPRESSED}.new")
    with open_content(folder, file) as content:
        write_compressed(new, (_drop_rows(line, tables) for line in content if not line.isspace()))
    new.replace(get_content_part_path(folder, file, COMPRESSED))
    sync_folder(folder)
    for suffix in (CLOSING, ""):
        get_content_part_path(folder, file, suffix).unlink(missing_ok=True)


def _drop_rows(line: bytes, tables: frozenset[str]) -> bytes:
    try:
        record = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line
    if record.version > VERSION or tables.isdisjoint(record.rows):
        return line
    rows = {table: rows for table, rows in record.rows.items() if table not in tables}
    return encode_kept_record(replace(record, rows=rows))


def write_record_of_whole_store(folder: Path, record: KeptRecord) -> str:
    """Write the record of a whole store into a file of its own, named after the record; return the name.

    The same record is written once: a second call leaves the file alone.
    """
    file = f"{STORE_PREFIX}{record.session}{SUFFIX}"
    path = folder / file
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        append_records(new, encode_kept_record(record), sync=True)
        new.replace(path)
        sync_folder(folder)
    return file


def sync_folder(folder: Path) -> None:
    """Make new and renamed files of a folder durable, where the system can sync a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_kept_lines(content: BinaryIO, file: str, offset: int) -> Iterator[KeptLine]:
    """Yield the whole lines of an open file of kept records from ``offset`` on.

    A last line without a newline is left: its writer was cut short, and the session is still stored.
    """
    content.seek(offset)
    while (line := content.readline()).endswith(b"\n"):
        parsed = None if line.isspace() else _parse_line(line, file, offset)
        yield KeptLine(offset, offset + len(line), parsed)
        offset += len(line)
        # The caller may have read elsewhere in the file meanwhile.
        content.seek(offset)


def _parse_line(line: bytes, file: str, offset: int) -> KeptRecord | Reject:
    try:
        record = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Reject(file, offset, len(line), "not a kept record")
    if record.version > VERSION:
        return Reject(file, offset, len(line), "newer version")
    return record
