"""Judge which way a series goes over weeks, with a p value that knows that days resemble their neighbours.

The slope shown is Theil and Sen's, which a few wild days do not turn. Whether it differs from 0 is judged by
the least-squares slope. Its variance is widened by (1 + r) / (1 - r), r being the autocorrelation of the days
around the line; as many days fewer count as independent.

A month shows a rise of a tenth only if the days hardly scatter, so that three months are looked at as well
where the month itself can be judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

import numpy as np
from scipy import special, stats

from stretto.analysis.recent_days_rank_tests import select_discoveries
from stretto.analysis.series_of_run_values import Floats, Series, SeriesScale
from stretto.analysis.values_by_local_day import list_local_days
from stretto.model.findings import TREND_SUFFIX, WINDOW_DAYS, Finding, FindingEvidence, FindingVerdict

TREND_DAYS = 30
"""Days over which a trend is looked for, and by which its size is given."""

LONG_DAYS = 90
"""Days over which a trend is looked for too, where enough of them have runs."""

FEWEST_LONG_DAYS = 60
"""Fewest of them with runs."""

RECENT_PENALTY = 10.0
"""Factor of the p value of the last 30 days where 90 are looked at too: both are hardly ever false."""

FEWEST_DAYS = 14
"""Fewest days with runs that have a trend."""

TREND_LEVEL = 0.05
"""Largest p value of a trend."""

FALSE_TRENDS = 0.10
"""Share of false ones among the trends seen together that is accepted (Benjamini and Hochberg)."""

FEWEST_EFFECTIVE = 3.0
"""Independent days that count at least, so that the t distribution has a degree of freedom."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The slope of daily values, per day."""

    slope: float
    low: float
    high: float
    p: float
    """Two-sided."""
    days: int
    effective_days: float
    error: float

    @property
    def detectable(self) -> float:
        """Smallest slope that would have been seen nine times of ten."""
        freedom = self.effective_days - 2
        needed = -special.stdtrit(freedom, TREND_LEVEL / 2) + special.stdtrit(freedom, 0.9)
        return float(needed * self.error)


def estimate_trend(days: Floats, values: Floats) -> Trend | None:
    """Return the trend of values by day; None below three days or without scatter.

    Example: ten days that rise by .1 each, with a little noise, have the slope .1 and a small p value.
    """
    count = len(values)
    if count < 3:  # noqa: PLR2004  # a line through two points has no scatter
        return None
    centred = days - days.mean()
    square_sum = float(centred @ centred)
    slope = float(centred @ values) / square_sum
    residuals = values - values.mean() - slope * centred
    residual_sum = float(residuals @ residuals)
    if residual_sum <= 0:
        return None
    likeness = correct_autocorrelation(float(residuals[1:] @ residuals[:-1]) / residual_sum, count)
    inflation = (1 + likeness) / (1 - likeness)
    effective = max(FEWEST_EFFECTIVE, count / inflation)
    error = math.sqrt(residual_sum / (count - 2) / square_sum * inflation)
    robust = float(stats.theilslopes(values, days)[0])
    half = -float(special.stdtrit(effective - 2, TREND_LEVEL / 2)) * error
    return Trend(
        robust,
        robust - half,
        robust + half,
        float(2 * special.stdtr(effective - 2, -abs(slope) / error)),
        count,
        effective,
        error,
    )


def correct_autocorrelation(estimate: float, count: int) -> float:
    """Return the autocorrelation without the downward bias of a short series, between 0 and .95."""
    return min(0.95, max(0.0, estimate + (1 + 3 * estimate) / count))


