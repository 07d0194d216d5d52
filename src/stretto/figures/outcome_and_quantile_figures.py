"""Turn counts by outcome and quantile sketches into figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.quantile_sketch import compute_quantile
from stretto.figures.sums_by_dimension import Sums, collect_quantile_sketches
from stretto.model.event import Outcome
from stretto.names import QUANTILES
from stretto.names.measures import Dimension


def compute_outcome_figures(
    at: Labels,
    label: str | None,
    table: Mapping[str, Mapping[str, int]],
    *,
    counts: str,
    share: str | None = None,
    of: Outcome = Outcome.SUCCESS,
    coverage: float | None = None,
) -> Iterator[Figure]:
    """Yield the counts by outcome, and the share of the outcome ``of`` among the known outcomes.

    ``coverage`` is the known share of what is counted, if a part of it is missing.
    """
    for key, by_outcome in sorted(table.items()):
        key_labels: Labels = ((label, key),) if label else ()
        for outcome, count in sorted(by_outcome.items()):
            labels = (*key_labels, ("outcome", outcome), *at)
            yield Figure(counts, labels, count, count, coverage=coverage)
        if share:
            judged = by_outcome.get(Outcome.SUCCESS.value, 0) + by_outcome.get(Outcome.FAILURE.value, 0)
            yield make_ratio(share, (*key_labels, *at), by_outcome.get(of.value, 0), judged, judged)


def compute_quantile_figures(
    at: Labels, sums: Sums, measure: str, name: str, label: Dimension | None = None, *, unit: float = SECOND
) -> Iterator[Figure]:
    """Yield the quantiles of a measure, in all or by a label, divided by ``unit``."""
    for key, sketch in sorted(collect_quantile_sketches(sums, measure, label).items()):
        key_labels: Labels = ((label.value, key),) if label else ()
        for stat, share in QUANTILES.items():
            quantile = compute_quantile(sketch, share)
            if quantile is not None:
                labels = (*key_labels, ("stat", stat), *at)
                yield Figure(name, labels, quantile / unit, sum(sketch.values()))
