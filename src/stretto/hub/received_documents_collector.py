"""Expose what a hub has received, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from stretto.hub.receive_sessions import ReceiveCounts
from stretto.names import METRICS


class ReceiveCollector(Collector):
    """Collector of a receiver's counts. They name no tenant, team or person."""

    def __init__(self, copy_counts: Callable[[], ReceiveCounts]) -> None:
        self._copy_counts = copy_counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the families. Every reason has a series from the start: the first refusal is a rise."""
        counts = self._copy_counts()
        reasons = [((reason.value,), float(count)) for reason, count in counts.refused.items()]
        yield _make_family("stretto_hub_received_documents_total", counts.received)
        yield _make_family("stretto_hub_stored_documents_total", counts.stored)
        yield _make_family("stretto_hub_refused_documents_total", *reasons)
        yield _make_family("stretto_hub_skewed_documents_total", counts.skewed)
        yield _make_family("stretto_hub_received_bytes_total", counts.bytes)
        yield _make_family("stretto_hub_lag_seconds_total", counts.lag_seconds)


def make_receive_registry(copy_counts: Callable[[], ReceiveCounts]) -> CollectorRegistry:
    """Return a registry with the metrics of a hub alone."""
    registry = CollectorRegistry()
    registry.register(ReceiveCollector(copy_counts))
    return registry


def _make_family(name: str, *values: float | tuple[Sequence[str], float]) -> CounterMetricFamily:
    """Return the family of a value, or of values with those of their labels."""
    metric = METRICS[name]
    family = CounterMetricFamily(name, metric.help, labels=[label.value for label in metric.labels])
    for each in values:
        labels, value = each if isinstance(each, tuple) else ((), each)
        family.add_metric([*labels], value)
    return family
