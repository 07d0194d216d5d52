"""Find windows that cut hours or days of which only the sum of the whole is left."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from stretto.clock import SECOND
from stretto.store.sums_by_time_slot import SLOTS
from stretto.summaries.time_window import TimeWindow, make_bounded_window

SLOT_NAMES = {3_600: "hour", 86_400: "day"}
"""Width of a slot in seconds → its name."""


@dataclass(frozen=True, slots=True)
class CoarserWindow:
    """The nearest window of whole slots around one that cuts some of them."""

    window: TimeWindow
    slot: str
    """The slot that was cut: ``hour`` or ``day``."""


def find_coarser_window(connection: sqlite3.Connection, window: TimeWindow, now: int) -> CoarserWindow | None:
    """Return the nearest window of whole slots, if the first or the last slot of a window has lost its parts.

    Sums of pruned sessions are by the hour after a while, and later by the day. None if nothing is cut.
    """
    start, end = window.start, now if window.end is None else min(now, window.end)
    if start is None or start >= end:
        return None
    for seconds in reversed(SLOTS[1:]):
        width = seconds * SECOND
        cut = [(end - 1) // width] if end % width else []
        # A window of more than an hour is read from a full hour on.
        if start % width and not (seconds == SLOTS[1] < (end - start) / SECOND):
            cut.append(start // width)
        if any(_has_lost_parts(connection, seconds, slot) for slot in cut):
            whole = make_bounded_window(start // width * width, -(-end // width) * width)
            return CoarserWindow(whole, SLOT_NAMES[seconds])
    return None


def build_coarser_window_document(coarser: CoarserWindow | None) -> dict[str, Any] | None:
    """Return the nearest window of whole slots as JSON."""
    return None if coarser is None else {"window": coarser.window.name, "slot": coarser.slot}


def _has_lost_parts(connection: sqlite3.Connection, seconds: int, slot: int) -> bool:
    """Return whether sums of pruned sessions are stored of a slot, but none of the narrower slots within."""
    narrower = SLOTS[SLOTS.index(seconds) - 1]
    factor = seconds // narrower
    query = "SELECT EXISTS (SELECT 1 FROM rollup WHERE width = ? AND slot BETWEEN ? AND ? AND kept = 1)"
    (has_whole,) = connection.execute(query, (seconds, slot, slot)).fetchone()
    (has_parts,) = connection.execute(query, (narrower, slot * factor, slot * factor + factor - 1)).fetchone()
    return bool(has_whole and not has_parts)
