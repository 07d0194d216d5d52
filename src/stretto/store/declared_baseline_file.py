"""Declared baselines: a file in the state folder that ``stretto baseline`` writes and all surfaces read.

The file is not part of the store: the store is a view of the journal and may be made again at any time.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock

import msgspec

from stretto.errors import StrettoError
from stretto.figures.sequential_baseline_choice import (
    NOTHING_DECLARED,
    DeclaredBaselines,
    DeclaredLength,
    RecordedBaseline,
)

FILE = "baselines.json"
VERSION = 1


class BaselineFileError(StrettoError):
    """The file of declared baselines cannot be read or written."""


class _SetRecord(msgspec.Struct, forbid_unknown_fields=True):
    nanoseconds: float
    at: int


class _RecordedRecord(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    session: str
    pattern: str
    runs: list[dict[str, list[int]]]
    newest: int
    at: int
    whole: bool = False


class _FileRecord(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    set: dict[str, _SetRecord] = {}
    recorded: list[_RecordedRecord] = []


_decode = msgspec.json.Decoder(_FileRecord).decode


def load_declared_baselines(folder: Path) -> DeclaredBaselines:
    """Return the baselines declared in a state folder; none if there is no file. Raises BaselineFileError."""
    path = folder / FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return NOTHING_DECLARED
    except OSError as error:
        raise _make_unreadable_error(path, error.strerror or str(error)) from error
    try:
        record = _decode(text)
    except msgspec.MsgspecError as error:
        raise _make_unreadable_error(path, str(error)) from error
    problem = _find_problem(record)
    if problem:
        raise _make_unreadable_error(path, problem)
    return DeclaredBaselines(
        recorded=tuple(
            RecordedBaseline(r.name, r.session, r.pattern, tuple(r.runs), r.newest, r.at, r.whole)
            for r in record.recorded
        ),
        set={name: DeclaredLength(length.nanoseconds, length.at) for name, length in record.set.items()},
    )


def save_declared_baselines(folder: Path, declared: DeclaredBaselines) -> None:
    """Replace the file in a single step; only its owner can read it. Raises BaselineFileError."""
    record = _FileRecord(
        VERSION,
        {name: _SetRecord(length.length, length.at) for name, length in sorted(declared.set.items())},
        [
            _RecordedRecord(
                r.name,
                r.session,
                r.pattern,
                [{name: [*lengths] for name, lengths in run.items()} for run in r.runs],
                r.newest,
                r.at,
                r.whole,
            )
            for r in declared.recorded
        ],
    )
    path = folder / FILE
    new = path.with_name(f"{FILE}.{os.getpid()}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.touch(mode=0o600)
        new.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise BaselineFileError(
            "the baseline cannot be kept", where=str(path), cause=error.strerror or str(error)
        ) from error


def with_recorded_baseline(declared: DeclaredBaselines, recorded: RecordedBaseline) -> DeclaredBaselines:
    """Return the declared baselines with another recorded baseline; it replaces that of the same name."""
    others = (other for other in declared.recorded if other.name != recorded.name)
    return replace(declared, recorded=(*others, recorded))


def with_set_length(declared: DeclaredBaselines, task_type: str, length: DeclaredLength) -> DeclaredBaselines:
    """Return the declared baselines with the length of a task type, in place of an older one."""
    return replace(declared, set={**declared.set, task_type: length})


def drop_declared_baseline(declared: DeclaredBaselines, name: str) -> DeclaredBaselines:
    """Return the declared baselines without the recorded baseline, or task type, of a name."""
    return DeclaredBaselines(
        tuple(recorded for recorded in declared.recorded if recorded.name != name),
        {task_type: length for task_type, length in declared.set.items() if task_type != name},
    )


class DeclaredBaselineReader:
    """The declared baselines of a state folder, read again when the file has changed. Safe in threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._declared = NOTHING_DECLARED
        self.problem: str | None = None
        """Why the file cannot be read. Until it can, the baselines read before stay in force."""

    def __call__(self) -> DeclaredBaselines:
        """Return the declared baselines."""
        with self._lock:
            stamp = _read_stamp(self._folder / FILE)
            if stamp != self._stamp or self.problem:
                self._stamp = stamp
                try:
                    self._declared, self.problem = load_declared_baselines(self._folder), None
                except BaselineFileError as error:
                    self.problem = error.to_line()
            return self._declared


def _read_stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _find_problem(record: _FileRecord) -> str | None:
    if record.version != VERSION:
        return f"it is version {record.version}, this program reads version {VERSION}"
    for name, length in record.set.items():
        if length.nanoseconds <= 0:
            return f"the length of {name!r} is not above 0"
    for recorded in record.recorded:
        lengths = [length for run in recorded.runs for lengths in run.values() for length in lengths or [0]]
        if not lengths or min(lengths) <= 0:
            return f"a length of {recorded.name!r} is missing or not above 0"
    return None


def _make_unreadable_error(path: Path, cause: str) -> BaselineFileError:
    return BaselineFileError(
        "the declared baselines cannot be read",
        where=str(path),
        cause=cause,
        hint="correct the file, or move it away and declare them again",
    )
