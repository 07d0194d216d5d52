"""Count what happens in a cache, for its program and for the reports of the session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock

from stretto.api import cache_counters


@dataclass(slots=True)
class CacheCounts:
    """What happened in a cache since its start."""

    hits: int = 0
    """Lookups answered with a result without computing it, also by waiting for another caller's."""
    misses: int = 0
    """All other lookups: also those whose wait was too long, or ended with another caller's exception."""
    evictions: int = 0
    invalidations: int = 0
    refused: int = 0
    """Lookups that met an entry and did not answer with it, because it was stale."""
    evicted_misses: int = 0
    """Misses that twice the room would have answered."""
    saved_seconds: float = 0.0
    """Time that the computations of the answered results had taken."""
    lookup_seconds: float = 0.0
    """Time of the lookups, without waits for other callers."""
    entries: int = 0
    bytes: int | None = None
    """Absent if sizes are not measured."""


class CacheTally:
    """Adds the counts of a cache up. Its methods can be called from all threads."""

    def __init__(self, name: str) -> None:
        self._lock = Lock()
        self._counts = CacheCounts()
        self._counter = cache_counters.cache(name)

    def add_lookup(
        self, *, saved_seconds: float | None, is_refused: bool, was_evicted: bool, lookup_seconds: float
    ) -> None:
        """Count a lookup: a hit that saved a computation's time, or with None a miss."""
        is_hit = saved_seconds is not None
        with self._lock:
            counts = self._counts
            counts.hits += is_hit
            counts.misses += not is_hit
            counts.refused += is_refused
            counts.evicted_misses += was_evicted
            counts.saved_seconds += saved_seconds or 0.0
            counts.lookup_seconds += lookup_seconds
        self._counter.add_lookup(
            is_hit=is_hit,
            is_refused=is_refused,
            was_evicted=was_evicted,
            saved_seconds=saved_seconds or 0.0,
            lookup_seconds=lookup_seconds,
        )

    def add_removals(self, *, evictions: int = 0, invalidations: int = 0) -> None:
        """Count entries that left for want of room, and those that were no longer valid."""
        if evictions or invalidations:
            with self._lock:
                self._counts.evictions += evictions
                self._counts.invalidations += invalidations
            self._counter.evict(evictions)
            self._counter.invalidate(invalidations)

    def report_size(self, entries: int, size: int | None) -> None:
        """Report how many entries there are now, and their bytes if they are measured."""
        self._counter.size(entries, bytes=size)

    def copy_counts(self, entries: int, size: int | None) -> CacheCounts:
        """Return a copy of the counts with the present size."""
        with self._lock:
            return replace(self._counts, entries=entries, bytes=size)

    def renew_after_fork(self) -> None:
        """Take a new lock: a thread that does not exist here may have held the old one."""
        self._lock = Lock()
