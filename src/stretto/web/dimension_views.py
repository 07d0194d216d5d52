"""Collect the rows of the views by task type, agent and pattern from a snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stretto.figures.figure import Figure, Labels
from stretto.format import quantities
from stretto.names import WINDOWS
from stretto.summaries.snapshot import Snapshot

REASONS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A task type compared with a baseline. Withheld figures have no value."""

    task_type: str
    baseline: str | None
    tasks: int
    speedup: Figure
    improvement: Figure
    saved: Figure
    target: Figure
    success: Figure
    median: Figure
    p95: Figure
    retry: Figure
    quality: Figure

    @property
    def standing(self) -> str:
        """The improvement compared with its target in words; empty if either is unknown."""
        if self.improvement.value is None or self.target.value is None:
            return ""
        shortfall = self.target.value - self.improvement.value
        return (
            "target met"
            if shortfall <= 0
            else f"{quantities.format_size_of_difference_in_points(shortfall)} short"
        )


@dataclass(frozen=True, slots=True)
class PatternRow:
    """A pattern's efficiency with its factors, what its parallel executions brought, and its sessions."""

    pattern: str
    fanouts: int
    efficiency: Figure
    load_balance: Figure
    concurrency: Figure
    delivery: Figure
    sessions: int
    session: Figure
    """Median wall time of the pattern's sessions."""
    quality: Figure
    speedup: Figure
    saved: Figure
    cost: Figure
    """Dollars of its parallel executions."""


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent: outcomes and durations of its tasks, its time on critical paths, and its score."""

    agent: str
    tasks: int
    completion: Figure
    errors: Figure
    median: Figure
    p95: Figure
    path: Figure
    score: Figure


@dataclass(frozen=True, slots=True)
class DetailRow:
    """A figure of a task type, agent or pattern: its other labels, and its value in each window."""

    name: str
    labels: tuple[tuple[str, str], ...]
    cells: tuple[Figure | None, ...]


class FigureIndex:
    """A snapshot's figures, indexed by name and labels."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_key = {(figure.name, frozenset(figure.labels)): figure for figure in snapshot.figures}

    def find_figure(self, name: str, reason: str, **labels: str) -> Figure:
        """Return the figure with this name and labels, else a withheld figure with the reason."""
        key = name, frozenset(labels.items())
        return self._by_key.get(key) or Figure(name, tuple(labels.items()), None, 0, reason)

    def list_labels(self, name: str, **labels: str) -> Iterable[dict[str, str]]:
        """Yield all labels of each figure with this name and these labels, in the snapshot's order."""
        for figure_name, figure_labels in self._by_key:
            if figure_name == name and labels.items() <= figure_labels:
                yield dict(figure_labels)


def list_type_rows(figures: FigureIndex, window: str) -> list[TypeRow]:
    """Return a row for each task type in a window: parallel ones first, then the others."""
    parallel = [
        (labels["task_type"], labels["baseline"])
        for labels in figures.list_labels("stretto_parallel_tasks", window=window)
    ]
    others = {labels["task_type"] for labels in figures.list_labels("stretto_window_tasks", window=window)}
    others -= {task_type for task_type, _ in parallel}
    rows = [_build_type_row(figures, window, task_type, baseline) for task_type, baseline in parallel]
    return rows + [_build_type_row(figures, window, task_type, None) for task_type in sorted(others)]


def _build_type_row(figures: FigureIndex, window: str, task_type: str, baseline: str | None) -> TypeRow:
    def against_baseline(name: str) -> Figure:
        if baseline is None:
            return Figure(name, (), None, 0, "none of its tasks ran in parallel")
        return figures.find_figure(
            name, "not computed", task_type=task_type, baseline=baseline, window=window
        )

    def length(stat: str) -> Figure:
        at = {"task_type": task_type, "stat": stat, "window": window}
        return figures.find_figure("stretto_task_duration_quantile_seconds", "no end was seen", **at)

    tasks = sum_counts(figures, "stretto_window_tasks", task_type=task_type, window=window)
    return TypeRow(
        task_type=task_type,
        baseline=baseline,
        tasks=tasks if baseline is None else int(against_baseline("stretto_parallel_tasks").value or 0),
        speedup=against_baseline("stretto_speedup_ratio"),
        improvement=against_baseline("stretto_improvement_ratio"),
        saved=against_baseline("stretto_time_saved_seconds"),
        target=figures.find_figure(
            "stretto_improvement_target_ratio", "no target is set", task_type=task_type
        ),
        success=replace_reason(
            figures.find_figure("stretto_success_ratio", "", task_type=task_type, window=window),
            "no outcome is known",
        ),
        median=length("p50"),
        p95=length("p95"),
        retry=figures.find_figure("stretto_retry_ratio", "not computed", task_type=task_type, window=window),
        quality=figures.find_figure(
            "stretto_quality_score", "not computed", task_type=task_type, window=window
        ),
    )


