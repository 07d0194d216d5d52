"""Rows of the metric table, and functions that define them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stretto.names.labels import Label


class MetricOrigin(StrEnum):
    """How a metric is made."""

    LIVE = "live"
    """By an OpenTelemetry instrument as events arrive; restarts at zero with the process."""
    DERIVED = "derived"
    """From the snapshot, at each scrape."""
    SELF = "own"
    """About Stretto itself, at each scrape."""
    HUB = "hub"
    """About what a team's hub received since its start, at each scrape of the hub."""


class MetricKind(StrEnum):
    """The Prometheus type."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its name, type, unit, labels and help text."""

    name: str
    kind: MetricKind
    made: MetricOrigin
    unit: str
    """``s``, ``1`` (ratio, count or score), ``By``, ``USD`` or ``unixtime``."""
    labels: tuple[Label, ...]
    help: str
    ingredients: tuple[str, ...] = ()
    """For a ratio: numerator and denominator, exported beside it so that PromQL can recompute it."""


def define_gauge(name: str, unit: str, labels: tuple[Label, ...], text: str, *ingredients: str) -> Metric:
    """Return a derived gauge."""
    return Metric(name, MetricKind.GAUGE, MetricOrigin.DERIVED, unit, labels, text, ingredients)


def define_self_gauge(name: str, unit: str, labels: tuple[Label, ...], text: str) -> Metric:
    """Return a gauge about Stretto itself."""
    return Metric(name, MetricKind.GAUGE, MetricOrigin.SELF, unit, labels, text)


def define_live_counter(name: str, unit: str, labels: tuple[Label, ...], text: str) -> Metric:
    """Return a live counter."""
    return Metric(name, MetricKind.COUNTER, MetricOrigin.LIVE, unit, labels, text)


def define_hub_counter(name: str, unit: str, labels: tuple[Label, ...], text: str) -> Metric:
    """Return a counter of a team's hub."""
    return Metric(name, MetricKind.COUNTER, MetricOrigin.HUB, unit, labels, text)


def define_histogram(name: str, labels: tuple[Label, ...], text: str) -> Metric:
    """Return a live histogram in seconds."""
    return Metric(name, MetricKind.HISTOGRAM, MetricOrigin.LIVE, "s", labels, text)
