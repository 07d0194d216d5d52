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


def series(name: str, /, suffix: str = "", offset: str = "", **asked: str) -> str:
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
    wanted = [_matcher(label, value) for label, value in {**chosen, **asked}.items()]
    selector = f"{metric.name}{suffix}" + (f"{{{','.join(wanted)}}}" if wanted else "")
    return selector + (f" offset {offset}" if offset else "")


def _matcher(label: str, value: str) -> str:
    return f'{label}=~"{value[1:]}"' if value.startswith("~") else f'{label}="{value}"'


def total(expression: str, *by: Label | str) -> str:
    """Return the sum of an expression, by labels."""
    return f"sum{_by(by)} ({expression})"


def largest(expression: str, *by: Label | str) -> str:
    """Return the largest value of an expression, by labels: of figures that do not add up."""
    return f"max{_by(by)} ({expression})"


def ratio(above: str, below: str, *by: Label | str) -> str:
    """Return sum over sum by labels; absent, not NaN, where there is nothing to divide by."""
    return f"{total(above, *by)} / ({total(below, *by)} > 0)"


def share(name: str, outcome: str, *by: Label, offset: str = "") -> str:
    """Return how much of what is known to have ended did so in one way: 0, not absent, where none did."""
    other = next(other for other in KNOWN.split("|") if other != outcome)
    # Without the second part a share of 0 would be missing.
    some = series(name, outcome=outcome, offset=offset)
    none = series(name, outcome=other, offset=offset)
    return ratio(f"{some} or 0 * {none}", series(name, outcome=f"~{KNOWN}", offset=offset), *by)


def part(name: str, label: Label, value: str, *by: Label) -> str:
    """Return how much of a metric has one value of a label: 0, not absent, where none has."""
    return ratio(f"{series(name, **{label.value: value})} or 0 * {series(name)}", series(name), *by)


def completion(name: str, *by: Label) -> str:
    """Return how much of what is over ended with a verdict: neither cancelled nor unseen."""
    return part(name, Label.OUTCOME, f"~{KNOWN}", *by)


def rate(name: str, suffix: str = "") -> str:
    """Return how fast a counter grows, per second."""
    return f"rate({series(name, suffix)}[{RATE}])"


def increase(name: str, /, over: str = "$__range", **asked: str) -> str:
    """Return how much a counter grew over a stretch of time, the board's range unless said."""
    return f"increase({series(name, **asked)}[{over}])"


def quantile(at: float, name: str, *by: Label) -> str:
    """Return a quantile of a live histogram, by labels."""
    return f"histogram_quantile({at}, {total(rate(name, '_bucket'), *by, 'le')})"


def most(count: int, expression: str) -> str:
    """Return the highest series of an expression."""
    return f"topk({count}, {expression})"


def least(count: int, expression: str) -> str:
    """Return the lowest series of an expression."""
    return f"bottomk({count}, {expression})"


def named(expression: str, label: str, value: str) -> str:
    """Return an expression with a label added, which tells rows of one table apart."""
    return f'label_replace({expression}, "{label}", "{value}", "", "")'


def either(expressions: Iterable[str]) -> str:
    """Return all of several expressions' series."""
    return " or ".join(expressions)


def age(expression: str) -> str:
    """Return how many seconds ago a time was."""
    return f"time() - {expression}"


def _by(labels: tuple[Label | str, ...]) -> str:
    return f" by ({', '.join(map(str, labels))})" if labels else ""
