"""Convert instants between RFC 3339 text and nanoseconds since the epoch."""

from __future__ import annotations

import re
from datetime import datetime

from stretto.clock import SECOND, to_rfc3339

FARTHEST = 1 << 62
"""Nanoseconds from the epoch, about 146 years: half of the largest integer that SQLite stores."""

_RFC3339 = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt](?P<time>\d{2}:\d{2}:\d{2})"
    r"(?:\.(?P<fraction>\d{1,9})\d*)?(?P<zone>[Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)


def parse_rfc3339(text: str) -> int:
    """Return nanoseconds since the epoch; a tenth and later fractional digit is dropped. Raises ValueError.

    Instants beyond ``FARTHEST`` are clamped to it, so that the store can compare every instant.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time")
    moment = datetime.fromisoformat(f"{match['date']}T{match['time']}{match['zone'].upper()}")
    fraction = int((match["fraction"] or "").ljust(9, "0"))
    return max(-FARTHEST, min(FARTHEST, round(moment.timestamp()) * SECOND + fraction))


def parse_rfc3339_if_valid(text: str | None) -> int | None:
    """Return nanoseconds since the epoch; None for no text, and for a text that is no time."""
    try:
        return parse_rfc3339(text) if text else None
    except ValueError:
        return None


def parse_time_of_field(text: str) -> tuple[int, bool]:
    """Return the instant of a time or a date in nanoseconds, and whether it is a date alone.

    A field of a form has neither zone nor seconds: without a zone it is of UTC, and a date is its beginning.
    Raises ValueError.
    """
    for rest in ("", "Z", ":00Z"):
        try:
            return parse_rfc3339(text + rest), False
        except ValueError:
            continue
    return parse_rfc3339(f"{text}T00:00:00Z"), True


def to_exact_rfc3339(time_ns: int) -> str:
    """Return an instant as RFC 3339 in UTC with nine fractional digits, exact to the nanosecond."""
    return f"{to_rfc3339(time_ns)[:20]}{time_ns % SECOND:09d}Z"
