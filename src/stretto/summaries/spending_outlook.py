"""The outlook on spending: what the local day and month have cost so far, and what they will have cost."""

from __future__ import annotations

import calendar
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from stretto.clock import DAY, HOUR, SECOND
from stretto.figures.figure import Figure, Labels
from stretto.figures.spending_forecast import BudgetForecast, forecast_budget
from stretto.figures.sums_by_dimension import sum_up
from stretto.model.call_cost_and_usage_types import DOLLAR
from stretto.names import measures
from stretto.store import sum_queries

PAST_DAYS = 28
PERIODS = ("day", "month")


@dataclass(frozen=True, slots=True)
class PeriodSpending:
    """A period's spending so far and its budget, in US dollars."""

    period: str
    spent: float
    budget: int
    forecast: BudgetForecast | None
    """None if too few days are known."""
    known_days: int
    """Whole days before that a forecast can rest on."""
    at: int
    """The instant (ns) of it."""
    end: int
    """The end of the period (ns)."""
    zone: str
    unpriced: int = 0
    """Model calls that used tokens and have no known cost: ``spent`` is without theirs."""

    @property
    def is_gone(self) -> bool:
        """Whether the budget is used up."""
        return self.budget <= self.spent

    @property
    def is_over(self) -> bool:
        """Whether nothing of the period is left to forecast."""
        return self.end - self.at <= SECOND


def read_spending(
    connection: sqlite3.Connection, now: int, zone: str, budgets: Mapping[str, int]
) -> list[PeriodSpending]:
    """Return the spending of the current local day and month, if it has a budget, in US dollars.

    Only calls whose cost is known count.

    Sums are by the hour, so that in zones off by half an hour a day begins half an hour later.
    """
    if not any(budgets.values()):
        return []
    local = datetime.fromtimestamp(now // SECOND, ZoneInfo(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    first_of_month = midnight.replace(day=1)
    oldest = min(first_of_month, midnight - timedelta(days=PAST_DAYS))
    slots = range(int(oldest.timestamp()) // 3_600, now // HOUR + 1)
    by_hour = sum_queries.read_sums_by_slot(
        connection, 3_600, slots, (measures.COST, measures.UNPRICED_CALLS)
    )
    hours = {slot: sum_up(sums, measures.COST) / DOLLAR for slot, sums in by_hour.items()}
    unpriced = {slot: sum_up(sums, measures.UNPRICED_CALLS) for slot, sums in by_hour.items()}

    def sum_between(values: Mapping[int, float], start: datetime, end: datetime) -> float:
        first, last = (-(-int(time.timestamp()) // 3_600) for time in (start, end))
        return sum(value for slot, value in values.items() if first <= slot < last)

    earliest = sum_queries.find_first_slot_time(connection)
    days = [midnight - timedelta(days=back) for back in range(PAST_DAYS, 0, -1)]
    past = [
        sum_between(hours, day, day + timedelta(days=1))
        for day in days
        if earliest is not None and day.timestamp() * SECOND >= earliest - DAY
    ]
    left_today = 1 - (now - int(midnight.timestamp()) * SECOND) / DAY
    length = calendar.monthrange(local.year, local.month)[1]
    begins, reached = {"day": midnight, "month": first_of_month}, local + timedelta(hours=1)
    spent = {period: sum_between(hours, begin, reached) for period, begin in begins.items()}
    left = {"day": max(0.0, left_today), "month": length - local.day + max(0.0, left_today)}
    ends = {
        "day": midnight + timedelta(days=1),
        "month": (first_of_month + timedelta(days=length)),
    }
    return [
        PeriodSpending(
            period,
            spent[period],
            budget,
            forecast_budget(spent[period], past, left[period], budget),
            len(past),
            now,
            int(ends[period].timestamp()) * SECOND,
            zone,
            round(sum_between(unpriced, begins[period], reached)),
        )
        for period in PERIODS
        if (budget := budgets.get(period, 0))
    ]


def compute_spending_figures(spending: Iterable[PeriodSpending]) -> Iterator[Figure]:
    """Yield budget, spending so far and forecast of each period that has a budget."""
    for each in spending:
        labels: Labels = (("period", each.period),)
        yield Figure("stretto_budget_usd", labels, each.budget, 1)
        yield Figure("stretto_budget_spent_usd", labels, each.spent, 1)
        if each.forecast is not None:
            for bound in ("middle", "low", "high"):
                value = getattr(each.forecast, bound)
                yield Figure(
                    "stretto_budget_forecast_usd", (("bound", bound), *labels), value, each.forecast.days
                )
