"""Budgets: what a day and a month cost so far, what they will cost, and in which zone they begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.clock import DAY, HOUR
from stretto.figures.spending_forecast import forecast_budget
from stretto.summaries.spending_outlook import compute_spending_figures, read_spending
from tests.fakes import store
from tests.scenes import BEGIN, Drawing

BUDGETS = {"day": 5, "month": 100}


def test_a_forecast_adds_such_days_as_there_were() -> None:
    """After seven days of 10 dollars half a day more is 5 for certain; scatter gives a range."""
    sure = forecast_budget(3.0, [10.0] * 7, 0.5)
    assert sure is not None
    assert (sure.low, sure.middle, sure.high) == (8.0, 8.0, 8.0)
    range_ = forecast_budget(0.0, [0.0, 20.0] * 14, 10)
    assert range_ is not None
    assert range_.low < range_.middle < range_.high
    assert 80 <= range_.middle <= 120
    assert forecast_budget(3.0, [10.0] * 6, 0.5) is None


def test_the_cover_of_the_range_is_that_of_80_percent() -> None:
    """Of 200 months of random days about 80 % end within the range."""
    from random import Random  # noqa: PLC0415  # beside its use

    random = Random(3)
    inside = 0
    for _ in range(200):
        forecast = forecast_budget(0.0, [random.expovariate(0.1) for _ in range(28)], 10)
        assert forecast is not None
        inside += forecast.low <= sum(random.expovariate(0.1) for _ in range(10)) <= forecast.high
    assert 130 <= inside <= 180


def test_spending_is_that_of_the_local_day_and_month(tmp_path: Path) -> None:
    """Half a dollar at 23:30 UTC of each day: in Berlin it belongs to the day after."""
    with store(tmp_path) as opened:
        for day in range(10):
            second = day * 86_400 + 84_600
            drawing = Drawing(f"d{day}").opens(second)
            drawing.model("m", second, took=1, cost_usd=0.5, input_tokens=10, output_tokens=10)
            opened.take(drawing.ends(second + 5).events)
        now = BEGIN + 10 * DAY + 9 * HOUR
        utc = {each.period: each for each in read_spending(opened.connection, now, "UTC", BUDGETS)}
        berlin = {
            each.period: each for each in read_spending(opened.connection, now, "Europe/Berlin", BUDGETS)
        }
        assert utc["day"].spent == 0
        assert berlin["day"].spent == pytest.approx(0.5)
        assert utc["month"].spent == pytest.approx(5.0)
        assert berlin["month"].spent == pytest.approx(5.0)
        assert utc["month"].forecast is not None
        assert utc["month"].forecast.middle == pytest.approx(5.0 + 20 * 0.5 + 0.5 * 15 / 24, abs=0.6)
        figures = {(f.name, dict(f.labels).get("bound"), dict(f.labels)["period"]): f.value
                   for f in compute_spending_figures([*utc.values()])}  # fmt: skip
        assert figures["stretto_budget_usd", None, "day"] == 5
        assert figures["stretto_budget_spent_usd", None, "month"] == pytest.approx(5.0)
        middle = {"stretto_budget_forecast_usd": figures["stretto_budget_forecast_usd", "middle", "day"]}
        assert middle == {"stretto_budget_forecast_usd": pytest.approx(0.3, abs=0.1)}
        assert [*compute_spending_figures(read_spending(opened.connection, now, "UTC", {}))] == []
