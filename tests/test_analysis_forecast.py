"""What do the next days look like, how good were earlier forecasts, and when is the budget gone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stretto.analysis.forecast import (
    back_test,
    fill_gaps,
    forecast_values,
    widen_by_horizon,
)
from stretto.analysis.hourly_forecast import RULES, forecast_hours

WEEKLY = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0])


def weekly_values(days: int, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Daily values with slow weekends and a little noise."""
    return np.resize(WEEKLY, days) + np.random.default_rng(seed).normal(size=days) * 0.1


def test_the_model_learns_the_week() -> None:
    """From four weeks on a smoothing model is used, and named; weekends stand out in each scenario."""
    made = forecast_values(weekly_values(70), 7)
    assert made is not None
    assert made.model in {"ETS(A,N,A)", "ETS(A,Ad,A)"}
    assert made.means == pytest.approx(WEEKLY, abs=0.25)
    low, middle, high = (made.compute_quantile(share) for share in (0.1, 0.5, 0.9))
    assert (low < middle).all()
    assert (middle < high).all()
    assert (made.compute_range(0.95)[1] > made.compute_range(0.8)[1]).all()


def test_below_four_weeks_the_last_week_is_repeated() -> None:
    """The model is named so, the range as wide as that rule was wrong; below two weeks there is none."""
    values = weekly_values(21)
    made = forecast_values(values, 9)
    assert made is not None
    assert made.model == "same weekday"
    assert made.means.tolist() == [*values[-7:], *values[-7:-5]]
    assert made.deviations[8] > made.deviations[6]
    assert forecast_values(values[:13], 7) is None


def test_a_month_on_little_history_is_wider_and_says_why() -> None:
    """Seventy days carry a week, also as the first of a month; later days have a wider range."""
    week, month = (forecast_values(weekly_values(70), horizon) for horizon in (7, 30))
    assert week is not None
    assert month is not None
    assert week.reason == ""
    assert month.reason == "70 of 90 days that a month's forecast should rest on"
    assert month.deviations[:7] == pytest.approx(week.deviations)
    steady = forecast_values(weekly_values(90), 30)
    assert steady is not None
    growth = steady.deviations[7] / steady.deviations[6]
    assert month.deviations[7] / month.deviations[6] == pytest.approx(growth * math.sqrt(90 / 70), rel=0.05)


def test_a_series_without_a_season_is_forecast_too() -> None:
    """With period 1 the model has no season; a constant is repeated."""
    made = forecast_values(np.cumsum(np.random.default_rng(1).normal(size=60)), 5, period=1)
    assert made is not None
    assert made.model in {"ETS(A,N,N)", "ETS(A,Ad,N)"}
    flat = forecast_values(np.ones(60), 5, period=1)
    assert flat is not None
    assert flat.model == "last value"
    assert flat.means.tolist() == [1] * 5


def test_gaps_are_filled_from_the_week_before() -> None:
    """A day without runs has the value of its weekday, or the mean if there is none."""
    values = np.arange(10.0)
    values[[2, 8]] = np.nan
    filled = fill_gaps(values, 7)
    assert filled[8] == 1
    assert filled[2] == pytest.approx(np.nanmean(values))
    assert len(fill_gaps(np.full(3, np.nan), 7)) == 0


def test_the_range_widens_with_the_horizon() -> None:
    """A level smoothed by .5 widens a week by the root of 1 + 6 / 4; a season adds at each whole week."""
    assert widen_by_horizon(7, 7, smoothing_level=0.5)[-1] == pytest.approx(math.sqrt(2.5))
    assert widen_by_horizon(3, 1, smoothing_level=0.0).tolist() == [1, 1, 1]
    with_season = widen_by_horizon(8, 7, smoothing_level=0.0, smoothing_seasonal=0.5)
    assert with_season[6] == 1
    assert with_season[7] == pytest.approx(math.sqrt(1.25))


def test_accuracy_is_that_of_earlier_forecasts() -> None:
    """Each origin knows only the days before it; without any the accuracy is absent and not invented."""
    result = back_test(weekly_values(70), origins=2)
    assert result is not None
    assert result.forecasts == 14
    assert 0.5 <= result.covers[0] <= result.covers[1] <= 1
    assert result.error < result.naive_error * 1.5
    assert back_test(weekly_values(10)) is None
    peeked: list[int] = []
    back_test(weekly_values(35), origins=1, forecast=lambda values, _: peeked.append(len(values)))
    assert peeked == [28]


def test_hours_are_forecast_by_the_rule_that_was_best() -> None:
    """A pattern of the week is repeated by week, one of the day by day; below a week nothing is forecast."""
    noise = np.random.default_rng(1).normal(size=24 * 28) * 0.01
    hours = np.arange(24 * 28)
    weekly = np.sin(2 * np.pi * hours / 168) + noise
    made = forecast_hours(weekly, 48)
    assert made is not None
    assert made.model.startswith("same hour of the week")
    assert np.abs(made.means - np.sin(2 * np.pi * np.arange(48) / 168)).max() < 0.1
    daily = forecast_hours(np.tile(np.arange(24.0), 10) + np.repeat([0.0, 0.5] * 5, 24), 24)
    assert daily is not None
    assert daily.model in RULES
    assert forecast_hours(np.zeros(100), 24) is None
    assert forecast_hours(np.zeros(168), 160) is None
