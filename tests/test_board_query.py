from __future__ import annotations

import pytest
from grafana.board.query import (
    divide_sums,
    measure_age,
    select_series,
    select_whole,
    share_completed,
    share_outcome,
    share_value,
    sum_by,
    take_quantile,
)

from stretto.names import Label

HERE = 'job="$job",instance="$instance"'
"""What every query asks: the figures of one service."""


def test_a_series_is_narrowed_by_every_variable_it_has_the_label_for() -> None:
    """Labels with a variable are matched by it, one value for the window and a pattern for the rest."""
    assert select_series("window_tasks") == (
        f'stretto_window_tasks{{{HERE},window="$window",task_type=~"$task_type"}}'
    )
    assert select_series("tasks_running") == f"stretto_tasks_running{{{HERE}}}"


def test_a_label_can_be_left_whole() -> None:
    """A variable of a label that the other side of a division lacks is left out."""
    asked = select_whole("window_tasks", Label.TASK_TYPE)
    assert asked == f'stretto_window_tasks{{{HERE},window="$window"}}'


def test_what_is_asked_of_a_label_goes_before_its_variable() -> None:
    """A value, a pattern and a moment in the past are written as PromQL wants them."""
    assert select_series("window_tasks", window="24h", outcome="~success|failure", offset="7d") == (
        f'stretto_window_tasks{{{HERE},window="24h",task_type=~"$task_type",'
        'outcome=~"success|failure"} offset 7d'
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda: select_series("no_such_metric"),
        lambda: select_series("window_tasks", agent="architect"),
        lambda: select_series("window_tasks", "_bucket"),
        lambda: take_quantile(0.95, "window_tasks", Label.TASK_TYPE),
    ],
)
def test_what_the_table_of_names_does_not_have_is_refused(ask: object) -> None:
    """An unknown metric or label, or a suffix on a metric that is not a histogram, fails the build."""
    with pytest.raises((KeyError, ValueError), match=r"no_such_metric|no label agent|not a histogram"):
        ask()  # type: ignore[operator]  # each is called alike


def test_a_ratio_is_absent_where_there_is_nothing_to_divide_by() -> None:
    """Numerator and denominator are summed apart, and a denominator of 0 gives no series."""
    assert divide_sums("a", "b", Label.AGENT) == "sum by (agent) (a) / (sum by (agent) (b) > 0)"


def test_a_share_of_nothing_is_zero() -> None:
    """If only the other outcome exists, its zero replaces the missing part."""
    asked = f'stretto_window_parallel_tasks{{{HERE},window="$window",outcome'
    above = f'sum ({asked}="failure"}} or 0 * {asked}="success"}})'
    assert (
        share_outcome("window_parallel_tasks", "failure")
        == f'{above} / (sum ({asked}=~"success|failure"}}) > 0)'
    )
    assert "or 0 * stretto_window_tests{" in share_value("window_tests", Label.RESULT, "passed")
    assert 'outcome=~"success|failure"' in share_completed("window_tasks")


def test_totals_and_ages() -> None:
    """Sums name their labels, an age is counted from now."""
    assert sum_by("x", Label.TOOL, "le") == "sum by (tool, le) (x)"
    assert measure_age("x") == "time() - x"
