"""Tallies: counts by label and counts by bucket as figures, the same way for whatever is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.quantile_sketch import compute_quantile
from stretto.model.event import Outcome
from stretto.names import QUANTILES

Cells = Mapping[tuple[str | int, ...], int]
"""Label values → sum."""

Sums = Mapping[str, Cells]
"""measure → label values → sum."""


def group_by_first(cells: Cells) -> dict[str, dict[str, int]]:
    """Return the cells of a measure with two labels as first label → second label → sum."""
    table: dict[str, dict[str, int]] = {}
    for (first, second), count in cells.items():
        table.setdefault(str(first), {})[str(second)] = count
    return table


def compute_outcome_figures(
    at: Labels,
    label: str | None,
    table: Mapping[str, Mapping[str, int]],
    *,
    counts: str,
    share: str | None = None,
    of: Outcome = Outcome.SUCCESS,
) -> Iterator[Figure]:
    """Yield how many had each outcome, and which share of those whose outcome is known had one of them."""
    for key, by_outcome in sorted(table.items()):
        own: Labels = ((label, key),) if label else ()
        for outcome, count in sorted(by_outcome.items()):
            yield Figure(counts, (*own, ("outcome", outcome), *at), count, count)
        if share:
            known = by_outcome.get(Outcome.SUCCESS.value, 0) + by_outcome.get(Outcome.FAILURE.value, 0)
            yield make_ratio(share, (*own, *at), by_outcome.get(of.value, 0), known, known)


def compute_quantile_figures(
    at: Labels, cells: Cells, name: str, label: str | None = None, *, unit: float = SECOND
) -> Iterator[Figure]:
    """Yield the quantiles of a sketch, or of one for each value of a label, in ``unit`` of what was counted.

    The last label value of a cell is its bucket.
    """
    sketches: dict[Labels, dict[int, int]] = {}
    for dims, count in cells.items():
        own: Labels = ((label, str(dims[0])),) if label else ()
        sketches.setdefault(own, {})[int(dims[-1])] = count
    for own, sketch in sorted(sketches.items()):
        for stat, share in QUANTILES.items():
            found = compute_quantile(sketch, share)
            if found is not None:
                labels = (*own, ("stat", stat), *at)
                yield Figure(name, labels, found / unit, sum(sketch.values()))
