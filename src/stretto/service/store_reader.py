"""The service's read-only connection to the store, shared by the threads of requests."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stretto.errors import StoreError
from stretto.service.rebuild_progress_and_store_damage import RebuildRequest, find_damage
from stretto.store.database import open_reader


class StoreReader:
    """One connection and a lock for all requests: they are short. Closed while the store is made again."""

    def __init__(self, path: Path, report_damage: Callable[[RebuildRequest], None]) -> None:
        self._path = path
        self._report_damage = report_damage
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = open_reader(path)
        self._suspended: Callable[[], str] | None = None

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Provide the connection to one thread. Raises StoreError if the store cannot be read now."""
        with self._lock:
            if self._suspended is not None:
                raise StoreError(self._suspended(), hint="try again when the rebuild is finished")
            if self._connection is None:
                self._connection = open_reader(self._path)
            try:
                yield self._connection
            except (sqlite3.Error, msgspec.DecodeError) as error:
                damage = find_damage(error)
                if damage is not None:
                    self._report_damage(RebuildRequest(damage, is_damaged=True))
                raise StoreError(
                    "the store cannot be read",
                    where=str(self._path),
                    cause=str(error),
                    hint="it is made again from the journal" if damage else "try again in a second",
                ) from error

    def suspend(self, explain: Callable[[], str]) -> None:
        """Close the connection; requests are refused with the sentence of ``explain`` until ``resume``."""
        with self._lock:
            self._suspended = explain
            self._close_connection()

    def resume(self) -> None:
        """Serve requests again, from the store that is there now."""
        with self._lock:
            self._suspended = None

    def close(self) -> None:
        """Close the connection for good."""
        with self._lock:
            self._suspended = lambda: "the service is stopping"
            self._close_connection()

    def _close_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
