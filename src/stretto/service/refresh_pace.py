"""The pace of the snapshots: events are shown within a second, and snapshots take little of the time."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_SECONDS = 0.9
"""Least time from the start of a snapshot to the next start.

An event that just missed a snapshot is in the next, within a second while a snapshot takes less than 0.1 s.
"""

IDLE_SECONDS = 10.0
"""Time between two snapshots when nothing happens: time windows move all the same."""

STALE_FACTOR, IDLE_FACTOR = 20, 4
"""A snapshot is taken at the earliest after so many times the duration of the last."""


@dataclass(slots=True)
class RefreshPace:
    """Decides when the next snapshot is due. All times are in seconds of a monotonic clock.

    Example: at 20 ms a snapshot, 50 events a second cause a snapshot every 0.9 s; at 100 ms every 2 s.
    """

    started: float
    """When the last snapshot was begun."""
    duration: float = 0.0
    is_stale: bool = False
    """Whether the store has changed since the last snapshot."""

    def compute_wait(self, now: float) -> float:
        """Return the seconds until the next snapshot is due; 0 or less if it is due."""
        pause = max(IDLE_SECONDS, IDLE_FACTOR * self.duration)
        if self.is_stale:
            pause = min(pause, max(LEAST_SECONDS, STALE_FACTOR * self.duration))
        return self.started + pause - now

    def note_refresh(self, started: float, ended: float) -> float:
        """Note that a snapshot was taken, and return its duration."""
        self.started, self.duration, self.is_stale = started, ended - started, False
        return self.duration
