"""The series of a machine of a fleet: sums of the exposed samples, by the table of fleet metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from stretto.names import METRICS, SELF_METRICS, Label
from stretto.names.summable_machine_metrics import FLEET_GAUGES, FLEET_HISTOGRAMS, FLEET_WINDOWS

BUCKET, COUNT, SUM = "_bucket", "_count", "_sum"
BOUND = "le"
"""The label of a bucket's upper bound (Prometheus exposition format)."""


class FamilySource(Protocol):
    """A registry, of which only the collected families are read."""

    def collect(self) -> Iterable[Metric]:
        """Return the metric families."""


class MachineSumsCollector(Collector):
    """Collector of the fleet's series, computed from the families of another registry at each scrape.

    >>> stretto_window_tasks{outcome="success",window="24h"} 26.0
    """

    def __init__(self, source: FamilySource, is_recording: Callable[[], bool] = lambda: False) -> None:
        self._source = source
        self._is_recording = is_recording

    def collect(self) -> Iterator[Metric]:
        """Yield the families of the table that have samples; of a recording only the identity."""
        about_machine_alone = self._is_recording()
        for family in self._source.collect():
            if about_machine_alone and METRICS.get(family.name) not in SELF_METRICS:
                continue
            if family.name in FLEET_GAUGES:
                yield from _sum_gauge(family, FLEET_GAUGES[family.name])
            elif family.name in FLEET_HISTOGRAMS:
                yield from _sum_histogram(family)


def _sum_gauge(family: Metric, kept: tuple[Label, ...]) -> Iterator[Metric]:
    """Yield the family with the samples of equal kept labels added up."""
    sums: dict[tuple[str, ...], float] = {}
    for sample in family.samples:
        if sample.labels.get(Label.WINDOW, FLEET_WINDOWS[0]) not in FLEET_WINDOWS:
            continue
        values = tuple(sample.labels[label] for label in kept)
        sums[values] = sums.get(values, 0) + sample.value
    if sums:
        summed = GaugeMetricFamily(
            family.name, METRICS[family.name].help, labels=[label.value for label in kept]
        )
        for values, value in sums.items():
            summed.add_metric(values, value)
        yield summed


def _sum_histogram(family: Metric) -> Iterator[Metric]:
    """Yield the histogram without labels: buckets of one bound are added up."""
    buckets: dict[str, float] = {}
    seconds = 0.0
    for sample in family.samples:
        if sample.name.endswith(BUCKET):
            bound = sample.labels[BOUND]
            buckets[bound] = buckets.get(bound, 0) + sample.value
        elif sample.name.endswith(SUM):
            seconds += sample.value
    if buckets:
        ordered = sorted(buckets.items(), key=lambda bucket: float(bucket[0]))
        text = METRICS[family.name].help
        yield HistogramMetricFamily(family.name, text, buckets=ordered, sum_value=seconds)
