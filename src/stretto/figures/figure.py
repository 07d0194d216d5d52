"""Define the figure: a derived number with its labels, or the reason for its absence."""

from __future__ import annotations

from dataclasses import dataclass, replace

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A value under a name of ``names.METRICS``.

    ``count`` is the number of things it is computed from. A figure without a value carries a reason and is
    never exported as 0. ``low`` and ``high`` are its 95 % confidence interval, if it rests on a mean of runs.
    Either may be missing alone if the figure is unbounded on that side.
    """

    name: str
    labels: Labels
    value: float | None
    count: int
    reason: str | None = None
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    """The known share of its subject, if a part of it is unknown."""


def make_ratio(
    name: str,
    labels: Labels,
    numerator: float,
    denominator: float,
    count: int,
    *,
    coverage: float | None = None,
) -> Figure:
    """Return numerator over denominator; withheld unless the denominator is positive."""
    if denominator <= 0:
        return Figure(name, labels, None, count, "nothing to divide by", coverage=coverage)
    return Figure(name, labels, numerator / denominator, count, coverage=coverage)


def with_bounds(figure: Figure, low: float | None, high: float | None) -> Figure:
    """Return the figure with its confidence interval; unchanged if it has no value."""
    return figure if figure.value is None else replace(figure, low=low, high=high)
