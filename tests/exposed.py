"""A scrape read back as Prometheus reads it, by both of the client library's parsers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from stretto.exporter.scrape import FigureCollector, create_empty_registry, encode_metrics
from stretto.figures.figure import Figure
from stretto.names import METRICS, MetricKind

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TEXT = "text/plain; version=0.0.4"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""(name without the prefix, sorted labels) → value."""


def exposing(*groups: tuple[str, Iterable[Figure] | Exception], budget: int = 5_000) -> CollectorRegistry:
    """Return a registry with groups of figures, each given or raised."""

    def group(given: Iterable[Figure] | Exception) -> Iterable[Figure]:
        if isinstance(given, Exception):
            raise given
        return given

    source = create_empty_registry()
    ticks = count()
    collector = FigureCollector(
        {name: lambda given=given: group(given) for name, given in groups},  # type: ignore[misc]  # bound now
        budget,
        clock=lambda: float(next(ticks)),
    )
    source.register(collector)
    return source


def families(registry: CollectorRegistry, accept: str = OPENMETRICS) -> list[Metric]:
    """Return the families of a scrape, strictly parsed."""
    body = encode_metrics(registry, accept).body.decode()
    return list((parse_openmetrics if accept == OPENMETRICS else parse_text)(body))


def samples(registry: CollectorRegistry) -> Samples:
    """Return every sample of a scrape."""
    return {
        (sample.name.removeprefix("stretto_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in families(registry)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    """Return a sample's value, or None."""
    return found.get((name, tuple(sorted(labels.items()))))


def assert_sound(registry: CollectorRegistry) -> None:
    """Find nothing doubled, nothing unnamed and all labels fixed, alike in both formats."""
    body = encode_metrics(registry, TEXT).body.decode()
    lines = body.split("\n")
    for start in ("# TYPE ", "# HELP "):
        told = [line.split(" ", 3) for line in lines if line.startswith(start)]
        assert all(len(parts) == 4 and parts[3].strip() for parts in told), start
        assert [name for name, count in Counter(parts[2] for parts in told).items() if count > 1] == []
    series = [line.rpartition(" ")[0] for line in lines if line and not line.startswith("#")]
    assert [name for name, count in Counter(series).items() if count > 1] == []
    assert "otel_" not in body
    assert "target_info" not in body
    assert list(_points(families(registry, TEXT))) == list(_points(families(registry)))
    for name, labels, kind in _points(families(registry)):
        if name.startswith("process_"):
            continue  # the client library's, about the process itself
        metric = METRICS[name]
        assert metric.kind == kind
        assert labels == {label.value for label in metric.labels}, name


def _points(found: list[Metric]) -> Iterator[tuple[str, frozenset[str], str]]:
    for family in found:
        for sample in family.samples:
            name, labels = sample.name, set(sample.labels)
            if family.type == MetricKind.HISTOGRAM:
                name = family.name
                labels.discard("le")
            yield name, frozenset(labels), family.type
