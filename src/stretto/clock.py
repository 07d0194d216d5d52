"""The clock: read the wall clock, units of time in nanoseconds, and RFC 3339 text.

Code receives the clock as an argument. Only wall time is stored: it orders events between processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]
"""Returns nanoseconds since the epoch, UTC."""

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

AHEAD = DAY
"""Nanoseconds by which another machine's clock may be ahead. Later times are rejected: their session would
never close."""


def read_wall_clock() -> int:
    """Return the machine's wall time in nanoseconds since the epoch."""
    return time.time_ns()


def to_rfc3339(time_ns: int) -> str:
    """Return an instant as RFC 3339 text in UTC with microseconds, e.g. ``2026-11-20T16:49:25.123456Z``."""
    seconds, rest = divmod(time_ns, SECOND)
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{rest // 1000:06d}Z"
