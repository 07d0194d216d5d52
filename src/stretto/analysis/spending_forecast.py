"""Forecast spending against a budget: how much by the end of the period, and when the budget is gone.

The rest of the period is drawn from the past days of the same weekday, week by week, so that expensive days
come as often and as close together as they did. The range is that of many draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stretto.analysis.series import Floats

WEEK = 7
MEMORY_WEEKS = 8
"""Weeks of the past that the future is drawn from."""

FEWEST_SPENDING_DAYS = 14
DRAWS = 2_000
LIKELY = 0.5
EARLY, LATE = 0.1, 0.9


@dataclass(frozen=True, slots=True)
class SpendingForecast:
    """Spending of a period: what is spent, and what it will be at its end."""

    spent: float
    low: float
    middle: float
    high: float
    """Nine of ten draws end below."""
    budget: float | None = None
    overrun_chance: float | None = None
    gone_in_days: int | None = None
    """Days until more than half of the draws have spent the budget; None if they do not in this period."""
    days_left: int = 0
    history: int = 0
    """Days that the draws come from; 0 if there are too few, and then the range is what is spent."""
    reason: str = ""


def forecast_spending(
    daily: Sequence[float], spent: float, days_left: int, budget: float | None = None, *, seed: int = 0
) -> SpendingForecast:
    """Return the forecast of a period's spending.

    ``daily`` are the whole days before today, oldest first, days without runs as 0. ``spent`` is what the
    period has cost until now, and ``days_left`` how many days it has after that, today included if it has
    only begun. Example: 14 days of 10 dollars each, 50 spent and 5 days left: 100, whatever the draw.
    """
    history = np.asarray(daily, dtype=np.float64)[-MEMORY_WEEKS * WEEK :]
    if len(history) < FEWEST_SPENDING_DAYS:
        reason = f"{len(history)} of {FEWEST_SPENDING_DAYS} days of spending"
        return SpendingForecast(spent, spent, spent, spent, budget, days_left=days_left, reason=reason)
    paths = spent + np.cumsum(draw_days(history, days_left, seed), axis=1)
    ends = paths[:, -1] if days_left else np.full(DRAWS, spent)
    low, middle, high = (float(value) for value in np.quantile(ends, (EARLY, LIKELY, LATE)))
    chance = gone = None
    if budget is not None:
        chance = float(np.mean(ends > budget))
        passed = np.flatnonzero(np.mean(paths > budget, axis=0) > LIKELY) if days_left else np.empty(0)
        gone = 0 if spent > budget else int(passed[0]) + 1 if len(passed) else None
    return SpendingForecast(spent, low, middle, high, budget, chance, gone, days_left, len(history))


def draw_days(history: Floats, days: int, seed: int) -> Floats:
    """Return ``DRAWS`` futures of some days, made of whole past weeks, each day from its weekday."""
    weeks = len(history) // WEEK
    rows = history[-weeks * WEEK :].reshape(weeks, WEEK)
    random = np.random.default_rng(seed)
    chosen = random.integers(weeks, size=(DRAWS, days // WEEK + 1))
    return np.asarray(rows[chosen].reshape(DRAWS, -1)[:, :days], dtype=np.float64)
