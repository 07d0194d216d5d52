"""Forecasts as they were given: kept once a day, and judged by the days that came.

A forecast can be worked out again as of an earlier day, but not as an earlier version gave it, nor from the
runs that were known then. So the first one of each local day is a kept record of the journal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from stretto.clock import DAY, SECOND
from stretto.findings.measure_local_days import find_date
from stretto.format.quantities import format_percent
from stretto.model.findings import FORECAST_SUFFIX, Finding, FindingEvidence, FindingVerdict
from stretto.store.finding_history_and_last_answers import (
    ISSUED,
    AnalysisResult,
    FindingChange,
    make_finding_id,
)

if TYPE_CHECKING:
    from stretto.analysis.daily_task_length_forecasts import ForecastCover, LengthOutlook
    from stretto.analysis.series_of_run_values import Floats

OUTLOOKS = "outlooks"
"""The analysis that gives forecasts."""

ISSUED_DAYS = 7
"""Days of a forecast that are kept: the week that its finding is about."""

JUDGED_DAYS = 28
"""Days before today whose values are compared with what was forecast for them."""

FEWEST_JUDGED = 14
"""Of those days, the fewest on which a forecast was given."""

READ_NS = (JUDGED_DAYS + ISSUED_DAYS + 1) * DAY
"""How far back (ns) forecasts are read."""

AS_GIVEN, WORKED_OUT_AGAIN = "forecasts as given", "forecasts worked out again"
"""The forecasts whose cover an answer has."""

_FIRST_DAY, _RANGE = "first_day", "range_"


@dataclass(frozen=True, slots=True)
class IssuedForecast:
    """The ranges that were forecast for the days of a week."""

    kind: str
    subject: Mapping[str, str]
    first_day: date
    ranges: Mapping[float, Sequence[tuple[float, float]]]
    """Level → lower and upper limit (s) of each day, from the first on."""


def list_issued_forecasts(
    result: AnalysisResult, issued: Iterable[FindingChange], now: int, zone: ZoneInfo
) -> list[FindingChange]:
    """Return the forecasts of an answer to be kept: those of series without one on this local day.

    ``result`` is an answer of ``OUTLOOKS``, and ``issued`` are the forecasts of the last days.
    """
    today = find_date(now, zone)
    known = {change.id for change in issued if find_date(change.time, zone) == today}
    changes = []
    for row in result.extra.get("series", ()):
        if row["forecast"] is not None:
            finding = _make_finding(row, today)
            # Apart from the id of the finding about the forecast, whose changes have the same times.
            id = make_finding_id(f"{ISSUED} {finding.kind}", finding.subject)
            if id not in known:
                changes.append(FindingChange(id, now, ISSUED, OUTLOOKS, finding))
    return changes


def _make_finding(row: Mapping[str, Any], today: date) -> Finding:
    """Return the forecast of a series as the document that is kept."""
    details: dict[str, float | str | None] = {
        _FIRST_DAY: today.isoformat(),
        "model": row["forecast"]["model"],
    }
    for level, (lows, highs) in row["forecast"]["ranges"].items():
        # Milliseconds are enough, and as text a day costs twenty bytes.
        limits = zip(lows[:ISSUED_DAYS], highs[:ISSUED_DAYS], strict=True)
        details[_RANGE + level] = " ".join(f"{low:.3f}/{high:.3f}" for low, high in limits)
    return Finding(
        row["kind"] + FORECAST_SUFFIX,
        row["subject"],
        FindingVerdict.NO_EVIDENCE,
        FindingEvidence(n=row["days"], unit="seconds"),
        details=details,
    )


def parse_issued_forecast(finding: Finding) -> IssuedForecast | None:
    """Return the forecast of a kept document; None if it lacks something."""
    details = finding.details
    try:
        first_day = date.fromisoformat(str(details[_FIRST_DAY]))
        ranges = {
            float(name.removeprefix(_RANGE)): [_parse_limits(text) for text in str(value).split()]
            for name, value in details.items()
            if name.startswith(_RANGE)
        }
    except (KeyError, ValueError):
        return None
    return IssuedForecast(finding.kind.removesuffix(FORECAST_SUFFIX), finding.subject, first_day, ranges)


def _parse_limits(text: str) -> tuple[float, float]:
    """Return the limits of a day. Example: ``40.000/80.000`` is (40, 80)."""
    low, high = text.split("/")
    return float(low), float(high)


def judge_issued_forecasts(
    issued: Iterable[IssuedForecast], outlooks: Iterable[LengthOutlook], instant: int, zone: ZoneInfo
) -> list[ForecastCover]:
    """Return how many of the last days came out within the ranges that were given for them, by level.

    A day counts once for each forecast of it. There is no answer until forecasts are kept for four weeks, nor
    if they were given on fewer than FEWEST_JUDGED days of them.
    """
    from stretto.analysis.daily_task_length_forecasts import ForecastCover  # noqa: PLC0415  # loads statsmodels

    today = find_date(instant, zone)
    forecasts = [each for each in issued if each.ranges]
    begin = today - timedelta(days=JUDGED_DAYS)
    first_days = {each.first_day for each in forecasts}
    given_since = sum(day >= begin for day in first_days)
    if min(first_days, default=today) > begin or given_since < FEWEST_JUDGED:
        return []
    days_of = {(each.series.kind.value, *sorted(each.series.subject.items())): each.days for each in outlooks}
    inside: dict[float, int] = {}
    counts: dict[float, int] = {}
    for forecast in forecasts:
        days = days_of.get((forecast.kind, *sorted(forecast.subject.items())))
        for level, limits in forecast.ranges.items():
            for number, (low, high) in enumerate(limits):
                day = forecast.first_day + timedelta(days=number)
                seconds = _read_day(days, (today - day).days) if begin <= day < today else None
                if seconds is not None:
                    counts[level] = counts.get(level, 0) + 1
                    inside[level] = inside.get(level, 0) + (low <= seconds <= high)
    return [ForecastCover(level, inside[level], counts[level]) for level in sorted(counts)]


def _read_day(days: Floats | None, ago: int) -> float | None:
    """Return the typical seconds of the day so many days ago; None if it is unknown."""
    if days is None or not 0 < ago <= len(days) or math.isnan(value := float(days[-ago])):
        return None
    return math.exp(value) / SECOND


def describe_cover(extra: Mapping[str, Any]) -> str | None:
    """Return how often the narrowest ranges of forecasts held, as a sentence; None if it is unknown.

    ``extra`` is that of their answer.

    Example: "81 % of 336 forecast days came out within their range of 80 %, as it was given then."
    """
    covers = extra.get("covers") or ()
    if not covers:
        return None
    cover = min(covers, key=lambda each: each["level"])
    share, level = (format_percent(each) for each in (cover["inside"] / cover["days"], cover["level"]))
    source = "as it was given then" if extra.get("covers_of") == AS_GIVEN else "worked out again as of then"
    return f"{share} of {cover['days']:.0f} forecast days came out within their range of {level}, {source}."
