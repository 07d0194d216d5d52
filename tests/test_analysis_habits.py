"""Habits as findings: slow days and hours, slowing sessions, quantities that go together, the next week."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, timedelta
from random import Random

import numpy as np
import pytest

from stretto.analysis.calendar_findings import SLOW_HOURS, SLOW_WEEKDAYS, find_calendars, judge_calendars
from stretto.analysis.correlations import compute_detectable_rho, judge_correlations, list_pairs
from stretto.analysis.daily_task_length_forecasts import (
    forecast_lengths,
    judge_length_outlook,
    sum_covers_by_level,
)
from stretto.analysis.pattern_week_comparison import compare_last_week_with_month_before
from stretto.analysis.series_of_run_values import Series, SeriesKind
from stretto.analysis.session_startup_slowing_and_end import judge_session_lives, measure_session_lives
from stretto.clock import DAY, HOUR, SECOND
from stretto.findings.analysis_input_and_answer import AnalysisInput
from stretto.findings.calendar_trend_and_forecast_analyses import predict_lengths
from stretto.findings.finding_sentences import describe_finding, describe_run_count
from stretto.findings.measure_local_days import ENTAILED_PAIRS
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from tests.detectors.scenarios import FIRST_DAY, draw_logs, draw_series, list_days, place_ends
from tests.run_makers import generate_lengths

DAYS = 60
INSTANT = FIRST_DAY + DAYS * DAY


def draw_days(seed: int = 1, offsets: np.ndarray | None = None) -> Series:
    """Sixty days of 20 independent runs of five minutes, with an offset of the logarithm for each day."""
    logs = draw_logs("a", np.random.default_rng(seed), DAYS, 20) + math.log(300 * SECOND)
    if offsets is not None:
        logs = logs + np.repeat(offsets, 20)
    return Series(SeriesKind.TASK_LENGTH, {"type": "tests"}, place_ends(DAYS, 20), logs)


def test_slow_mondays_are_named_and_other_series_stay_quiet_with_what_would_have_been_seen() -> None:
    """A factor of 1.5 on Mondays is a sentence; without it the answer has the factor that would be seen."""
    mondays = np.array([0.4 * (day.weekday() == 0) for day in list_days(DAYS).dates])
    slow, plain = draw_days(offsets=mondays), draw_days(2)
    plain = replace(plain, subject={"type": "docs"})
    weekday, other, *_ = judge_calendars(find_calendars([slow, plain], INSTANT, UTC))
    assert (weekday.kind, weekday.verdict) == (SLOW_WEEKDAYS, FindingVerdict.NO_EVIDENCE)
    assert "times as long as usual on Monday" in describe_finding(weekday)
    assert weekday.evidence.effect == pytest.approx(1.4, abs=0.15)
    assert other.advice == ""
    assert other.evidence.detectable is not None
    assert 1.05 < other.evidence.detectable < 1.4
    assert f"a factor of {other.evidence.detectable:.2f} would have been seen" in describe_finding(other)


def test_slow_hours_are_named_and_ten_days_are_too_few() -> None:
    """A daily cycle of 25 % is found in local hours; below 14 days the answer says how many lack."""
    cycle = draw_series("g", np.random.default_rng(3), DAYS, 20)
    _, hours = judge_calendars(find_calendars([cycle], INSTANT, UTC))
    assert hours.kind == SLOW_HOURS
    assert " h, and " in hours.advice
    _, few = judge_calendars(find_calendars([cycle], FIRST_DAY + 10 * DAY, UTC))
    assert few.verdict is FindingVerdict.TOO_LITTLE_DATA
    assert "4 more days with runs needed, 10 of 14 are there" in describe_finding(few)


def make_sessions(slope: float, count: int = 12) -> tuple[list[SessionRun], dict[str, list[TaskRun]]]:
    """Sessions of five tasks in a row, the last of which takes exp(slope) times as long as the first."""
    random = Random(4)
    sessions: list[SessionRun] = []
    tasks: dict[str, list[TaskRun]] = {}
    for number in range(count):
        begin = FIRST_DAY + number * 12 * HOUR
        start, name = begin + 20 * SECOND, f"s{number}"
        tasks[name] = []
        for place in range(5):
            length = round(60 * SECOND * math.exp(slope * (place / 4 - 0.5) + random.gauss(0, 0.05)))
            tasks[name].append(TaskRun(name, str(place), start, length, Outcome.SUCCESS, "tests"))
            start += length
        sessions.append(
            SessionRun(
                name, begin, start + 5 * SECOND, Outcome.SUCCESS, "release", task_types={"tests": 5},
                work=start - begin,
            )
        )  # fmt: skip
    return sessions, tasks


def test_sessions_that_slow_down_are_named_with_their_edges() -> None:
    """Twice as long at the end is a sentence; without it the edges stay, and three sessions are too few."""
    slowing, quiet = make_sessions(math.log(2)), make_sessions(0)
    (finding,) = judge_session_lives(measure_session_lives({"release": slowing[0]}, slowing[1]))
    assert finding.evidence.effect == pytest.approx(2, abs=0.15)
    assert "the last tasks take" in describe_finding(finding)
    assert finding.details["start_up_seconds"] == pytest.approx(20)
    assert finding.details["clean_up_seconds"] == pytest.approx(5)
    (steady,) = judge_session_lives(measure_session_lives({"release": quiet[0]}, quiet[1]))
    assert steady.advice == ""
    assert steady.evidence.detectable is not None
    (few,) = judge_session_lives(measure_session_lives({"release": quiet[0][:3]}, quiet[1]))
    assert few.verdict is FindingVerdict.TOO_LITTLE_DATA
    assert "3 of 5 sessions with at least 4 tasks" in describe_finding(few)


def test_quantities_that_go_together_are_named_and_silence_has_a_size() -> None:
    """Tokens that follow tasks are a pair; independent ones are quiet, with what would have been seen."""
    random = Random(5)
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(60)]
    tasks = {day: random.gauss(20, 5) for day in days}
    tokens = {day: 100 * value + random.gauss(0, 50) for day, value in tasks.items()}
    (pair,) = judge_correlations(list_pairs({"tasks": tasks, "tokens": tokens}), 60)
    assert describe_finding(pair).startswith(
        "Days with more tasks than their trend and weekday have more tokens"
    )
    (quiet,) = judge_correlations(
        list_pairs({"tasks": tasks, "width": {day: random.gauss(3, 1) for day in days}}), 60
    )
    assert quiet.evidence.detectable == pytest.approx(compute_detectable_rho(60, 1))
    assert "a correlation of 0.4" in describe_finding(quiet)
    (few,) = judge_correlations(list_pairs({"tasks": dict([*tasks.items()][:5]), "tokens": tokens}), 60)
    assert few.verdict is FindingVerdict.TOO_LITTLE_DATA


def test_what_is_counted_in_one_another_is_no_correlation() -> None:
    """More retries are more tasks, and come of failures: such pairs are not compared. The unit is a day."""
    random = Random(7)
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(60)]
    retries = {day: float(random.randrange(9)) for day in days}
    quantities = {
        "retries": retries,
        "tasks": {day: 20 + value for day, value in retries.items()},
        "failure_share": {day: value / 20 for day, value in retries.items()},
    }
    pairs = list_pairs(quantities, left_out=ENTAILED_PAIRS)
    assert [{pair.first, pair.second} for pair in pairs] == [{"failure_share", "tasks"}]
    assert describe_run_count(judge_correlations(pairs, 60)[0]) == "60\N{NO-BREAK SPACE}days"


def test_a_slow_week_differs_from_the_weeks_before() -> None:
    """Sessions twice as long for seven days are a regression by days; equal weeks are none."""
    random = Random(6)

    def draw(factor: float) -> list[SessionRun]:
        return [
            SessionRun(
                f"{day}-{number}", start := FIRST_DAY + day * DAY + number * HOUR,
                start + round(600 * SECOND * (factor if day >= 28 else 1) * math.exp(random.gauss(0, 0.2))),
                Outcome.SUCCESS, "release", task_types={"tests": 4},
            )
            for day in range(35) for number in range(4)
        ]  # fmt: skip

    instant = FIRST_DAY + 35 * DAY
    week, best = compare_last_week_with_month_before({"release": draw(2.0)}, instant, UTC)
    assert week.verdict is FindingVerdict.REGRESSION
    assert describe_finding(week).startswith("Sessions of the last week (release) take")
    assert best.kind == "best_period"
    equal, _ = compare_last_week_with_month_before({"release": draw(1.0)}, instant, UTC)
    assert equal.verdict is FindingVerdict.NO_EVIDENCE


def test_the_next_week_is_forecast_with_the_cover_of_earlier_ranges() -> None:
    """Sixty days give a range around five minutes, a model, and the cover of four earlier weeks."""
    (outlook,) = forecast_lengths([draw_days()], INSTANT, UTC)
    finding, covers = judge_length_outlook(outlook), sum_covers_by_level([outlook])
    evidence = finding.evidence
    assert evidence.low is not None
    assert evidence.high is not None
    assert evidence.effect is not None
    assert evidence.low < evidence.effect < evidence.high
    assert evidence.effect == pytest.approx(300, rel=0.1)
    assert [(each.level, each.days) for each in covers] == [(0.8, 28), (0.95, 28)]
    assert covers[0].inside <= covers[1].inside <= 28
    assert "such ranges of 80 % held" in describe_finding(finding)
    (short,) = forecast_lengths([draw_days()], FIRST_DAY + 9 * DAY, UTC)
    few = judge_length_outlook(short)
    assert (few.verdict, sum_covers_by_level([short])) == (FindingVerdict.TOO_LITTLE_DATA, [])
    assert "5 more days with runs needed" in describe_finding(few)


def test_lengths_are_predicted_by_kind_with_their_error() -> None:
    """Each recent kind has a length with its range, and the answer says how far off it is."""
    tasks = generate_lengths(40, 1)
    instant = max(task.start for task in tasks) + HOUR
    answer = predict_lengths(AnalysisInput(instant, tasks, ()))
    (finding,) = answer.findings
    assert finding.verdict is FindingVerdict.NO_EVIDENCE
    assert "Lengths of tasks are expected by the median of pattern and type" in describe_finding(finding)
    assert {each["type"] for each in answer.extra["expected"]} == {task.type for task in tasks}
    assert all(each["low"] <= each["seconds"] <= each["high"] for each in answer.extra["expected"])
    (none,) = predict_lengths(AnalysisInput(instant, (), ())).findings
    assert none.verdict is FindingVerdict.TOO_LITTLE_DATA
