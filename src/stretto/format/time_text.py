"""Instants as they come from outside: RFC 3339 texts to nanoseconds and back."""

from __future__ import annotations

import re
from datetime import datetime

from stretto.clock import SECOND, rfc3339

FARTHEST = 1 << 62
"""Nanoseconds from the epoch, some 146 years: SQLite's integers end at twice as many."""

_RFC3339 = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt](?P<time>\d{2}:\d{2}:\d{2})"
    r"(?:\.(?P<fraction>\d{1,9})\d*)?(?P<zone>[Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)


def parse(text: str) -> int:
    """Return nanoseconds since the epoch; digits beyond them are cut off. Raises ValueError.

    What is farther away than ``FARTHEST`` is taken for that: the store could not compare it.
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 time")
    moment = datetime.fromisoformat(f"{found['date']}T{found['time']}{found['zone'].upper()}")
    fraction = int((found["fraction"] or "").ljust(9, "0"))
    return max(-FARTHEST, min(FARTHEST, round(moment.timestamp()) * SECOND + fraction))


def exact(time_ns: int) -> str:
    """Return an instant as RFC 3339 in UTC with all nine digits, so that it comes back as the same number."""
    return f"{rfc3339(time_ns)[:20]}{time_ns % SECOND:09d}Z"
