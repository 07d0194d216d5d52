"""Keep journal records that could not be written, and write them when the folder is back.

Records are written in their order. The bytes kept are bounded; what exceeds the bound is dropped, counted and
reported once.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from threading import Condition, Thread, current_thread

from stretto import journal
from stretto.clock import Clock

KEPT_BYTES = 8 << 20
"""Most bytes of records that wait: some 30,000 events."""

WRITE_BYTES = 1 << 18
"""Most bytes in one write, so that a write that is cut short repeats little."""

FIRST_RETRY_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 5.0

EXIT_SECONDS = 2.0
"""How long a program that exits waits for a folder that cannot be written."""

_log = logging.getLogger(__name__)


class RecordWriter:
    """Appends records to the journal in ``folder``, from any thread; never raises ``OSError``.

    The caller makes a new writer after a fork: the records that wait are the parent's, which writes them.
    """

    def __init__(self, folder: Path, clock: Clock, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._folder = folder
        self._clock = clock
        self._kept_bytes = kept_bytes
        self._changed = Condition()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._dropping_reported = False
        self._retry: Thread | None = None
        self._closing = False

    @property
    def dropped(self) -> int:
        """Records that were dropped because too many waited, or because the program ended first."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """Records that wait for the folder."""
        with self._changed:
            return len(self._waiting)

    def write(self, records: Iterable[bytes]) -> bool:
        """Append the records after those that wait; return whether nothing waits afterwards."""
        with self._changed:
            for record in records:
                self._waiting.append(record)
                self._waiting_bytes += len(record)
            error = self._write_waiting()
            if error is not None:
                self._drop_oldest()
                self._start_retrying(error)
            return error is None

    def close(self, timeout: float = EXIT_SECONDS) -> None:
        """Try to write what waits for at most ``timeout`` seconds; the rest is dropped and reported."""
        deadline = time.monotonic() + timeout
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            error = self._write_waiting()
            while error is not None and time.monotonic() < deadline:
                self._changed.wait(min(FIRST_RETRY_SECONDS, timeout))
                error = self._write_waiting()
            if error is not None:
                lost = len(self._waiting)
                self._forget(lost)
                _log.warning("%d events are lost: %s could not be written: %s", lost, self._folder, error)

    def _write_waiting(self) -> OSError | None:
        """Write from the oldest record on; return the error that stopped it."""
        while self._waiting:
            chunk = bytearray()
            count = 0
            for record in self._waiting:
                if count and len(chunk) + len(record) > WRITE_BYTES:
                    break
                chunk += record
                count += 1
            try:
                journal.append_records(journal.get_day_file(self._folder, self._clock()), bytes(chunk))
            except OSError as error:
                return error
            for _ in range(count):
                self._waiting_bytes -= len(self._waiting.popleft())
        if self._retry is not None:
            self._retry = None
            self._changed.notify_all()
            _log.warning(
                "events are written to %s again; %d were dropped in all", self._folder, self._dropped
            )
        return None

    def _start_retrying(self, error: OSError) -> None:
        if self._retry is None and not self._closing:
            _log.warning("events cannot be written to %s and wait in memory: %s", self._folder, error)
            self._retry = Thread(target=self._retry_until_written, name="stretto-journal", daemon=True)
            self._retry.start()

    def _drop_oldest(self) -> None:
        excess = 0
        left = self._waiting_bytes
        for record in self._waiting:
            if left <= self._kept_bytes:
                break
            left -= len(record)
            excess += 1
        self._forget(excess)
        if excess and not self._dropping_reported:
            self._dropping_reported = True
            _log.warning("more than %d bytes of events wait: the oldest are dropped", self._kept_bytes)

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._waiting_bytes -= len(self._waiting.popleft())
        self._dropped += count

    def _retry_until_written(self) -> None:
        """Try again until all is written: the program may record nothing more that would try."""
        pause = FIRST_RETRY_SECONDS
        with self._changed:
            while self._retry is current_thread() and not self._closing:
                self._changed.wait(pause)
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)
                self._write_waiting()
