"""Measure how often trends, weekdays and daily cycles are seen: with none there, and with planted ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from stretto.analysis.calendar_patterns import find_hour_pattern, find_weekday_pattern
from stretto.analysis.series_of_run_values import Series, SeriesKind
from stretto.analysis.series_trends import judge_trends
from stretto.clock import DAY
from stretto.model.findings import FindingVerdict
from tests.detectors.scenarios import FIRST_DAY, draw_series, follow, place_ends

DAY_SPREAD = 0.10
"""Spread of the daily values, as a logarithm."""


def count_trends(likeness: float, days: int, factor: float, cases: int, seed: int) -> int:
    """Return in how many of the cases a trend is seen; ``factor`` is the planted change in 30 days.

    A case is a series of one value a day of which so many days are known.
    """
    rng = np.random.default_rng([seed, days, round(likeness * 10)])
    numbers = np.arange(float(days))
    times = place_ends(days, 1)
    seen = 0
    for _ in range(cases):
        values = follow(rng, days, likeness, DAY_SPREAD) + math.log(factor) / 30 * numbers
        (finding,) = judge_trends([Series(SeriesKind.TASK_LENGTH, {}, times, values)], FIRST_DAY + days * DAY)
        seen += finding.verdict is not FindingVerdict.NO_EVIDENCE
    return seen


def count_weekday_patterns(cases: int, seed: int, *, planted: float = 0.0) -> int:
    """Return in how many series of 56 days × 20 runs with good and bad days a weekly pattern is seen."""
    rng = np.random.default_rng([seed, 7])
    found = 0
    for _ in range(cases):
        series = draw_series("h", rng, 56, 20)
        if planted:
            mondays = (series.times // DAY) % 7 == 4
            series = replace(series, values=series.values + planted * mondays)
        found += find_weekday_pattern(series, FIRST_DAY + 56 * DAY).is_real
    return found


def count_daily_cycles(scenario: str, days: int, cases: int, seed: int) -> int:
    """Return in how many series of 20 runs a day a daily cycle is seen."""
    rng = np.random.default_rng([seed, ord(scenario), days])
    end = FIRST_DAY + days * DAY
    return sum(
        find_hour_pattern(draw_series(scenario, rng, days, 20), end, days=days).is_real for _ in range(cases)
    )


def make_constant(days: int, per_day: int) -> Series:
    """Return a series without any scatter."""
    return Series(SeriesKind.TASK_LENGTH, {}, place_ends(days, per_day), np.full(days * per_day, 3.0))
