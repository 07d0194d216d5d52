"""Roll-ups: sums of amounts by slot of time, measure and dimensions (``names.measures``).

An amount is a pure function of a concluded entity, and an integer. So an entity that changes is subtracted
with exactly the amount that it once added: the sums never drift, and a rebuild gives the same sums.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from stretto.clock import SECOND

SLOTS = (300, 3_600, 86_400)
"""Widths of the slots in seconds: for windows of an hour, for longer windows, and for trends over months.

Each width is a multiple of the width before, so the number of the narrowest slot gives those of all.
"""

NARROWEST = SLOTS[0] * SECOND
"""Nanoseconds of the narrowest slot."""

Addition = tuple[int, str, tuple[str | int, ...]]
"""(number of the narrowest slot, measure, values of its dimensions). A plain tuple: ingest makes many."""

Amount = tuple[Addition, int]
"""An addition and how much it adds: a count, tokens, nanoseconds or billionths of a dollar."""

Additions = Counter[Addition]

Cells = dict[tuple[int, str, str], int]
"""(slot, measure, values of its dimensions as JSON) → sum."""

_encode = msgspec.json.Encoder().encode

_LARGEST = (1 << 63) - 1
"""The largest number of SQLite. A sum beyond it is kept as it."""

decode_dims = msgspec.json.Decoder(tuple[str | int, ...]).decode
"""Decode the stored values of dimensions."""


def find_slot_number(time: int) -> int:
    """Return the number of the narrowest slot that an instant (ns) falls into."""
    return time // NARROWEST


def sum_by_measure(additions: Iterable[Additions]) -> dict[str, dict[tuple[str | int, ...], int]]:
    """Return the sums of additions of all times, by measure and values of its dimensions."""
    sums: dict[str, dict[tuple[str | int, ...], int]] = {}
    for part in additions:
        for (_, measure, dims), value in part.items():
            cells = sums.setdefault(measure, {})
            cells[dims] = cells.get(dims, 0) + value
    return sums


def write_sums(connection: sqlite3.Connection, change: Additions) -> None:
    """Add a change to the sums. Delete the sums that become 0."""
    cells = {
        (slot, measure, _encode(dims).decode()): value
        for (slot, measure, dims), value in change.items()
        if value
    }
    _add_cells(connection, {SLOTS[0]: cells}, kept=False)


def add_kept_sums(connection: sqlite3.Connection, sums: Mapping[int, Cells]) -> None:
    """Add the sums of a pruned session; those of a width of slots count in all wider widths too."""
    _add_cells(connection, sums, kept=True)


def _add_cells(connection: sqlite3.Connection, sums: Mapping[int, Cells], *, kept: bool) -> None:
    """Add sums by width. Example: 5 at width 300 and 2 at width 3,600 make 5, 7 and 7 at the three widths."""
    rows: list[tuple[int, int, str, str, bool, int]] = []
    cells: Cells = {}
    for narrower, width in zip((0, *SLOTS), SLOTS, strict=False):
        cells = _widen_slots(cells, width // narrower) if narrower else {}
        for cell, value in sums.get(width, {}).items():
            cells[cell] = cells.get(cell, 0) + value
        rows += _to_rows(width, cells, kept=kept)
    connection.executemany(
        "INSERT INTO rollup (width, slot, measure, dims, kept, value) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (width, slot, measure, dims, kept) DO UPDATE"
        # Beyond 64 bits SQLite adds floats.
        " SET value = CAST(value + excluded.value AS INTEGER)",
        rows,
    )
    reduced = [row[:5] for row in rows if row[5] < 0]
    connection.executemany(
        "DELETE FROM rollup"
        " WHERE width = ? AND slot = ? AND measure = ? AND dims = ? AND kept = ? AND value = 0",
        reduced,
    )


def _to_rows(width: int, cells: Cells, *, kept: bool) -> list[tuple[int, int, str, str, bool, int]]:
    """Return the rows of a width, in the order of the table."""
    return [
        (width, *cell, kept, value if -_LARGEST <= value <= _LARGEST else _clip(value))
        for cell in sorted(cells)
        if (value := cells[cell])
    ]


def _clip(value: int) -> int:
    return max(-_LARGEST, min(value, _LARGEST))


def _widen_slots(cells: Cells, factor: int) -> Cells:
    """Return the sums by slots that are ``factor`` times as wide."""
    wide: Cells = {}
    for (slot, measure, dims), value in cells.items():
        cell = (slot // factor, measure, dims)
        wide[cell] = wide.get(cell, 0) + value
    return wide
