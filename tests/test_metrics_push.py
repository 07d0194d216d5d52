"""All metrics by OTLP: the same numbers that a scrape has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from stretto.otlp_export.metrics_push import (
    DEFAULT_INTERVAL,
    MetricsPush,
    is_push_wanted,
    read_push_interval,
    to_otlp_data,
)
from tests.waiting import until

ENDPOINT = "http://127.0.0.1:4318/v1/metrics"
NOW = 2_000


class Received(MetricExporter):
    """Exporter that encodes what it is given, as OpenTelemetry's does, and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[ExportMetricsServiceRequest] = []
        self.closed = False

    def export(self, metrics_data: MetricsData, *_: Any, **__: Any) -> MetricExportResult:
        """Encode and keep the message."""
        self.messages.append(encode_metrics(metrics_data))
        return MetricExportResult.SUCCESS

    def force_flush(self, *_: Any, **__: Any) -> bool:
        """Do nothing: nothing waits."""
        return True

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Note the end."""
        self.closed = True


def make_families() -> list[Metric]:
    """Return a gauge, a counter and a histogram as a registry has them."""
    gauge = GaugeMetricFamily("stretto_window_tasks", "Tasks.", labels=["outcome"])
    gauge.add_metric(["success"], 7)
    counter = CounterMetricFamily("stretto_tasks", "Tasks.", labels=["outcome"])
    counter.add_metric(["success"], 3)
    histogram = HistogramMetricFamily("stretto_task_duration_seconds", "Time.", labels=["task_type"])
    histogram.add_metric(["tests"], [("1.0", 2), ("5.0", 5), ("+Inf", 6)], 30.5)
    return [gauge, counter, histogram]


@pytest.fixture
def receiving() -> Iterator[tuple[Received, MetricsPush]]:
    """Give a push that sends every hundredth of a second, and the exporter that it uses."""
    exporter = Received()
    push = MetricsPush(
        exporter,
        make_families,
        resource={"service.instance.id": "9f3c"},
        clock=lambda: NOW,
        interval=0.01,
    )
    yield exporter, push
    push.close()


def test_a_thread_sends_the_scrape_s_values_under_the_machine_s_name(
    receiving: tuple[Received, MetricsPush],
) -> None:
    """A gauge has no start, a counter is cumulative, a histogram counts by bucket; ``close`` ends it."""
    exporter, push = receiving
    assert until(lambda: len(exporter.messages) >= 2)
    push.close()
    assert exporter.closed
    [resource] = exporter.messages[0].resource_metrics
    attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert (attributes["service.name"], attributes["service.instance.id"]) == ("stretto", "9f3c")
    gauge, counter, histogram = resource.scope_metrics[0].metrics
    assert [gauge.name, counter.name, histogram.name] == [family.name for family in make_families()]
    [number] = gauge.gauge.data_points
    assert (number.as_double, number.start_time_unix_nano, number.time_unix_nano) == (7, 0, NOW)
    assert number.attributes[0].value.string_value == "success"
    [number] = counter.sum.data_points
    assert (number.as_double, number.start_time_unix_nano, counter.sum.is_monotonic) == (3, NOW, True)
    [point] = histogram.histogram.data_points
    assert (list(point.bucket_counts), list(point.explicit_bounds)) == ([2, 3, 1], [1, 5])
    assert (point.count, point.sum, point.HasField("min")) == (6, 30.5, False)


def test_a_family_without_samples_is_left_out() -> None:
    """An absent figure is absent by OTLP too."""
    assert to_otlp_data(GaugeMetricFamily("stretto_overdue_tasks", "Tasks."), NOW, NOW) is None


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": ENDPOINT}, True),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, True),
        ({"OTEL_METRICS_EXPORTER": "otlp, console"}, True),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": ENDPOINT}, False),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_metrics_are_sent_if_the_environment_asks_for_them(environ: dict[str, str], *, wanted: bool) -> None:
    """An endpoint for all signals is set for traces already: it alone sends no metrics."""
    assert is_push_wanted(environ) is wanted


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5000", 5.0), ("0", DEFAULT_INTERVAL), ("-1", DEFAULT_INTERVAL), ("soon", DEFAULT_INTERVAL)],
)
def test_the_interval_is_in_milliseconds(text: str, seconds: float) -> None:
    """As OpenTelemetry has it; what is no positive number counts as unset."""
    assert read_push_interval({"OTEL_METRIC_EXPORT_INTERVAL": text}) == seconds
