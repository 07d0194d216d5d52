"""Sampling: the thread that reads the agents' processes at an interval and hands on what it found."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from stretto.figures.resource_figures import ResourceUse
from stretto.model.event import Event
from stretto.resources.sampler import Sampler, WatchedSession

LOG = logging.getLogger(__name__)


class SamplerThread:
    """Reads from ``start`` to ``close``; an interval of 0 seconds never does.

    ``watched`` is asked for the busy sessions before each reading, ``append`` gets the samples that are
    complete, at the end those that are not. What either raises is told in ``error``, and in the log once
    until it works again; the samples of that reading are lost.
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
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._cpu = 0.0
        self.error: str | None = None
        """Why the last reading failed; None where it went well."""

    @property
    def use(self) -> ResourceUse:
        """What the last reading found."""
        return self._sampler.use if self._interval else ResourceUse(reason="sampling is switched off")

    @property
    def cpu_seconds(self) -> float | None:
        """Processor time that the thread has taken; None where it never runs."""
        return self._cpu if self._interval else None

    def start(self) -> None:
        """Begin with a first reading."""
        if self._interval:
            self._thread.start()

    def close(self) -> None:
        """Finish the reading under way and hand on what is not complete."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._hand_on(lambda: self._sampler.take_reading(self._watched()))
            self._stopping.wait(self._interval)
        self._hand_on(self._sampler.finish)

    def _hand_on(self, take: Callable[[], Sequence[Event]]) -> None:
        try:
            samples = take()
            if samples:
                self._append(samples)
            self.error = None
        except Exception as error:
            # A thread that died here would leave figures that look alive.
            if self.error is None:
                LOG.exception("the agents' processes could not be sampled")
            self.error = f"{type(error).__name__}: {error}"
        self._cpu = time.thread_time()
