"""The labels that a PromQL expression's series have, worked out from the table of names.

Reading an expression this way finds what no parser can: a metric or label that does not exist, a label value
that never occurs, two sides of an operator that can never match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import promql_parser as promql

from stretto.figures.sequential_baseline_choice import Provenance
from stretto.model.event import Outcome
from stretto.names import METRICS, QUANTILES, WINDOWS, Label, MetricKind

Known = Mapping[str, frozenset[str]]
"""Name of a series → its labels."""

TARGET = frozenset({"job", "instance"})
SERVERS: dict[str, frozenset[str]] = {
    "up": TARGET,
    "scrape_duration_seconds": TARGET,
    "process_resident_memory_bytes": TARGET,
    "process_cpu_seconds_total": TARGET,
    "prometheus_notifications_dropped_total": TARGET,
    "alertmanager_notifications_failed_total": TARGET | {"integration", "reason"},
    "ALERTS": TARGET
    | {"alertname", "alertstate", "severity", "figure", "task_type", "agent", "tool", "pattern", "model"}
    | {"cache", "score", "baseline", "window"},
}
"""Series that the servers make themselves, as far as they are used here."""

VALUES: dict[str, frozenset[str]] = {
    Label.OUTCOME: frozenset(Outcome),
    Label.BASELINE: frozenset(Provenance),
    Label.WINDOW: frozenset(WINDOWS),
    Label.STAT: frozenset(QUANTILES),
}
"""The labels whose values are known beforehand."""


def exported() -> dict[str, frozenset[str]]:
    """Return every series that a scrape can bring, with its labels."""
    series = dict(SERVERS)
    for metric in METRICS.values():
        labels = TARGET | frozenset(map(str, metric.labels))
        if metric.kind is MetricKind.HISTOGRAM:
            series |= {f"{metric.name}_count": labels, f"{metric.name}_sum": labels}
            series[f"{metric.name}_bucket"] = labels | {"le"}
        else:
            series[metric.name] = labels
    return series


def labels_of(expr: Any, known: Known) -> frozenset[str] | None:  # noqa: PLR0911  # one return per kind of node
    """Return the labels of an expression's series, None for a scalar.

    Raises AssertionError where a name, label or value is unknown, or two sides of an operator never match.
    """
    match expr:
        case promql.NumberLiteral() | promql.StringLiteral():
            return None
        case promql.ParenExpr() | promql.UnaryExpr():
            return labels_of(expr.expr, known)
        case promql.MatrixSelector():
            return labels_of(expr.vector_selector, known)
        case promql.VectorSelector():
            return _selector(expr, known)
        case promql.AggregateExpr():
            return _aggregate(expr, known)
        case promql.Call():
            return _call(expr, known)
        case promql.BinaryExpr():
            return _binary(expr, known)
    raise AssertionError(f"cannot tell the labels of {expr.prettify()}")


def nodes(expr: promql.Expr, kind: type) -> list[Any]:
    """Return the parts of an expression that are of one kind."""
    found: list[Any] = []

    def visit(node: promql.Expr) -> None:
        if isinstance(node, kind):
            found.append(node)

    promql.walk(expr, visit)
    return found


def series_in(expr: promql.Expr) -> set[str]:
    """Return the names of the series that an expression reads."""
    return {selector.name for selector in nodes(expr, promql.VectorSelector) if selector.name}


def matched(selector: promql.VectorSelector, label: str) -> list[str]:
    """Return what a selector asks of a label, alternatives apart."""
    return [value for m in selector.matchers.matchers if m.name == label for value in m.value.split("|")]


def _selector(selector: promql.VectorSelector, known: Known) -> frozenset[str]:
    if selector.name is None:
        (pattern,) = (m.value for m in selector.matchers.matchers if m.name == "__name__")
        assert any(re.fullmatch(pattern, name) for name in known), f"no series is named like {pattern}"
        return frozenset()
    assert selector.name in known, f"no such series: {selector.name}"
    for label in {m.name for m in selector.matchers.matchers}:
        assert label in known[selector.name], f"{selector.name} has no label {label}"
        asked = set(matched(selector, label))
        assert asked <= VALUES.get(label, asked), f"{label} is never {sorted(asked - VALUES[label])}"
    return known[selector.name]


def _call(expr: promql.Call, known: Known) -> frozenset[str] | None:
    inner = [labels_of(argument, known) for argument in expr.args]
    if not inner or expr.func.name == "scalar":
        return None
    labels: frozenset[str] = next((labels for labels in inner if labels is not None), frozenset())
    if expr.func.name == "histogram_quantile":
        assert "le" in labels, "there are no buckets to take a quantile of"
        return labels - {"le"}
    if expr.func.name == "label_replace":
        return labels | {expr.args[1].val}
    return labels


def _aggregate(expr: promql.AggregateExpr, known: Known) -> frozenset[str]:
    inner = labels_of(expr.expr, known)
    assert inner is not None, "a scalar cannot be aggregated"
    if expr.modifier is None:
        return inner if str(expr.op) in {"topk", "bottomk"} else frozenset()
    named = frozenset(expr.modifier.labels)
    assert named <= inner, f"no such label to group by: {sorted(named - inner)}"
    return named if expr.modifier.type == promql.AggModifierType.By else inner - named


def _binary(expr: promql.BinaryExpr, known: Known) -> frozenset[str] | None:
    left, right = labels_of(expr.lhs, known), labels_of(expr.rhs, known)
    if left is None or right is None:
        return left if right is None else right
    if str(expr.op) == "or":
        return left | right
    modifier = expr.modifier
    matching = modifier.matching if modifier else None
    named = frozenset(matching.labels) if matching else frozenset()
    if matching and matching.type == promql.LabelModifierType.Include:
        assert named <= left & right, f"not a label of both sides: {sorted(named - (left & right))}"
        kept = named
    else:
        assert named <= left | right, f"no such label to ignore: {sorted(named - left - right)}"
        kept = left - named
        many = modifier is not None and modifier.card == promql.VectorMatchCardinality.ManyToOne
        assert kept >= right - named if many else kept == right - named, (
            f"the sides never match: {sorted((left ^ right) - named)}"
        )
    card = modifier.card if modifier else promql.VectorMatchCardinality.OneToOne
    if str(expr.op) in {"and", "unless"} or card == promql.VectorMatchCardinality.ManyToOne:
        return left
    return right if card == promql.VectorMatchCardinality.OneToMany else kept
