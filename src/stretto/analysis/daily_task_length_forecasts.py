"""Forecast how long tasks and parallel work will take, and conclude how often such ranges held before.

A forecast rests on the store and the instant alone. So the forecasts of earlier weeks can be worked out again
as of those weeks, each from the days before it. Their cover is shown until forecasts are kept for four weeks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from stretto.analysis.forecast import (
    COVERS,
    FEWEST_DAYS_FOR_FORECAST,
    SCENARIOS,
    WEEK,
    BackTest,
    Forecast,
    back_test,
    forecast_values,
)
from stretto.analysis.series_of_run_values import Floats, Series, SeriesKind
from stretto.analysis.series_trends import average_days, describe_lacking_days
from stretto.clock import SECOND
from stretto.model.findings import FORECAST_SUFFIX, Finding, FindingEvidence, FindingVerdict

FORECAST_KINDS = (SeriesKind.TASK_LENGTH, SeriesKind.FANOUT_ELAPSED)

OUTLOOK_DAYS = 140
"""Days that a forecast rests on."""

MOST_SERIES = 12
"""Series, those with the most runs, that are forecast: each takes a good part of a second."""


HORIZON_DAYS = 30
"""Days that are forecast; the finding is about the first week."""


@dataclass(frozen=True, slots=True)
class LengthOutlook:
    """A series of lengths with the forecast of its next days, on the scale of logarithms."""

    series: Series
    days: Floats
    """Mean logarithm of each local day since the first with runs; NaN for days without."""
    forecast: Forecast | None
    tested: BackTest | None
    """How forecasts of a week made in the past turned out."""

    @property
    def reason(self) -> str:
        """Why there is no forecast, or why its range is wider than it could be."""
        if self.forecast is not None:
            return self.forecast.reason
        known = min(len(self.days), FEWEST_DAYS_FOR_FORECAST - 1)
        return describe_lacking_days(known, FEWEST_DAYS_FOR_FORECAST)


@dataclass(frozen=True, slots=True)
class ForecastCover:
    """How many days came out within the ranges of a level."""

    level: float
    inside: float
    days: int


def forecast_lengths(series: Iterable[Series], instant: int, zone: tzinfo) -> list[LengthOutlook]:
    """Return the outlook of each series of task lengths and parallel work, those with the most runs first."""
    lengths = [each for each in series if each.kind in FORECAST_KINDS]
    largest = sorted(
        lengths, key=lambda each: (-len(each.values), FORECAST_KINDS.index(each.kind), str(each.subject))
    )
    rows = [(each, _list_days(each, instant, zone)) for each in largest[:MOST_SERIES]]
    return [
        LengthOutlook(each, days, forecast_values(days, HORIZON_DAYS), back_test(days)) for each, days in rows
    ]


def sum_covers_by_level(outlooks: Sequence[LengthOutlook]) -> list[ForecastCover]:
    """Return the cover of each level over the back-tests of several series; nothing without any."""
    tests = [each.tested for each in outlooks if each.tested is not None]
    days = sum(test.forecasts for test in tests)
    return [
        ForecastCover(level, sum(test.covers[number] * test.forecasts for test in tests), days)
        for number, level in enumerate(COVERS)
        if days
    ]


def _list_days(series: Series, instant: int, zone: tzinfo) -> Floats:
    """Return the mean logarithm of each local day since the first with runs; NaN for days without."""
    numbers, means = average_days(series, instant, zone, OUTLOOK_DAYS)
    if not len(numbers):
        return np.empty(0)
    days = np.full(OUTLOOK_DAYS - int(numbers[0]), np.nan)
    days[(numbers - numbers[0]).astype(np.intp)] = means
    return days


def judge_length_outlook(outlook: LengthOutlook) -> Finding:
    """Return the finding: the middle of a day's lengths within the next week, with its range of 80 %."""
    kind, subject = outlook.series.kind + FORECAST_SUFFIX, dict(outlook.series.subject)
    count = int(np.count_nonzero(~np.isnan(outlook.days)))
    made, test = outlook.forecast, outlook.tested
    if made is None:
        evidence = FindingEvidence(n=count, unit="seconds")
        return Finding(kind, subject, FindingVerdict.TOO_LITTLE_DATA, evidence, reason=outlook.reason)
    low, middle, high = (
        math.exp(float(made.compute_quantile(share)[:WEEK].mean())) / SECOND for share in SCENARIOS
    )
    details: dict[str, float | str | None] = {"model": made.model, "days": float(made.history)}
    if test is not None:
        details |= {f"cover_{round(100 * level)}": test.covers[n] for n, level in enumerate(COVERS)}
        details |= {
            "forecast_days": float(test.forecasts),
            "median_error": math.expm1(test.error),
            "median_error_of_last_week": math.expm1(test.naive_error),
        }
    evidence = FindingEvidence(n=count, effect=middle, low=low, high=high, unit="seconds")
    # The reason for which a month is uncertain need not hold for its first week.
    return Finding(kind, subject, FindingVerdict.NO_EVIDENCE, evidence, details=details)
