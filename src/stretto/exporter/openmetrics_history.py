"""Backfill: the windowed figures as they would have been scraped in the past, as OpenMetrics text.

``promtool tsdb create-blocks-from openmetrics`` wants each family in one piece, its samples in time order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stretto.clock import SECOND
from stretto.figures.figure import Figure
from stretto.names import JOB, METRICS

At = tuple[int, Iterable[Figure]]
"""(time in ns, the figures as of then)."""


def openmetrics(series: Iterable[At], instance: str) -> Iterator[str]:
    """Yield the lines of an OpenMetrics text, with the labels that a scrape of ``instance`` would add."""
    scraped = f'instance="{_escaped(instance)}",job="{JOB}"'
    samples: dict[str, dict[str, list[str]]] = {}
    for at, figures in series:
        for figure in figures:
            if figure.value is not None:
                own = "".join(f',{name}="{_escaped(value)}"' for name, value in figure.labels)
                key = f"{figure.name}{{{scraped}{own}}}"
                line = f"{key} {figure.value!r} {at // SECOND}"
                samples.setdefault(figure.name, {}).setdefault(key, []).append(line)
    for name, by_series in samples.items():
        metric = METRICS[name]
        yield f"# HELP {name} {_escaped(metric.help)}"
        yield f"# TYPE {name} {metric.kind.value}"
        for lines in by_series.values():
            yield from lines
    yield "# EOF"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
