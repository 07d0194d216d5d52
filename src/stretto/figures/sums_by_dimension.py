"""Read sums by measure and dimension, so that no reader depends on the position of a dimension.

Example: of the sums ``{"tasks": {("review", "critic", "success"): 3, ("review", "", "success"): 1}}``
``sum_by(sums, measures.TASKS, Dimension.TASK_TYPE)`` is ``{"review": 4}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter

from stretto.names.measures import Dimension, Dims, find_dimension_index

Cells = Mapping[Dims, int]
"""Values of the dimensions of a measure → sum."""

Sums = Mapping[str, Cells]
"""Measure → its cells."""


def sum_up(sums: Sums, measure: str, **wanted: str) -> int:
    """Return the sum of a measure over the cells that have the wanted values, given by dimension."""
    return sum(count for _, count in _select_cells(sums, measure, wanted))


def sum_by(sums: Sums, measure: str, dimension: Dimension, **wanted: str) -> dict[str, int]:
    """Return the sums of a measure by a dimension, over the cells that have the wanted values."""
    place = find_dimension_index(measure, dimension)
    total: dict[str, int] = {}
    for dims, count in _select_cells(sums, measure, wanted):
        key = str(dims[place])
        total[key] = total.get(key, 0) + count
    return total


def sum_by_dimensions(sums: Sums, measure: str, *dimensions: Dimension) -> dict[tuple[str, ...], int]:
    """Return the sums of a measure by several dimensions."""
    pick = itemgetter(*(find_dimension_index(measure, dimension) for dimension in dimensions))
    total: dict[tuple[str, ...], int] = {}
    for dims, count in sums.get(measure, {}).items():
        key = tuple(map(str, pick(dims)))
        total[key] = total.get(key, 0) + count
    return total


def sum_in_table(sums: Sums, measure: str, rows: Dimension, columns: Dimension) -> dict[str, dict[str, int]]:
    """Return the sums of a measure as value of the first dimension → value of the second → sum."""
    table: dict[str, dict[str, int]] = {}
    for (row, column), count in sum_by_dimensions(sums, measure, rows, columns).items():
        table.setdefault(row, {})[column] = count
    return table


def collect_quantile_sketches(
    sums: Sums, measure: str, dimension: Dimension | None
) -> dict[str, dict[int, int]]:
    """Return the quantile sketches (bucket → count) of a measure by the value of a dimension.

    Without a dimension all things are in one sketch, under the empty text.
    """
    bucket = find_dimension_index(measure, Dimension.BUCKET)
    place = None if dimension is None else find_dimension_index(measure, dimension)
    sketches: dict[str, dict[int, int]] = {}
    for dims, count in sums.get(measure, {}).items():
        sketch = sketches.setdefault("" if place is None else str(dims[place]), {})
        sketch[int(dims[bucket])] = sketch.get(int(dims[bucket]), 0) + count
    return sketches


def read_quantile_sketch(sums: Sums, measure: str, **wanted: str) -> dict[int, int]:
    """Return one quantile sketch of a measure, over the cells that have the wanted values."""
    bucket = find_dimension_index(measure, Dimension.BUCKET)
    sketch: dict[int, int] = {}
    for dims, count in _select_cells(sums, measure, wanted):
        sketch[int(dims[bucket])] = sketch.get(int(dims[bucket]), 0) + count
    return sketch


def _select_cells(sums: Sums, measure: str, wanted: Mapping[str, str]) -> Iterable[tuple[Dims, int]]:
    cells = sums.get(measure, {}).items()
    if not wanted:
        return cells
    pick = itemgetter(*(find_dimension_index(measure, Dimension(name)) for name in wanted))
    # One place gives a bare value, several places give a tuple of them.
    values = tuple(wanted.values()) if len(wanted) > 1 else next(iter(wanted.values()))
    return ((dims, count) for dims, count in cells if pick(dims) == values)
