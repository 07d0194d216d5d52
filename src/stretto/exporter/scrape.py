"""Answer a scrape from one registry of live counters and derived gauges.

If a group of figures cannot be computed, its success gauge is 0 and the other groups are still exposed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from stretto.exporter.families import build_families, check_figures, fit_budget
from stretto.figures.figure import Figure
from stretto.names import METRICS

Group = Callable[[], Iterable[Figure]]
"""Computes the figures of a group; may raise."""


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

    def collect(self) -> Iterator[Metric]:
        """Yield the families of all groups, then success, duration and use of the series budget."""
        success = _start_family("stretto_collector_success")
        seconds = _start_family("stretto_collector_duration_seconds")
        collected: list[Figure] = []
        for name, group in self._groups.items():
            started = self._clock()
            try:
                figures = check_figures(group())
            except Exception:  # noqa: BLE001  # a broken group must not hide the others
                success.add_metric([name], 0)
            else:
                success.add_metric([name], 1)
                collected += figures
            seconds.add_metric([name], self._clock() - started)
        budgeted = fit_budget(collected, self._budget)
        yield from build_families((*budgeted.derived, *budgeted.about_stretto))
        yield success
        yield seconds
        yield from self._report_budget(len(budgeted.derived), dict(budgeted.folded))

    def _report_budget(self, series: int, folded: dict[str, int]) -> Iterator[GaugeMetricFamily]:
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


def create_registry() -> CollectorRegistry:
    """Return an empty registry; the default registry has collectors for Python and the process."""
    # Collectors without describe() are skipped by ?name[]= unless the registry supports them.
    return CollectorRegistry(support_collectors_without_names=True)


def encode_metrics(source: CollectorRegistry, accept: str) -> Exposition:
    """Return the registry's metrics in the text format that the Accept header asks for."""
    encoder, content_type = choose_encoder(accept)
    return Exposition(encoder(source), content_type)


def _start_family(name: str) -> GaugeMetricFamily:
    metric = METRICS[name]
    return GaugeMetricFamily(metric.name, metric.help, labels=[label.value for label in metric.labels])
