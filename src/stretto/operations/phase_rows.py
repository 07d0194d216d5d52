"""List phases as JSON: the declared ones with length and success, their conflicts, and where tasks fail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stretto.model.run_rows_for_analyses import TaskRun
from stretto.names import NONE, Label
from stretto.operations.figure_lookup import FigureTable
from stretto.operations.measure_finished_runs import add_reasons_to_phase, keep_reasons


def add_quality_to_phases(
    phases: Iterable[Mapping[str, Any]], kpis: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the declared phases with their quality of 10 and its range, or the reason why there is none."""
    by_id = {each["id"]: each["overall_quality"] for each in kpis}
    rows = []
    for phase in phases:
        quality = by_id.get(phase["id"], {})
        parts = {"quality": "score", "quality_low": "low", "quality_high": "high"}
        row = {**phase, **{name: quality.get(key) for name, key in parts.items()}}
        reason = quality.get("reason") or "nothing of its quality is known"
        rows.append(add_reasons_to_phase(row, dict.fromkeys(parts, reason)))
    return rows


def add_reasons_to_scores(kpis: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the scores of a session's phases; conflicts that are not known have their reason."""
    unseen = {"conflicts": "no source reported which files its tasks wrote"}
    return [{**row, "absent": keep_reasons(row, unseen)} for row in kpis]


def list_declared_phases(figures: FigureTable, window: str) -> list[dict[str, Any]]:
    """Return the phases that ended in a window with length and success, the most frequent first.

    The efficiency of a phase is that of its parallel executions in a session. Sums have it by pattern only.
    """
    rows = []
    shares = figures.list_by("stretto_phase_success_ratio", Label.PHASE, window=window)
    for phase, share in shares.items():
        labels: dict[str, str] = {Label.PHASE: phase, Label.WINDOW: window}
        lengths = {
            f"{name}_seconds": figures.describe(
                "stretto_phase_duration_quantile_seconds", **labels, **{Label.STAT: stat}
            )
            for name, stat in (("median", "p50"), ("p95", "p95"))
        }
        known = {"success_share": share, **lengths}
        absent = {key: each["reason"] for key, each in known.items() if each["value"] is None}
        rows.append(
            {
                "phase": phase,
                "ended": round(figures.sum_values("stretto_window_phases", **labels) or 0),
                **{key: each["value"] for key, each in known.items()},
                "efficiency": None,
                "absent": {**absent, "efficiency": "only an answer about a session has it by phase"},
            }
        )
    return sorted(rows, key=lambda row: (-row["ended"], row["phase"]))


def count_conflicts_by_phase(fanouts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the parallel executions with a conflict by the phase of the tasks in conflict."""
    counts: dict[str, int] = defaultdict(int)
    for fanout in fanouts:
        for phase in {task["phase"] or NONE for task in fanout["conflicts"] or ()}:
            counts[phase] += 1
    return [{"phase": phase, "conflicts": count} for phase, count in sorted(counts.items())]


def count_failures_by_phase_and_agent(tasks: Sequence[TaskRun]) -> list[dict[str, Any]]:
    """Return where tasks fail: failures by phase and agent, most first."""
    counts: dict[tuple[str | None, str | None], list[int]] = defaultdict(lambda: [0, 0])
    for run in tasks:
        count = counts[run.phase, run.agent]
        count[0] += 1
        count[1] += run.outcome.value == "failure"
    rows = [
        {"phase": phase, "agent": agent, "tasks": all_, "failed": failed, "failed_share": failed / all_}
        for (phase, agent), (all_, failed) in counts.items()
        if failed
    ]
    return sorted(rows, key=lambda row: (-int(str(row["failed"])), str(row["phase"]), str(row["agent"])))


def list_failure_kinds(figures: FigureTable, window: str) -> list[dict[str, Any]]:
    """Return how tasks failed in a window, by phase, agent and kind of error, most first."""
    rows = [
        {name: value for name, value in figure.labels if name != Label.WINDOW}
        | {"tasks": round(figure.value or 0)}
        for figure in figures.list_figures("stretto_window_failed_tasks", window=window)
    ]
    return sorted(rows, key=lambda row: (-int(row["tasks"]), row["phase"], row["agent"], row["kind"]))
