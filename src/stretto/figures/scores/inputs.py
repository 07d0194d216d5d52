"""Published: the figures already worked out for a window, by name, so that scores can be made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from stretto.figures.figure import Figure


class PublishedFigures:
    """The figures of one window by name. What is not among them is not known."""

    def __init__(self, figures: Iterable[Figure], window: str) -> None:
        self._by_name: dict[str, list[tuple[Mapping[str, str], float]]] = {}
        for figure in figures:
            labels = dict(figure.labels)
            if figure.value is not None and labels.get("window") == window:
                self._by_name.setdefault(figure.name, []).append((labels, figure.value))

    def sum_values(self, name: str, **labels: str | Collection[str]) -> float | None:
        """Return the sum of a figure over the labels not given, or None where there is none of it.

        A label is given as the value, or the collection of values, that is summed.
        """
        values = [
            value
            for figure_labels, value in self._by_name.get(name, [])
            if all(_is_wanted(figure_labels.get(label), wanted) for label, wanted in labels.items())
        ]
        return sum(values) if values else None

    def divide_sums(self, numerator: str, denominator: str) -> float | None:
        """Return the sum of one figure over that of another, or None where one is missing or 0 is below."""
        dividend, divisor = self.sum_values(numerator), self.sum_values(denominator)
        return None if dividend is None or not divisor else dividend / divisor


def _is_wanted(value: str | None, wanted: str | Collection[str]) -> bool:
    return value == wanted if isinstance(wanted, str) else value in wanted
