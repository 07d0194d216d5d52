"""Roll-ups: sums of amounts by slot of time, measure and dimensions (``names.measures``).

An amount is a pure function of a concluded entity, and an integer. So an entity that changes is subtracted
with exactly the amount that it once added: the sums never drift, and a rebuild gives the same sums.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from itertools import pairwise

import msgspec

from stretto.clock import SECOND

SLOTS = (300, 3_600, 86_400)
"""Widths of the slots in seconds: for windows of an hour, for longer windows, and for trends over months.

Each width is a multiple of the width before, so the number of the narrowest slot gives those of all.
"""

Addition = tuple[int, str, tuple[str | int, ...]]
"""(number of the narrowest slot, measure, values of its dimensions). A plain tuple: ingest makes many."""

Amount = tuple[Addition, int]
"""An addition and how much it adds: a count, tokens, nanoseconds or billionths of a dollar."""

Additions = Counter[Addition]

Cells = dict[tuple[int, str, str], int]
"""(slot, measure, values of its dimensions as JSON) → sum."""

_encode = msgspec.json.Encoder().encode


def find_slot(time: int) -> int:
    """Return the number of the narrowest slot that an instant (ns) falls into."""
    return time // (SLOTS[0] * SECOND)


def write_sums(connection: sqlite3.Connection, change: Additions, *, kept: bool = False) -> None:
    """Add a change to the sums, or to the kept sums of pruned sessions. Delete the sums that become 0."""
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
    reduced = [(*row[:4], kept) for row in rows if row[4] < 0]
    connection.executemany(
        "DELETE FROM rollup"
        " WHERE width = ? AND slot = ? AND measure = ? AND dims = ? AND kept = ? AND value = 0",
        reduced,
    )


def _to_rows(width: int, cells: Cells, *, kept: bool) -> list[tuple[int, int, str, str, int, bool]]:
    """Return the rows of a width, in the order of the table."""
    return [(width, *cell, value, kept) for cell, value in sorted(cells.items()) if value]


def _widen_slots(cells: Cells, factor: int) -> Cells:
    """Return the sums by slots that are ``factor`` times as wide."""
    wide: Cells = {}
    for (slot, measure, dims), value in cells.items():
        cell = (slot // factor, measure, dims)
        wide[cell] = wide.get(cell, 0) + value
    return wide
