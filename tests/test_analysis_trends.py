"""Which way over the weeks, which hours and days are slow, and the life of a session."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from stretto.analysis.calendar_patterns import find_hour_pattern, find_weekday_pattern, read_local_hour
from stretto.analysis.correlations import find_correlations, list_pairs
from stretto.analysis.series_of_run_values import (
    Series,
    SeriesKind,
    make_adoption_series,
    make_resource_series,
)
from stretto.analysis.series_trends import correct_autocorrelation, estimate_trend, judge_trends
from stretto.analysis.session_startup_slowing_and_end import SessionLife, measure_session_life
from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from tests.detectors.calendar_rates import make_constant
from tests.detectors.scenarios import FIRST_DAY, draw_series, follow, place_ends

BERLIN = ZoneInfo("Europe/Berlin")


def rising(factor: float, days: int = 30, kind: SeriesKind = SeriesKind.TASK_LENGTH) -> Series:
    """Runs that get longer by a factor in 30 days."""
    logs = np.random.default_rng(2).normal(size=days * 10) * 0.1
    logs += math.log(factor) / 30 * (np.arange(days * 10) // 10)
    return Series(kind, {"type": "tests"}, place_ends(days, 10), logs)


def test_a_rise_is_a_trend_with_its_size_in_thirty_days() -> None:
    """Runs that grow by a fifth in 30 days: the effect is 1.2, and less is an improvement."""
    (finding,) = judge_trends([rising(1.2)], FIRST_DAY + 30 * DAY)
    assert finding.verdict is FindingVerdict.REGRESSION
    assert finding.kind == "task_length_trend"
    assert finding.evidence.effect == pytest.approx(1.2, abs=0.06)
    assert (finding.evidence.low or 9) < 1.2 < (finding.evidence.high or 0)
    assert finding.advice.startswith("Task length (tests) rose by ")
    assert " % in 30 days [" in finding.advice
    (finding,) = judge_trends([rising(0.8)], FIRST_DAY + 30 * DAY)
    assert finding.verdict is FindingVerdict.IMPROVEMENT


def test_a_slow_rise_is_seen_over_ninety_days() -> None:
    """A tenth a month is seen once 90 days are known; what is steep in the last 30 days is theirs."""
    slow = rising(1.1, days=90)
    (finding,) = judge_trends([slow], FIRST_DAY + 90 * DAY)
    assert (finding.verdict, finding.details["window_days"]) == (FindingVerdict.REGRESSION, 90)
    assert finding.evidence.effect == pytest.approx(1.1, abs=0.02)
    assert finding.advice.endswith("], over the last 90 days.")
    steep = replace(slow, values=np.concatenate([rising(1.0, days=60).values, rising(1.5).values]))
    (finding,) = judge_trends([steep], FIRST_DAY + 90 * DAY)
    assert finding.details["window_days"] == 30
    assert finding.evidence.effect == pytest.approx(1.5, abs=0.1)
    (quiet,) = judge_trends([rising(1.0, days=90)], FIRST_DAY + 90 * DAY)
    assert (quiet.verdict, quiet.evidence.n) == (FindingVerdict.NO_EVIDENCE, 90)
    sparse = replace(slow, times=slow.times[310:], values=slow.values[310:])
    (finding,) = judge_trends([sparse], FIRST_DAY + 90 * DAY)
    assert finding.details["window_days"] == 30


def test_without_a_trend_the_detectable_one_is_given() -> None:
    """Silence names how large a trend would have broken it."""
    (finding,) = judge_trends([rising(1.0)], FIRST_DAY + 30 * DAY)
    assert finding.verdict is FindingVerdict.NO_EVIDENCE
    assert 1 < (finding.evidence.detectable or 0) < 1.2


def test_too_few_days_are_counted() -> None:
    """Below 14 days the answer counts how many lack; runs of equal length have no trend."""
    (finding,) = judge_trends([rising(1.5, days=13)], FIRST_DAY + 13 * DAY)
    assert finding.verdict is FindingVerdict.TOO_LITTLE_DATA
    assert finding.reason == "1 more day with runs needed, 13 of 14 are there"
    (finding,) = judge_trends([make_constant(20, 3)], FIRST_DAY + 20 * DAY)
    assert finding.reason == "all days are alike"


def test_a_difference_of_points_has_no_ratio() -> None:
    """The trend of a quality is a difference in 30 days, and more is better."""
    series = replace(rising(math.exp(0.2)), kind=SeriesKind.QUALITY)
    (finding,) = judge_trends([series], FIRST_DAY + 30 * DAY)
    assert finding.verdict is FindingVerdict.IMPROVEMENT
    assert finding.evidence.effect == pytest.approx(0.2, abs=0.05)


def test_a_falling_adoption_is_a_regression_and_a_steady_one_is_none() -> None:
    """From 9 of 10 turns to 3 of 10 in thirty days: 60 points less. Chance around one half is no trend."""
    noons = [FIRST_DAY + day * DAY + DAY // 2 for day in range(30)]
    falling = make_adoption_series(
        {"pattern": "release"}, [(noon, round(9 - 6 * day / 29), 10) for day, noon in enumerate(noons)]
    )
    draws = np.random.default_rng(5).binomial(10, 0.5, 30)
    steady = make_adoption_series(
        {"turns": "all"}, [(noon, int(draw), 10) for noon, draw in zip(noons, draws, strict=True)]
    )
    worse, quiet = judge_trends([falling, steady], FIRST_DAY + 30 * DAY)
    assert (worse.kind, worse.verdict) == ("adoption_trend", FindingVerdict.REGRESSION)
    assert worse.evidence.effect == pytest.approx(-0.6, abs=0.05)
    assert worse.advice.startswith("Adoption (release) fell by ")
    assert quiet.verdict is FindingVerdict.NO_EVIDENCE


def test_sessions_that_need_more_memory_are_a_trend() -> None:
    """Memory grows by a half in thirty days, processor time does not; without samples there is no value."""
    noise = np.random.default_rng(7).normal(size=(2, 120)) * 0.05
    sessions = [
        SessionRun(
            f"s{number}", at, at + HOUR, Outcome.SUCCESS, pattern="release", task_types={"tests": 2},
            cpu_seconds=60 * math.exp(noise[0, number]),
            memory_peak=2e9 * math.exp(noise[1, number] + math.log(1.5) * number / 120),
        )
        for number in range(120)
        if (at := FIRST_DAY + number * 6 * HOUR)
    ]  # fmt: skip
    unsampled = replace(sessions[0], session="unsampled", cpu_seconds=None, memory_peak=None)
    made = make_resource_series([*sessions, unsampled])
    assert [len(each.values) for each in made] == [120, 120]
    found = {finding.kind: finding for finding in judge_trends(made, FIRST_DAY + 30 * DAY)}
    memory = found["memory_peak_trend"]
    assert memory.verdict is FindingVerdict.REGRESSION
    assert memory.evidence.effect == pytest.approx(1.5, abs=0.1)
    assert found["processor_time_trend"].verdict is FindingVerdict.NO_EVIDENCE


def test_days_that_resemble_each_other_count_less() -> None:
    """With likeness .6 thirty days are about seven independent ones; the slope is Theil and Sen's."""
    trend = estimate_trend(np.arange(200.0), follow(np.random.default_rng(1), 200, 0.6, 1.0))
    assert trend is not None
    assert 30 < trend.effective_days < 80
    assert estimate_trend(np.arange(2.0), np.arange(2.0)) is None
    wild = np.append(np.arange(20.0), 1000.0)
    wild_trend = estimate_trend(np.arange(21.0), wild)
    assert wild_trend is not None
    assert wild_trend.slope == pytest.approx(1)
    assert correct_autocorrelation(0.5, 10) == pytest.approx(0.75)
    assert correct_autocorrelation(-0.5, 10) == 0


