"""Roll-ups: what each entity adds to the sums of its slot of time.

An addition is a pure function of the concluded entity and is made of integers, so an entity that changes is
taken out with exactly what it once added: the sums never drift, and a rebuild gives the same.
"""

from __future__ import annotations

import sqlite3
from collections import Counter

import msgspec

from stretto.clock import SECOND

SLOTS = (300, 3_600, 86_400)
"""Widths of the slots in seconds: for windows of an hour, for longer windows, and for trends over months.

Each is a multiple of the first, so the first one's number tells all of them.
"""

Addition = tuple[int, str, tuple[str | int, ...]]
"""(number of the narrowest slot, measure, label values)."""

Amount = tuple[Addition, int]
"""An addition of more than one: tokens, nanoseconds, billionths of a dollar."""

Additions = Counter[Addition]

_encode = msgspec.json.Encoder().encode


def slot_of(time: int) -> int:
    """Return the number of the narrowest slot that an instant (ns) falls into."""
    return time // (SLOTS[0] * SECOND)


def write(connection: sqlite3.Connection, change: Additions, *, kept: bool = False) -> None:
    """Add a change to the sums, or to what pruned sessions left of them; a sum that falls to nothing goes."""
    cells: Counter[tuple[int, int, str, str]] = Counter()
    for (slot, measure, dims), value in change.items():
        if value:
            text = _encode(dims).decode()
            for width in SLOTS:
                cells[width, slot * SLOTS[0] // width, measure, text] += value
    rows = [(*cell, value, kept) for cell, value in cells.items() if value]
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
