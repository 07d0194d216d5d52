"""Convert figures to Prometheus metric families by the table of names, within the budget of series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily

from stretto.figures.figure import Figure, Labels
from stretto.names import METRICS, OTHER, Label, MetricOrigin

FOLDED = (
    Label.SCORE, Label.CACHE, Label.PHASE, Label.SOURCE, Label.MODEL, Label.TOOL, Label.AGENT, Label.PATTERN,
    Label.TASK_TYPE,
)  # fmt: skip
"""The labels whose values come from outside, in the order in which they are folded to meet the budget."""

NOT_SUMS = (
    "_ratio", "_quantile", "_quantile_seconds", "_quantile_bytes",
    "_speedup", "_timestamp_seconds", "_score", "_score_low", "_score_high", "_mean",
    "_score_points", "_current", "_per_day", "_volatility",
)  # fmt: skip
"""Endings of metric names whose values cannot be summed; two scores may have different scales."""

KEPT = 12
"""Values of a folded label that keep a series each: those with the most observations."""


@dataclass(frozen=True, slots=True)
class BudgetedFigures:
    """Figures within the budget, and the number of folded values by label."""

    figures: tuple[Figure, ...]
    names_in_other: Mapping[str, int]


def fit_budget(figures: Sequence[Figure], budget: int) -> BudgetedFigures:
    """Return the figures that have a value, in at most ``budget`` series.

    If there are more, the rarest values of a label become ``other``, label by label. Counts and seconds are
    summed there; folded ratios and quantiles are left out. If the budget is still too small, the last
    figures are dropped and counted under the folded label ``all``. Example: 130 figures, of them 20 by
    model, and a budget of 125. Of 20 models 12 are kept and 8 are summed in ``other``: 123 figures remain.
    """
    derived = [figure for figure in figures if figure.value is not None]
    folded: dict[str, int] = {}
    for label in FOLDED:
        if len(derived) <= budget:
            break
        derived, count = _fold_label(derived, label)
        if count:
            folded[label.value] = count
    if len(derived) > budget:
        folded["all"] = len(derived) - budget
        derived = derived[:budget]
    return BudgetedFigures(tuple(derived), folded)


def split_off_figures_about_stretto(figures: Iterable[Figure]) -> tuple[list[Figure], list[Figure]]:
    """Return the derived figures and those about Stretto itself, which no budget limits."""
    derived: list[Figure] = []
    about_stretto: list[Figure] = []
    for figure in figures:
        is_own = METRICS[figure.name].made is MetricOrigin.SELF
        (about_stretto if is_own else derived).append(figure)
    return derived, about_stretto


def require_known_figures(figures: Iterable[Figure]) -> list[Figure]:
    """Return the figures. Raises ValueError if the table of names lacks a figure's name or labels."""
    checked = list(figures)
    for figure in checked:
        metric = METRICS.get(figure.name)
        if metric is None or {name for name, _ in figure.labels} != {label.value for label in metric.labels}:
            raise ValueError(f"{figure.name} with {dict(figure.labels)} is not in the table of names")
    return checked


def build_families(figures: Iterable[Figure]) -> list[GaugeMetricFamily]:
    """Return a metric family for each name, in order of first appearance; figures need a value."""
    families: dict[str, GaugeMetricFamily] = {}
    for figure in figures:
        if figure.value is None:
            continue
        metric = METRICS[figure.name]
        family = families.get(figure.name)
        if family is None:
            family = GaugeMetricFamily(
                figure.name, metric.help, labels=[label.value for label in metric.labels]
            )
            families[figure.name] = family
        values = dict(figure.labels)
        family.add_metric([values[label.value] for label in metric.labels], figure.value)
    return list(families.values())


def _fold_label(figures: list[Figure], label: Label) -> tuple[list[Figure], int]:
    weight: Counter[str] = Counter()
    for figure in figures:
        value = dict(figure.labels).get(label.value)
        if value is not None:
            weight[value] += figure.count
    # Ties by name, so that two scrapes of one snapshot keep the same series.
    ranked = sorted(weight, key=lambda value: (-weight[value], value))
    folded_values = {value for value in ranked[KEPT:] if value != OTHER}
    kept: list[Figure] = []
    summed: dict[tuple[str, Labels], Figure] = {}
    for figure in figures:
        value = dict(figure.labels).get(label.value)
        if value not in folded_values and not (folded_values and value == OTHER):
            kept.append(figure)
        elif _is_additive(figure.name):
            labels = tuple((name, OTHER if name == label.value else text) for name, text in figure.labels)
            before = summed.get((figure.name, labels))
            summed[figure.name, labels] = _add_figures(figure, labels, before)
    return kept + list(summed.values()), len(folded_values)


def _is_additive(name: str) -> bool:
    return not name.endswith(NOT_SUMS)


def _add_figures(figure: Figure, labels: Labels, to: Figure | None) -> Figure:
    value, count = (0.0, 0) if to is None else (to.value or 0.0, to.count)
    return Figure(figure.name, labels, value + (figure.value or 0.0), count + figure.count)
