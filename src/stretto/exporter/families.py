"""Figures → Prometheus metric families, by way of the table of names, within the budget of series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily

from stretto.figures.figure import Figure
from stretto.names import METRICS, OTHER, Label

FOLDED = (Label.TOOL, Label.AGENT, Label.PATTERN, Label.TASK_TYPE)
"""The labels whose values come from outside, in the order in which they give way to the budget."""

KEPT = 12
"""Values of a folded label that keep their own series: those that the most figures are made of."""


@dataclass(frozen=True, slots=True)
class Budgeted:
    """Figures within the budget, and how many values of which label were folded to get there."""

    figures: tuple[Figure, ...]
    folded: Mapping[str, int]


def within_budget(figures: Sequence[Figure], budget: int) -> Budgeted:
    """Return the figures in at most ``budget`` series.

    Where there are more, the rarest values of one label after another become ``other``. Counts and seconds are
    added up there; ratios and quantiles of what was folded cannot be and are left out. If the budget is still too
    small, the figures that stand last are dropped: the folded count says that something is missing.
    """
    known = [figure for figure in figures if figure.value is not None]
    folded: dict[str, int] = {}
    for label in FOLDED:
        if len(known) <= budget:
            break
        known, count = _fold(known, label)
        if count:
            folded[label.value] = count
    if len(known) > budget:
        folded["all"] = len(known) - budget
        known = known[:budget]
    return Budgeted(tuple(known), folded)


def families(figures: Iterable[Figure]) -> list[GaugeMetricFamily]:
    """Return one family per name, in the order in which the names first appear."""
    found: dict[str, GaugeMetricFamily] = {}
    for figure in figures:
        if figure.value is None:
            continue
        metric = METRICS[figure.name]
        family = found.get(figure.name)
        if family is None:
            family = GaugeMetricFamily(
                figure.name, metric.help, labels=[label.value for label in metric.labels]
            )
            found[figure.name] = family
        values = dict(figure.labels)
        family.add_metric([values[label.value] for label in metric.labels], figure.value)
    return list(found.values())


def _fold(figures: list[Figure], label: Label) -> tuple[list[Figure], int]:
    weight: Counter[str] = Counter()
    for figure in figures:
        value = dict(figure.labels).get(label.value)
        if value is not None:
            weight[value] += figure.count
    # Ties by name, so that two scrapes of one snapshot keep the same series.
    ranked = sorted(weight, key=lambda value: (-weight[value], value))
    gone = {value for value in ranked[KEPT:] if value != OTHER}
    kept: list[Figure] = []
    summed: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, int]] = {}
    for figure in figures:
        if dict(figure.labels).get(label.value) not in gone:
            kept.append(figure)
        elif _adds_up(figure.name):
            labels = tuple((name, OTHER if name == label.value else value) for name, value in figure.labels)
            value, count = summed.get((figure.name, labels), (0.0, 0))
            summed[figure.name, labels] = (value + (figure.value or 0.0), count + figure.count)
    return _joined(kept, summed), len(gone)


def _adds_up(name: str) -> bool:
    return not name.endswith(("_ratio", "_quantile_seconds"))


def _joined(
    kept: list[Figure], summed: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, int]]
) -> list[Figure]:
    joined = []
    for figure in kept:
        more = summed.pop((figure.name, figure.labels), None)
        if more is not None and figure.value is not None:
            figure = Figure(figure.name, figure.labels, figure.value + more[0], figure.count + more[1])
        joined.append(figure)
    joined += [Figure(name, labels, value, count) for (name, labels), (value, count) in summed.items()]
    return joined
