"""Trends and changes in words and bars: signs, scales and unknown values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stretto.clock import DAY, HOUR
from stretto.figures.parallel_work_by_week import FigureChange
from stretto.format.quantities import MINUS
from stretto.web import time_saved_chart
from tests.web_page import ARCHITECTURE, TESTS, read, shown
from tests.web_served import NOON, Store


def day(begins: str, saved: float | None) -> dict[str, Any]:
    """Return one day of the trends' document."""
    return {"begins": begins, "lead": None if saved is None else {"time_saved_seconds": saved}}


def test_columns_stand_on_the_line_of_zero() -> None:
    """Saved time is above zero, lost time below, and a day without parallel work has no column."""
    chart = time_saved_chart.build_chart([day("a", 30), day("b", None), day("c", -10), day("d", 0)])
    up, none, down, zero = chart.columns

    assert chart.zero == time_saved_chart.HEIGHT * 0.75
    assert (up.y, up.height) == (0, 72)
    assert (down.y, down.height) == (72, 24)
    assert none.saved is None
    assert (zero.saved, zero.height) == (0, 0)
    assert [column.begins for column in chart.known] == ["a", "c", "d"]
    assert chart.most == 30


def test_a_small_saving_beside_a_large_one_can_be_seen() -> None:
    """A bar is never thinner than a line."""
    assert time_saved_chart.build_chart([day("a", 1e6), day("b", 1)]).columns[1].height == 1.5


def test_a_chart_of_nothing_has_its_line_at_the_bottom() -> None:
    """No work, no division by it."""
    chart = time_saved_chart.build_chart([day("a", None)])
    assert (chart.zero, chart.known) == (time_saved_chart.HEIGHT, [])
    assert time_saved_chart.build_chart([]).columns == ()


@pytest.mark.parametrize(
    ("change", "difference", "tone", "note"),
    [
        (
            FigureChange("speedup", 2.5, 2.0, exceeds_noise=True, reason=None),
            "+0.5×",
            "gain",
            "more than noise",
        ),
        (
            FigureChange("success", 0.9, 0.96, exceeds_noise=True, reason=None),
            f"{MINUS}6 points",
            "loss",
            "more than noise",
        ),
        (
            FigureChange("time_saved_seconds", 50, 60, exceeds_noise=False, reason=None),
            f"{MINUS}10 s",
            "even",
            "within noise",
        ),
        (FigureChange("fanouts", 20, 10, exceeds_noise=True, reason=None), "+10", "even", "more than noise"),
        (
            FigureChange("improvement", 0.5, 0.5, exceeds_noise=None, reason="too few"),
            "as before",
            "even",
            "too few",
        ),
    ],
)
def test_a_change_says_how_much_and_whether_it_counts(
    change: FigureChange, difference: str, tone: str, note: str
) -> None:
    """Only a difference that exceeds noise is a gain or a loss, and more work is neither."""
    (found,) = time_saved_chart.list_changes([change])
    assert found.difference.replace("\N{NO-BREAK SPACE}", " ") == difference
    assert (found.tone, found.note) == (tone, note)


def test_what_is_not_known_of_both_weeks_is_left_out() -> None:
    """Nothing is compared with nothing."""
    assert (
        time_saved_chart.list_changes(
            [FigureChange("speedup", 2.0, None, exceeds_noise=None, reason="not known")]
        )
        == []
    )


def test_the_overview_shows_the_trend_and_since_last_week(tmp_path: Path) -> None:
    """The days are a chart and a table; the week before is compared, or reported as missing."""
    store = Store(tmp_path)
    store.scene("new", NOON - HOUR, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        alone = read(client)
    store.scene("old", NOON - 9 * DAY, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        both = read(client)

    assert "Since last week: — the week before has nothing to compare with" in alone.text
    assert "2026-11-20 20 s 1.67× 1 work" in alone.text
    assert "Parallel executions 1 as before" in both.text
    assert "fewer than 10 parallel executions in one of the weeks" in both.text
    assert any(one.startswith("2026-11-11") and "20" in one for one in both.explanations)
