"""A budget in words and as JSON: spent, the forecast with its range, and when it will be gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from stretto.clock import DAY, SECOND, to_rfc3339
from stretto.figures.spending_forecast import FEWEST_DAYS
from stretto.format.quantities import format_count_with_noun, format_dollars
from stretto.summaries.spending_outlook import PeriodSpending


def describe_budget(spending: PeriodSpending) -> str:
    """Return a sentence on a budget, dated by local days and times.

    Example: ``Budget of November 2026: $50.00 of $100.00 spent; $120.00 [$95.00, $130.00] expected by its
    end, from the last 28 days; gone on 26 November [on 24 November, not by its end].``
    """
    now = _to_local(spending)
    title = f"{now.day} {now:%B}" if spending.period == "day" else f"{now:%B %Y}"
    spent = f"{format_dollars(spending.spent)} of {format_dollars(spending.budget)} spent"
    if spending.unpriced:
        spent += f", at least: {format_count_with_noun(spending.unpriced, 'call')} without a known cost"
    parts = [f"Budget of {title}: {spent}"]
    if spending.is_gone:
        parts.append("it is gone")
    if not spending.is_over:
        parts += _describe_forecast(spending)
    return f"{'; '.join(parts)}."


def build_budget_document(spending: PeriodSpending) -> dict[str, Any]:
    """Return a budget as JSON: dollars and RFC 3339.

    When it will be gone is null where there is no forecast, it lasts, or it is gone already.
    """
    forecast = spending.forecast
    return {
        "period": spending.period,
        "budget_usd": spending.budget,
        "spent_usd": spending.spent,
        "unpriced_model_calls": spending.unpriced,
        "is_gone": spending.is_gone,
        "forecast_usd": None
        if forecast is None
        else {"middle": forecast.middle, "low": forecast.low, "high": forecast.high, "days": forecast.days},
        "gone_at": None
        if forecast is None or spending.is_gone
        else {
            name: None if days is None else to_rfc3339(spending.at + round(days * DAY))
            for name, days in (
                ("middle", forecast.gone.middle),
                ("low", forecast.gone.low),
                ("high", forecast.gone.high),
            )
        },
        "reason": None if forecast is not None else _explain_no_forecast(spending),
        "sentence": describe_budget(spending),
    }


def _describe_forecast(spending: PeriodSpending) -> list[str]:
    forecast = spending.forecast
    if forecast is None:
        return [f"no forecast yet: {_explain_no_forecast(spending)}"]
    middle, low, high = (format_dollars(value) for value in (forecast.middle, forecast.low, forecast.high))
    days = format_count_with_noun(forecast.days, "day")
    parts = [f"{middle} [{low}, {high}] expected by its end, from the last {days}"]
    gone = forecast.gone
    if spending.is_gone:
        return parts
    if gone.low is None:
        return [*parts, "it lasts"]
    earliest, latest = _describe_time(spending, gone.low), _describe_time(spending, gone.high)
    if gone.middle is None:
        return [*parts, f"it lasts, or is gone {earliest} at the earliest"]
    usual = _describe_time(spending, gone.middle)
    return [*parts, f"gone {usual}" if earliest == latest else f"gone {usual} [{earliest}, {latest}]"]


def _describe_time(spending: PeriodSpending, days: float | None) -> str:
    """Return when so many days have passed; None is after the period."""
    if days is None:
        return "not by its end"
    time = _to_local(spending, days)
    return f"at {time:%H:%M}" if spending.period == "day" else f"on {time.day} {time:%B}"


def _to_local(spending: PeriodSpending, days: float = 0) -> datetime:
    """Return the local time so many days after the instant of the spending."""
    return datetime.fromtimestamp((spending.at + days * DAY) // SECOND, ZoneInfo(spending.zone))


def _explain_no_forecast(spending: PeriodSpending) -> str:
    known = format_count_with_noun(spending.known_days, "whole day is", "whole days are")
    return f"{known} known, {FEWEST_DAYS} are needed"
