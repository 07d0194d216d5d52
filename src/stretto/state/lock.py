"""The lock of a state folder: one process at a time writes the store, and says where it can be reached."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows: two writers are then told apart by SQLite's own lock alone
    fcntl = None  # type: ignore[assignment]  # the module or its absence

from stretto.errors import ServiceError

FILE = "service.json"
ATTEMPTS = 3
ATTEMPT_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds the lock."""

    pid: int
    address: str | None
    """Where the service answers; None for a command that holds the store for a moment."""


class StateLock:
    """Holds the state folder from ``acquire`` to ``release``; the system lets go when the process dies."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        self._descriptor: int | None = None

    def acquire(self, address: str | None = None) -> None:
        """Take the lock, leaving a note of who has it. Raises ServiceError where another process does."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_lock(descriptor):
            os.close(descriptor)
            raise self._taken()
        note = json.dumps({"pid": os.getpid(), "address": address}).encode()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note, 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        if self._descriptor is None:
            self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.release()

    def _taken(self) -> ServiceError:
        holder = find_holder(self._path.parent)
        if holder is None or holder.address is None:
            return ServiceError(
                "another command is writing the store",
                where=str(self._path.parent),
                hint="wait for it to end",
            )
        return ServiceError(
            "stretto is running already",
            where=f"process {holder.pid}, http://{holder.address}",
            hint=f"open http://{holder.address}, or stop it with: kill {holder.pid}",
        )


def _try_lock(descriptor: int) -> bool:
    if fcntl is None:
        return True
    for attempt in range(ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if attempt < ATTEMPTS - 1:
                # Whoever asks who holds the lock holds it for an instant.
                time.sleep(ATTEMPT_SECONDS)
        else:
            return True
    return False


def find_holder(state: Path) -> LockHolder | None:
    """Return who holds a state folder, or None. The note of a process that died is not believed."""
    path = state / FILE
    try:
        with path.open("r+b") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    pass  # held, so the note is true
                else:
                    return None
            note = json.loads(file.read())
            return LockHolder(int(note["pid"]), note["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
