"""Let the first caller compute a result while all others with the same question wait for it.

The question includes version and environment, so nobody waits for a result that would be stale for him. A
wait that would close a circle is refused: its caller computes for itself, instead of waiting for ever.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextvars import ContextVar
from threading import Lock
from typing import Any

Landing = tuple[Any, float]
"""A computed result and how long its computation took (s)."""


class AbandonedError(Exception):
    """The leader was cancelled before it had a result: somebody else has to compute."""


class OverdueError(Exception):
    """The computation of another caller takes longer than the cache's patience."""


class Flight:
    """A computation that others may wait for."""

    __slots__ = ("future", "is_kept", "waits_for")

    def __init__(self) -> None:
        self.future: Future[Landing] = Future()
        # A running future cannot be cancelled by a caller that waits for it.
        self.future.set_running_or_notify_cancel()
        self.is_kept = True
        """Whether its result may be stored: false after an invalidation."""
        self.waits_for: set[Flight] = set()
        """The flights that its leader waits for now."""

    def await_landing(self, patience: float) -> Landing:
        """Wait in this thread. Raises the computation's exception, AbandonedError or OverdueError."""
        try:
            return self.future.result(patience)
        except TimeoutError:
            # The computation can raise TimeoutError too.
            if self.future.done():
                raise
            raise OverdueError from None
        finally:
            note_end_of_wait(self)

    async def await_landing_in_loop(self, patience: float) -> Landing:
        """Wait in this coroutine, whichever thread or event loop computes. Raises like ``await_landing``."""
        landed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake(_: object) -> None:
            # A closed loop has nobody left who waits.
            if not loop.is_closed():
                loop.call_soon_threadsafe(landed.set)

        try:
            self.future.add_done_callback(wake)
            await asyncio.wait_for(landed.wait(), patience)
        except TimeoutError:
            raise OverdueError from None
        finally:
            note_end_of_wait(self)
        return self.future.result()


LED: ContextVar[tuple[Flight, ...]] = ContextVar("stretto_flights", default=())
"""The flights that the current work leads, the innermost last."""

_waits_lock = Lock()


def try_to_wait_for_flight(flight: Flight) -> bool:
    """Note that the current work waits for a flight; refuse with False if it would then wait for itself.

    Example: this thread leads A and asks for B; B's leader waits for A: neither would ever end.
    """
    led = LED.get()
    if not led:
        return True
    with _waits_lock:
        seen: set[Flight] = set()
        left = [flight]
        while left:
            current = left.pop()
            if current in led:
                return False
            if current not in seen:
                seen.add(current)
                left.extend(current.waits_for)
        for own in led:
            own.waits_for.add(flight)
    return True


def note_end_of_wait(flight: Flight) -> None:
    """Note that the current work does not wait for a flight any more."""
    with _waits_lock:
        for own in LED.get():
            own.waits_for.discard(flight)


class FlightTable:
    """The computations under way. It is not safe for threads: its user holds a lock."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight] = {}

    def get_flight(self, question: Hashable) -> Flight | None:
        """Return the computation that answers a question, or None."""
        return self._flights.get(question)

    def open_flight(self, question: Hashable) -> Flight:
        """Return a new computation that others can join from now on."""
        flight = self._flights[question] = Flight()
        return flight

    def close_flight(self, question: Hashable, flight: Flight) -> None:
        """Let nobody else join a computation."""
        if self._flights.get(question) is flight:
            del self._flights[question]

    def disown_where(self, is_chosen: Callable[[Any], bool]) -> None:
        """Let nobody join the computations of chosen questions any more, and do not store their results."""
        for question in [question for question in self._flights if is_chosen(question)]:
            self._flights.pop(question).is_kept = False


def _renew_lock() -> None:
    global _waits_lock  # noqa: PLW0603  # a thread of the parent may have held the lock
    _waits_lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
