"""Figures held against themselves a week ago: one list for the first board and for that of trends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grafana.board.limit import FALLING, RISING, Step
from grafana.board.panel import Column, Unit
from grafana.board.query import WEEK, either, largest, named, ratio, series, share, total

FIGURE = "figure"
"""The label that says what a row is about; it exists in these answers only."""

At = Callable[[str], str]
"""Offset, "" for now → expression."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A figure whose change matters."""

    title: str
    at: At


def speedup(offset: str = "") -> str:
    """Return sequential over elapsed of all parallel work."""
    return ratio(
        series("parallel_sequential_seconds", offset=offset),
        series("parallel_elapsed_seconds", offset=offset),
    )


def improvement(offset: str = "") -> str:
    """Return time saved over sequential of all parallel work."""
    return ratio(
        series("time_saved_seconds", offset=offset), series("parallel_sequential_seconds", offset=offset)
    )


def success(offset: str = "") -> str:
    """Return how many tasks succeeded."""
    return share("window_tasks", "success", offset=offset)


def efficiency(offset: str = "") -> str:
    """Return work over capacity of all parallel executions."""
    return ratio(
        series("pattern_work_seconds", offset=offset), series("pattern_capacity_seconds", offset=offset)
    )


def adoption(offset: str = "") -> str:
    """Return how many of the turns that could run in parallel did."""
    return ratio(
        series("window_parallel_turns", offset=offset), series("window_eligible_turns", offset=offset)
    )


def cached(offset: str = "") -> str:
    """Return how much of what models read came from the provider's cache."""
    return ratio(
        series("window_cache_read_tokens", offset=offset), series("window_prompt_tokens", offset=offset)
    )


def score(offset: str = "") -> str:
    """Return the efficiency score."""
    return largest(series("efficiency_score", offset=offset))


def saved(offset: str = "") -> str:
    """Return the seconds saved."""
    return total(series("time_saved_seconds", offset=offset))


def average_session(offset: str = "") -> str:
    """Return the mean wall time of sessions that ended."""
    return ratio(series("session_wall_seconds", offset=offset), series("window_sessions", offset=offset))


def cost(offset: str = "") -> str:
    """Return what model calls cost."""
    return total(series("window_cost_usd", offset=offset))


def in_tests(offset: str = "") -> str:
    """Return how much of the execution time of tool calls went into tests."""
    return ratio(series("window_test_seconds", offset=offset), series("window_tool_seconds", offset=offset))


SHARES = (
    Watched("Improvement", improvement),
    Watched("Success", success),
    Watched("Parallel efficiency", efficiency),
    Watched("Adoption", adoption),
    Watched("Cache reads", cached),
)
"""Shares of a whole: their change is counted in percentage points."""

AMOUNTS = (
    Watched("Efficiency score", score),
    Watched("Speedup (×)", speedup),
    Watched("Time saved (s)", saved),
    Watched("Sessions ended", lambda offset: total(series("window_sessions", offset=offset))),
    Watched("Average session (s)", average_session),
    Watched("Time in tests (share of tool time)", in_tests),
    Watched("Tokens", lambda offset: total(series("window_tokens", offset=offset))),
    Watched("Cost (USD)", cost),
)
"""Amounts: their change is relative to what they were. Their units stand in their names."""


def shares() -> tuple[Column, ...]:
    """Return the columns now, a week ago and the difference in points."""
    now, before = _rows(SHARES, ""), _rows(SHARES, WEEK)
    return (
        Column("Change", f"{_bracketed(now)} - {_bracketed(before)}", Unit.RATIO, FALLING, low=None, high=1),
        Column("Now", now, Unit.RATIO, low=None, high=1),
        Column("A week ago", before, Unit.RATIO, low=None, high=1),
    )


def amounts() -> tuple[Column, ...]:
    """Return the columns now, a week ago and the relative difference."""
    now, before = _rows(AMOUNTS, ""), _rows(AMOUNTS, WEEK)
    change = f"{_bracketed(now)} / ({_bracketed(before)} != 0) - 1"
    return (
        Column("Change", change, Unit.RATIO, low=None),
        Column("Now", now, Unit.COUNT, low=None),
        Column("A week ago", before, Unit.COUNT, low=None),
    )


def difference(title: str, at: At, unit: Unit, *, rise_is_bad: bool = False) -> Column:
    """Return a column of how much a figure differs from a week ago, by whatever labels it has."""
    steps: tuple[Step, ...] = RISING if rise_is_bad else FALLING
    return Column(title, f"{_bracketed(at(''))} - {_bracketed(at(WEEK))}", unit, steps, low=None)


def relative(title: str, at: At, *, rise_is_bad: bool = False) -> Column:
    """Return a column of how much a figure differs from a week ago, relative to what it was."""
    steps: tuple[Step, ...] = RISING if rise_is_bad else FALLING
    change = f"{_bracketed(at(''))} / ({_bracketed(at(WEEK))} > 0) - 1"
    return Column(title, change, Unit.RATIO, steps, low=-1)


def _rows(watched: tuple[Watched, ...], offset: str) -> str:
    return either(named(figure.at(offset), FIGURE, figure.title) for figure in watched)


def _bracketed(expression: str) -> str:
    return f"({expression})"
