"""Parse durations and instants from the command line."""

from __future__ import annotations

import re

from stretto.clock import HOUR, MINUTE, SECOND
from stretto.errors import UsageError
from stretto.format import rfc3339

LONGEST = 1e6 * HOUR
"""Longest accepted duration (ns), the same as for configured hours."""

_UNITS = {"s": SECOND, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": 24 * HOUR}
_PART = r"\d+(?:\.\d+)?"
_LENGTH = re.compile(rf"(?:{_PART}(?:min|[smhd]))+").fullmatch
_SECONDS = re.compile(_PART).fullmatch


def parse_duration_ns(text: str) -> float:
    """Return the duration (ns) of a text such as ``90``, ``4h`` or ``1h30min``. Raises UsageError."""
    plain = text.replace(" ", "").lower()
    if _SECONDS(plain):
        length = float(plain) * SECOND
    elif _LENGTH(plain):
        parts = re.findall(rf"({_PART})(min|[smhd])", plain)
        length = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        raise UsageError(f"{text!r} is not a duration", hint="seconds, or for example 4h, 90min, 1h30min")
    if not 0 < length <= LONGEST:
        raise UsageError(f"{text!r} cannot be a duration", hint="above 0, and at most a million hours")
    return length


def parse_past_time(text: str, now: int, option: str, hint: str) -> int:
    """Return the instant (ns) as ``parse_since`` does. Raises UsageError, with the hint, for one to come."""
    instant = parse_since(text, now, option)
    if instant > now:
        raise UsageError(f"{option}: {text!r} lies in the future", hint=hint)
    return instant


def parse_since(text: str, now: int, option: str = "--since") -> int:
    """Return the instant (ns) of ``24h`` (ago), ``2026-11-20`` or an RFC 3339 time. Raises UsageError."""
    for candidate in (text, f"{text}T00:00:00Z"):
        try:
            return rfc3339.parse_rfc3339(candidate)
        except ValueError:
            continue
    try:
        return now - round(parse_duration_ns(text))
    except UsageError:
        raise UsageError(
            f"{option}: {text!r} is not a time",
            hint="for example 24h, 7d, 2026-11-20 (UTC), 2026-11-20T16:00:00Z",
        ) from None
