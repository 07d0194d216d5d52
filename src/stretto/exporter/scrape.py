"""The scrape: one registry for live counters and derived gauges, built so that no failure hides the rest.

A group of figures that cannot be worked out shows as its own success gauge at 0; the others still answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from stretto.exporter.families import checked, families, within_budget
from stretto.figures.figure import Figure
from stretto.names import METRICS

Group = Callable[[], Iterable[Figure]]
"""Gives the figures of one group, fresh; may raise."""


class FigureCollector(Collector):
    """Yields for each group its families, whether it succeeded and how long it took.

    >>> stretto_collector_success{group="snapshot"} 1.0
    """

    def __init__(
        self, groups: dict[str, Group], budget: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._groups = groups
        self._budget = budget
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield the families of all groups, and the account of them."""
        success = _own("stretto_collector_success")
        seconds = _own("stretto_collector_duration_seconds")
        found: list[Figure] = []
        for name, group in self._groups.items():
            started = self._clock()
            try:
                figures = checked(group())
            except Exception:  # noqa: BLE001  # one broken group must not take the others' answer with it
                success.add_metric([name], 0)
            else:
                success.add_metric([name], 1)
                found += figures
            seconds.add_metric([name], self._clock() - started)
        budgeted = within_budget(found, self._budget)
        yield from families((*budgeted.derived, *budgeted.own))
        yield success
        yield seconds
        yield from self._account(len(budgeted.derived), dict(budgeted.folded))

    def _account(self, series: int, folded: dict[str, int]) -> Iterator[GaugeMetricFamily]:
        for name, value in (("stretto_series", series), ("stretto_series_budget", self._budget)):
            family = _own(name)
            family.add_metric([], value)
            yield family
        family = _own("stretto_series_folded")
        for label, count in folded.items():
            family.add_metric([label], count)
        yield family


@dataclass(frozen=True, slots=True)
class Exposition:
    """One scrape's answer."""

    body: bytes
    content_type: str


def registry() -> CollectorRegistry:
    """Return a registry of our own: the default one carries collectors nobody asked for."""
    # Collectors without describe() are skipped by ?name[]= unless the registry supports them.
    return CollectorRegistry(support_collectors_without_names=True)


def expose(source: CollectorRegistry, accept: str) -> Exposition:
    """Return the registry in the text format that the Accept header asks for."""
    encoder, content_type = choose_encoder(accept)
    return Exposition(encoder(source), content_type)


def _own(name: str) -> GaugeMetricFamily:
    metric = METRICS[name]
    return GaugeMetricFamily(metric.name, metric.help, labels=[label.value for label in metric.labels])
