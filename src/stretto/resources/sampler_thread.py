"""Run the sampler in a thread, at an interval, and pass on the complete samples."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from stretto.figures.resource_figures import ResourceUse
from stretto.model.event import Event
from stretto.resources.sampler import Sampler, WatchedSession

LOG = logging.getLogger(__name__)

OFF = "sampling is switched off"


class SamplerThread:
    """Takes readings from ``start`` to ``close``; an interval of 0 seconds disables them.

    ``watched`` returns the busy sessions before each reading. ``append`` gets the complete samples, and at
    the end the incomplete samples. An exception of either is kept in ``error`` and logged once until the next
    success; the samples of that reading are lost.
    """

    def __init__(
        self,
        sampler: Sampler,
        watched: Callable[[], Sequence[WatchedSession]],
        append: Callable[[Sequence[Event]], None],
        *,
        interval: float,
    ) -> None:
        self._sampler = sampler
        self._watched = watched
        self._append = append
        self._interval = interval
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._cpu = 0.0
        self.error: str | None = None
        """The reason why the last reading failed, or None."""

    @property
    def use(self) -> ResourceUse:
        """The use in the last reading."""
        return self._sampler.use if self._interval else ResourceUse(reason=OFF, machine_reason=OFF)

    @property
    def cpu_seconds(self) -> float | None:
        """Processor time of the thread; None if sampling is disabled."""
        return self._cpu if self._interval else None

    def start(self) -> None:
        """Start the thread, which takes a first reading at once."""
        if self._interval:
            self._thread.start()

    def wake(self) -> None:
        """Take a reading now instead of at the interval's end. Any thread may call this.

        The caller does so when a session begins or ends to be busy: however short it is, it is read then.
        """
        self._wake.set()

    def close(self) -> None:
        """Finish the current reading and pass on the incomplete samples."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._append_samples(lambda: self._sampler.take_reading(self._watched()))
            self._wake.wait(self._interval)
            self._wake.clear()
        self._append_samples(self._sampler.finish)

    def _append_samples(self, take: Callable[[], Sequence[Event]]) -> None:
        try:
            samples = take()
            if samples:
                self._append(samples)
            self.error = None
        except Exception as error:
            # If the thread ended here, old figures would look current.
            if self.error is None:
                LOG.exception("the agents' processes could not be sampled")
            self.error = f"{type(error).__name__}: {error}"
        self._cpu = time.thread_time()
