"""Forecast hourly values: the simple rule that would have been best over the last week.

Hours repeat by day and by week, but not every series does both. So five rules forecast the recent past, and
the one with the smallest mean error forecasts the future.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stretto.analysis.forecast import Forecast
from stretto.analysis.series_of_run_values import Floats

DAY_HOURS = 24
WEEK_HOURS = 168
TRIALS = 7
"""Times, a day apart, at which the rules are tried on the past."""


def repeat_day(values: Floats, horizon: int) -> Floats:
    """Return the hours of the last day again."""
    return values[-DAY_HOURS:][np.arange(horizon) % DAY_HOURS]


def repeat_week(values: Floats, horizon: int) -> Floats:
    """Return the hours of the last week again."""
    return values[-WEEK_HOURS:][np.arange(horizon) % WEEK_HOURS]


def repeat_three_days(values: Floats, horizon: int) -> Floats:
    """Return the mean of the last three days again, hour by hour."""
    days = values[-3 * DAY_HOURS :].reshape(3, DAY_HOURS)
    return np.asarray(days.mean(axis=0)[np.arange(horizon) % DAY_HOURS])


def repeat_week_at_newest_level(values: Floats, horizon: int) -> Floats:
    """Return the last week again, raised by as much as the last day is above the one a week before."""
    return repeat_week(values, horizon) + (_average_last_day(values) - _average_day_a_week_before(values))


def scale_week(values: Floats, horizon: int) -> Floats:
    """Return the last week again, times the ratio of the last day to the one a week before."""
    before, now = _average_day_a_week_before(values), _average_last_day(values)
    return repeat_week(values, horizon) * (now / before if before > 0 and now > 0 else 1.0)


def _average_last_day(values: Floats) -> float:
    return float(values[-DAY_HOURS:].mean())


def _average_day_a_week_before(values: Floats) -> float:
    return float(values[-WEEK_HOURS - DAY_HOURS : -WEEK_HOURS].mean())


RULES: dict[str, Callable[[Floats, int], Floats]] = {
    "same hour of the day": repeat_day,
    "same hour of the last three days": repeat_three_days,
    "same hour of the week": repeat_week,
    "same hour of the week, shifted": repeat_week_at_newest_level,
    "same hour of the week, scaled": scale_week,
}
"""Name → rule; those of the week need eight days."""

DAILY_RULES = 2
"""Rules that need three days only."""


def forecast_hours(values: Floats, horizon: int = 2 * DAY_HOURS) -> Forecast | None:
    """Return the forecast of the next hours; None below a week of them.

    The range is as wide as the errors of the chosen rule were, hour by hour of the horizon.
    """
    if len(values) < WEEK_HOURS:
        return None
    errors: dict[str, list[Floats]] = {}
    for trial in range(TRIALS):
        origin = len(values) - horizon - DAY_HOURS * trial
        for name in _list_rules(origin):
            actual = values[origin : origin + horizon]
            errors.setdefault(name, []).append(actual - RULES[name](values[:origin], horizon))
    possible = {name: several for name, several in errors.items() if name in _list_rules(len(values))}
    if not possible:
        return None
    best = min(possible, key=lambda name: float(np.mean(np.abs(possible[name]))))
    squares = np.mean(np.square(possible[best]), axis=0)
    # Seven trials say little about a single hour: its neighbours of six hours either way are taken with it.
    padded = np.pad(squares, 6, mode="edge")
    smooth = np.convolve(padded, np.full(13, 1 / 13), mode="valid")
    return Forecast(RULES[best](values, horizon), np.sqrt(smooth), best, len(values))


def _list_rules(hours: int) -> list[str]:
    """Return the names of the rules that a number of hours suffices for."""
    if hours < 3 * DAY_HOURS:
        return []
    names = list(RULES)
    return names if hours >= WEEK_HOURS + DAY_HOURS else names[:DAILY_RULES]
