"""What the table promises about one metric, and short ways to write its rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stretto.names.labels import Label


class Made(StrEnum):
    """How a metric comes about."""

    LIVE = "live"
    """OpenTelemetry instrument, counted as things happen; restarts at zero with the process."""
    DERIVED = "derived"
    """Built fresh at each scrape from the snapshot."""
    OWN = "own"
    """About Stretto itself, built at each scrape."""


class MetricKind(StrEnum):
    """The Prometheus type."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric name on the wire with all that is promised about it."""

    name: str
    kind: MetricKind
    made: Made
    unit: str
    """``s``, ``1`` (ratio, count or score), ``By``, ``USD`` or ``unixtime``."""
    labels: tuple[Label, ...]
    help: str
    ingredients: tuple[str, ...] = ()
    """For a ratio: numerator and denominator, exported beside it so that PromQL can work it out again."""


def gauge(name: str, unit: str, labels: tuple[Label, ...], text: str, *ingredients: str) -> Metric:
    """Return a derived gauge."""
    return Metric(name, MetricKind.GAUGE, Made.DERIVED, unit, labels, text, ingredients)


def own(name: str, unit: str, labels: tuple[Label, ...], text: str) -> Metric:
    """Return a gauge about Stretto itself."""
    return Metric(name, MetricKind.GAUGE, Made.OWN, unit, labels, text)


def counter(name: str, unit: str, labels: tuple[Label, ...], text: str) -> Metric:
    """Return a counter of what happens live."""
    return Metric(name, MetricKind.COUNTER, Made.LIVE, unit, labels, text)


def histogram(name: str, labels: tuple[Label, ...], text: str) -> Metric:
    """Return a histogram, in seconds, of what happens live."""
    return Metric(name, MetricKind.HISTOGRAM, Made.LIVE, "s", labels, text)
