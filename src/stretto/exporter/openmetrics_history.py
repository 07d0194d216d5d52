"""Write past windowed figures as OpenMetrics text, as if they had been scraped at the time.

``promtool tsdb create-blocks-from openmetrics`` needs each family in one block, its samples in time order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from stretto.clock import SECOND
from stretto.figures.figure import Figure
from stretto.names import JOB, METRICS

END = "# EOF"
"""The last line of an OpenMetrics text."""

At = tuple[int, Iterable[Figure]]
"""(time in ns, the figures at that time)."""


def generate_openmetrics(series: Iterable[At], instance: str) -> Iterator[str]:
    """Yield the lines of an OpenMetrics text, with the labels that a scrape of ``instance`` would add."""
    scraped = f'instance="{_escape_text(instance)}",job="{JOB}"'
    # Two numbers a sample instead of a line: a fortnight in steps of five minutes has millions of them.
    samples: dict[str, dict[str, tuple[array[int], array[float]]]] = {}
    for at, figures in series:
        for figure in figures:
            if figure.value is not None:
                figure_labels = "".join(f',{name}="{_escape_text(value)}"' for name, value in figure.labels)
                key = f"{figure.name}{{{scraped}{figure_labels}}}"
                by_series = samples.setdefault(figure.name, {})
                times, values = by_series.setdefault(key, (array("q"), array("d")))
                times.append(at // SECOND)
                values.append(figure.value)
    for name, by_series in samples.items():
        metric = METRICS[name]
        yield f"# HELP {name} {_escape_text(metric.help)}"
        yield f"# TYPE {name} {metric.kind.value}"
        for key, (times, values) in by_series.items():
            for time, value in zip(times, values, strict=True):
                yield f"{key} {value!r} {time}"
    yield END


def _escape_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
