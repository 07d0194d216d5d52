"""Write PromQL for panels; a metric or label missing from the table of names raises KeyError.

Panels read the exporter's windowed gauges and compute ratios from their ingredients, so that a ratio is right
for any choice of variables. They read no recorded ratios, because ``stretto backfill`` fills gauges only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from grafana.board.variable import ONE_INSTANCE, VARIABLES

from stretto.names import METRICS, PREFIX, Label, MetricKind

KNOWN = "success|failure"
"""The outcomes that count; cancelled, running and unknown do not."""

RATE = "$__rate_interval"
WEEK = "7d"


def select_series(name: str, /, suffix: str = "", offset: str = "", **matchers: str) -> str:
    """Return the selector of a metric of one service, filtered by every variable whose label it has.

    ``matchers`` sets the values of labels; the prefix ``~`` makes a value a pattern. Raises KeyError for an
    unknown metric or label, ValueError for a suffix on a metric that is not a histogram.
    """
    metric = METRICS[PREFIX + name]
    labels = {label.value for label in metric.labels}
    if suffix and metric.kind is not MetricKind.HISTOGRAM:
        raise ValueError(f"{metric.name} is not a histogram")
    for label in matchers:
        if label not in labels:
            raise KeyError(f"{metric.name} has no label {label}")
    chosen = {label.value: variable.match for label, variable in VARIABLES.items() if label in labels}
    return _format_selector(f"{metric.name}{suffix}", {**chosen, **matchers}, offset)


def select_whole(name: str, *whole: Label, offset: str = "") -> str:
    """Return the selector of a metric that the variables of some labels do not narrow."""
    metric = METRICS[PREFIX + name]
    chosen = {label.value: VARIABLES[label].match for label in metric.labels if label in VARIABLES}
    return _format_selector(metric.name, {k: v for k, v in chosen.items() if k not in whole}, offset)


def _format_selector(name: str, matchers: Mapping[str, str], offset: str) -> str:
    conditions = [_format_matcher(label, value) for label, value in matchers.items()]
    return f"{name}{{{','.join([*ONE_INSTANCE, *conditions])}}}" + (f" offset {offset}" if offset else "")


def _format_matcher(label: str, value: str) -> str:
    return f'{label}=~"{value[1:]}"' if value.startswith("~") else f'{label}="{value}"'


def sum_by(expression: str, *by: Label | str) -> str:
    """Return the sum of an expression, by labels."""
    return f"sum{_format_by(by)} ({expression})"


def max_by(expression: str, *by: Label | str) -> str:
    """Return the largest value of an expression by labels, for figures that cannot be summed."""
    return f"max{_format_by(by)} ({expression})"


def divide_sums(above: str, below: str, *by: Label | str) -> str:
    """Return a sum divided by a sum, by labels; absent, not NaN, if the divisor is 0."""
    return f"{sum_by(above, *by)} / ({sum_by(below, *by)} > 0)"


def share_outcome(name: str, outcome: str, *by: Label, offset: str = "") -> str:
    """Return the share of known outcomes that are this outcome; 0, not absent, if there are none."""
    other = next(other for other in KNOWN.split("|") if other != outcome)
    # Without the second part a share of 0 would be missing.
    some = select_series(name, outcome=outcome, offset=offset)
    none = select_series(name, outcome=other, offset=offset)
    return divide_sums(f"{some} or 0 * {none}", select_series(name, outcome=f"~{KNOWN}", offset=offset), *by)


def share_value(name: str, label: Label, value: str, *by: Label, offset: str = "") -> str:
    """Return the share of a metric with a label value; 0, not absent, if no series has it."""
    return divide_sums(
        f"{select_series(name, offset=offset, **{label.value: value})}"
        f" or 0 * {select_series(name, offset=offset)}",
        select_series(name, offset=offset),
        *by,
    )


def share_completed(name: str, *by: Label, offset: str = "") -> str:
    """Return the share of ended items with a known outcome, neither cancelled nor unknown."""
    return share_value(name, Label.OUTCOME, f"~{KNOWN}", *by, offset=offset)


def measure_rate(name: str, suffix: str = "") -> str:
    """Return the growth of a counter per second."""
    return f"rate({select_series(name, suffix)}[{RATE}])"


def measure_increase(name: str, /, over: str = "$__range", **matchers: str) -> str:
    """Return the growth of a counter over a period, by default the board's range."""
    return f"increase({select_series(name, **matchers)}[{over}])"


def take_quantile(at: float, name: str, *by: Label) -> str:
    """Return a quantile of a live histogram, by labels."""
    return f"histogram_quantile({at}, {sum_by(measure_rate(name, '_bucket'), *by, 'le')})"


def pick_highest(count: int, expression: str) -> str:
    """Return the highest series of an expression."""
    return f"topk({count}, {expression})"


def pick_lowest(count: int, expression: str) -> str:
    """Return the lowest series of an expression."""
    return f"bottomk({count}, {expression})"


def label_rows(expression: str, label: str, value: str) -> str:
    """Return an expression with an added label, which names a row of a table."""
    return f'label_replace({expression}, "{label}", "{value}", "", "")'


def join_series(expressions: Iterable[str]) -> str:
    """Return the series of all expressions."""
    return " or ".join(expressions)


def measure_age(expression: str) -> str:
    """Return the seconds since a time."""
    return f"time() - {expression}"


def _format_by(labels: tuple[Label | str, ...]) -> str:
    return f" by ({', '.join(map(str, labels))})" if labels else ""
