"""The retention of journal and store, as configured; ``store.prune`` applies it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """Days that data is kept, and the most bytes of store and journal together."""

    raw_days: int
    """Sessions with all their entities, and the journal lines of them."""
    hourly_days: int
    """Sums by the hour."""
    daily_days: int
    """Sums by the day."""
    most_bytes: int
    """Beyond this size the oldest sessions are deleted early, except those of the last days."""
    runs_days: int = 365
    """Runs: what finished sessions and their tasks leave for the analyses."""
