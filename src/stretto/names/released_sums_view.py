"""The view of released sums in a hub's database: its name and columns, for hub and boards."""

from __future__ import annotations

from stretto.names.measures import MEASURES, Dimension, find_dimension_index

RELEASED_SUMS = "released_sums"

DIMENSION_COLUMNS = tuple(
    f"dim_{number}" for number in range(1, 1 + max(len(measure.dimensions) for measure in MEASURES.values()))
)
"""The values of a measure's dimensions, in the order of the table of measures; empty beyond the last."""

READER_COLUMNS = ("day", "team", "measure", *DIMENSION_COLUMNS, "value", "people")
"""The columns that a reader of one tenant sees. ``people`` is the number of owners, at least the cohort."""


def name_dimension_column(measure: str, dimension: Dimension) -> str:
    """Return the column with a dimension's values of a measure. Raises ValueError if it has none."""
    return DIMENSION_COLUMNS[find_dimension_index(measure, dimension)]
