"""Forecast the spending of a day and a month from the days before, by drawing such days again and again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from stretto.figures.quantile_sketch import find_one_based_rank

DRAWS = 2_000
FEWEST_DAYS = 7
"""Whole days with a record before which nothing is forecast."""


@dataclass(frozen=True, slots=True)
class DaysUntilGone:
    """Days from now until a budget is gone: the median, and the range of 80 %.

    A bound is None if the budget lasts until the end of the period.
    """

    middle: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class BudgetForecast:
    """The cost of a period at its end (US dollars): the median, and the range of 80 %."""

    middle: float
    low: float
    high: float
    days: int
    """Whole days that it rests on."""
    gone: DaysUntilGone
    """When the budget will be gone."""


def forecast_budget(
    spent: float, past_days: Sequence[float], days_left: float, budget: float = math.inf
) -> BudgetForecast | None:
    """Return the forecast of a period in which ``spent`` dollars are gone and ``days_left`` days are left.

    ``past_days`` are the costs of the last whole days. Example: after 7 days of 10 dollars each, half a day
    left brings 5 dollars more, for certain. None if too few days are known.
    """
    if len(past_days) < FEWEST_DAYS:
        return None
    random = Random(0)  # noqa: S311  # the same days give the same forecast
    whole, part = int(days_left), days_left - int(days_left)
    totals, gone = [], []
    for _ in range(DRAWS):
        later, today = random.choices(past_days, k=whole), part * random.choice(past_days)
        totals.append(spent + sum(later) + today)
        gone.append(_count_days_until_gone(budget - spent, part, today, later))
    low, middle, high = _find_quantiles(totals)
    first, usual, last = (None if days == math.inf else days for days in _find_quantiles(gone))
    return BudgetForecast(middle, low, high, len(past_days), DaysUntilGone(usual, first, last))


def _find_quantiles(values: Iterable[float]) -> tuple[float, float, float]:
    """Return the bounds of the middle 80 % of DRAWS values, and their median between them."""
    ordered = sorted(values)
    low, middle, high = (ordered[find_one_based_rank(DRAWS, share) - 1] for share in (0.1, 0.5, 0.9))
    return low, middle, high


def _count_days_until_gone(rest: float, part: float, today: float, later: Iterable[float]) -> float:
    """Return the days until ``rest`` dollars are spent: ``part`` of a day costs ``today``, others ``later``.

    Infinite if they last. Costs spread evenly over a day.
    """
    if rest <= 0:
        return 0.0
    passed = 0.0
    for length, cost in ((part, today), *((1.0, cost) for cost in later)):
        if cost >= rest:
            return passed + length * rest / cost
        passed, rest = passed + length, rest - cost
    return math.inf
