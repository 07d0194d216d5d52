"""Limit the threads of one kind of work, in each event loop."""

from __future__ import annotations

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar


class ThreadLimit:
    """The most threads of a kind of work; each event loop has a limiter, as two cannot share one."""

    def __init__(self, name: str, most: int) -> None:
        self._limiter: RunVar[CapacityLimiter] = RunVar(name)
        self._most = most

    def get_limiter(self) -> CapacityLimiter:
        """Return the limiter of the running event loop."""
        try:
            return self._limiter.get()
        except LookupError:
            limiter = CapacityLimiter(self._most)
            self._limiter.set(limiter)
            return limiter
