"""The unit that a PromQL expression's values have, worked out from the table of names."""

from __future__ import annotations

from typing import Any

import promql_parser as promql

from stretto.names import METRICS
from tests.promql_labels import nodes

ONE, MIXED = "1", "mixed"
OTHERS = {"up": ONE, "ALERTS": ONE, "scrape_duration_seconds": "s", "process_cpu_seconds_total": "s"}
"""Series that are not ours. Counters of the servers, and limits, say by their name what they count."""

RATES = {"rate", "irate", "deriv"}
SAME = {"increase", "label_replace", "scalar", "max_over_time", "avg_over_time"}
COMPARE = {"==", "!=", ">", "<", ">=", "<="}


def unit_of(expr: Any) -> str:  # noqa: PLR0911  # one return per kind of node
    """Return the unit; "mixed" where series of several units stand side by side.

    Raises AssertionError where unlike units are added or an expression cannot be read.
    """
    match expr:
        case promql.NumberLiteral():
            return ONE
        case promql.ParenExpr() | promql.UnaryExpr():
            return unit_of(expr.expr)
        case promql.MatrixSelector():
            return unit_of(expr.vector_selector)
        case promql.VectorSelector():
            return _series(expr.name or "")
        case promql.AggregateExpr():
            return ONE if str(expr.op) == "count" else unit_of(expr.expr)
        case promql.Call():
            return _call(expr)
        case promql.BinaryExpr():
            return _binary(str(expr.op), expr)
    raise AssertionError(f"cannot tell the unit of {expr.prettify()}")


def _series(name: str) -> str:
    for ending in ("_bucket", "_sum", ""):
        metric = METRICS.get(name.removesuffix(ending)) if name.endswith(ending) else None
        if metric is not None:
            return metric.unit
    if name in OTHERS:
        return OTHERS[name]
    ending = name.rpartition("_")[2]
    return {"seconds": "s", "bytes": "By", "usd": "USD"}.get(ending, ONE)


def _call(expr: Any) -> str:
    name = expr.func.name
    if name == "time":
        return "unixtime"
    if name == "vector":
        return unit_of(expr.args[0])
    if name == "histogram_quantile":
        # The value is a bucket's bound, whatever is done to the counts in the buckets.
        (buckets,) = {selector.name for selector in nodes(expr.args[1], promql.VectorSelector)}
        return _series(buckets)
    assert name in RATES | SAME, f"cannot tell the unit of {name}"
    inner = unit_of(expr.args[0])
    return inner if name in SAME else _per(inner, "s")


def _binary(operator: str, expr: Any) -> str:
    left, right = unit_of(expr.lhs), unit_of(expr.rhs)
    if operator in COMPARE | {"and", "unless"}:
        return left
    if operator == "/":
        return _per(left, right)
    if operator == "*":
        assert ONE in {left, right}, f"{left} times {right}"
        return left if right == ONE else right
    if operator == "or":
        # A 0 that stands in for what is missing has every unit.
        return left if left == right else MIXED
    if operator == "-" and left == right == "unixtime":
        return "s"
    assert left == right, f"{left} {operator} {right}: {expr.prettify()}"
    return left


def _per(above: str, below: str) -> str:
    if above == below:
        return ONE
    return above if below == ONE else f"{above}/{below}"
