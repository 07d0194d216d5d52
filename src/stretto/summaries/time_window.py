"""The stretches of time that a page or an answer can be about."""

from __future__ import annotations

from dataclasses import dataclass

from stretto.clock import SECOND, to_rfc3339
from stretto.names import WINDOWS

WINDOW_LENGTHS = {**WINDOWS, "30d": 2_592_000, "90d": 7_776_000}
"""Name of a window that ends now → its length in seconds. ``ALL`` is the window without a beginning."""

ALL = "all"

WINDOW_NAMES = (*WINDOW_LENGTHS, ALL)


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A stretch of time in nanoseconds; a bound that is None is where the records begin, or now."""

    name: str
    """One of ``WINDOW_NAMES``, or the two bounds with a slash between them, as ISO 8601 writes a stretch."""
    start: int | None = None
    end: int | None = None
    """The instant after the last one."""

    @property
    def is_named(self) -> bool:
        """Whether it ends now and has a name, so that it moves on with the time."""
        return self.name in WINDOW_NAMES


def make_named_window(name: str, now: int) -> TimeWindow:
    """Return one of ``WINDOW_NAMES`` as of ``now`` (ns). Raises KeyError for another name."""
    return TimeWindow(name, None if name == ALL else now - WINDOW_LENGTHS[name] * SECOND)


def make_bounded_window(start: int | None, end: int | None) -> TimeWindow:
    """Return the window between two instants (ns). Two dots stand for a bound that is None (ISO 8601-2)."""
    return TimeWindow("/".join(".." if at is None else _format_bound(at) for at in (start, end)), start, end)


def _format_bound(at: int) -> str:
    """Return an instant in seconds. Example: ``2026-11-20T16:49:25Z``."""
    return f"{to_rfc3339(at)[:19]}Z"
