"""Compare figures with those a week ago, for the overview and the trends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grafana.board.limit import FALLING, RISING, Step
from grafana.board.panel import Column, Unit
from grafana.board.query import (
    WEEK,
    divide_sums,
    join_series,
    label_rows,
    max_by,
    select_series,
    select_whole,
    share_completed,
    share_outcome,
    sum_by,
)

from stretto.names import Label

FIGURE = "figure"
"""The label with the name of a row's figure; only these queries have it."""

At = Callable[[str], str]
"""Offset ("" means now) → expression."""


@dataclass(frozen=True, slots=True)
class WatchedFigure:
    """A figure whose change matters."""

    title: str
    at: At


def compute_speedup(offset: str = "") -> str:
    """Return the headline's speedup: 1 + time saved over elapsed of all parallel executions."""
    saved, elapsed = (
        select_series(name, offset=offset) for name in ("verdict_saved_seconds", "verdict_elapsed_seconds")
    )
    return divide_sums(f"{saved} + {elapsed}", elapsed)


def compute_improvement(offset: str = "") -> str:
    """Return the headline's time saved divided by its sequential time."""
    return divide_sums(
        select_series("verdict_saved_seconds", offset=offset),
        select_series("verdict_sequential_seconds", offset=offset),
    )


def compute_success(offset: str = "") -> str:
    """Return the share of tasks that succeeded."""
    return share_outcome("window_tasks", "success", offset=offset)


def compute_completion(offset: str = "") -> str:
    """Return the share of tasks that ended with success or failure, neither cancelled nor lost."""
    return share_completed("window_tasks", offset=offset)


def compute_efficiency(offset: str = "") -> str:
    """Return delivered work divided by capacity of all parallel executions."""
    return divide_sums(
        select_series("pattern_delivered_work_seconds", offset=offset),
        select_series("pattern_capacity_seconds", offset=offset),
    )


def compute_adoption(offset: str = "") -> str:
    """Return the share of turns that ran in parallel, of those that could."""
    return divide_sums(
        select_series("window_parallel_turns", offset=offset),
        select_series("window_eligible_turns", offset=offset),
    )


def compute_cache_share(offset: str = "") -> str:
    """Return the share of prompt tokens that came from the provider's cache."""
    return divide_sums(
        select_series("window_cache_read_tokens", offset=offset),
        select_series("window_prompt_tokens", offset=offset),
    )


def compute_score(offset: str = "") -> str:
    """Return the efficiency score."""
    return max_by(select_series("efficiency_score", offset=offset))


def compute_time_saved(offset: str = "") -> str:
    """Return the headline's seconds saved."""
    return sum_by(select_series("verdict_saved_seconds", offset=offset))


def compute_average_session(offset: str = "") -> str:
    """Return the mean wall time of all sessions that ended.

    Wall time is known by part and not by pattern or source, so neither narrows the number of sessions.
    """
    return divide_sums(
        select_series("session_wall_seconds", offset=offset),
        select_whole("window_sessions", Label.PATTERN, Label.SOURCE, offset=offset),
    )


def compute_cost(offset: str = "") -> str:
    """Return the cost of model calls."""
    return sum_by(select_series("window_cost_usd", offset=offset))


def compute_test_share(offset: str = "") -> str:
    """Return the share of tool time that was spent in tests."""
    return divide_sums(
        select_series("window_test_seconds", offset=offset),
        select_series("window_tool_seconds", offset=offset),
    )


SHARES = (
    WatchedFigure("Improvement", compute_improvement),
    WatchedFigure("Success", compute_success),
    WatchedFigure("Completion", compute_completion),
    WatchedFigure("Parallel efficiency", compute_efficiency),
    WatchedFigure("Adoption", compute_adoption),
    WatchedFigure("Cache reads", compute_cache_share),
)
"""Shares; their change is in percentage points."""

AMOUNTS = (
    WatchedFigure("Efficiency score", compute_score),
    WatchedFigure("Speedup (×)", compute_speedup),
    WatchedFigure("Time saved (s)", compute_time_saved),
    WatchedFigure("Sessions ended", lambda offset: sum_by(select_series("window_sessions", offset=offset))),
    WatchedFigure("Average session (s)", compute_average_session),
    WatchedFigure("Time in tests (share of tool time)", compute_test_share),
    WatchedFigure("Tokens, at least", lambda offset: sum_by(select_series("window_tokens", offset=offset))),
    WatchedFigure("Cost (USD), at least", compute_cost),
)
"""Amounts; their change is relative to the week before. Their titles have the units."""


def build_share_columns() -> tuple[Column, ...]:
    """Return the columns now, a week ago and the difference in points."""
    now, before = _join_rows(SHARES, ""), _join_rows(SHARES, WEEK)
    return (
        Column(
            "Change",
            f"{_wrap_parentheses(now)} - {_wrap_parentheses(before)}",
            Unit.RATIO,
            FALLING,
            low=None,
            high=1,
        ),
        Column("Now", now, Unit.RATIO, low=None, high=1),
        Column("A week ago", before, Unit.RATIO, low=None, high=1),
    )


def build_amount_columns() -> tuple[Column, ...]:
    """Return the columns now, a week ago and the relative difference."""
    now, before = _join_rows(AMOUNTS, ""), _join_rows(AMOUNTS, WEEK)
    change = f"{_wrap_parentheses(now)} / ({_wrap_parentheses(before)} != 0) - 1"
    return (
        Column("Change", change, Unit.RATIO, low=None),
        Column("Now", now, Unit.COUNT, low=None),
        Column("A week ago", before, Unit.COUNT, low=None),
    )


def build_difference_column(title: str, at: At, unit: Unit, *, rise_is_bad: bool = False) -> Column:
    """Return a column of the difference between now and a week ago."""
    steps: tuple[Step, ...] = RISING if rise_is_bad else FALLING
    return Column(
        title, f"{_wrap_parentheses(at(''))} - {_wrap_parentheses(at(WEEK))}", unit, steps, low=None
    )


def build_relative_column(title: str, at: At, *, rise_is_bad: bool = False) -> Column:
    """Return a column of the relative difference between now and a week ago."""
    steps: tuple[Step, ...] = RISING if rise_is_bad else FALLING
    change = f"{_wrap_parentheses(at(''))} / ({_wrap_parentheses(at(WEEK))} > 0) - 1"
    return Column(title, change, Unit.RATIO, steps, low=-1)


def _join_rows(watched: tuple[WatchedFigure, ...], offset: str) -> str:
    return join_series(label_rows(figure.at(offset), FIGURE, figure.title) for figure in watched)


def _wrap_parentheses(expression: str) -> str:
    return f"({expression})"
