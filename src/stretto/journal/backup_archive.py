"""Backups: journal, kept records and settings in one archive, written and merged back while others write.

An archive is a gzipped tar with a manifest first. A journal file is restored by appending the lines that the
present file lacks, so nothing that came after the backup is lost, and restoring twice adds nothing.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import IO

from stretto.clock import SECOND
from stretto.errors import SourceError
from stretto.journal.pruned_session_records import is_kept_file, sync_folder
from stretto.journal.read_and_write_event_files import append_records, list_file_sizes, open_content

FORMAT = 1
"""Version of the archive. A reader refuses a higher version."""

MANIFEST = "manifest.json"
JOURNAL = "journal/"
SETTINGS = "state/"

APPEND_BYTES = 1 << 20
"""Restored lines are appended in portions of about this size."""

_JOURNAL_NAME = re.compile(r"journal/[A-Za-z0-9][A-Za-z0-9._-]*\.jsonl").fullmatch
_COMPRESSION = 6


@dataclass(frozen=True, slots=True)
class ArchiveContent:
    """The content of an archive that was written."""

    files: tuple[str, ...]
    bytes_read: int
    bytes_written: int


@dataclass(slots=True)
class RestoreResult:
    """The effect of restoring an archive."""

    lines: int = 0
    """Journal lines that were missing and are there again."""
    files: list[str] = field(default_factory=list)
    """Files that were written or that received lines."""
    set_aside: list[str] = field(default_factory=list)
    """Present settings that were renamed because the archive's are different."""


def write_archive(
    target: Path, journal: Path, settings: Mapping[str, Path], *, now: int, leave_out: frozenset[str]
) -> ArchiveContent:
    """Write an archive that only its owner can read; ``settings`` are files by name in the state folder.

    Events come before kept records: a session that is pruned meanwhile is in the archive twice and counts
    once. Journal files named in ``leave_out`` are left out. Raises OSError.
    """
    temporary = target.with_name(target.name + ".part")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    names: list[str] = []
    total = 0
    try:
        with os.fdopen(descriptor, "wb") as output:
            with tarfile.open(fileobj=output, mode="w:gz", compresslevel=_COMPRESSION) as archive:
                _add_bytes(archive, MANIFEST, json.dumps({"format": FORMAT, "created": now}).encode(), now)
                for name, path in settings.items():
                    if path.is_file():
                        total += _add_bytes(archive, SETTINGS + name, path.read_bytes(), now)
                        names.append(SETTINGS + name)
                for file, size in _list_until_stable(journal, leave_out):
                    total += _add_journal_file(archive, journal, file, size, now)
                    names.append(JOURNAL + file)
            output.flush()
            os.fsync(output.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return ArchiveContent(tuple(names), total, target.stat().st_size)


def restore_archive(
    source: Path, journal: Path, settings: Mapping[str, Path], *, stamp: str, keep_present: frozenset[str]
) -> RestoreResult:
    """Merge an archive into the journal and the settings.

    Settings that differ are renamed with ``stamp`` before the archive's take their place, but those named in
    ``keep_present`` stay. Raises SourceError for anything that is not such an archive, before a file is
    changed, and OSError if a file cannot be written.
    """
    _check_archive(source, settings)
    result = RestoreResult()
    with tarfile.open(source, mode="r:gz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is None or member.name == MANIFEST:
                continue
            if member.name.startswith(JOURNAL):
                file = member.name.removeprefix(JOURNAL)
                added = _append_missing_lines(journal / file, content)
                if added:
                    result.lines += added
                    result.files.append(file)
            else:
                name = member.name.removeprefix(SETTINGS)
                path, data = settings[name], content.read()
                is_other = path.exists() and path.read_bytes() != data
                if not path.exists() or (is_other and name not in keep_present):
                    _restore_setting(path, data, stamp, result)
    return result


def _check_archive(source: Path, settings: Mapping[str, Path]) -> None:
    """Read an archive to its end. Raises SourceError if it is damaged, newer or has an unknown member."""
    hint = "name a file that 'stretto backup' has written"
    try:
        with tarfile.open(source, mode="r:gz") as archive:
            first = archive.next()
            content = None if first is None or first.name != MANIFEST else archive.extractfile(first)
            if content is None:
                raise SourceError("this is not a backup of stretto", where=str(source), hint=hint)
            version = json.loads(content.read()).get("format")
            if not isinstance(version, int) or version > FORMAT:
                raise SourceError(
                    "this backup is of a newer version", where=str(source), hint="update stretto first"
                )
            for member in archive:
                if member.name == MANIFEST:
                    continue
                known = _JOURNAL_NAME(member.name) or member.name.removeprefix(SETTINGS) in settings
                if not known or not member.isreg():
                    raise SourceError(
                        "this backup has an unknown file",
                        where=str(source),
                        cause=member.name[:200],
                        hint=hint,
                    )
                content = archive.extractfile(member)
                while content is not None and content.read(APPEND_BYTES):
                    pass
    except (tarfile.TarError, EOFError, ValueError, AttributeError, OSError) as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        raise SourceError(
            "this is not a whole backup of stretto", where=str(source), cause=str(error), hint=hint
        ) from error


def _list_until_stable(journal: Path, leave_out: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Yield journal files with their sizes, events first; files that appear meanwhile come after them."""
    seen = set(leave_out)
    for is_kept in (False, True):
        while new := {
            file: size
            for file, size in list_file_sizes(journal).items()
            if file not in seen and is_kept_file(file) is is_kept
        }:
            yield from new.items()
            seen |= new.keys()


def _add_journal_file(archive: tarfile.TarFile, journal: Path, file: str, size: int, now: int) -> int:
    """Add the first ``size`` bytes of a file; what a writer appends meanwhile is left for the next backup."""
    try:
        with open_content(journal, file) as content:
            return _add_member(archive, JOURNAL + file, content, size, now)
    except FileNotFoundError:
        # Pruned meanwhile: the sessions are in kept records, which are read after all events.
        return 0


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes, now: int) -> int:
    return _add_member(archive, name, io.BytesIO(data), len(data), now)


def _add_member(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int, now: int) -> int:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, now // SECOND
    archive.addfile(member, content)
    return size


def _append_missing_lines(path: Path, content: IO[bytes]) -> int:
    """Append the lines of an archived file that the present file lacks, and return their number."""
    present: set[bytes] = set()
    if path.name in list_file_sizes(path.parent):
        with open_content(path.parent, path.name) as file:
            present = {_hash_line(line) for line in file}
    pending: list[bytes] = []
    count = 0
    for line in content:
        if line.isspace() or _hash_line(line) in present:
            continue
        # Each record has a newline before it too, so an unfinished line at the end damages no other.
        pending += (b"\n", line.rstrip(b"\n"), b"\n")
        count += 1
        if sum(map(len, pending)) >= APPEND_BYTES:
            append_records(path, b"".join(pending))
            pending = []
    if pending:
        append_records(path, b"".join(pending), sync=True)
        sync_folder(path.parent)
    return count


def _hash_line(line: bytes) -> bytes:
    return blake2b(line.strip(), digest_size=16).digest()


def _restore_setting(path: Path, data: bytes, stamp: str, result: RestoreResult) -> None:
    """Write a settings file; a present file is renamed first."""
    if path.exists():
        aside = path.with_name(f"{path.name}.before-restore-{stamp}")
        path.rename(aside)
        result.set_aside.append(str(aside))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    append_records(path, data, sync=True)
    result.files.append(path.name)
