"""Put the figures of two periods side by side.

This describes only: whether a difference is more than chance, the findings say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stretto.figures.figure import Figure
from stretto.figures.window_gain_verdict import BaselineComparison
from stretto.format import quantities
from stretto.summaries.snapshot import Snapshot
from stretto.web.dimension_views import FigureIndex, list_type_rows, sum_counts

UNKNOWN = "not known"
OTHER_BASELINE = "by another baseline"
"""In place of a difference between two headlines that are compared with different things."""

SnapshotOfWindow = tuple[Snapshot, str]
"""A snapshot and the name of its window."""


@dataclass(frozen=True, slots=True)
class PeriodCell:
    """A figure of both periods; a text that is None is not known."""

    name: str
    now: str | None
    before: str | None
    difference: str | None


@dataclass(frozen=True, slots=True)
class TypeChange:
    """A task type in both periods."""

    task_type: str
    tasks: PeriodCell
    median: PeriodCell
    success: PeriodCell


@dataclass(frozen=True, slots=True)
class PeriodComparison:
    """Two periods side by side."""

    cells: tuple[PeriodCell, ...]
    types: tuple[TypeChange, ...]
    """The task types of either period, the most frequent now first."""


def compare_periods(now: SnapshotOfWindow, before: SnapshotOfWindow) -> PeriodComparison:
    """Return the figures of a period beside those of another."""
    indexes = (FigureIndex(now[0]), FigureIndex(before[0]))
    leads = [snapshot.verdicts[window].lead for snapshot, window in (now, before)]
    cells = [_make_cell(title, [read(lead) for lead in leads], write) for title, read, write in _LEAD_FIGURES]
    if len({lead.provenance for lead in leads if lead is not None}) > 1:
        cells = [
            replace(cell, difference=OTHER_BASELINE) if cell.name in _COMPARED else cell for cell in cells
        ]
    for title, name, write in _SUMMED_FIGURES:
        values = [_sum_figures(indexes[0], name, now[1]), _sum_figures(indexes[1], name, before[1])]
        cells.append(_make_cell(title, values, write))
    return PeriodComparison(tuple(cells), tuple(_compare_types(indexes, (now[1], before[1]))))


def _compare_types(indexes: tuple[FigureIndex, ...], windows: tuple[str, str]) -> list[TypeChange]:
    rows = [
        {row.task_type: row for row in list_type_rows(index, window)}
        for index, window in zip(indexes, windows, strict=True)
    ]
    changes = []
    for task_type in sorted({*rows[0], *rows[1]}):
        sides = tuple(side.get(task_type) for side in rows)
        counts = tuple(
            float(sum_counts(index, "stretto_window_tasks", task_type=task_type, window=window))
            for index, window in zip(indexes, windows, strict=True)
        )
        medians = tuple(None if row is None else row.median.value for row in sides)
        success = tuple(None if row is None else row.success.value for row in sides)
        changes.append(
            (
                counts[0],
                TypeChange(
                    task_type,
                    _make_cell("Tasks", counts, _format_count),
                    _make_cell("Median task", medians, quantities.format_duration),
                    _make_cell(
                        "Success",
                        success,
                        quantities.format_percent,
                        quantities.format_size_of_difference_in_points,
                    ),
                ),
            )
        )
    return [change for _, change in sorted(changes, key=lambda item: -item[0])]


def _sum_figures(index: FigureIndex, name: str, window: str) -> float | None:
    figures = [_find(index, name, labels) for labels in index.list_labels(name, window=window)]
    values = [figure.value for figure in figures if figure.value is not None]
    return sum(values) if values else None


def _find(index: FigureIndex, name: str, labels: dict[str, str]) -> Figure:
    return index.find_figure(name, UNKNOWN, **labels)


def _make_cell(
    name: str,
    values: Sequence[float | None],
    write: Callable[[float], str],
    write_difference: Callable[[float], str] | None = None,
) -> PeriodCell:
    """Return a figure of both periods; ``values`` are that of now and that of before."""
    now, before = values
    difference = None
    if now is not None and before is not None:
        change = now - before
        sign = "+" if change > 0 else quantities.MINUS
        difference = sign + (write_difference or write)(abs(change)) if change else "as before"
    return PeriodCell(
        name, None if now is None else write(now), None if before is None else write(before), difference
    )


def _count(read: Callable[[BaselineComparison], int]) -> Callable[[BaselineComparison | None], float]:
    """Return a reader of a count, which is 0 where nothing ran in parallel."""
    return lambda lead: 0.0 if lead is None else float(read(lead))


def _measure(
    read: Callable[[BaselineComparison], float | None],
) -> Callable[[BaselineComparison | None], float | None]:
    return lambda lead: None if lead is None else read(lead)


def _format_count(value: float) -> str:
    return quantities.format_count(round(value))


_LEAD_FIGURES: tuple[
    tuple[str, Callable[[BaselineComparison | None], float | None], Callable[[float], str]], ...
] = (
    ("Parallel executions", _count(lambda lead: lead.fanouts), _format_count),
    ("Their tasks", _count(lambda lead: lead.tasks), _format_count),
    ("Their delivered tasks", _count(lambda lead: lead.delivered + lead.taken), _format_count),
    ("Speed-up", _measure(lambda lead: lead.speedup), quantities.format_speedup),
    ("Time saved", _measure(lambda lead: lead.time_saved), quantities.format_duration),
    ("Together", _measure(lambda lead: lead.elapsed), quantities.format_duration),
)
"""Title, reader and format of the figures of the headline."""

_COMPARED = frozenset({"Speed-up", "Time saved"})
"""Those that a baseline is needed for."""

_SUMMED_FIGURES = (
    ("Sessions", "stretto_window_sessions", _format_count),
    ("Tool calls", "stretto_window_tool_calls", _format_count),
    ("Cost", "stretto_window_cost_usd", quantities.format_dollars),
)
"""Title, name and format of figures that are added up over their labels."""
