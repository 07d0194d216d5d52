"""Put the figures of two periods side by side.

This describes only: whether a difference is more than chance, the findings say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stretto.figures.figure import Figure
from stretto.figures.window_gain_verdict import BaselineComparison
from stretto.format import quantities
from stretto.summaries.snapshot import Snapshot
from stretto.web.dimension_views import FigureIndex, TypeRow, list_type_rows, sum_counts

UNKNOWN = "not known"
OTHER_BASELINE = "by another baseline"
"""In place of a difference between two headlines that are compared with different things."""

SnapshotOfWindow = tuple[Snapshot, str]
"""A snapshot and the name of its window."""


@dataclass(frozen=True, slots=True)
class PeriodCell:
    """A figure of both periods as numbers and as texts; None where it is not known."""

    name: str
    field: str
    """Its name in JSON."""
    values: tuple[float | None, float | None]
    """That of now, and that of before."""
    write: Callable[[float], str]
    write_difference: Callable[[float], str]
    by_other_baseline: bool = False
    """Whether the two are compared with different things, so that their difference says nothing."""

    @property
    def now(self) -> str | None:
        """The figure of now in words."""
        return None if self.values[0] is None else self.write(self.values[0])

    @property
    def before(self) -> str | None:
        """The figure of before in words."""
        return None if self.values[1] is None else self.write(self.values[1])

    @property
    def change(self) -> float | None:
        """That of now less that of before."""
        now, before = self.values
        return None if now is None or before is None or self.by_other_baseline else now - before

    @property
    def difference(self) -> str | None:
        """The change in words."""
        if self.by_other_baseline:
            return OTHER_BASELINE
        if self.change is None:
            return None
        sign = "+" if self.change > 0 else quantities.MINUS
        return sign + self.write_difference(abs(self.change)) if self.change else "as before"


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
    differ = len({lead.provenance for lead in leads if lead is not None}) > 1
    cells = [
        PeriodCell(
            title, field, (read(leads[0]), read(leads[1])), write, write, differ and field in _COMPARED
        )
        for title, field, read, write in _LEAD_FIGURES
    ]
    for title, field, name, write in _SUMMED_FIGURES:
        values = _sum_figures(indexes[0], name, now[1]), _sum_figures(indexes[1], name, before[1])
        cells.append(PeriodCell(title, field, values, write, write))
    return PeriodComparison(tuple(cells), tuple(_compare_types(indexes, (now[1], before[1]))))


def build_comparison_document(comparison: PeriodComparison) -> dict[str, Any]:
    """Return the figures and the task types of both periods as JSON."""
    return {
        "figures": {cell.field: _build_cell(cell) for cell in comparison.cells},
        "task_types": [
            {"task_type": row.task_type}
            | {cell.field: _build_cell(cell) for cell in (row.tasks, row.median, row.success)}
            for row in comparison.types
        ],
    }


def _build_cell(cell: PeriodCell) -> dict[str, Any]:
    now, before = cell.values
    reason = OTHER_BASELINE if cell.by_other_baseline else None
    return {"now": now, "before": before, "difference": cell.change, "reason": reason}


def _compare_types(indexes: tuple[FigureIndex, ...], windows: tuple[str, str]) -> list[TypeChange]:
    now, before = (
        {row.task_type: row for row in list_type_rows(index, window)}
        for index, window in zip(indexes, windows, strict=True)
    )
    changes = [
        _compare_type(task_type, indexes, windows, (now.get(task_type), before.get(task_type)))
        for task_type in sorted({*now, *before})
    ]
    return sorted(changes, key=lambda change: -(change.tasks.values[0] or 0.0))


def _compare_type(
    task_type: str,
    indexes: tuple[FigureIndex, ...],
    windows: tuple[str, str],
    rows: tuple[TypeRow | None, TypeRow | None],
) -> TypeChange:
    now, before = (
        float(sum_counts(index, "stretto_window_tasks", task_type=task_type, window=window))
        for index, window in zip(indexes, windows, strict=True)
    )
    medians = _read_both(rows, lambda row: row.median.value)
    success = _read_both(rows, lambda row: row.success.value)
    points = quantities.format_size_of_difference_in_points
    return TypeChange(
        task_type,
        PeriodCell("Tasks", "tasks", (now, before), _format_count, _format_count),
        PeriodCell(
            "Median task", "median_seconds", medians, quantities.format_duration, quantities.format_duration
        ),
        PeriodCell("Success", "success_ratio", success, quantities.format_percent, points),
    )


def _read_both(
    rows: tuple[TypeRow | None, TypeRow | None], read: Callable[[TypeRow], float | None]
) -> tuple[float | None, float | None]:
    now, before = rows
    return None if now is None else read(now), None if before is None else read(before)


def _sum_figures(index: FigureIndex, name: str, window: str) -> float | None:
    figures = [_find(index, name, labels) for labels in index.list_labels(name, window=window)]
    values = [figure.value for figure in figures if figure.value is not None]
    return sum(values) if values else None


def _find(index: FigureIndex, name: str, labels: dict[str, str]) -> Figure:
    return index.find_figure(name, UNKNOWN, **labels)


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
    tuple[str, str, Callable[[BaselineComparison | None], float | None], Callable[[float], str]], ...
] = (
    ("Parallel executions", "fanouts", _count(lambda lead: lead.fanouts), _format_count),
    ("Their tasks", "parallel_tasks", _count(lambda lead: lead.tasks), _format_count),
    (
        "Their delivered tasks",
        "delivered_tasks",
        _count(lambda lead: lead.delivered + lead.taken),
        _format_count,
    ),
    ("Speed-up", "speedup", _measure(lambda lead: lead.speedup), quantities.format_speedup),
    (
        "Time saved",
        "time_saved_seconds",
        _measure(lambda lead: lead.time_saved),
        quantities.format_duration,
    ),
    ("Together", "elapsed_seconds", _measure(lambda lead: lead.elapsed), quantities.format_duration),
)
"""Title, name in JSON, reader and format of the figures of the headline."""

_COMPARED = frozenset({"speedup", "time_saved_seconds"})
"""Those that a baseline is needed for."""

_SUMMED_FIGURES = (
    ("Sessions", "sessions", "stretto_window_sessions", _format_count),
    ("Tool calls", "tool_calls", "stretto_window_tool_calls", _format_count),
    ("Cost", "cost_usd", "stretto_window_cost_usd", quantities.format_dollars),
)
"""Title, name in JSON, name and format of figures that are added up over their labels."""