def test_a_slow_weekday_is_named() -> None:
    """Mondays that take 1.5 times as long are the slowest day; nothing planted is no pattern."""
    series = draw_series("a", np.random.default_rng(1), 56, 20)
    is_monday = (series.times // DAY) % 7 == 4
    slow = replace(series, values=series.values + 0.4 * is_monday)
    pattern = find_weekday_pattern(slow, FIRST_DAY + 56 * DAY)
    assert pattern.is_real
    assert pattern.slowest == 0
    assert pattern.factors[0] == pytest.approx(1.4, abs=0.15)
    flat = find_weekday_pattern(series, FIRST_DAY + 56 * DAY)
    assert not flat.is_real
    assert flat.slowest is None


def test_a_daily_cycle_is_named_in_local_hours() -> None:
    """A cycle that peaks at 6 in UTC peaks at 8 in Berlin in summer."""
    series = draw_series("g", np.random.default_rng(1), 28, 24)
    end = FIRST_DAY + 28 * DAY
    pattern = find_hour_pattern(series, end, days=28)
    assert pattern.is_real
    assert pattern.slowest in range(4, 9)
    assert pattern.fastest in range(13, 23)
    summer = replace(series, times=series.times + 265 * DAY)
    local = find_hour_pattern(summer, end + 265 * DAY, BERLIN, days=28)
    assert local.slowest is not None
    assert local.slowest in range(6, 11)


def test_the_calendar_needs_two_weeks() -> None:
    """Below 14 days both patterns count how many days lack."""
    series = draw_series("g", np.random.default_rng(1), 12, 20)
    for find in (find_weekday_pattern, find_hour_pattern):
        pattern = find(series, FIRST_DAY + 12 * DAY)
        assert pattern.reason == "2 more days with runs needed, 12 of 14 are there"
        assert not pattern.is_real
    sparse = draw_series("g", np.random.default_rng(1), 20, 20)
    no_weekend = sparse.select_values((sparse.times // DAY) % 7 != 2)
    pattern = find_weekday_pattern(no_weekend, FIRST_DAY + 20 * DAY)
    assert pattern.reason == "some weekdays have fewer than two days with runs"


def test_local_hours_follow_the_change_of_clocks() -> None:
    """Half past one in UTC is half past two or half past three in Berlin, before and after the change."""
    change = int(datetime(2026, 3, 29, tzinfo=UTC).timestamp()) * SECOND
    assert read_local_hour(change + 30 * MINUTE, BERLIN) == 1.5
    assert read_local_hour(change + HOUR + 30 * MINUTE, BERLIN) == 3.5
    assert read_local_hour(change + HOUR + 30 * MINUTE, UTC) == 1.5


def test_quantities_that_go_together_are_found() -> None:
    """Of three quantities two share their ups and downs beyond a common trend; below 21 days none do."""
    rng = np.random.default_rng(4)
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(60)]
    shared = rng.normal(size=60)
    quantities = {
        "load": dict(zip(days, shared + rng.normal(size=60) * 0.5 + np.arange(60) * 0.1, strict=True)),
        "length": dict(zip(days, shared + rng.normal(size=60) * 0.5, strict=True)),
        "tokens": dict(zip(days, rng.normal(size=60) + np.arange(60) * 0.1, strict=True)),
        "still": dict.fromkeys(days, 1.0),
    }
    (pair,) = find_correlations(list_pairs(quantities))
    assert (pair.first, pair.second) == ("length", "load")
    assert 0.6 < pair.rho < 1
    assert pair.days == 60
    short = {name: {day: values[day] for day in days[:20]} for name, values in quantities.items()}
    assert find_correlations(list_pairs(short)) == []


def make_session(number: int, growth: float) -> tuple[SessionRun, list[TaskRun]]:
    """A session with ten seconds before its tasks, five after, and tasks that grow."""
    start = number * DAY
    tasks, time = [], start + 10 * SECOND
    for position in range(6):
        length = round(60 * SECOND * growth ** (position / 5) * (1 + 0.02 * ((number + position) % 3)))
        tasks.append(TaskRun(f"s{number}", str(position), time, length, Outcome.SUCCESS, "tests"))
        time += length
    return SessionRun(f"s{number}", start, time + 5 * SECOND, Outcome.SUCCESS), tasks


def measure_pairs(pairs: list[tuple[SessionRun, list[TaskRun]]]) -> SessionLife:
    """The life of sessions with their tasks."""
    return measure_session_life(
        [session for session, _ in pairs], [task for _, tasks in pairs for task in tasks]
    )


def test_sessions_have_edges_and_may_slow_down() -> None:
    """Start-up and clean-up are medians; tasks that double within a session are seen, flat ones are not."""
    pairs = [make_session(number, 2.0) for number in range(8)]
    life = measure_pairs(pairs)
    assert life.start_up_seconds == 10
    assert life.clean_up_seconds == pytest.approx(5)
    assert life.degradation == pytest.approx(2, abs=0.1)
    assert life.slows_down
    flat = [make_session(number, 1.0) for number in range(8)]
    life = measure_pairs(flat)
    assert not life.slows_down
    assert life.slope_sessions == 8


def test_few_sessions_have_no_slope() -> None:
    """Four sessions are too few to judge; no tasks are no edges."""
    session, tasks = make_session(0, 2.0)
    life = measure_session_life([session], tasks)
    assert life.degradation is None
    assert not life.slows_down
    assert measure_session_life([session], []).start_up_seconds is None
