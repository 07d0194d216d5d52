"""The service's view of itself: errors, timings and how far the store is behind the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stretto.service.rebuild_progress_and_store_damage import RebuildState

LONGEST_LAG_SECONDS = 60.0
"""A longer wait of events for the store is a problem: every figure is that much behind."""


@dataclass(slots=True)
class Health:
    """Timings and faults of the worker's last round."""

    snapshot_seconds: float = 0.0
    pending_bytes: int = 0
    shortened: tuple[str, ...] = ()
    """Journal files that were cut or replaced after they were read. The store still has the lost events."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Journal files that cannot be read, each with the reason."""
    excess_bytes: int = 0
    """Bytes beyond the disk cap that the last pass of pruning left."""
    error: str | None = None
    """Why the worker's last round failed; None if it succeeded."""
    rebuild: RebuildState | None = None
    """The rebuild of the store under way, or the last since the start."""


@dataclass(frozen=True, slots=True)
class IngestedJournal:
    """The journal at the last moment when the store held all of it: file sizes, and the time (monotonic s).

    An unfinished line at the end of a file counts as ingested: only its writer can complete it.
    """

    sizes: Mapping[str, int]
    at: float

    def measure_lag(self, sizes: Mapping[str, int], now: float) -> float:
        """Return the longest time in seconds that a byte missing from the store can have waited."""
        is_behind = any(size > self.sizes.get(file, 0) for file, size in sizes.items())
        return now - self.at if is_behind else 0.0


def describe_lag(lag: float, pending_bytes: int) -> str | None:
    """Return a sentence on events that have waited for more than a minute, or None."""
    if lag <= LONGEST_LAG_SECONDS:
        return None
    return (
        f"the figures are {lag:.0f} s behind the journal, {pending_bytes / 1e6:.1f} MB are still to be"
        " ingested: a large import takes a while, nothing is lost"
    )
