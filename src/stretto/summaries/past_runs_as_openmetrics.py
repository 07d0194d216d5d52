"""Runs as OpenMetrics with time stamps: the counters of ``/metrics`` as they would have grown in the past.

``promtool tsdb create-blocks-from openmetrics`` loads the text into a Prometheus. A series has a sample for
each minute in which something of it ended.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from stretto.clock import MINUTE, SECOND
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.model.task_type import to_label_value
from stretto.names import DURATION_BUCKETS, METRICS, NONE

JOB = "stretto-runs"
"""The job of these series: under that of the service they would be taken for its counters, starting anew."""

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Growth:
    """A series while it grows: the counts of its buckets, of lengths and their sum, by minute."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BUCKETS) + 1))
    total: float = 0.0
    lines: dict[int, list[str]] = field(default_factory=dict)
    """Minute → lines of the sample, replaced as long as the minute lasts."""


def format_task_metrics(runs: Iterable[TaskRun]) -> str:
    """Return how many tasks had ended by type, agent and outcome, and their lengths by type."""
    ended = [(run.start + (run.length or 0), run) for run in runs]
    counts = (
        (
            end,
            (
                ("task_type", to_label_value(run.type)),
                ("agent", to_label_value(run.agent or NONE)),
                ("outcome", run.outcome.value),
            ),
        )
        for end, run in ended
    )
    lengths = (
        (end, (("task_type", to_label_value(run.type)),), run.length / SECOND)
        for end, run in ended
        if run.length is not None
    )
    return _format_families("stretto_tasks_total", counts, "stretto_task_duration_seconds", lengths)


def format_session_counts_and_lengths(runs: Iterable[SessionRun]) -> str:
    """Return how many sessions had ended by source and outcome, and their lengths by source."""
    known = list(runs)
    counts = (
        (run.end, (("source", to_label_value(run.source or NONE)), ("outcome", run.outcome.value)))
        for run in known
    )
    lengths = (
        (run.end, (("source", to_label_value(run.source or NONE)),), (run.end - run.start) / SECOND)
        for run in known
    )
    return _format_families("stretto_sessions_total", counts, "stretto_session_duration_seconds", lengths)


def _format_families(
    counter: str,
    counts: Iterable[tuple[int, Labels]],
    histogram: str,
    lengths: Iterable[tuple[int, Labels, float]],
) -> str:
    lines = [*_yield_counter(counter, counts), *_yield_histogram(histogram, lengths), "# EOF"]
    return "\n".join(lines) + "\n"


def _yield_counter(name: str, counts: Iterable[tuple[int, Labels]]) -> Iterator[str]:
    """Yield a counter; its family has the name without ``_total``."""
    family = name.removesuffix("_total")
    yield from _describe_family(family, "counter", METRICS[name].help)
    grown: dict[Labels, dict[int, int]] = {}
    totals: dict[Labels, int] = {}
    for end, labels in sorted(counts, key=lambda each: each[0]):
        totals[labels] = totals.get(labels, 0) + 1
        grown.setdefault(labels, {})[_find_minute(end)] = totals[labels]
    for labels, by_minute in sorted(grown.items()):
        text = _format_labels(labels)
        yield from (f"{name}{{{text}}} {count} {at}" for at, count in by_minute.items())


def _yield_histogram(name: str, lengths: Iterable[tuple[int, Labels, float]]) -> Iterator[str]:
    yield from _describe_family(name, "histogram", METRICS[name].help)
    grown: dict[Labels, _Growth] = {}
    for end, labels, seconds in sorted(lengths, key=lambda each: each[0]):
        growth = grown.setdefault(labels, _Growth())
        growth.buckets[bisect_left(DURATION_BUCKETS, seconds)] += 1
        growth.total += seconds
        at = _find_minute(end)
        growth.lines[at] = [*_yield_sample(name, _format_labels(labels), growth, at)]
    for _, growth in sorted(grown.items(), key=lambda each: each[0]):
        for lines in growth.lines.values():
            yield from lines


def _yield_sample(name: str, labels: str, growth: _Growth, at: int) -> Iterator[str]:
    count = 0
    for edge, more in zip((*DURATION_BUCKETS, float("inf")), growth.buckets, strict=True):
        count += more
        bound = "+Inf" if edge == float("inf") else repr(float(edge))
        yield f'{name}_bucket{{{labels},le="{bound}"}} {count} {at}'
    yield f"{name}_count{{{labels}}} {count} {at}"
    yield f"{name}_sum{{{labels}}} {growth.total!r} {at}"


def _describe_family(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {_escape(text)}"
    yield f"# TYPE {name} {kind}"


def _find_minute(end: int) -> int:
    """Return the end of the minute (s) in which something ended: a sample has all of its minute."""
    return -(-end // MINUTE) * (MINUTE // SECOND)


def _format_labels(labels: Labels) -> str:
    named: Mapping[str, str] = {"job": JOB, **dict(labels)}
    return ",".join(f'{name}="{_escape(value)}"' for name, value in named.items())


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
