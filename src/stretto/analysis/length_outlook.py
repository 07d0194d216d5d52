"""Conclude how long tasks will take in the next week, and how often such ranges held before.

A forecast rests on the store and the instant alone. So the forecasts of earlier weeks are worked out again as
of those weeks, each from the days before it: their cover is that of the ranges that were given then.
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
from stretto.analysis.series import Floats, Series, SeriesKind
from stretto.analysis.series_trends import average_days, describe_lacking_days
from stretto.clock import SECOND
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict

KIND = "task_length_forecast"

OUTLOOK_DAYS = 140
"""Days that a forecast rests on."""

MOST_SERIES = 12
"""Series, those with the most runs, that are forecast: each takes a good part of a second."""


@dataclass(frozen=True, slots=True)
class ForecastCover:
    """How many days came out within the ranges of a level."""

    level: float
    inside: float
    days: int


def judge_length_outlooks(
    series: Iterable[Series], instant: int, zone: tzinfo
) -> tuple[list[Finding], list[ForecastCover]]:
    """Return a finding about the next seven days of each series of task lengths, and the cover over all."""
    lengths = [each for each in series if each.kind is SeriesKind.TASK_LENGTH]
    largest = sorted(lengths, key=lambda each: -len(each.values))[:MOST_SERIES]
    rows = [(each, _list_days(each, instant, zone)) for each in largest]
    tested = [(each, days, forecast_values(days, WEEK), back_test(days)) for each, days in rows]
    findings = [_conclude_outlook(each, days, made, test) for each, days, made, test in tested]
    return findings, add_up_covers([test for *_, test in tested if test is not None])


def add_up_covers(tests: Sequence[BackTest]) -> list[ForecastCover]:
    """Return the cover of each level over several back-tests; nothing without any."""
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


def _conclude_outlook(series: Series, days: Floats, made: Forecast | None, test: BackTest | None) -> Finding:
    """Return the finding: the middle of a day's lengths within the next week, with its range of 80 %."""
    subject, count = dict(series.subject), int(np.count_nonzero(~np.isnan(days)))
    if made is None:
        return Finding(
            KIND,
            subject,
            FindingVerdict.TOO_LITTLE_DATA,
            FindingEvidence(n=count, unit="seconds"),
            reason=describe_lacking_days(
                min(len(days), FEWEST_DAYS_FOR_FORECAST - 1), FEWEST_DAYS_FOR_FORECAST
            ),
        )
    low, middle, high = (math.exp(float(made.compute_quantile(share).mean())) / SECOND for share in SCENARIOS)
    details: dict[str, float | str | None] = {"model": made.model, "days": float(made.history)}
    if test is not None:
        details |= {f"cover_{round(100 * level)}": test.covers[n] for n, level in enumerate(COVERS)}
        details |= {
            "forecast_days": float(test.forecasts),
            "median_error": math.expm1(test.error),
            "median_error_of_last_week": math.expm1(test.naive_error),
        }
    return Finding(
        KIND,
        subject,
        FindingVerdict.NO_EVIDENCE,
        FindingEvidence(n=count, effect=middle, low=low, high=high, unit="seconds"),
        reason=made.reason,
        details=details,
    )
