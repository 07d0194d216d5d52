"""Forecasts are kept as they were given, once a day, and judged by the days that came."""

from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from stretto.analysis.daily_task_length_forecasts import LengthOutlook
from stretto.analysis.series_of_run_values import Series, SeriesKind
from stretto.clock import DAY, HOUR, SECOND
from stretto.findings.analysis_input_and_answer import AnalysisInput
from stretto.findings.analysis_run import AnalysisReplies, AnalysisReply, read_given_forecasts
from stretto.findings.calendar_trend_and_forecast_analyses import forecast_daily_lengths
from stretto.findings.issued_forecasts import (
    AS_GIVEN,
    WORKED_OUT_AGAIN,
    IssuedForecast,
    describe_cover,
    judge_issued_forecasts,
    list_issued_forecasts,
    parse_issued_forecast,
)
from stretto.service.analysis_process import AnalysisRound
from stretto.service.analysis_schedule import AnalysisSchedule
from stretto.store.finding_history_and_last_answers import (
    AnalysisResult,
    read_finding_history,
    read_issued_forecasts,
)
from tests.fakes import rebuilt, store
from tests.scenes import BEGIN, straggler

UTC_ZONE = ZoneInfo("UTC")
TODAY = date(2026, 1, 1)
"""The day of BEGIN."""


def make_row(type_: str = "tests", low: float = 40.0) -> dict[str, Any]:
    """Return a series of the answer whose forecast is from ``low`` to 80 s on each of thirty days."""
    ranges = {"0.80": [[low] * 30, [80.0] * 30], "0.95": [[30.0] * 30, [90.12345] * 30]}
    forecast = {"model": "ETS(A,N,A)", "days": 60, "ranges": ranges}
    return {"kind": "task_length", "subject": {"type": type_}, "days": 60, "forecast": forecast}


def answer(*rows: dict[str, Any], at: int = BEGIN) -> AnalysisResult:
    """Return an answer about these series."""
    return AnalysisResult("outlooks", at, extra={"series": rows})


def test_the_first_forecast_of_a_local_day_is_kept() -> None:
    """The same day has one for each series, the next one another; without a forecast there is none."""
    rows = make_row(), make_row("docs") | {"forecast": None}
    (first,) = list_issued_forecasts(answer(*rows), [], BEGIN, UTC_ZONE)
    assert list_issued_forecasts(answer(*rows), [first], BEGIN + 5 * HOUR, UTC_ZONE) == []
    (docs,) = list_issued_forecasts(answer(make_row("docs")), [first], BEGIN + HOUR, UTC_ZONE)
    assert docs.finding.subject == {"type": "docs"}
    assert len(list_issued_forecasts(answer(*rows), [first], BEGIN + DAY, UTC_ZONE)) == 1
    # In Tokyo the day ends nine hours earlier.
    assert len(list_issued_forecasts(answer(*rows), [first], BEGIN + 16 * HOUR, ZoneInfo("Asia/Tokyo"))) == 1


def test_a_kept_forecast_is_read_as_it_was_given() -> None:
    """A week of limits by level, in seconds; a document that lacks something is none."""
    (change,) = list_issued_forecasts(answer(make_row()), [], BEGIN, UTC_ZONE)
    forecast = parse_issued_forecast(change.finding)
    assert forecast == IssuedForecast(
        "task_length", {"type": "tests"}, TODAY, {0.8: [(40.0, 80.0)] * 7, 0.95: [(30.0, 90.123)] * 7}
    )
    change.finding.details.pop("first_day")  # type: ignore[attr-defined]  # a dict
    assert parse_issued_forecast(change.finding) is None


def make_outlook(*seconds: float) -> LengthOutlook:
    """Return a series whose last days, up to yesterday, took so long."""
    series = Series(SeriesKind.TASK_LENGTH, {"type": "tests"}, np.empty(0, dtype=np.int64), np.empty(0))
    days = np.array([math.log(each * SECOND) if each else math.nan for each in seconds])
    return LengthOutlook(series, days, None, None)


def give(days_ago: int, days: int = 7, type_: str = "tests") -> IssuedForecast:
    """Return a forecast of 40 to 80 s that was given so many days before BEGIN."""
    ranges = {0.8: [(40.0, 80.0)] * days}
    return IssuedForecast("task_length", {"type": type_}, TODAY - timedelta(days=days_ago), ranges)


