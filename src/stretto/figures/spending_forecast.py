"""Forecast the spending of a day and a month from the days before, by drawing such days again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from stretto.figures.quantile_sketch import find_one_based_rank

DRAWS = 2_000
FEWEST_DAYS = 7
"""Whole days with a record before which nothing is forecast."""


@dataclass(frozen=True, slots=True)
class BudgetForecast:
    """What a period will have cost at its end (US dollars): the median, and the range of 80 %."""

    middle: float
    low: float
    high: float
    days: int
    """Whole days that it rests on."""


def forecast_budget(spent: float, past_days: Sequence[float], days_left: float) -> BudgetForecast | None:
    """Return the forecast of a period in which ``spent`` dollars are gone and ``days_left`` days are left.

    ``past_days`` are the costs of the last whole days. Example: after 7 days of 10 dollars each, half a day
    left brings 5 dollars more, for certain.
    """
    if len(past_days) < FEWEST_DAYS:
        return None
    random = Random(0)  # noqa: S311  # the same days give the same forecast
    whole, part = int(days_left), days_left - int(days_left)
    totals = sorted(
        spent + sum(random.choices(past_days, k=whole)) + part * random.choice(past_days)
        for _ in range(DRAWS)
    )
    low, middle, high = (totals[find_one_based_rank(DRAWS, share) - 1] for share in (0.1, 0.5, 0.9))
    return BudgetForecast(middle, low, high, len(past_days))
