"""The periods of reports: local days, weeks, months and spans, and how they are named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stretto.clock import DAY, HOUR, SECOND
from stretto.errors import UsageError
from stretto.reports.report_period import (
    PeriodKind,
    find_next_midnight,
    get_last_period,
    get_period_before,
    list_chart_bounds,
    parse_period,
)

BERLIN, KOLKATA = "Europe/Berlin", "Asia/Kolkata"


def at(text: str) -> int:
    """Return an instant (ns) of a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


NOW = at("2026-11-30T10:30:00")


@pytest.mark.parametrize(
    ("text", "id", "start", "end"),
    [
        ("daily", "day-2026-11-29", "2026-11-28T23:00:00", "2026-11-29T23:00:00"),
        ("weekly", "week-2026-W48", "2026-11-22T23:00:00", "2026-11-29T23:00:00"),
        ("monthly", "month-2026-10", "2026-09-30T22:00:00", "2026-10-31T23:00:00"),
        ("2026-11-30", "day-2026-11-30", "2026-11-29T23:00:00", "2026-11-30T23:00:00"),
        ("2026-W01", "week-2026-W01", "2025-12-28T23:00:00", "2026-01-04T23:00:00"),
        ("2026-02", "month-2026-02", "2026-01-31T23:00:00", "2026-02-28T23:00:00"),
        (
            "2026-11-01..2026-11-15",
            "span-2026-11-01-2026-11-15",
            "2026-10-31T23:00:00",
            "2026-11-15T23:00:00",
        ),
    ],
)
def test_a_period_has_local_bounds(text: str, id: str, start: str, end: str) -> None:
    """Days begin at local midnight, weeks on Monday; a span includes both of its days."""
    period = parse_period(text, NOW, BERLIN)

    assert (period.id, period.start, period.end) == (id, at(start), at(end))


def test_days_on_which_clocks_change_are_shorter_and_longer() -> None:
    """In Berlin a Sunday of March has 23 hours and one of October 25; charts have a column for each."""
    march, october = (parse_period(day, NOW, BERLIN) for day in ("2026-03-29", "2026-10-25"))

    assert (march.end - march.start, october.end - october.start) == (23 * HOUR, 25 * HOUR)
    assert (len(list_chart_bounds(march)), len(list_chart_bounds(october))) == (23, 25)


def test_in_a_zone_off_by_half_an_hour_no_hour_is_in_two_days() -> None:
    """Sums are by the hour: a day begins with the full hour after midnight, and days follow each other."""
    days = [parse_period(f"2026-11-{day}", NOW, KOLKATA) for day in (27, 28, 29)]

    assert all(day.start % HOUR == 0 for day in days)
    assert [day.end for day in days[:-1]] == [day.start for day in days[1:]]


@pytest.mark.parametrize("text", ["daily", "weekly", "monthly", "2026-11-01..2026-11-15", "7d"])
def test_the_period_before_ends_where_this_begins(text: str) -> None:
    """It is of the same kind, or as long."""
    period = parse_period(text, NOW, BERLIN)
    before = get_period_before(period)

    assert before.end == period.start
    if period.kind in {PeriodKind.DAY, PeriodKind.WEEK, PeriodKind.MONTH}:
        assert before.kind is period.kind
    else:
        assert abs((before.end - before.start) - (period.end - period.start)) <= HOUR


def test_the_hours_until_now_are_those_of_the_window() -> None:
    """A day and a week until now name the window of the metrics; another length names none."""
    day, week, other = (parse_period(text, NOW, BERLIN) for text in ("24h", "7d", "36h"))

    assert (day.window, week.window, other.window) == ("24h", "7d", None)
    assert (day.start, day.instant) == (NOW // HOUR * HOUR - DAY, NOW)


@pytest.mark.parametrize("minute", [1, 29, 59])
def test_an_hour_is_compared_with_about_as_much(minute: int) -> None:
    """The last hour has up to two hours of sums; the time before is the nearest number of hours."""
    period = parse_period("1h", NOW // HOUR * HOUR + minute * HOUR // 60, BERLIN)
    before = get_period_before(period)

    assert (period.title, before.end) == ("the last hour", period.start)
    assert abs((before.end - before.start) - (period.end - period.start)) <= HOUR // 2


def test_the_last_period_is_over() -> None:
    """Whatever the instant around a midnight, the last period of each kind has ended."""
    for zone in (BERLIN, KOLKATA, "UTC", "America/St_Johns"):
        midnight = find_next_midnight(NOW, zone)
        for now in range(midnight - 2 * HOUR, midnight + 2 * HOUR, HOUR // 4):
            for kind in (PeriodKind.DAY, PeriodKind.WEEK, PeriodKind.MONTH):
                assert get_last_period(kind, now, zone).end <= now + HOUR // 2
                assert kind is not PeriodKind.DAY or get_last_period(kind, now, zone).end <= now


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("soon", "is not a period"),
        ("2026-13", "is not a period"),
        ("2026-11-31", "is not a period"),
        ("2026-W60", "is not a period"),
        ("2026-11-15..2026-11-01", "is not a period"),
        ("2027-01-01", "has not begun"),
        ("0h", "is not possible"),
        ("99999d", "is not possible"),
    ],
)
def test_what_is_no_period_is_refused(text: str, problem: str) -> None:
    """The refusal names the text, and the hint what would do."""
    with pytest.raises(UsageError, match=problem) as refused:
        parse_period(text, NOW, BERLIN)
    assert refused.value.hint