def test_forecasts_are_judged_by_the_days_that_came() -> None:
    """Of four days 60, 100, unknown and 60 s two are inside; what nobody knows yet does not count."""
    outlook = make_outlook(*[60.0] * 24, 60.0, 100.0, 0.0, 60.0)
    earlier = [give(ago, 1) for ago in range(28, 14, -1)]
    (cover,) = judge_issued_forecasts([*earlier, give(4)], [outlook], BEGIN, UTC_ZONE)
    assert (cover.level, cover.inside, cover.days) == (0.8, 14 + 2, 14 + 3)
    (cover,) = judge_issued_forecasts([*earlier, give(2), give(28, type_="gone")], [outlook], BEGIN, UTC_ZONE)
    assert (cover.inside, cover.days) == (14 + 1, 14 + 1)


def test_there_is_no_verdict_before_four_weeks_of_forecasts() -> None:
    """27 days are too few: the answer is then that of forecasts that are worked out again."""
    outlook = make_outlook(*[60.0] * 40)
    daily = [give(ago) for ago in range(27, 0, -1)]
    assert judge_issued_forecasts(daily, [outlook], BEGIN, UTC_ZONE) == []
    assert judge_issued_forecasts([give(28), *daily], [outlook], BEGIN, UTC_ZONE) != []
    assert judge_issued_forecasts([], [outlook], BEGIN, UTC_ZONE) == []
    assert judge_issued_forecasts([give(35)], [outlook], BEGIN, UTC_ZONE) == []
    seldom = [give(ago) for ago in range(36, 2, -3)]
    assert judge_issued_forecasts(seldom, [outlook], BEGIN, UTC_ZONE) == [], "given on nine of 28 days"
    assert forecast_daily_lengths(AnalysisInput(BEGIN, (), ())).extra["covers_of"] == WORKED_OUT_AGAIN


def test_a_sentence_says_how_often_ranges_held() -> None:
    """It is about the narrowest range, and says whether the forecasts are those that were given."""
    covers = [{"level": 0.95, "inside": 8.0, "days": 8}, {"level": 0.8, "inside": 6.0, "days": 8}]
    sentence = describe_cover({"covers": covers, "covers_of": AS_GIVEN})
    assert (sentence or "").replace("\xa0", " ") == (
        "75 % of 8 forecast days came out within their range of 80 %, as it was given then."
    )
    again = describe_cover({"covers": covers, "covers_of": WORKED_OUT_AGAIN})
    assert (again or "").endswith("worked out again as of then.")
    assert describe_cover({"covers": []}) is None


def test_forecasts_outlive_a_rebuild_and_are_no_findings(tmp_path: Path) -> None:
    """The service keeps them in the journal; the history of findings does not have them, an analysis does."""
    with store(tmp_path) as opened:
        opened.take(straggler().events)
        schedule = AnalysisSchedule(
            tmp_path / "stretto.db", opened.folder, clock=lambda: BEGIN + HOUR, zone="UTC"
        )
        for at in (BEGIN, BEGIN + HOUR):
            reply = AnalysisReply("outlooks", 0.5, extra={"series": [make_row()]})
            schedule.rounds.put(AnalysisRound(at, ("outlooks",), AnalysisReplies((reply,), 1.5)))
            schedule.store_round(opened.connection)
            opened.take()
        (issued,) = read_issued_forecasts(opened.connection, BEGIN)
        assert issued.time == BEGIN
        assert read_finding_history(opened.connection) == []
        assert schedule.state.findings == ()
        given = read_given_forecasts(opened.connection, BEGIN + DAY)
        assert [forecast.first_day for forecast in given] == [TODAY]
        assert read_issued_forecasts(opened.connection, BEGIN, at=BEGIN - 1) == []
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=BEGIN + DAY)


def test_a_store_without_a_journal_keeps_them_too(tmp_path: Path) -> None:
    """Where no journal is read, the store alone has them."""
    with store(tmp_path) as opened:
        schedule = AnalysisSchedule(tmp_path / "stretto.db", None, clock=lambda: BEGIN, zone="UTC")
        reply = AnalysisReply("outlooks", 0.5, extra={"series": [make_row()]})
        schedule.rounds.put(AnalysisRound(BEGIN, ("outlooks",), AnalysisReplies((reply,), 1.5)))
        schedule.store_round(opened.connection)
        assert len(read_issued_forecasts(opened.connection, BEGIN)) == 1
