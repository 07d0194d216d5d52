"""Find figures of a snapshot by name and labels, as JSON with range, coverage and reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stretto.figures.figure import Figure


class FigureTable:
    """The figures of a snapshot."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._by_name: dict[str, list[Figure]] = {}
        for figure in figures:
            self._by_name.setdefault(figure.name, []).append(figure)

    def list_figures(self, name: str, **labels: str) -> list[Figure]:
        """Return the figures of a name with these labels, in the order of the snapshot."""
        return [
            figure for figure in self._by_name.get(name, ()) if labels.items() <= dict(figure.labels).items()
        ]

    def describe(self, name: str, **labels: str) -> dict[str, Any]:
        """Return a figure as JSON, or the reason why there is none."""
        found = self.list_figures(name, **labels)
        return describe_figure(found[0]) if found else {"value": None, "reason": "nothing was seen of it"}

    def find_value(self, name: str, **labels: str) -> float | None:
        """Return the value of a figure; None if it is not known."""
        found = self.list_figures(name, **labels)
        return found[0].value if found else None

    def list_by(self, name: str, label: str, **labels: str) -> dict[str, dict[str, Any]]:
        """Return the figures of a name by the value of a label, as JSON."""
        return {
            dict(figure.labels).get(label, ""): describe_figure(figure)
            for figure in self.list_figures(name, **labels)
        }

    def sum_values(self, name: str, **labels: str) -> float | None:
        """Return the sum of the known values; None if none is known."""
        values = [figure.value for figure in self.list_figures(name, **labels) if figure.value is not None]
        return sum(values) if values else None


def describe_figure(figure: Figure) -> dict[str, Any]:
    """Return a figure as JSON: its value, what it rests on, and only those bounds that it has."""
    described: dict[str, Any] = {"value": figure.value, "count": figure.count}
    for key in ("low", "high", "coverage", "reason"):
        if (value := getattr(figure, key)) is not None:
            described[key] = value
    return described
