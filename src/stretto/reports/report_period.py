"""The periods that reports are about: local days, weeks and months, any span, and the hours until now.

Sums are kept by the hour. In a zone that is off by half an hour, a day therefore begins half an hour later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from stretto.clock import DAY, HOUR, SECOND
from stretto.errors import UsageError
from stretto.names import WINDOWS

LONGEST_DAYS = 3_660
"""Longest period: sums are kept for ten years at most."""

FINE_DAYS = 3
"""Up to so many days a chart has a column for each hour, beyond them for each day."""


class PeriodKind(StrEnum):
    """The kind of a period."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    SPAN = "span"
    """From a day to another day."""
    RECENT = "recent"
    """The hours until now, as in the windows of ``/metrics``."""


WRITTEN_KINDS = (PeriodKind.DAY, PeriodKind.WEEK, PeriodKind.MONTH)
"""The periods of which the service writes a report when they are over."""

_NAMES = {
    "daily": PeriodKind.DAY, "day": PeriodKind.DAY, "yesterday": PeriodKind.DAY,
    "weekly": PeriodKind.WEEK, "week": PeriodKind.WEEK,
    "monthly": PeriodKind.MONTH, "month": PeriodKind.MONTH,
}  # fmt: skip
"""Word → the period that is over; the last of its kind is meant."""

_UNITS = {"h": HOUR, "d": DAY}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_RECENT = re.compile(r"(\d{1,5})([hd])")


@dataclass(frozen=True, slots=True)
class ReportPeriod:
    """A period from ``start`` to before ``end`` (ns)."""

    kind: PeriodKind
    id: str
    """A name that can be a file's: ``day-2026-11-29``."""
    title: str
    start: int
    end: int
    zone: str
    window: str | None = None
    """The window of ``/metrics`` that has the same figures at the end of the period, if there is one."""

    @property
    def instant(self) -> int:
        """The last instant of the period (ns): findings and baselines count as they were known then."""
        return self.end - 1

    @property
    def days(self) -> float:
        """Its length in days of 24 hours."""
        return (self.end - self.start) / DAY

    @property
    def about(self) -> str:
        """The local times of its bounds."""
        first, last = (_to_local(at, self.zone) for at in (self.start, self.end))
        return f"From {_describe_moment(first)} to {_describe_moment(last)}, times of {self.zone}."

    @property
    def last_date(self) -> date:
        """The local day of its last instant."""
        return _to_local(self.instant, self.zone).date()

    @property
    def word(self) -> str:
        """The word for a period of this kind."""
        return "period" if self.kind in {PeriodKind.SPAN, PeriodKind.RECENT} else self.kind.value


def get_last_period(kind: PeriodKind, now: int, zone: str) -> ReportPeriod:
    """Return the last day, week or month that is over at ``now`` (ns) in a zone."""
    today = _to_local(now, zone).date()
    if kind is PeriodKind.DAY:
        period = make_day(today - timedelta(days=1), zone)
        # Between midnight and the next full hour, in a zone off by half an hour, the day is not over.
        return period if period.end <= now else make_day(today - timedelta(days=2), zone)
    if kind is PeriodKind.WEEK:
        return make_week(today - timedelta(days=today.weekday() + 7), zone)
    return make_month(today.replace(day=1) - timedelta(days=1), zone)


def get_period_before(period: ReportPeriod) -> ReportPeriod:
    """Return the period of the same kind, or of the same length, that ended when this one began."""
    before = _to_local(period.start - HOUR, period.zone).date()
    if period.kind is PeriodKind.DAY:
        return make_day(before, period.zone)
    if period.kind is PeriodKind.WEEK:
        return make_week(before - timedelta(days=before.weekday()), period.zone)
    if period.kind is PeriodKind.MONTH:
        return make_month(before, period.zone)
    # Sums are by the hour: the nearest number of hours is the same time as nearly as they can tell.
    length = max(1, round((period.end - period.start) / HOUR)) * HOUR
    title = f"the {_describe_length(length)} before"
    return ReportPeriod(
        PeriodKind.SPAN, f"{period.id}-before", title, period.start - length, period.start, period.zone
    )


def parse_period(text: str, now: int, zone: str) -> ReportPeriod:
    """Return the period of a text as of ``now`` (ns). Raises UsageError.

    ``daily``, ``weekly`` and ``monthly`` are the last that are over; ``2026-11-29``, ``2026-W48``,
    ``2026-11`` and ``2026-11-01..2026-11-15`` are local days, both included; ``24h`` and ``7d`` end now.
    """
    if text in _NAMES:
        return get_last_period(_NAMES[text], now, zone)
    if match := _RECENT.fullmatch(text):
        return make_recent_period(int(match[1]) * _UNITS[match[2]], now, zone)
    try:
        period = _parse_dates(text, zone)
    except ValueError:
        period = None
    if period is None:
        raise UsageError(
            f"{text!r} is not a period",
            hint="daily, weekly, monthly, 2026-11-29, 2026-W48, 2026-11, 2026-11-01..2026-11-15, 24h or 7d",
        )
    if period.start > now:
        raise UsageError(f"{text!r} has not begun", hint="name a day up to today")
    return period


