"""Find slow weekdays and slow hours, in local time, with whole days as the unit of comparison.

Runs of a day are not independent: a test over runs finds a weekly pattern in 38 to 41 of 100 series that have
none. So weekdays are compared by their daily means, and each day's hours give that day's daily curve once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stretto.analysis.remove_weekday_pattern import WEEK, measure_weekdays, subtract_line
from stretto.analysis.series_of_run_values import Floats, Series
from stretto.analysis.series_trends import FEWEST_DAYS, average_days, describe_lacking_days
from stretto.analysis.values_by_local_day import list_local_days
from stretto.clock import SECOND

CALENDAR_DAYS = 56
"""Days that are looked at: eight of each weekday."""

PATTERN_LEVEL = 0.05
"""Largest p value of a pattern."""

HARMONICS = 2
"""Waves per day that a daily curve is made of: a slow half, and a slow quarter."""

FEWEST_HOURS_RUNS = 4
"""Fewest runs of a day that show its daily curve."""

FEWEST_OF_WEEKDAY = 2

POWER = 0.9
"""Chance with which a pattern of the detectable size is seen."""

DAY_HOURS = 24


@dataclass(frozen=True, slots=True)
class CalendarPattern:
    """Factors on the lengths by weekday (Monday first) or by local hour, and whether they are real."""

    factors: tuple[float | None, ...]
    """None if there were no runs."""
    p: float | None
    days: int
    reason: str = ""
    """Why there is no answer, if so."""
    detectable: float | None = None
    """Factor of a single weekday, or of the slowest hour of a wave, that is seen nine times of ten."""

    @property
    def is_real(self) -> bool:
        """Whether the pattern is beyond chance."""
        return self.p is not None and self.p <= PATTERN_LEVEL

    @property
    def slowest(self) -> int | None:
        """The weekday or hour with the longest runs, if the pattern is real."""
        return self._find_extreme(max)

    @property
    def fastest(self) -> int | None:
        """The weekday or hour with the shortest runs, if the pattern is real."""
        return self._find_extreme(min)

    def _find_extreme(self, choose: Callable[[list[tuple[float, int]]], tuple[float, int]]) -> int | None:
        known = [(factor, number) for number, factor in enumerate(self.factors) if factor is not None]
        if not self.is_real or not known:
            return None
        return choose(known)[1]


def find_weekday_pattern(
    series: Series, instant: int, zone: tzinfo = UTC, *, days: int = CALENDAR_DAYS
) -> CalendarPattern:
    """Return the pattern of weekdays over the last weeks."""
    numbers, means = average_days(series, instant, zone, days)
    if len(means) < FEWEST_DAYS:
        return CalendarPattern((None,) * 7, None, len(means), describe_lacking_days(len(means)))
    dates = list_local_days(instant, days, zone).dates
    weekdays = np.array([dates[int(number)].weekday() for number in numbers])
    measured = measure_weekdays(subtract_line(means), weekdays, FEWEST_OF_WEEKDAY)
    if measured is None:
        return CalendarPattern(
            (None,) * 7, None, len(means), "some weekdays have fewer than two days with runs"
        )
    offsets, p = measured
    return CalendarPattern(
        tuple(math.exp(offset) for offset in offsets),
        p,
        len(means),
        detectable=_compute_detectable_weekday(subtract_line(means) - offsets[weekdays]),
    )


def _compute_detectable_weekday(residuals: Floats) -> float:
    """Return the factor on a weekday that a t test against the other days would see, by the days' scatter."""
    count = len(residuals)
    freedom = max(1, count - WEEK)
    scatter = math.sqrt(float(residuals @ residuals) / freedom)
    needed = -special.stdtrit(freedom, PATTERN_LEVEL / 2) + special.stdtrit(freedom, POWER)
    alike = count / WEEK
    return math.exp(float(needed) * scatter * math.sqrt(1 / alike + 1 / (count - alike)))


def find_hour_pattern(
    series: Series, instant: int, zone: tzinfo = UTC, *, days: int = CALENDAR_DAYS
) -> CalendarPattern:
    """Return the pattern of local hours over the last weeks.

    Each day gives the coefficients of its daily curve, of two waves; whether their mean differs from 0 is
    Hotelling's test over the days. A day's level is taken out first by its median.
    """
    local_days = list_local_days(instant, days, zone)
    numbers = local_days.find_days(series.times)
    inside = np.flatnonzero((numbers >= 0) & (numbers < len(local_days)))
    of_day = np.bincount(numbers[inside], minlength=len(local_days))
    used = inside[of_day[numbers[inside]] >= FEWEST_HOURS_RUNS]
    edges = np.flatnonzero(np.diff(numbers[used], prepend=-1))
    count = len(edges)
    if count < FEWEST_DAYS:
        return CalendarPattern((None,) * DAY_HOURS, None, count, describe_lacking_days(count))
    hours = np.array([read_local_hour(int(series.times[number]), zone) for number in used])
    residuals = series.values[used].copy()
    for left, right in zip(edges, [*edges[1:], len(used)], strict=True):
        residuals[left:right] -= np.median(residuals[left:right])
    tested = judge_daily_curves(hours, residuals, edges)
    whole_hours = hours.astype(np.intp)
    factors = [
        math.exp(float(np.median(residuals[whole_hours == hour]))) if (whole_hours == hour).any() else None
        for hour in range(DAY_HOURS)
    ]
    return CalendarPattern(tuple(factors), tested.p, count, detectable=tested.detectable_factor)


def read_local_hour(time: int, zone: tzinfo) -> float:
    """Return the local time of day in hours, from 0 to below 24."""
    local = datetime.fromtimestamp(time // SECOND, zone)
    return local.hour + local.minute / 60 + local.second / 3600


class CurveTest(NamedTuple):
    """The test of a mean daily curve against a flat one."""

    p: float
    detectable_factor: float
    """Factor of a wave's slowest hour that would be seen nine times of ten."""


def judge_daily_curves(hours: Floats, residuals: Floats, day_starts: NDArray[np.intp]) -> CurveTest:
    """Test whether the mean daily curve is other than flat.

    The test is Hotelling's T² over days. A wave of amplitude a has coefficients of a / 2. It is seen nine
    times of ten if the noncentrality of T² suffices. ``day_starts`` are positions in the residuals.
    """
    angles = 2 * math.pi * hours / DAY_HOURS
    waves = np.stack(
        [wave(number * angles) for number in range(1, HARMONICS + 1) for wave in (np.cos, np.sin)], axis=1
    )
    sizes = np.diff([*day_starts, len(hours)])
    curves = np.add.reduceat(waves * residuals[:, None], day_starts, axis=0) / sizes[:, None]
    count, width = curves.shape
    mean = curves.mean(axis=0)
    scatter = np.cov(curves, rowvar=False)
    squared = count * float(mean @ np.linalg.pinv(scatter) @ mean)
    ratio = squared * (count - width) / (width * (count - 1))
    critical = float(special.chdtri(width, PATTERN_LEVEL))
    needed = float(special.chndtrinc(critical, width, 1 - POWER))
    amplitude = 2 * math.sqrt(needed * float(np.diag(scatter).mean()) / count)
    return CurveTest(float(special.fdtrc(width, count - width, ratio)), math.exp(amplitude))
