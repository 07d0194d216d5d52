"""Retention: how long what is kept. A value of the configuration, obeyed by ``store.prune``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept, in days, and how large store and journal may become together, in bytes."""

    raw_days: int
    """Sessions with all their parts, and the journal's lines about them."""
    hourly_days: int
    """Sums by the hour."""
    daily_days: int
    """Sums by the day."""
    most_bytes: int
    """Beyond this the oldest sessions go before their time, down to the last days'."""