def _parse_dates(text: str, zone: str) -> ReportPeriod | None:
    """Return the period of dates, or None if the text has another form. Raises ValueError for no date."""
    if _DAY.fullmatch(text):
        return make_day(date.fromisoformat(text), zone)
    if match := _WEEK.fullmatch(text):
        return make_week(date.fromisocalendar(int(match[1]), int(match[2]), 1), zone)
    if match := _MONTH.fullmatch(text):
        return make_month(date(int(match[1]), int(match[2]), 1), zone)
    first, dots, last = text.partition("..")
    if dots and _DAY.fullmatch(first) and _DAY.fullmatch(last):
        return make_span(date.fromisoformat(first), date.fromisoformat(last), zone)
    return None


def make_day(day: date, zone: str) -> ReportPeriod:
    """Return a local day, which has 23 or 25 hours when clocks change."""
    bounds = _find_midnight(day, zone), _find_midnight(day + timedelta(days=1), zone)
    title = f"{day:%A} {day.day} {day:%B %Y}"
    return ReportPeriod(PeriodKind.DAY, f"day-{day.isoformat()}", title, *bounds, zone)


def make_week(monday: date, zone: str) -> ReportPeriod:
    """Return a week that begins on a Monday, named as in ISO 8601."""
    last = monday + timedelta(days=6)
    year, week, _ = monday.isocalendar()
    return ReportPeriod(
        PeriodKind.WEEK,
        f"week-{year}-W{week:02d}",
        f"week {week}, {_describe_days(monday, last)}",
        _find_midnight(monday, zone),
        _find_midnight(last + timedelta(days=1), zone),
        zone,
    )


def make_month(day: date, zone: str) -> ReportPeriod:
    """Return the month that a day is in."""
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return ReportPeriod(
        PeriodKind.MONTH,
        f"month-{first:%Y-%m}",
        f"{first:%B %Y}",
        _find_midnight(first, zone),
        _find_midnight(following, zone),
        zone,
    )


def make_span(first: date, last: date, zone: str) -> ReportPeriod:
    """Return the days from the first to the last, both included. Raises UsageError."""
    if not timedelta() <= last - first <= timedelta(days=LONGEST_DAYS):
        raise UsageError(
            f"{first}..{last} is not a period",
            hint=f"the earlier day first, at most {LONGEST_DAYS} days",
        )
    return ReportPeriod(
        PeriodKind.SPAN,
        f"span-{first}-{last}",
        _describe_days(first, last),
        _find_midnight(first, zone),
        _find_midnight(last + timedelta(days=1), zone),
        zone,
    )


def make_recent_period(length: int, now: int, zone: str) -> ReportPeriod:
    """Return the last ``length`` ns until ``now``, from the beginning of its first hour. Raises UsageError.

    The figures of 24 hours and 7 days are those of the window of ``/metrics``.
    """
    if not HOUR <= length <= LONGEST_DAYS * DAY:
        raise UsageError(
            f"a report of {_describe_length(length)} is not possible",
            hint=f"from 1h to {LONGEST_DAYS}d",
        )
    name = _describe_length(length)
    window = next((key for key, seconds in WINDOWS.items() if seconds * SECOND == length > HOUR), None)
    start = (now - length) // HOUR * HOUR
    id = f"recent-{name.replace(' ', '')}"
    return ReportPeriod(PeriodKind.RECENT, id, f"the last {name}", start, now + 1, zone, window)


def list_chart_bounds(period: ReportPeriod) -> list[tuple[str, int, int]]:
    """Return (title, start, end) of each column of a chart: hours up to a few days, else local days."""
    if period.days <= FINE_DAYS:
        first = period.start // HOUR * HOUR
        starts = range(first, period.end, HOUR)
        return [(f"{_to_local(at, period.zone):%a %H:%M}", at, at + HOUR) for at in starts]
    first_day = _to_local(period.start, period.zone).date()
    days = [first_day + timedelta(days=back) for back in range((period.last_date - first_day).days + 1)]
    edges = [_find_midnight(day, period.zone) for day in (*days, days[-1] + timedelta(days=1))]
    return [
        (f"{day:%a} {day.day} {day:%b}", start, end)
        for day, (start, end) in zip(days, pairwise(edges), strict=True)
    ]


def describe_period_start(period: ReportPeriod) -> str:
    """Return the beginning of a period for a sentence with "since": ``29 November``, ``week 48``."""
    if period.kind is PeriodKind.WEEK:
        return period.title.partition(",")[0]
    first = _to_local(period.start, period.zone)
    return f"{first:%B %Y}" if period.kind is PeriodKind.MONTH else f"{first.day} {first:%B}"


def find_next_midnight(now: int, zone: str) -> int:
    """Return the next local midnight after ``now`` (ns)."""
    tomorrow = _to_local(now, zone).date() + timedelta(days=1)
    return _find_midnight(tomorrow, zone)


def _find_midnight(day: date, zone: str) -> int:
    """Return the full hour (ns) at or after local midnight; that midnight itself in most zones."""
    midnight = datetime.combine(day, time(), ZoneInfo(zone))
    return -(-int(midnight.timestamp()) * SECOND // HOUR) * HOUR


def _to_local(at: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at // SECOND, ZoneInfo(zone))


def _describe_moment(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y} {moment:%H:%M}"


def _describe_days(first: date, last: date) -> str:
    if first.year != last.year:
        return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"
    return f"{first.day} {first:%B} to {last.day} {last:%B %Y}"


def _describe_length(length: int) -> str:
    days, rest = divmod(length, DAY)
    if days > 1 and not rest:
        return f"{days} days"
    hours = length // HOUR
    return f"{hours} hours" if hours != 1 else "hour"
