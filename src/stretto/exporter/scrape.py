"""Answer a scrape from one registry of live counters and derived gauges.

If a group of figures cannot be computed, its success gauge is 0 and the other groups are still exposed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from stretto.exporter.figures_to_metric_families import (
    BudgetedFigures,
    build_families,
    fit_budget,
    require_known_figures,
    split_off_figures_about_stretto,
)
from stretto.figures.figure import Figure
from stretto.names import METRICS

Group = Callable[[], Iterable[Figure]]
"""Computes the figures of a group; may raise."""


@dataclass(frozen=True, slots=True)
class _CheckedGroup:
    """The figures of a group as its last call returned them, split by what they are about."""

    source: Iterable[Figure]
    derived: Sequence[Figure]
    about_stretto: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class _FittedFigures:
    """The derived figures of each group within the budget, with their families."""

    derived: Sequence[Sequence[Figure]]
    budgeted: BudgetedFigures
    families: Sequence[GaugeMetricFamily]


class FigureCollector(Collector):
    """Collector of figures by group, with the success and duration of each group.

    >>> stretto_collector_success{group="snapshot"} 1.0
    """

    def __init__(
        self, groups: dict[str, Group], budget: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._groups = groups
        self._budget = budget
        self._clock = clock
        self._last: dict[str, _CheckedGroup] = {}
        self._fitted: _FittedFigures | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield the families of all groups, then success, duration and use of the series budget."""
        success = _start_family("stretto_collector_success")
        seconds = _start_family("stretto_collector_duration_seconds")
        collected: list[_CheckedGroup] = []
        for name, group in self._groups.items():
            started = self._clock()
            try:
                checked = self._check_group(name, group())
            except Exception:  # noqa: BLE001  # a broken group must not hide the others
                success.add_metric([name], 0)
            else:
                success.add_metric([name], 1)
                collected.append(checked)
            seconds.add_metric([name], self._clock() - started)
        fitted = self._fit_budget([group.derived for group in collected])
        yield from fitted.families
        yield from build_families(figure for group in collected for figure in group.about_stretto)
        yield success
        yield seconds
        yield from self._report_budget(len(fitted.budgeted.figures), fitted.budgeted.names_in_other)

    def _check_group(self, name: str, figures: Iterable[Figure]) -> _CheckedGroup:
        """Check the figures of a group; those of a snapshot that was scraped before were checked then."""
        last = self._last.get(name)
        if last is None or last.source is not figures or not isinstance(figures, tuple):
            last = self._last[name] = _CheckedGroup(
                figures, *split_off_figures_about_stretto(require_known_figures(figures))
            )
        return last

    def _fit_budget(self, derived: Sequence[Sequence[Figure]]) -> _FittedFigures:
        """Fit the groups into the budget, once for each snapshot however often it is scraped.

        The few figures that a group makes anew at each scrape seldom differ from the last.
        """
        fitted = self._fitted
        if fitted is None or fitted.derived != derived:
            budgeted = fit_budget([figure for group in derived for figure in group], self._budget)
            fitted = self._fitted = _FittedFigures(derived, budgeted, build_families(budgeted.figures))
        return fitted

    def _report_budget(self, series: int, folded: Mapping[str, int]) -> Iterator[GaugeMetricFamily]:
        for name, value in (("stretto_series", series), ("stretto_series_budget", self._budget)):
            family = _start_family(name)
            family.add_metric([], value)
            yield family
        family = _start_family("stretto_series_folded")
        for label, count in folded.items():
            family.add_metric([label], count)
        yield family


@dataclass(frozen=True, slots=True)
class Exposition:
    """The answer to a scrape."""

    body: bytes
    content_type: str


def create_empty_registry() -> CollectorRegistry:
    """Return an empty registry; the default registry has collectors for Python and the process."""
    # Collectors without describe() are skipped by ?name[]= unless the registry supports them.
    return CollectorRegistry(support_collectors_without_names=True)


def describe_own_process(registry: CollectorRegistry) -> None:
    """Add the series ``process_*`` of this process, by the names that all Prometheus clients use.

    Linux only: elsewhere the client library has none.
    """
    ProcessCollector(registry=registry)


def encode_metrics(source: CollectorRegistry, accept: str) -> Exposition:
    """Return the registry's metrics in the text format that the Accept header asks for."""
    encoder, content_type = choose_encoder(accept)
    return Exposition(encoder(source), content_type)


def _start_family(name: str) -> GaugeMetricFamily:
    metric = METRICS[name]
    return GaugeMetricFamily(metric.name, metric.help, labels=[label.value for label in metric.labels])
