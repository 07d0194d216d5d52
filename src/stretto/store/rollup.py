"""Roll-ups: what each entity adds to the sums of its slot of time.

An addition is a pure function of the concluded entity and is made of integers, so an entity that changes is
taken out with exactly what it once added: the sums never drift, and a rebuild gives the same.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from itertools import pairwise

import msgspec

from stretto.clock import SECOND

SLOTS = (300, 3_600, 86_400)
"""Widths of the slots in seconds: for windows of an hour, for longer windows, and for trends over months.

Each is a multiple of the one before, so the first one's number tells all of them.
"""

Addition = tuple[int, str, tuple[str | int, ...]]
"""(number of the narrowest slot, measure, label values)."""

Amount = tuple[Addition, int]
"""An addition of more than one: tokens, nanoseconds, billionths of a dollar."""

Additions = Counter[Addition]

Cells = dict[tuple[int, str, str], int]
"""(slot, measure, label values as JSON) → sum."""

_encode = msgspec.json.Encoder().encode


def find_slot(time: int) -> int:
    """Return the number of the narrowest slot that an instant (ns) falls into."""
    return time // (SLOTS[0] * SECOND)


def write_sums(connection: sqlite3.Connection, change: Additions, *, kept: bool = False) -> None:
    """Add a change to the sums, or to what pruned sessions left of them; a sum that falls to nothing goes."""
    cells = {
        (slot, measure, _encode(dims).decode()): value
        for (slot, measure, dims), value in change.items()
        if value
    }
    rows = _to_rows(SLOTS[0], cells, kept=kept)
    for width, wider in pairwise(SLOTS):
        cells = _widen_slots(cells, wider // width)
        rows += _to_rows(wider, cells, kept=kept)
    connection.executemany(
        "INSERT INTO rollup VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (width, slot, measure, dims, kept) DO UPDATE SET value = value + excluded.value",
        rows,
    )
    gone = [(*row[:4], kept) for row in rows if row[4] < 0]
    connection.executemany(
        "DELETE FROM rollup"
        " WHERE width = ? AND slot = ? AND measure = ? AND dims = ? AND kept = ? AND value = 0",
        gone,
    )


def _to_rows(width: int, cells: Cells, *, kept: bool) -> list[tuple[int, int, str, str, int, bool]]:
    """Return the rows of one width, in the order in which they lie in the table."""
    return [(width, *cell, value, kept) for cell, value in sorted(cells.items()) if value]


def _widen_slots(cells: Cells, factor: int) -> Cells:
    """Return the sums by slots that are so many times as wide."""
    wide: Cells = {}
    for (slot, measure, dims), value in cells.items():
        cell = (slot // factor, measure, dims)
        wide[cell] = wide.get(cell, 0) + value
    return wide
