"""Figure: a derived number with its labels, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One value under a name of ``names.METRICS``.

    ``count`` is how many things it is made of. A figure without a value says why, and is never exported as 0.
    """

    name: str
    labels: Labels
    value: float | None
    count: int
    reason: str | None = None


def ratio(name: str, labels: Labels, numerator: float, denominator: float, count: int) -> Figure:
    """Return numerator over denominator, withheld where there is nothing to divide by."""
    if denominator <= 0:
        return Figure(name, labels, None, count, "nothing to divide by")
    return Figure(name, labels, numerator / denominator, count)
