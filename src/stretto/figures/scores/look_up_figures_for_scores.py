"""Look up the figures already computed for a window, so that scores can be computed from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from stretto.figures.figure import Figure


class PublishedFigures:
    """The figures of a window by name; a figure that is missing or has no value is unknown."""

    def __init__(self, figures: Iterable[Figure], window: str) -> None:
        self._by_name: dict[str, list[tuple[Mapping[str, str], float]]] = {}
        for figure in figures:
            labels = dict(figure.labels)
            if figure.value is not None and labels.get("window") == window:
                self._by_name.setdefault(figure.name, []).append((labels, figure.value))

    def sum_values(self, name: str, **labels: str | Collection[str]) -> float | None:
        """Return the sum of a figure over all label values, or None if the figure is missing.

        ``labels`` limits a label to a value or a collection of values.
        """
        values = [
            value
            for figure_labels, value in self._by_name.get(name, [])
            if all(_is_wanted(figure_labels.get(label), wanted) for label, wanted in labels.items())
        ]
        return sum(values) if values else None

    def divide_sums(self, numerator: str, denominator: str) -> float | None:
        """Return the sum of a figure over that of another; None if either is missing or the divisor is 0."""
        dividend, divisor = self.sum_values(numerator), self.sum_values(denominator)
        return None if dividend is None or not divisor else dividend / divisor


def _is_wanted(value: str | None, wanted: str | Collection[str]) -> bool:
    return value == wanted if isinstance(wanted, str) else value in wanted
