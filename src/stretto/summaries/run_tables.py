"""Tables of runs for spreadsheets and data frames: a row per task or session, a documented name per column.

Times are RFC 3339 in UTC, lengths seconds, maps JSON; an unknown value is an empty cell, never 0.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stretto.clock import SECOND, to_rfc3339
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

Cell = str | int | float | None

FORMULA_SIGNS = frozenset("=+-@")
"""A spreadsheet takes a text that begins with one of these for a formula."""


def _to_seconds(length: int | None) -> float | None:
    return None if length is None else length / SECOND


def _encode_map(values: Mapping[str, Any]) -> str | None:
    return json.dumps(dict(values), ensure_ascii=False, sort_keys=True) if values else None


def _encode_lengths(lengths: Mapping[str, int]) -> str | None:
    return _encode_map({name: length / SECOND for name, length in lengths.items()})


TASK_COLUMNS: Mapping[str, Callable[[TaskRun], Cell]] = {
    "session": lambda run: run.session,
    "task": lambda run: run.task,
    "start": lambda run: to_rfc3339(run.start),
    "seconds": lambda run: _to_seconds(run.length),
    "outcome": lambda run: run.outcome.value,
    "task_type": lambda run: run.type,
    "agent": lambda run: run.agent,
    "phase": lambda run: run.phase,
    "model": lambda run: run.model,
    "pattern": lambda run: run.pattern,
    "project": lambda run: run.project,
    "concurrency": lambda run: run.concurrency,
    "tokens": lambda run: run.tokens,
    "cost_usd": lambda run: run.dollars,
    "tool_seconds": lambda run: _to_seconds(run.tool_time),
    "circumstances": lambda run: _encode_map(run.covariates),
}
"""Column name → value of a task."""

SESSION_COLUMNS: Mapping[str, Callable[[SessionRun], Cell]] = {
    "session": lambda run: run.session,
    "start": lambda run: to_rfc3339(run.start),
    "end": lambda run: to_rfc3339(run.end),
    "outcome": lambda run: run.outcome.value,
    "pattern": lambda run: run.pattern,
    "project": lambda run: run.project,
    "worktree": lambda run: run.worktree,
    "repository": lambda run: run.repository,
    "source": lambda run: run.source,
    "labels": lambda run: _encode_map(run.labels),
    "task_types": lambda run: _encode_map(run.task_types),
    "work_seconds": lambda run: _to_seconds(run.work),
    "delivered_work_seconds": lambda run: _to_seconds(run.delivered_work),
    "elapsed_seconds": lambda run: _to_seconds(run.elapsed),
    "capacity_seconds": lambda run: _to_seconds(run.capacity),
    "longest_lane_seconds": lambda run: _to_seconds(run.longest_lane),
    "width": lambda run: run.width,
    "wall_seconds": lambda run: _encode_lengths(run.wall_parts),
    "path_seconds": lambda run: _encode_lengths(run.path_by_agent),
    "tokens": lambda run: run.tokens,
    "cost_usd": lambda run: run.dollars,
    "usage_coverage": lambda run: run.usage_coverage,
    "retries": lambda run: run.retries,
    "conflicts": lambda run: run.conflicts,
    "tests_passed": lambda run: run.tests_passed,
    "tests_failed": lambda run: run.tests_failed,
    "cpu_seconds": lambda run: run.cpu_seconds,
    "memory_mean_bytes": lambda run: run.memory_mean,
    "memory_peak_bytes": lambda run: run.memory_peak,
    "score_sums": lambda run: _encode_map(run.score_sums),
    "circumstances": lambda run: _encode_map(run.covariates),
}
"""Column name → value of a session."""


def format_task_runs(runs: Iterable[TaskRun]) -> str:
    """Return the tasks as CSV with a header."""
    return _format_csv(TASK_COLUMNS, ([read(run) for read in TASK_COLUMNS.values()] for run in runs))


def format_session_runs(runs: Iterable[SessionRun]) -> str:
    """Return the sessions as CSV with a header."""
    return _format_csv(SESSION_COLUMNS, ([read(run) for read in SESSION_COLUMNS.values()] for run in runs))


def _format_csv(names: Iterable[str], rows: Iterable[Iterable[Cell]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([neutralise_formula(cell) for cell in row] for row in rows)
    return text.getvalue()


def neutralise_formula(cell: Cell) -> Cell:
    """Return the cell; text that a spreadsheet would take for a formula gets an apostrophe before it.

    Example: an agent that is called ``=1+1`` becomes ``'=1+1``. Numbers stay as they are.
    """
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip()[:1] in FORMULA_SIGNS else cell
