"""PromQL for panels, written from the table of names: a metric or label that is not there raises KeyError.

Panels read the windowed gauges that the exporter publishes and work ratios out of their ingredients, so that
a ratio holds for whatever the variables select. They read no recorded ratio: ``stretto backfill`` gives the
past to the gauges only.
"""

from __future__ import annotations

from collections.abc import Iterable

from grafana.board.variable import VARIABLES

from stretto.names import METRICS, PREFIX, Label, MetricKind

KNOWN = "success|failure"
"""The outcomes that are verdicts: cancelled, running and unknown count neither for nor against."""

RATE = "$__rate_interval"
WEEK = "7d"


def select_series(name: str, /, suffix: str = "", offset: str = "", **asked: str) -> str:
    """Return the selector of a metric, narrowed by every variable that it has the label for.

    ``asked`` gives labels a value of their own; ``~`` in front makes it a pattern. Raises KeyError for a
    metric or label that the table of names does not have, ValueError for a suffix on anything but a
    histogram.
    """
    metric = METRICS[PREFIX + name]
    labels = {label.value for label in metric.labels}
    if suffix and metric.kind is not MetricKind.HISTOGRAM:
        raise ValueError(f"{metric.name} is no histogram")
    for label in asked:
        if label not in labels:
            raise KeyError(f"{metric.name} has no label {label}")
    chosen = {label.value: variable.match for label, variable in VARIABLES.items() if label in labels}
    wanted = [_format_matcher(label, value) for label, value in {**chosen, **asked}.items()]
    selector = f"{metric.name}{suffix}" + (f"{{{','.join(wanted)}}}" if wanted else "")
    return selector + (f" offset {offset}" if offset else "")


def _format_matcher(label: str, value: str) -> str:
    return f'{label}=~"{value[1:]}"' if value.startswith("~") else f'{label}="{value}"'


def sum_by(expression: str, *by: Label | str) -> str:
    """Return the sum of an expression, by labels."""
    return f"sum{_format_by(by)} ({expression})"


def max_by(expression: str, *by: Label | str) -> str:
    """Return the largest value of an expression, by labels: of figures that do not add up."""
    return f"max{_format_by(by)} ({expression})"


def divide_sums(above: str, below: str, *by: Label | str) -> str:
    """Return sum over sum by labels; absent, not NaN, where there is nothing to divide by."""
    return f"{sum_by(above, *by)} / ({sum_by(below, *by)} > 0)"


def share_outcome(name: str, outcome: str, *by: Label, offset: str = "") -> str:
    """Return how much of what is known to have ended did so in one way: 0, not absent, where none did."""
    other = next(other for other in KNOWN.split("|") if other != outcome)
    # Without the second part a share of 0 would be missing.
    some = select_series(name, outcome=outcome, offset=offset)
    none = select_series(name, outcome=other, offset=offset)
    return divide_sums(f"{some} or 0 * {none}", select_series(name, outcome=f"~{KNOWN}", offset=offset), *by)


def share_value(name: str, label: Label, value: str, *by: Label) -> str:
    """Return how much of a metric has one value of a label: 0, not absent, where none has."""
    return divide_sums(
        f"{select_series(name, **{label.value: value})} or 0 * {select_series(name)}",
        select_series(name),
        *by,
    )


def share_completed(name: str, *by: Label) -> str:
    """Return how much of what is over ended with a verdict: neither cancelled nor unseen."""
    return share_value(name, Label.OUTCOME, f"~{KNOWN}", *by)


def measure_rate(name: str, suffix: str = "") -> str:
    """Return how fast a counter grows, per second."""
    return f"rate({select_series(name, suffix)}[{RATE}])"


def measure_increase(name: str, /, over: str = "$__range", **asked: str) -> str:
    """Return how much a counter grew over a stretch of time, the board's range unless said."""
    return f"increase({select_series(name, **asked)}[{over}])"


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
    """Return an expression with a label added, which tells rows of one table apart."""
    return f'label_replace({expression}, "{label}", "{value}", "", "")'


def join_series(expressions: Iterable[str]) -> str:
    """Return all of several expressions' series."""
    return " or ".join(expressions)


def measure_age(expression: str) -> str:
    """Return how many seconds ago a time was."""
    return f"time() - {expression}"


def _format_by(labels: tuple[Label | str, ...]) -> str:
    return f" by ({', '.join(map(str, labels))})" if labels else ""
