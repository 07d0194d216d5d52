"""Read the sums of a time within the budget of names, in memory that does not grow with their number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from stretto.clock import HOUR
from stretto.figures.name_budget import (
    MOST_NAMES,
    MOST_SIGNATURES,
    WEIGHING_MEASURES,
    NameBudget,
    choose_name_budget,
    fold_sums,
    list_cells_that_rank_names,
)
from stretto.figures.sums_by_dimension import Sums
from stretto.names.measures import Dims
from stretto.store.sum_queries import FROM_SLOTS, encode_slots, read_sums_of_slots, split_into_slots
from stretto.store.sums_by_time_slot import SLOTS, decode_dims

MOST_CELLS = 50_000
"""Sums that are read at once. If there are more, the names are counted before, and folded while reading."""


@dataclass(frozen=True, slots=True)
class WindowSums:
    """The sums of a window, and how many names of each dimension were folded into ``other``."""

    sums: Sums
    names_in_other: Mapping[str, int] = field(default_factory=dict)


def read_window_sums(
    connection: sqlite3.Connection,
    now: int,
    window: int,
    *,
    most_names: int = MOST_NAMES,
    most_signatures: int = MOST_SIGNATURES,
    most_cells: int = MOST_CELLS,
) -> WindowSums:
    """Return the sums over the last ``window`` seconds, with the names beyond the budget as ``other``."""
    return _read_within_budget(connection, encode_slots(now, window), most_names, most_signatures, most_cells)


def read_period_sums(connection: sqlite3.Connection, start: int, end: int) -> WindowSums:
    """Return the sums from ``start`` to before ``end`` (ns), with the names beyond the budget as ``other``.

    Sums are by the hour, so both are full hours; an end within an hour takes all of it that is stored.
    """
    return _read_within_budget(
        connection, encode_period_slots(start, end), MOST_NAMES, MOST_SIGNATURES, MOST_CELLS
    )


def read_some_period_sums(
    connection: sqlite3.Connection, start: int, end: int, measures: Sequence[str]
) -> Sums:
    """Return some measures of a period, all their names: for figures that name nothing."""
    return read_sums_of_slots(connection, encode_period_slots(start, end), measures)


def encode_period_slots(start: int, end: int) -> str:
    """Return the stretches of slots of a period from ``start`` to before ``end`` (ns), as JSON for a query.

    Example: a local day from 23:00 to 23:00 is an hour of a day of UTC and 23 of the next.
    """
    stretches = split_into_slots(start // HOUR, (end - 1) // HOUR, SLOTS[1:])
    return msgspec.json.encode([*stretches]).decode()


def _read_within_budget(
    connection: sqlite3.Connection, slots: str, most_names: int, most_signatures: int, most_cells: int
) -> WindowSums:
    """Return the sums of stretches of slots. If there are few, they are read at once and folded then."""
    if _count_rows(connection, slots, most_cells + 1) <= most_cells:
        sums = read_sums_of_slots(connection, slots)
        budget = choose_name_budget(list_cells_that_rank_names(sums), most_names, most_signatures)
        return WindowSums(fold_sums(sums, budget), {} if budget is None else budget.names_in_other)
    weighed = (
        (measure, decode_dims(dims), value)
        for measure, dims, value in _iterate_rows(connection, slots, WEIGHING_MEASURES)
    )
    budget = choose_name_budget(weighed, most_names, most_signatures)
    sums = _read_folded(connection, slots, budget)
    return WindowSums(sums, {} if budget is None else budget.names_in_other)


def fold_slots(by_slot: Mapping[int, Sums]) -> dict[int, Sums]:
    """Return the sums by slot, with the names beyond the budget of all slots together as ``other``."""
    budget = choose_name_budget(
        cell for sums in by_slot.values() for cell in list_cells_that_rank_names(sums)
    )
    return {slot: fold_sums(sums, budget) for slot, sums in by_slot.items()}


def _count_rows(connection: sqlite3.Connection, slots: str, most: int) -> int:
    """Return the number of stored sums of some slots, at most ``most``."""
    query = f"SELECT COUNT(*) FROM ({FROM_SLOTS.format('1')} LIMIT ?)"  # noqa: S608  # constants
    return int(connection.execute(query, (slots, most)).fetchone()[0])


def _iterate_rows(
    connection: sqlite3.Connection, slots: str, measures: Sequence[str] = ()
) -> Iterable[tuple[str, str, int]]:
    """Return (measure, dimensions as JSON, sum) of each slot, of some or all measures.

    Nothing is grouped: SQLite would sort every row before the first is read.
    """
    query = FROM_SLOTS.format("measure, dims, value")
    if measures:
        query += f" AND measure IN ({', '.join('?' * len(measures))})"
    return connection.execute(query, (slots, *measures))


def _read_folded(connection: sqlite3.Connection, slots: str, budget: NameBudget | None) -> Sums:
    sums: dict[str, dict[Dims, int]] = {}
    before, fold = "", None
    cells: dict[Dims, int] = {}
    for measure, text, value in _iterate_rows(connection, slots):
        # In a slot, rows come measure by measure.
        if measure != before:
            before, cells = measure, sums.setdefault(measure, {})
            fold = None if budget is None else budget.make_folder(measure)
        dims = decode_dims(text)
        if fold is not None:
            dims = fold(dims)
        cells[dims] = cells.get(dims, 0) + value
    return {**sums}
