"""Ship finished sessions to a team's hub while the service runs, in a thread with a reader of its own.

The thread reads and sends; the worker, the store's only writer, notes what the hub answered. The thread sends
the next batch when the last one is noted, so that nothing is sent twice without need.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from stretto.errors import HubError, StoreError
from stretto.shipping.back_off import BackOff
from stretto.shipping.ship_batches import ShipBatch, Shipper
from stretto.store.database import STORE_ERRORS, open_reader
from stretto.store.shipped_sessions import (
    ShippingCounts,
    count_shipping,
    mark_all_sessions,
    note_ship_attempts,
    write_ship_receipts,
)

LOG = logging.getLogger(__name__)

TICK_SECONDS = 5.0
"""Pause between two looks for sessions that are due."""

STOP_SECONDS = 5.0
"""How long stopping waits for the hub's answer; without it the batch is sent again after the next start."""


class SessionShipping:
    """Ships what is due from ``start`` to ``stop``. The store is the buffer: nothing else is kept."""

    def __init__(
        self,
        shipper: Shipper,
        database: Path,
        back_off: BackOff,
        *,
        is_ready: Callable[[], bool] = lambda: True,
        wake_writer: Callable[[], None] = lambda: None,
    ) -> None:
        self._shipper = shipper
        self._database = database
        self._back_off = back_off
        self._is_ready = is_ready
        self._wake_writer = wake_writer
        self._notes: queue.SimpleQueue[Callable[[sqlite3.Connection], None]] = queue.SimpleQueue()
        """What the writer has to store."""
        self._noted = threading.Event()
        self._prepared: sqlite3.Connection | None = None
        """The store whose sessions are known to be marked if documents are made otherwise now."""
        self.counts = ShippingCounts(0, 0, 0, None)
        """The sessions that wait and those that the hub answered about, as of the last look."""
        self.error: HubError | None = None
        """Why the hub took nothing the last time."""
        self._waiting_since: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="shipping", daemon=True)

    def start(self) -> None:
        """Begin to ship."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the request under way. ``store_receipts`` must follow."""
        self._stopping.set()
        self._noted.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def measure_lag(self) -> float:
        """Return for how many seconds sessions have waited without any that the hub took; 0 if none wait."""
        since = self._waiting_since
        return 0.0 if since is None else time.monotonic() - since

    def describe_problem(self) -> str | None:
        """Return a sentence if sessions wait because the hub takes none."""
        if self.error is None:
            return None
        return f"{self.counts.pending} session(s) wait to be shipped: {self.error.to_line()}"

    def store_receipts(self, connection: sqlite3.Connection) -> None:
        """Note the hub's answers that wait, in the thread of the store's writer."""
        if self._prepared is not connection:
            mark_all_sessions(connection, self._shipper.made_as)
            self._prepared = connection
        while not self._notes.empty():
            self._notes.get()(connection)
        self._noted.set()

    def _follow(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                pause = self._ship_batch()
            except (StoreError, *STORE_ERRORS) as error:
                # The store is made again just now.
                LOG.info("nothing was shipped: %s", error)
                pause = TICK_SECONDS
            except Exception:
                LOG.exception("finished sessions could not be shipped")
                pause = self._back_off.note_failure()

    def _ship_batch(self) -> float:
        """Ship what is due, at most a batch; return the seconds to wait before the next look."""
        if not self._wait_for_writer() or not self._is_ready():
            return TICK_SECONDS
        with closing(open_reader(self._database)) as connection:
            self._count(connection)
            batch = self._shipper.make_batch(connection)
        # Of a store that is being made again only a part of a session may have been read.
        if batch.is_empty or not self._is_ready():
            return TICK_SECONDS
        self._hand_over(partial(write_ship_receipts, receipts=batch.unchanged))
        return self._send_documents(batch) if batch.documents else 0.0

    def _send_documents(self, batch: ShipBatch) -> float:
        self._hand_over(partial(note_ship_attempts, attempts=batch.attempts))
        if not self._wait_for_writer():
            return TICK_SECONDS
        try:
            receipts = self._shipper.send_batch(batch)
        except HubError as error:
            if self.error is None:
                # Logged once: a hub that is down for a night gives a single line.
                LOG.warning("sessions cannot be shipped and wait: %s", error)
            self.error = error
            return self._back_off.note_failure(error.retry_after)
        if self.error is not None:
            LOG.warning("sessions are being shipped again")
        self.error = None
        self._back_off.note_success()
        self._waiting_since = None
        self._hand_over(partial(write_ship_receipts, receipts=receipts))
        return 0.0

    def _hand_over(self, note: Callable[[sqlite3.Connection], None]) -> None:
        self._noted.clear()
        self._notes.put(note)
        self._wake_writer()

    def _wait_for_writer(self) -> bool:
        """Return whether all notes are in the store; wait a moment for it."""
        return self._noted.wait(TICK_SECONDS) and self._notes.empty() and not self._stopping.is_set()

    def _count(self, connection: sqlite3.Connection) -> None:
        open_before = self._shipper.find_open_before()
        self.counts = count_shipping(connection, open_before=open_before)
        if not self.counts.pending:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()
