"""The lock of a state folder: only its holder may write the store. The lock file has the holder's address."""

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
except ImportError:  # pragma: no cover  # Windows: only SQLite's own lock then keeps two writers apart
    fcntl = None  # type: ignore[assignment]  # the module or its absence

from stretto.errors import ServiceError
from stretto.state.find_folder import refuse_linked_or_others_folder

FILE = "service.json"
ATTEMPTS = 3
ATTEMPT_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The process that holds the lock."""

    pid: int
    address: str | None
    """The address of the service, or None for a command that holds the lock for a moment."""


class StateLock:
    """A lock on a state folder. The system releases it when the process dies."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        self._descriptor: int | None = None

    def acquire(self, address: str | None = None) -> None:
        """Take the lock and write process id and address into its file.

        Raises ServiceError if the lock is held, or if the folder is a symlink or another user's.
        """
        refuse_linked_or_others_folder(self._path.parent)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_lock(descriptor):
            os.close(descriptor)
            raise self._make_held_error()
        note = json.dumps({"pid": os.getpid(), "address": address}).encode()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note, 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Release the lock."""
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

    def _make_held_error(self) -> ServiceError:
        holder = find_lock_holder(self._path.parent)
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
                # ``find_lock_holder`` holds the lock for an instant, so one failure proves nothing.
                time.sleep(ATTEMPT_SECONDS)
        else:
            return True
    return False


def find_lock_holder(state: Path) -> LockHolder | None:
    """Return the holder of a state folder, or None. The note of a process that died is ignored."""
    path = state / FILE
    try:
        with path.open("r+b") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    pass  # the lock is held, so the note is valid
                else:
                    return None
            note = json.loads(file.read())
            return LockHolder(int(note["pid"]), note["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
