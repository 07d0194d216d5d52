from __future__ import annotations

import re

from stretto.names import (
    DERIVED,
    ESTIMATED,
    HUB_METRICS,
    LIVE,
    METRICS,
    PREFIX,
    SELF_METRICS,
    Label,
    Metric,
    MetricKind,
    MetricOrigin,
)

FORBIDDEN = {"session_id", "session", "path", "prompt", "description", "project_path", "id"}


def test_no_name_is_given_twice() -> None:
    """The tables together have each metric once."""
    tables = (*LIVE, *DERIVED, *SELF_METRICS, *HUB_METRICS)
    assert len({metric.name for metric in tables}) == len(tables) == len(METRICS)
    for table, made in (
        (LIVE, MetricOrigin.LIVE),
        (DERIVED, MetricOrigin.DERIVED),
        (SELF_METRICS, MetricOrigin.SELF),
        (HUB_METRICS, MetricOrigin.HUB),
    ):
        assert {metric.made for metric in table} == {made}


def test_names_are_prometheus_names_with_our_prefix() -> None:
    """Small letters, digits and single underscores."""
    for name in METRICS:
        assert re.fullmatch(rf"{PREFIX}[a-z]+(_[a-z0-9]+)*", name), name


def test_help_is_a_sentence() -> None:
    """Never empty, ended by a full stop, without a line break."""
    for metric in METRICS.values():
        assert metric.help.endswith("."), metric.name
        assert len(metric.help) > 10, metric.name
        assert "\n" not in metric.help


def test_units_are_base_units_and_part_of_the_name() -> None:
    """Seconds, bytes, dollars, ratios and counts; no per cent, no milliseconds, no kilobytes."""
    suffix = {
        "s": ("_seconds", "_seconds_total"),
        "By": ("_bytes", "_bytes_total"),
        "unixtime": ("_timestamp_seconds",),
        "USD": ("_usd", "_usd_total"),
    }
    for metric in METRICS.values():
        assert metric.unit in {"s", "By", "unixtime", "USD", "1"}, metric.name
        if metric.unit in suffix:
            assert metric.name.endswith(suffix[metric.unit]), metric.name
        else:
            assert not re.search(r"_(seconds|bytes|usd)(_total)?$", metric.name), metric.name
        assert not re.search(r"percent|milli|_ms\b|kilo|mega", metric.name), metric.name


def test_counters_end_in_total_and_nothing_else_does() -> None:
    """Only live metrics and those of a hub are counters or histograms."""
    for metric in METRICS.values():
        assert (metric.kind is MetricKind.COUNTER) == metric.name.endswith("_total"), metric.name
        assert (metric.kind is MetricKind.GAUGE) == (
            metric.made not in {MetricOrigin.LIVE, MetricOrigin.HUB}
        ), metric.name
        if metric.kind is MetricKind.HISTOGRAM:
            assert metric.name.endswith("_seconds"), metric.name


def _is_ratio(metric: Metric) -> bool:
    return metric.name.endswith("_ratio")


def test_a_ratio_has_its_ingredients_beside_it() -> None:
    """They exist and have at least the ratio's labels, so that the ratio can be computed from them."""
    ratios = [metric for metric in METRICS.values() if _is_ratio(metric)]
    assert len(ratios) > 8
    for metric in ratios:
        if metric.name == PREFIX + "improvement_target_ratio":
            continue  # configured, not worked out
        if metric.name in ESTIMATED:
            assert not metric.ingredients
            continue
        assert len(metric.ingredients) == 2, metric.name
        for ingredient in metric.ingredients:
            assert set(metric.labels) <= set(METRICS[ingredient].labels), (metric.name, ingredient)
            assert not _is_ratio(METRICS[ingredient])
    assert all(_is_ratio(metric) for metric in METRICS.values() if metric.ingredients)


def test_labels_are_a_closed_set_without_anything_private() -> None:
    """Small words, every one of them used, none that could carry an id, a path or a prompt."""
    used = {label for metric in METRICS.values() for label in metric.labels}
    assert used == set(Label)
    for label in Label:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", label.value)
        assert label.value not in FORBIDDEN | {"le", "job", "instance"}
    for metric in METRICS.values():
        assert len(metric.labels) == len(set(metric.labels)) <= 4
