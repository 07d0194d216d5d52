"""Figure: a derived number with its labels, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One value under a name of ``names.METRICS``.

    ``count`` is how many things it is made of. A figure without a value says why, and is never exported as 0.
    ``low`` and ``high`` are the 95 % confidence interval of one that rests on a mean of runs; one of them
    alone is missing where the figure has no bound on that side.
    """

    name: str
    labels: Labels
    value: float | None
    count: int
    reason: str | None = None
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    """The share of what it is about that it is made of, where some of that is not known."""


def make_ratio(
    name: str,
    labels: Labels,
    numerator: float,
    denominator: float,
    count: int,
    *,
    coverage: float | None = None,
) -> Figure:
    """Return numerator over denominator, withheld where there is nothing to divide by."""
    if denominator <= 0:
        return Figure(name, labels, None, count, "nothing to divide by", coverage=coverage)
    return Figure(name, labels, numerator / denominator, count, coverage=coverage)


def with_bounds(figure: Figure, low: float | None, high: float | None) -> Figure:
    """Return the figure with its confidence interval; as it is where it has no value."""
    return figure if figure.value is None else replace(figure, low=low, high=high)
