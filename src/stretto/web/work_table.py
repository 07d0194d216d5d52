"""Choose the rows of the table on a page that says who does which work, by pattern, agent and type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stretto.model.run_rows_for_analyses import TaskRun
from stretto.operations.work_by_pattern import tabulate_work

MOST_TASKS = 20_000
"""Most tasks that are read for the table: the newest ones."""

MOST_ROWS = 40
"""Rows that are shown: the combinations with the most tasks."""


@dataclass(frozen=True, slots=True)
class WorkTable:
    """Rows of work by pattern, agent and type of task, the most tasks first."""

    rows: Sequence[Mapping[str, Any]]
    """The rows of the operation ``agent-performance``."""
    rarer: int
    """Combinations with enough tasks that are not shown."""
    left_out: Mapping[str, Any]
    """Combinations with too few tasks: their number, their tasks, and the reason."""
    is_clipped: bool
    """Whether there are more tasks, older than those that were read."""


def build_work_table(tasks: Sequence[TaskRun]) -> WorkTable:
    """Return the table of some tasks; as many as ``MOST_TASKS`` are taken for the newest alone."""
    rows, left_out = tabulate_work(tasks)
    rows.sort(key=lambda row: -int(row["tasks"]))
    return WorkTable(rows[:MOST_ROWS], max(0, len(rows) - MOST_ROWS), left_out, len(tasks) == MOST_TASKS)
