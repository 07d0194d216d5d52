"""Write past windowed figures as OpenMetrics text, as if they had been scraped at the time.

``promtool tsdb create-blocks-from openmetrics`` needs each family in one block, its samples in time order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stretto.clock import SECOND
from stretto.figures.figure import Figure
from stretto.names import JOB, METRICS

At = tuple[int, Iterable[Figure]]
"""(time in ns, the figures at that time)."""


def generate_openmetrics(series: Iterable[At], instance: str) -> Iterator[str]:
    """Yield the lines of an OpenMetrics text, with the labels that a scrape of ``instance`` would add."""
    scraped = f'instance="{_escape_text(instance)}",job="{JOB}"'
    samples: dict[str, dict[str, list[str]]] = {}
    for at, figures in series:
        for figure in figures:
            if figure.value is not None:
                figure_labels = "".join(f',{name}="{_escape_text(value)}"' for name, value in figure.labels)
                key = f"{figure.name}{{{scraped}{figure_labels}}}"
                line = f"{key} {figure.value!r} {at // SECOND}"
                samples.setdefault(figure.name, {}).setdefault(key, []).append(line)
    for name, by_series in samples.items():
        metric = METRICS[name]
        yield f"# HELP {name} {_escape_text(metric.help)}"
        yield f"# TYPE {name} {metric.kind.value}"
        for lines in by_series.values():
            yield from lines
    yield "# EOF"


def _escape_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