def average_days(series: Series, instant: int, zone: tzinfo, count: int) -> tuple[Floats, Floats]:
    """Return (number of the day, mean value) of the whole local days with runs before an instant."""
    days = list_local_days(instant, count, zone)
    numbers = days.find_days(series.times)
    inside = (numbers >= 0) & (numbers < len(days))
    sums = np.bincount(numbers[inside], weights=series.values[inside], minlength=len(days))
    sizes = np.bincount(numbers[inside], minlength=len(days))
    known = np.flatnonzero(sizes)
    return known.astype(np.float64), np.asarray(sums[known] / sizes[known], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _JudgedTrend:
    """The trend of a series over so many days, of which some have runs; None if it cannot be estimated."""

    series: Series
    window: int
    days_with_runs: int
    trend: Trend | None
    p: float = 1.0
    """By which it is judged."""


def judge_trends(
    series: Iterable[Series], instant: int, zone: tzinfo = UTC, *, days: int = TREND_DAYS
) -> list[Finding]:
    """Return a finding about the trend of each series over ``days``; the effect is its change in 30 days.

    Where 60 of the last 90 days have runs, a trend over these is looked for too, and shown where the last
    days alone have none. Where fewer than 14 of the last days have runs, or all are alike, they alone are
    judged. A trend counts if p ≤ .05, and if at most a tenth of the trends that are seen together are false.
    """
    looked = [_look_both_ways(each, instant, zone, days) for each in series]
    p_values = np.array([min(each.p for each in both) for both in looked if both[0].trend is not None])
    level = min(TREND_LEVEL, select_discoveries(p_values, FALSE_TRENDS))
    findings = []
    for both in looked:
        shown = next((each for each in both if each.p <= level), both[-1])
        starts = list_local_days(instant, shown.window, zone).starts
        coverage = shown.series.measure_coverage(int(starts[0]), int(starts[-1]))
        findings.append(_conclude_trend(shown, level).add_coverage(coverage))
    return findings


def _look_both_ways(series: Series, instant: int, zone: tzinfo, days: int) -> list[_JudgedTrend]:
    """Return the trend of the last days, then that of 90 days where both can be estimated."""
    recent = _look_at_days(series, instant, zone, days)
    if recent.trend is None or days >= LONG_DAYS:
        return [recent]
    longer = _look_at_days(series, instant, zone, LONG_DAYS)
    if longer.trend is None or longer.days_with_runs < FEWEST_LONG_DAYS:
        return [recent]
    return [replace(recent, p=recent.p * RECENT_PENALTY), longer]


def _look_at_days(series: Series, instant: int, zone: tzinfo, days: int) -> _JudgedTrend:
    numbers, values = average_days(series, instant, zone, days)
    trend = estimate_trend(numbers, values) if len(values) >= FEWEST_DAYS else None
    return _JudgedTrend(series, days, len(values), trend, 1.0 if trend is None else trend.p)


def _conclude_trend(judged: _JudgedTrend, level: float) -> Finding:
    """Return the finding about a trend."""
    series, trend, days = judged.series, judged.trend, judged.days_with_runs
    kind, unit = f"{series.kind.value}{TREND_SUFFIX}", series.scale.value
    subject = dict(series.subject)
    if days < FEWEST_DAYS:
        return Finding(
            kind,
            subject,
            FindingVerdict.TOO_LITTLE_DATA,
            FindingEvidence(n=days, unit=unit),
            reason=describe_lacking_days(days),
        )
    if trend is None:
        return Finding(
            kind,
            subject,
            FindingVerdict.NO_EVIDENCE,
            FindingEvidence(n=days, unit=unit),
            reason="all days are alike",
        )
    is_ratio = series.scale is SeriesScale.RATIO
    effect, low, high, detectable = (
        math.exp(TREND_DAYS * slope) if is_ratio else TREND_DAYS * slope
        for slope in (trend.slope, trend.low, trend.high, trend.detectable)
    )
    verdict = FindingVerdict.NO_EVIDENCE
    if judged.p <= level:
        worse = (trend.slope > 0) == series.less_is_better
        verdict = FindingVerdict.REGRESSION if worse else FindingVerdict.IMPROVEMENT
    return Finding(
        kind,
        subject,
        verdict,
        FindingEvidence(
            n=trend.days, effect=effect, low=low, high=high, unit=unit, p=trend.p, detectable=detectable
        ),
        advice=""
        if verdict is FindingVerdict.NO_EVIDENCE
        else describe_trend(series, effect, low, high, window=judged.window),
        details={"effective_days": trend.effective_days, WINDOW_DAYS: float(judged.window)},
    )


def describe_trend(
    series: Series, effect: float, low: float, high: float, *, window: int = TREND_DAYS
) -> str:
    """Return a trend as a sentence: ``Task length (tests) rose by 12 % in 30 days [4, 21].``.

    A trend over more days, ``window``, has their number too.
    """
    name = f"{series.kind.value.replace('_', ' ').capitalize()} ({', '.join(series.subject.values())})"
    if series.scale is SeriesScale.RATIO:
        effect, low, high = effect - 1, low - 1, high - 1
    unit = " points" if series.scale is not SeriesScale.RATIO else " %"
    sign = 1 if effect >= 0 else -1
    ends = sorted((round(100 * sign * low), round(100 * sign * high)))
    word = "rose" if effect >= 0 else "fell"
    over = f", over the last {window} days" if window > TREND_DAYS else ""
    size = f"{round(100 * abs(effect))}{unit} in {TREND_DAYS} days [{ends[0]}, {ends[1]}]"
    return f"{name} {word} by {size}{over}."


def describe_lacking_days(days: int, needed: int = FEWEST_DAYS) -> str:
    """Return how many days with runs lack, as text."""
    lacking = needed - days
    return (
        f"{lacking} more {'day' if lacking == 1 else 'days'} with runs needed, {days} of {needed} are there"
    )
