"""Figures → Prometheus metric families, by way of the table of names, within the budget of series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily

from stretto.figures.figure import Figure, Labels
from stretto.names import METRICS, OTHER, Label, Made

FOLDED = (
    Label.SCORE, Label.CACHE, Label.PHASE, Label.SOURCE, Label.MODEL, Label.TOOL, Label.AGENT, Label.PATTERN,
    Label.TASK_TYPE,
)  # fmt: skip
"""The labels whose values come from outside, in the order in which they give way to the budget."""

NOT_SUMS = (
    "_ratio", "_quantile", "_quantile_seconds", "_quantile_bytes",
    "_speedup", "_timestamp_seconds", "_score", "_mean", "_score_points", "_current", "_per_day", "_volatility",
)  # fmt: skip
"""Endings of the names whose values cannot be added up: two scores may have different scales."""

KEPT = 12
"""Values of a folded label that keep their own series: those that the most figures are made of."""


@dataclass(frozen=True, slots=True)
class Budgeted:
    """Figures within the budget, and how many values of which label were folded to get there."""

    derived: tuple[Figure, ...]
    own: tuple[Figure, ...]
    folded: Mapping[str, int]


def within_budget(figures: Sequence[Figure], budget: int) -> Budgeted:
    """Return the figures in at most ``budget`` series; those about Stretto itself are not counted.

    Where there are more, the rarest values of one label after another become ``other``. Counts and seconds
    are added up there; ratios and quantiles of what was folded cannot be and are left out. If the budget is
    still too small, the figures that stand last are dropped: the folded count says that something is
    missing.
    """
    known = [figure for figure in figures if figure.value is not None]
    own = [figure for figure in known if METRICS[figure.name].made is Made.OWN]
    derived = [figure for figure in known if METRICS[figure.name].made is not Made.OWN]
    folded: dict[str, int] = {}
    for label in FOLDED:
        if len(derived) <= budget:
            break
        derived, count = _fold(derived, label)
        if count:
            folded[label.value] = count
    if len(derived) > budget:
        folded["all"] = len(derived) - budget
        derived = derived[:budget]
    return Budgeted(tuple(derived), tuple(own), folded)


def checked(figures: Iterable[Figure]) -> list[Figure]:
    """Return the figures. Raises ValueError for one whose name or labels the table of names does not have."""
    found = list(figures)
    for figure in found:
        metric = METRICS.get(figure.name)
        if metric is None or {name for name, _ in figure.labels} != {label.value for label in metric.labels}:
            raise ValueError(f"{figure.name} with {dict(figure.labels)} is not in the table of names")
    return found


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
    summed: dict[tuple[str, Labels], Figure] = {}
    for figure in figures:
        value = dict(figure.labels).get(label.value)
        if value not in gone and not (gone and value == OTHER):
            kept.append(figure)
        elif _adds_up(figure.name):
            labels = tuple((name, OTHER if name == label.value else said) for name, said in figure.labels)
            before = summed.get((figure.name, labels))
            summed[figure.name, labels] = _added(figure, labels, before)
    return kept + list(summed.values()), len(gone)


def _adds_up(name: str) -> bool:
    return not name.endswith(NOT_SUMS)


def _added(figure: Figure, labels: Labels, to: Figure | None) -> Figure:
    value, count = (0.0, 0) if to is None else (to.value or 0.0, to.count)
    return Figure(figure.name, labels, value + (figure.value or 0.0), count + figure.count)