def replace_reason(figure: Figure, reason: str) -> Figure:
    """Return the figure, with this page's reason if it is withheld."""
    return figure if figure.value is not None else replace(figure, reason=reason)


def list_pattern_rows(figures: FigureIndex, window: str) -> list[PatternRow]:
    """Return a row for each pattern with parallel executions in a window."""
    rows = []
    for labels in figures.list_labels("stretto_window_fanouts", window=window):
        at = {"pattern": labels["pattern"], "window": window}
        rows.append(
            PatternRow(
                pattern=labels["pattern"],
                fanouts=int(figures.find_figure("stretto_window_fanouts", "", **at).value or 0),
                efficiency=figures.find_figure("stretto_parallel_efficiency_ratio", "not computed", **at),
                load_balance=figures.find_figure("stretto_load_balance_ratio", "not computed", **at),
                concurrency=figures.find_figure("stretto_concurrency_ratio", "not computed", **at),
                delivery=figures.find_figure("stretto_delivery_ratio", "not computed", **at),
                sessions=sum_counts(figures, "stretto_window_sessions", **at),
                session=figures.find_figure(
                    "stretto_session_duration_quantile_seconds", "no session ended", stat="p50", **at
                ),
                quality=figures.find_figure("stretto_pattern_quality_score", "no task ended", **at),
                speedup=figures.find_figure("stretto_pattern_speedup", "not computed", **at),
                saved=figures.find_figure("stretto_pattern_saved_seconds", "not computed", **at),
                cost=figures.find_figure("stretto_pattern_parallel_cost_usd", "not computed", **at),
            )
        )
    return rows


def list_agent_rows(figures: FigureIndex, window: str) -> list[AgentRow]:
    """Return a row for each agent with ended tasks in a window, by number of tasks."""
    agents = {labels["agent"] for labels in figures.list_labels("stretto_window_agent_tasks", window=window)}
    rows = [_build_agent_row(figures, {"agent": agent, "window": window}) for agent in sorted(agents)]
    return sorted(rows, key=lambda row: -row.tasks)


def _build_agent_row(figures: FigureIndex, at: dict[str, str]) -> AgentRow:
    def length(stat: str) -> Figure:
        return figures.find_figure(
            "stretto_agent_duration_quantile_seconds", "no end was seen", stat=stat, **at
        )

    return AgentRow(
        agent=at["agent"],
        tasks=sum_counts(figures, "stretto_window_agent_tasks", **at),
        completion=replace_reason(
            figures.find_figure("stretto_agent_completion_ratio", "", **at), "no task is over"
        ),
        errors=replace_reason(
            figures.find_figure("stretto_agent_error_ratio", "", **at), "no outcome is known"
        ),
        median=length("p50"),
        p95=length("p95"),
        path=figures.find_figure("stretto_critical_path_agent_seconds", "it was on no critical path", **at),
        score=figures.find_figure("stretto_agent_score", "not computed", **at),
    )


def list_detail_rows(snapshot: Snapshot, label: str, value: str) -> list[DetailRow]:
    """Return a row for each figure with this label value, sorted by name, with its value in each window."""
    by_window: dict[tuple[str, Labels], dict[str | None, Figure]] = {}
    for figure in snapshot.figures:
        labels = dict(figure.labels)
        if labels.pop(label, None) == value:
            window = labels.pop("window", None)
            by_window.setdefault((figure.name, tuple(labels.items())), {})[window] = figure
    return [
        DetailRow(name, labels, tuple(cells.get(window, cells.get(None)) for window in WINDOWS))
        for (name, labels), cells in sorted(by_window.items())
    ]


def sum_counts(figures: FigureIndex, name: str, **labels: str) -> int:
    """Return the sum of the figures with this name and these labels, whatever their other labels are."""
    return sum(
        int(figures.find_figure(name, "", **match).value or 0)
        for match in figures.list_labels(name, **labels)
    )


def rank_reject_reasons(snapshot: Snapshot) -> list[tuple[str, int]]:
    """Return the most common reasons for rejected input with their counts; the last row sums the rest."""
    ranked = sorted(snapshot.rejects.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ranked[:REASONS_SHOWN], ranked[REASONS_SHOWN:]
    if rest:
        shown.append((f"{len(rest)} other reasons", sum(number for _, number in rest)))
    return shown
