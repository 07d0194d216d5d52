"""Send all metrics to an OTLP/HTTP endpoint every minute, the derived gauges too.

For shops in which only a Collector receives metrics. The standard ``OTEL_*`` variables name the endpoint.
What cannot be sent is not kept: the next message has the newest values, and counters are cumulative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from threading import Event, Thread
from typing import TypeAlias

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Metric as OtlpMetric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.core import Metric, Sample

from stretto.names import MetricKind

DEFAULT_INTERVAL = 60.0
"""Seconds between two messages: the default of OpenTelemetry's metric readers."""

EXPORTER, ENDPOINT = "OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
"""Milliseconds (OpenTelemetry's specification of environment variables)."""

SCOPE = "stretto"
_BOUND = "le"

Data: TypeAlias = Sum | Gauge | Histogram


class MetricsPush:
    """Thread that sends the collected families at an interval until ``close``."""

    def __init__(
        self,
        exporter: MetricExporter,
        collect: Callable[[], Iterable[Metric]],
        *,
        resource: Mapping[str, str],
        clock: Callable[[], int],
        interval: float = DEFAULT_INTERVAL,
    ) -> None:
        self._exporter = exporter
        self._collect = collect
        self._resource = Resource({"service.name": SCOPE, **resource})
        self._clock = clock
        self._started = clock()
        self._interval = interval
        self._closing = Event()
        self._thread = Thread(target=self._send_at_interval, name="stretto-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, without waiting for an endpoint that does not answer."""
        self._closing.set()
        self._exporter.shutdown()
        self._thread.join(timeout=1.0)

    def send(self) -> None:
        """Send the present values; the exporter logs what the endpoint refuses."""
        metrics = [
            OtlpMetric(family.name, family.documentation, "", data)
            for family in self._collect()
            if (data := to_otlp_data(family, self._started, self._clock())) is not None
        ]
        if metrics:
            scope = ScopeMetrics(InstrumentationScope(SCOPE), metrics, "")
            self._exporter.export(MetricsData([ResourceMetrics(self._resource, [scope], "")]))

    def _send_at_interval(self) -> None:
        while not self._closing.wait(self._interval):
            self.send()


def to_otlp_data(family: Metric, started: int, now: int) -> Data | None:
    """Return a family's samples as OTLP data, cumulative since ``started`` (ns); None without samples."""
    if family.type == MetricKind.HISTOGRAM.value:
        points = [*_yield_histogram_points(family.samples, started, now)]
        return Histogram(points, AggregationTemporality.CUMULATIVE) if points else None
    is_counter = family.type == MetricKind.COUNTER.value
    numbers = [
        NumberDataPoint(dict(sample.labels), started if is_counter else 0, now, float(sample.value))
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
    if not numbers:
        return None
    if is_counter:
        return Sum(numbers, AggregationTemporality.CUMULATIVE, is_monotonic=True)
    return Gauge(numbers)


def _yield_histogram_points(
    samples: Iterable[Sample], started: int, now: int
) -> Iterator[HistogramDataPoint]:
    """Yield a point for each set of labels.

    Prometheus counts cumulatively, OTLP by bucket: the counts 2, 5, 6 up to 1 s, 5 s and without a bound are
    2, 3 and 1.
    """
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != _BOUND))
        if _BOUND in sample.labels:
            buckets.setdefault(labels, []).append((float(sample.labels[_BOUND]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    for labels, counted in buckets.items():
        counted.sort()
        cumulative = [0.0, *(count for _, count in counted)]
        counts = [int(later - earlier) for earlier, later in pairwise(cumulative)]
        yield HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=started,
            time_unix_nano=now,
            count=sum(counts),
            sum=sums.get(labels, 0.0),
            bucket_counts=counts,
            explicit_bounds=[bound for bound, _ in counted if math.isfinite(bound)],
            # Unknown: the encoder leaves out what is None.
            min=None,  # type: ignore[arg-type]  # the protocol has it optional, the class does not
            max=None,  # type: ignore[arg-type]  # likewise
        )


def is_push_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether the environment asks for metrics by OTLP.

    ``OTEL_EXPORTER_OTLP_ENDPOINT`` alone does not: it is set for traces on machines that Prometheus scrapes.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = {name.strip() for name in environ.get(EXPORTER, "").lower().split(",")} - {""}
    if exporters:
        return "otlp" in exporters
    return bool(environ.get(ENDPOINT, "").strip())


def read_push_interval(environ: Mapping[str, str]) -> float:
    """Return the seconds between two messages; the default if the variable is no positive number."""
    try:
        seconds = float(environ[INTERVAL]) / 1000
    except (KeyError, ValueError):
        return DEFAULT_INTERVAL
    return seconds if 0 < seconds < math.inf else DEFAULT_INTERVAL


def build_metric_exporter() -> MetricExporter:
    """Return OpenTelemetry's exporter; it reads endpoint, headers and certificates from the environment."""
    return OTLPMetricExporter()
