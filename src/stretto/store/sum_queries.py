"""Queries of the sums of windows and slots of time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from stretto.clock import SECOND
from stretto.figures.sums_by_dimension import Sums
from stretto.store.sums_by_time_slot import SLOTS

_decode_dims = msgspec.json.Decoder(tuple[str | int, ...]).decode


_encode = msgspec.json.Encoder().encode


def read_sums(connection: sqlite3.Connection, now: int, window: int) -> Sums:
    """Return the sums over the last ``window`` seconds.

    The first slot is that in which the window begins. Slots later than ``now``, of a
    clock that runs ahead, are left out.
    """
    return read_sums_of_slots(connection, encode_slots(now, window))


def read_sums_of_slots(connection: sqlite3.Connection, slots: str, measures: Sequence[str] = ()) -> Sums:
    """Return the sums of stretches of slots, as ``encode_slots`` returns them; of all or some measures."""
    query = FROM_SLOTS.format("measure, dims, SUM(value)")
    if measures:
        query += f" AND measure IN ({', '.join('?' * len(measures))})"
    rows = _fetch_sums(connection, f"{query} GROUP BY measure, dims", (slots, *measures))
    sums: dict[str, dict[tuple[str | int, ...], int]] = {}
    for measure, dims, value in rows:
        sums.setdefault(measure, {})[_decode_dims(dims)] = value
    return sums


def _fetch_sums(
    connection: sqlite3.Connection, query: str, parameters: Sequence[str | int]
) -> list[tuple[Any, ...]]:
    """Return the rows of a query whose last column is SUM(value).

    SQLite refuses a sum of more than 64 bits: of 5,000 people, a month of working time in ns is as large.
    Then all sums are those of floats, right to 16 digits.
    """
    try:
        return connection.execute(query, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if str(error) != "integer overflow":
            raise
    rows = connection.execute(query.replace("SUM(value)", "TOTAL(value)"), parameters)
    return [(*row, int(total)) for *row, total in rows]


FROM_SLOTS = (
    "WITH stretch (width, first, last) AS MATERIALIZED"
    " (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')"
    " FROM json_each(?))"
    " SELECT {} FROM stretch CROSS JOIN rollup"
    " ON rollup.width = stretch.width AND slot BETWEEN first AND last"
)
"""Selects columns of the sums in the stretches of slots that ``encode_slots`` returns."""


def encode_slots(now: int, window: int) -> str:
    """Return the stretches of slots of the last ``window`` seconds, as JSON for a query.

    A window of more than an hour begins with a full hour. Its last hour is read by the narrowest slots: one
    that ended in the past has nothing of the rest of that hour.
    """
    narrowest, hour = SLOTS[:2]
    width = narrowest if window <= hour else hour
    first = (now - window * SECOND) // (width * SECOND) * (width // narrowest)
    return _encode([*split_into_slots(first, now // (narrowest * SECOND), SLOTS)]).decode()


def split_into_slots(first: int, last: int, widths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (width, first slot, last slot) that cover some slots of the narrowest width by few, wide slots.

    Example: a week from Monday 10:00 is 14 hours, six whole days and 10 hours, instead of 168 hours.
    """
    width, *wider = widths
    if wider:
        factor = wider[0] // width
        begin, end = -(-first // factor), (last + 1) // factor
        if begin < end:
            yield from split_into_slots(first, begin * factor - 1, [width])
            yield from split_into_slots(begin, end - 1, wider)
            first = end * factor
    if first <= last:
        yield width, first, last


def read_sums_by_slot(
    connection: sqlite3.Connection, width: int, slots: range, measures: Sequence[str], *, together: int = 1
) -> dict[int, Sums]:
    """Return the sums of some measures by slot; ``width`` is in seconds, and slots without sums are left out.

    ``together`` groups so many slots together, under the number of the first slot of the group.
    """
    rows = _fetch_sums(
        connection,
        # By key and not by range: between two slots the table has rows of all other measures.
        "SELECT slot - (slot - ?) % ? AS begin, measure, dims, SUM(value) FROM rollup WHERE width = ?"
        " AND slot IN (SELECT value FROM json_each(?)) AND measure IN (SELECT value FROM json_each(?))"
        " GROUP BY begin, measure, dims",
        (slots.start, together, width, _encode([*slots]).decode(), _encode([*measures]).decode()),
    )
    by_slot: dict[int, dict[str, dict[tuple[str | int, ...], int]]] = {}
    for slot, measure, dims, value in rows:
        by_slot.setdefault(slot, {}).setdefault(measure, {})[_decode_dims(dims)] = value
    return dict(by_slot)


def read_cache_sizes(
    connection: sqlite3.Connection, since: int, until: int
) -> dict[str, tuple[int, int | None]]:
    """Return entries and bytes of each cache by its last report between two instants (ns)."""
    rows = connection.execute(
        "SELECT cache, entries, bytes FROM cache_entries WHERE time BETWEEN ? AND ? ORDER BY time, entries",
        (since, until),
    )
    return {cache: (int(entries), size) for cache, entries, size in rows}


def list_slot_numbers(now: int, window: int, width: int) -> range:
    """Return the numbers of the slots of a width (s) that the last ``window`` seconds touch."""
    return range((now - window * SECOND) // (width * SECOND), now // (width * SECOND) + 1)


def find_first_slot_time(connection: sqlite3.Connection) -> int | None:
    """Return the start (ns) of the earliest slot of the sums, or None without any sums."""
    (slot,) = connection.execute("SELECT MIN(slot) FROM rollup WHERE width = ?", (SLOTS[1],)).fetchone()
    return None if slot is None else int(slot) * SLOTS[1] * SECOND


def find_first_day_time(connection: sqlite3.Connection) -> int | None:
    """Return the start (ns) of the earliest day with sums, or None without any; days are kept longest."""
    (day,) = connection.execute("SELECT MIN(slot) FROM rollup WHERE width = ?", (SLOTS[2],)).fetchone()
    return None if day is None else int(day) * SLOTS[2] * SECOND


def find_newest_day(connection: sqlite3.Connection, today: int) -> int:
    """Return the number of the newest day with sums up to ``today``, or ``today`` without any."""
    query = "SELECT MAX(slot) FROM rollup WHERE width = ? AND slot <= ?"
    (day,) = connection.execute(query, (SLOTS[2], today)).fetchone()
    return today if day is None else int(day)
