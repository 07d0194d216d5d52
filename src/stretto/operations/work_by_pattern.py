"""Tabulate work by pattern, agent and type of task, and speed-up, cost and quality by pattern.

A row needs enough runs: of fewer, a table has only their number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from stretto.figures.speedup_cost import explain_lack_of_fanouts
from stretto.model.run_rows_for_analyses import TaskRun
from stretto.names import NONE, Label
from stretto.operations.figure_lookup import FigureTable
from stretto.operations.measure_finished_runs import (
    NO_COST,
    NO_FANOUT,
    group_tasks,
    keep_reasons,
    measure_usage,
)
from stretto.operations.operation_context import RunSelection

FEWEST_TASKS = 5
"""Tasks of a type that an agent did in a pattern, from which they have a row."""

FIRST_COLUMNS = ("task_type", "tasks", "success_share", "median_seconds", "tokens", "cost_usd")
"""Columns that a page has room for."""


def tabulate_work(tasks: Iterable[TaskRun]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a row for each pattern, agent and type with enough tasks, and how many had too few.

    Tasks without an agent's name are in neither.
    """
    groups: dict[tuple[str, str], list[TaskRun]] = defaultdict(list)
    for run in tasks:
        if run.agent is not None:
            groups[run.pattern or NONE, run.agent].append(run)
    rows = [
        {"pattern": pattern, "agent": agent, **{key: row[key] for key in FIRST_COLUMNS}, **row}
        for (pattern, agent), group in sorted(groups.items())
        for row in group_tasks(group, lambda run: run.type, "task_type")
    ]
    few = [row["tasks"] for row in rows if row["tasks"] < FEWEST_TASKS]
    left_out: dict[str, Any] = {"combinations": len(few), "tasks": sum(few)}
    if few:
        left_out["reason"] = f"fewer than {FEWEST_TASKS} tasks of a type by an agent in a pattern"
    return [row for row in rows if row["tasks"] >= FEWEST_TASKS], left_out


def tabulate_patterns(runs: RunSelection, figures: FigureTable, window: str) -> list[dict[str, Any]]:
    """Return speed-up, seconds saved, cost and quality of each pattern, the most sessions first.

    The cost is that of whole sessions; the figures' is that of their parallel executions alone.
    Speed-up, seconds saved and quality are the figures of the window, as on every surface; everything else is
    of the runs.
    """
    rows = []
    for pattern in {run.pattern for run in runs.sessions}:
        sessions = [run for run in runs.sessions if run.pattern == pattern]
        ids = {run.session for run in sessions}
        fanouts = sum(run.session in ids for run in runs.fanouts)
        usage = measure_usage([run for run in runs.tasks if run.session in ids], sessions)
        labels: dict[str, str] = {Label.PATTERN: pattern or NONE, Label.WINDOW: window}
        speedup = next(iter(figures.list_figures("stretto_pattern_speedup", **labels)), None)
        row = {
            "pattern": pattern or NONE,
            "sessions": len(sessions),
            "fanouts": fanouts,
            "speedup": None if speedup is None else speedup.value,
            "saved_seconds": figures.find_value("stretto_pattern_saved_seconds", **labels),
            "session_cost_usd": usage["cost_usd"],
            "cost_per_delivered_task_usd": usage["cost_per_delivered_task_usd"],
            "quality": figures.describe("stretto_pattern_quality_score", **labels),
        }
        few = speedup.reason if speedup is not None and speedup.reason else explain_lack_of_fanouts(0)
        reasons = {**usage["absent"], "session_cost_usd": NO_COST, "speedup": few, "saved_seconds": NO_FANOUT}
        rows.append({**row, "absent": keep_reasons(row, reasons)})
    return sorted(rows, key=lambda row: (-int(row["sessions"]), row["pattern"]))
