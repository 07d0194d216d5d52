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
    note_revisions_about_to_ship,
    write_ship_receipts,
)

LOG = logging.getLogger(__name__)

TICK_SECONDS = 5.0
"""Pause between two looks for sessions that are due."""

STOP_LOOK_SECONDS = 0.2
"""Pause between two looks whether the service stops, while the writer is awaited."""

STOP_SECONDS = 5.0
"""How long stopping waits for the hub's answer; without it the batch is sent again after the next start."""


class _Note:
    """What the store's writer has to note."""

    def __init__(self, store: Callable[[sqlite3.Connection], None]) -> None:
        self.store = store
        self.done = threading.Event()
        self.is_stored = False


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
        self._notes: queue.SimpleQueue[_Note] = queue.SimpleQueue()
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
            note = self._notes.get()
            try:
                note.store(connection)
                note.is_stored = True
            finally:
                note.done.set()

    def _follow(self) -> None:
        # The writer first marks the sessions whose documents are made otherwise than before.
        self._hand_over(lambda _: None)
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
        if not self._is_ready():
            return TICK_SECONDS
        with closing(open_reader(self._database)) as connection:
            self._count(connection)
            batch = self._shipper.make_batch(connection)
        # Of a store that is being made again only a part of a session may have been read.
        if batch.is_empty or not self._is_ready():
            return TICK_SECONDS
        if not self._hand_over(partial(_note_batch, batch=batch)):
            return TICK_SECONDS
        return self._send_documents(batch) if batch.documents else 0.0

    def _send_documents(self, batch: ShipBatch) -> float:
        try:
            receipts = self._shipper.send_batch(batch)
        except HubError as error:
            if self.error is None:
                # Logged once: a hub that is down for a night gives a single line.
                LOG.warning("sessions cannot be shipped and wait: %s", error)
            # Its traceback, and that of its cause, would keep the documents in memory until the next try.
            error.__cause__ = error.__context__ = None
            self.error = error.with_traceback(None)
            return self._back_off.note_failure(error.retry_after)
        if self.error is not None:
            LOG.warning("sessions are being shipped again")
        self.error = None
        self._back_off.note_success()
        self._waiting_since = None
        self._hand_over(partial(write_ship_receipts, receipts=receipts))
        return 0.0

    def _hand_over(self, store: Callable[[sqlite3.Connection], None]) -> bool:
        """Let the writer note something; return whether it did. Waits while it makes the store again."""
        note = _Note(store)
        self._notes.put(note)
        self._wake_writer()
        while not note.done.wait(STOP_LOOK_SECONDS):
            if self._stopping.is_set():
                return False
        return note.is_stored

    def _count(self, connection: sqlite3.Connection) -> None:
        open_before = self._shipper.find_open_before()
        self.counts = count_shipping(connection, open_before=open_before)
        if not self.counts.pending:
            self._waiting_since = self.error = None
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()


def _note_batch(connection: sqlite3.Connection, batch: ShipBatch) -> None:
    """Note what came out as before, and what is about to be sent."""
    write_ship_receipts(connection, batch.unchanged)
    note_revisions_about_to_ship(connection, batch.attempts)
