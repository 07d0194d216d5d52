"""Collect the rows of the views by tool and by model from a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from stretto.figures.figure import Figure
from stretto.web.dimension_views import FigureIndex, replace_reason, sum_counts


@dataclass(frozen=True, slots=True)
class ToolFigures:
    """A tool: outcomes and lengths of its calls, and its time on critical paths."""

    tool: str
    calls: int
    failed: int
    success: Figure
    median: Figure
    p95: Figure
    path: Figure


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """A model: its calls, their lengths, tokens and cost."""

    model: str
    calls: int
    failed: int
    median: Figure
    p95: Figure
    first_token: Figure
    input_tokens: Figure
    output_tokens: Figure
    cost: Figure


@dataclass(frozen=True, slots=True)
class HookFigures:
    """A hook event, or the command of hooks: how often an agent waited for it, and how long."""

    name: str
    runs: int
    median: Figure
    p95: Figure


def list_failed_tasks(figures: FigureIndex, window: str) -> list[tuple[dict[str, str], Figure]]:
    """Return how tasks failed in a window, by phase, agent and kind of error, most first."""
    name = "stretto_window_failed_tasks"
    rows = [
        (labels, figures.find_figure(name, "", **labels))
        for labels in figures.list_labels(name, window=window)
    ]
    return sorted(rows, key=lambda row: (-(row[1].value or 0), *sorted(row[0].items())))


def list_hook_figures(figures: FigureIndex, window: str, label: str) -> list[HookFigures]:
    """Return a row for each ``event`` or ``command`` of hooks in a window, the most often run first."""
    metric = f"stretto_hook_{label}_duration_quantile_seconds"
    names = {labels[label] for labels in figures.list_labels(metric, window=window)}
    rows = []
    for name in sorted(names):
        median, p95 = (
            figures.find_figure(metric, "no run is known", stat=stat, window=window, **{label: name})
            for stat in ("p50", "p95")
        )
        rows.append(HookFigures(name, median.count, median, p95))
    return sorted(rows, key=lambda row: -row.runs)


def list_tool_figures(figures: FigureIndex, window: str) -> list[ToolFigures]:
    """Return a row for each tool that was called in a window, the most called first."""
    tools = {labels["tool"] for labels in figures.list_labels("stretto_window_tool_calls", window=window)}
    rows = [_build_tool(figures, {"tool": tool, "window": window}) for tool in sorted(tools)]
    return sorted(rows, key=lambda row: -row.calls)


def _build_tool(figures: FigureIndex, at: dict[str, str]) -> ToolFigures:
    def length(stat: str) -> Figure:
        return figures.find_figure(
            "stretto_tool_duration_quantile_seconds", "no call's length is known", stat=stat, **at
        )

    return ToolFigures(
        tool=at["tool"],
        calls=sum_counts(figures, "stretto_window_tool_calls", **at),
        failed=sum_counts(figures, "stretto_window_tool_calls", outcome="failure", **at),
        success=replace_reason(
            figures.find_figure("stretto_tool_success_ratio", "", **at), "no outcome is known"
        ),
        median=length("p50"),
        p95=length("p95"),
        path=figures.find_figure("stretto_critical_path_tool_seconds", "it was on no critical path", **at),
    )


def list_model_figures(figures: FigureIndex, window: str) -> list[ModelFigures]:
    """Return a row for each model that was called in a window, the most called first."""
    models = {labels["model"] for labels in figures.list_labels("stretto_window_model_calls", window=window)}
    rows = [_build_model(figures, {"model": model, "window": window}) for model in sorted(models)]
    return sorted(rows, key=lambda row: -row.calls)


def _build_model(figures: FigureIndex, at: dict[str, str]) -> ModelFigures:
    def length(name: str, stat: str, reason: str) -> Figure:
        return figures.find_figure(f"stretto_{name}_quantile_seconds", reason, stat=stat, **at)

    def tokens(kind: str) -> Figure:
        return figures.find_figure("stretto_window_tokens", "not reported", kind=kind, **at)

    return ModelFigures(
        model=at["model"],
        calls=sum_counts(figures, "stretto_window_model_calls", **at),
        failed=sum_counts(figures, "stretto_window_model_calls", outcome="failure", **at),
        median=length("model_duration", "p50", "no call's length is known"),
        p95=length("model_duration", "p95", "no call's length is known"),
        first_token=length("first_token", "p50", "not reported"),
        input_tokens=tokens("input"),
        output_tokens=tokens("output"),
        cost=figures.find_figure("stretto_window_cost_usd", "no price is known", **at),
    )
