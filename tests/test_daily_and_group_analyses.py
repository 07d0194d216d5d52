"""The analyses that operations ask: calendars, forecasts, agents and patterns, over drawn runs."""

from __future__ import annotations

import math
from random import Random
from statistics import geometric_mean
from zoneinfo import ZoneInfo

import pytest

from stretto.clock import DAY, HOUR, SECOND
from stretto.findings.agent_and_pattern_comparisons import compare_agents, compare_patterns_and_their_past
from stretto.findings.analysis_input_and_answer import AnalysisInput
from stretto.findings.calendar_trend_and_forecast_analyses import (
    correlate_days,
    find_slow_times,
    follow_session_lives,
    forecast_daily_lengths,
)
from stretto.findings.finding_sentences import describe_finding
from stretto.findings.measure_local_days import measure_day_quantities
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from tests.scenes import BEGIN

DAYS = 20
A_DAY = 6
SLOW_AGENT, QUICK_AGENT = "slow", "quick"


def draw_input() -> AnalysisInput:
    """Return 20 days of sessions, each with a task of either agent; the slow one takes twice as long.

    Tasks of the afternoon take 1.5 times as long, and those of the last week 1.3 times.
    """
    random = Random(7)
    sessions, tasks = [], []
    for day in range(DAYS):
        for number in range(A_DAY):
            start = BEGIN + day * DAY + (8 + 2 * number) * HOUR
            session = f"d{day}n{number}"
            factor = (1.5 if number >= A_DAY // 2 else 1.0) * (1.3 if day >= DAYS - 7 else 1.0)
            lengths = {
                agent: round(60 * usual * factor * math.exp(random.gauss(0, 0.1)) * SECOND)
                for agent, usual in ((QUICK_AGENT, 1.0), (SLOW_AGENT, 2.0))
            }
            tasks += [
                TaskRun(session, f"{session}{agent}", start, length, Outcome.SUCCESS, "tests", agent,
                        pattern="release", concurrency=2.0)
                for agent, length in lengths.items()
            ]  # fmt: skip
            longest = max(lengths.values())
            sessions.append(
                SessionRun(session, start, start + longest, Outcome.SUCCESS, "release",
                           task_types={"tests": 2}, work=sum(lengths.values()), elapsed=longest, width=2)
            )  # fmt: skip
    return AnalysisInput(BEGIN + DAYS * DAY + HOUR, tasks, sessions)


GIVEN = draw_input()


def test_the_calendar_has_load_and_slow_hours() -> None:
    """Six sessions of two tasks a day; the afternoon is slow beyond chance, no weekday is.

    The findings say it of tasks and of parallel work.
    """
    answer = find_slow_times(GIVEN)
    extra = answer.extra
    assert extra["days"] == DAYS
    assert extra["load"]["hours"][8] == extra["load"]["hours"][18] == 2 * DAYS
    tests = next(each for each in extra["lengths"] if each["kind"] == "task_length")
    assert tests["hours"]["slowest"] in {14, 16, 18}
    assert tests["hours"]["factors"][8] < 1 < tests["hours"]["factors"][18]
    assert tests["weekdays"]["slowest"] is None
    found = {(each.kind, "type" in each.subject): each for each in answer.findings}
    assert "Tasks (release, tests) take" in found["slow_hours", True].advice
    assert "Parallel executions (release, 2 tests) take" in found["slow_hours", False].advice
    assert not found["slow_weekdays", True].advice


def test_lives_and_correlations_have_a_finding_and_its_figures() -> None:
    """What operations show of a pattern's life is what the finding says; no pair goes together here."""
    life = follow_session_lives(GIVEN)
    (finding,) = life.findings
    assert life.extra["life"]["release"]["sessions"] == finding.details["sessions"] == DAYS * A_DAY
    pairs = correlate_days(GIVEN)
    assert pairs.extra["correlations"] == []
    assert pairs.findings[0].reason == f"{DAYS} of 21 days with runs"


def test_quantities_of_days_are_means_and_counts() -> None:
    """Six sessions and twelve tasks a day, two side by side, none failed; nothing is known of tokens.

    A session without tasks does not count.
    """
    empty = SessionRun("empty", BEGIN, BEGIN + SECOND, Outcome.SUCCESS)
    quantities = measure_day_quantities([*GIVEN.sessions, empty], GIVEN.tasks, ZoneInfo("UTC"))
    assert set(quantities["sessions"].values()) == {6.0}
    assert set(quantities["tasks"].values()) == {12.0}
    assert all(90 < value < 240 for value in quantities["seconds_per_task"].values())
    assert set(quantities["tasks_side_by_side"].values()) == {2.0}
    assert set(quantities["failure_share"].values()) == {0.0}
    assert "tokens_per_task" not in quantities


def test_a_forecast_has_nested_ranges_and_its_back_test() -> None:
    """Below four weeks it repeats the weekday, in seconds; the wider range holds the narrower.

    The finding about the next week is the mean of the first seven days.
    """
    answer = forecast_daily_lengths(GIVEN)
    made = answer.extra["series"]
    tests = next(each for each in made if each["kind"] == "task_length")
    forecast = tests["forecast"]
    assert forecast["model"] == "same weekday"
    assert len(forecast["likely"]) == 30
    (low, high), (lowest, highest) = forecast["ranges"]["0.80"], forecast["ranges"]["0.95"]
    assert lowest[0] < low[0] < forecast["likely"][0] < high[0] < highest[0]
    assert 60 < forecast["likely"][0] < 240
    finding = next(each for each in answer.findings if each.kind == "task_length_forecast")
    assert finding.evidence.effect == pytest.approx(geometric_mean(forecast["likely"][:7]))
    assert describe_finding(answer.findings[0]).startswith(("Tasks (", "Parallel executions ("))
    short = AnalysisInput(BEGIN + 5 * DAY, GIVEN.tasks[: 5 * 2 * A_DAY], GIVEN.sessions[: 5 * A_DAY])
    assert all(
        each["forecast"] is None and each["reason"] for each in forecast_daily_lengths(short).extra["series"]
    )


def test_agents_are_compared_at_the_same_work() -> None:
    """The slow agent takes about twice as long, beyond chance; its share of sessions is all."""
    extra = compare_agents(GIVEN).extra
    ratios = {each["agent"]: each for each in extra["overall"]}
    assert 1.8 < ratios[SLOW_AGENT]["ratio"] < 2.2
    assert ratios[SLOW_AGENT]["p_longer"] < 0.001
    assert extra["by_type"].keys() == {"tests"}
    assert extra["pairs"] == []


def test_patterns_are_compared_with_their_past() -> None:
    """The last week is slower by about 1.3; a single pattern has no other to be compared with."""
    extra = compare_patterns_and_their_past(GIVEN).extra
    recent = extra["patterns"]["release"]["recent"]
    assert recent["verdict"] == "regression"
    assert recent["elapsed"]["low"] <= 1.3 <= recent["elapsed"]["high"]
    assert extra["patterns"]["release"]["sessions"] == DAYS * A_DAY
    assert extra["pairs"] == []
