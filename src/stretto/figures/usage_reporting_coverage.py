"""Compute the coverage of a window's sums: the share of those who reported, of all who could.

Sums below full coverage are lower bounds, and every surface says "at least".
"""

from __future__ import annotations

from collections.abc import Iterator

from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.sums_by_dimension import Sums, sum_up
from stretto.names import measures


def compute_incomplete_usage_coverage(sums: Sums) -> float | None:
    """Return the share of calls and tasks that reported their tokens; None if all did and sums are whole."""
    return _compute_coverage(sums, measures.USAGE_REPORTED, measures.USAGE_EXPECTED)


def compute_incomplete_tool_call_coverage(sums: Sums) -> float | None:
    """Return the share of tasks of which all tool calls are known; None if those of all are."""
    return _compute_coverage(sums, measures.TOOL_CALL_TASKS_REPORTED, measures.TOOL_CALL_TASKS)


def compute_coverage_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    """Yield both shares with their ingredients, where there is anything that could report."""
    for reported_by, expected_by, names in (
        (
            measures.USAGE_REPORTED,
            measures.USAGE_EXPECTED,
            (
                "stretto_window_usage_expected",
                "stretto_window_usage_reported",
                "stretto_usage_coverage_ratio",
            ),
        ),
        (
            measures.TOOL_CALL_TASKS_REPORTED,
            measures.TOOL_CALL_TASKS,
            (
                "stretto_window_tool_call_tasks",
                "stretto_window_tool_call_tasks_reported",
                "stretto_tool_call_coverage_ratio",
            ),
        ),
    ):
        reported, expected = sum_up(sums, reported_by), sum_up(sums, expected_by)
        if expected:
            yield Figure(names[0], at, expected, expected)
            yield Figure(names[1], at, reported, expected)
            yield make_ratio(names[2], at, reported, expected, expected)


def _compute_coverage(sums: Sums, reported_by: str, expected_by: str) -> float | None:
    reported, expected = sum_up(sums, reported_by), sum_up(sums, expected_by)
    return reported / expected if reported < expected else None
