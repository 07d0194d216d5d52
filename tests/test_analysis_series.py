"""Series from runs, and the local days that they are grouped by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import structs

from stretto.analysis.performance_regressions import ComparisonBoundary, judge_changes
from stretto.analysis.series_of_run_values import (
    SeriesKind,
    SeriesScale,
    choose_by_rank,
    make_all_task_value_series,
    make_fanout_elapsed_series,
    make_quality_series,
    make_series_of_day_sums,
    thin_by_rank,
)
from stretto.analysis.series_trends import judge_trends
from stretto.analysis.values_by_local_day import find_midnight, list_local_days, merge_days_into_clusters
from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.model.event import Outcome
from stretto.model.findings import Finding, RunLink
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

TASK = TaskRun(
    "s", "t", DAY, 60 * SECOND, Outcome.SUCCESS, "tests", agent="qa", phase="check", pattern="release",
    tokens=1000, dollars=0.5,
)  # fmt: skip
BERLIN = ZoneInfo("Europe/Berlin")


def test_a_delivered_task_is_in_every_series_of_its_dimensions() -> None:
    """A task has a length by type, agent and phase, and tokens, money and failure by type."""
    by_kind = {each.kind: each for each in make_all_task_value_series([TASK])}
    assert set(by_kind) == {
        SeriesKind.TASK_LENGTH, SeriesKind.AGENT_LENGTH, SeriesKind.PHASE_LENGTH, SeriesKind.FAILURE_SHARE,
        SeriesKind.TASK_TOKENS, SeriesKind.TASK_DOLLARS,
    }  # fmt: skip
    length = by_kind[SeriesKind.TASK_LENGTH]
    assert length.subject == {"pattern": "release", "type": "tests"}
    assert length.values.tolist() == [math.log(60 * SECOND)]
    assert length.times.tolist() == [DAY + 60 * SECOND]
    assert list(length.runs) == [RunLink("s", "t")]
    assert by_kind[SeriesKind.AGENT_LENGTH].subject == {"agent": "qa"}
    assert by_kind[SeriesKind.FAILURE_SHARE].scale is SeriesScale.SHARE


def test_failed_and_cancelled_tasks_have_no_length() -> None:
    """A failure counts as one, a cancelled task for nothing; a task without an outcome has a length only."""
    runs = [
        structs.replace(TASK, outcome=outcome, task=outcome.value)
        for outcome in (Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCELLED, Outcome.UNKNOWN)
    ]
    by_kind = {each.kind: each for each in make_all_task_value_series(runs)}
    assert len(by_kind[SeriesKind.TASK_LENGTH].values) == 2
    assert sorted(by_kind[SeriesKind.FAILURE_SHARE].values) == [0.0, 1.0]


def test_a_task_of_unknown_length_is_left_out() -> None:
    """Without a length nothing is compared, and nothing is invented."""
    assert make_all_task_value_series([structs.replace(TASK, length=None)]) == []


def test_an_answer_says_on_how_much_of_its_runs_it_rests() -> None:
    """Every other task reports tokens, each its length, one of five no outcome: .5, 1 and .8 of the window.

    A boundary cuts the runs with and without a value alike; sums of days do not say what they lack.
    """
    tasks = [
        structs.replace(
            TASK,
            task=f"{day}n{number}",
            start=day * DAY + number * HOUR,
            tokens=None if number % 2 and day < 45 else 1000,
            outcome=Outcome.UNKNOWN if number % 5 == 0 else Outcome.SUCCESS,
        )
        for day in range(60)
        for number in range(10)
    ]
    series = make_all_task_value_series(tasks)

    def read_coverage(findings: Sequence[Finding]) -> dict[str, float | None]:
        return {finding.kind: finding.evidence.coverage for finding in findings}

    found = read_coverage(judge_changes(series, 45 * DAY))
    assert found["task_tokens"] == 0.5
    assert found["task_length"] == found["agent_length"] == 1.0
    assert found["failure_share"] == 0.8
    since = ComparisonBoundary(45 * DAY)
    assert read_coverage(judge_changes(series, 60 * DAY, UTC, [since]))["task_tokens"] == 1.0
    # Of the sixty days that are known of the last ninety, the first 45 have half of the tokens.
    assert read_coverage(judge_trends(series, 60 * DAY))["task_tokens_trend"] == 0.625
    calls = make_series_of_day_sums(SeriesKind.TOOL_LENGTH, {"tool": "Bash"}, [(DAY, {MINUTE: 9})])
    assert read_coverage(judge_changes([calls], 45 * DAY)) == {"tool_length": None}


def test_a_series_that_pools_types_knows_them() -> None:
    """The series of an agent keeps each value's type; the series of a type needs none."""
    runs = [TASK, structs.replace(TASK, type="docs", start=2 * DAY)]
    by_kind = {each.kind: each for each in make_all_task_value_series(runs)}
    agent = by_kind[SeriesKind.AGENT_LENGTH]
    assert agent.stratum_names == ("release/docs", "release/tests")
    assert agent.strata is not None
    assert agent.strata.tolist() == [1, 0]
    assert by_kind[SeriesKind.TASK_LENGTH].strata is None


def test_parallel_work_is_compared_within_its_mix() -> None:
    """Sessions of other task types are another series; failed and sequential ones are in none."""
    session = SessionRun(
        "s", 0, DAY, Outcome.SUCCESS, "release", elapsed=60, task_types={"tests": 2, "docs": 1}
    )
    others = [
        replace(session, task_types={"tests": 3}),
        replace(session, outcome=Outcome.FAILURE),
        replace(session, elapsed=None),
    ]
    assert [each.subject["mix"] for each in make_fanout_elapsed_series([session, *others])] == [
        "3 tests",
        "docs + 2 tests",
    ]


def test_lengths_of_tools_come_from_the_sums_of_days() -> None:
    """A day of many calls is represented by evenly spaced ranks, so that its median stays."""
    counts = {MINUTE: 500, HOUR: 500}
    series = make_series_of_day_sums(
        SeriesKind.TOOL_LENGTH, {"tool": "Bash"}, [(DAY, counts), (0, {SECOND: 2})]
    )
    assert series.times.tolist() == [0, 0, *[DAY] * 50]
    assert series.values[2:].tolist() == [math.log(MINUTE)] * 25 + [math.log(HOUR)] * 25
    assert make_series_of_day_sums(SeriesKind.TOOL_LENGTH, {}, []).values.size == 0


def test_judgements_are_points() -> None:
    """More quality is better, and a change of it is a difference."""
    series = make_quality_series([(2, 0.8, None), (1, 0.9, None)], {"type": "tests"})
    assert series.values.tolist() == [0.9, 0.8]
    assert not series.less_is_better


def test_thinning_keeps_the_ranks() -> None:
    """Few values are kept, of many the middle ranks of equal parts."""
    assert thin_by_rank(np.array([3.0, 1.0, 2.0]), 5).tolist() == [1, 2, 3]
    assert thin_by_rank(np.arange(10.0), 5).tolist() == [1, 3, 5, 7, 9]


def test_a_day_of_many_runs_is_thinned_by_rank() -> None:
    """Of a day with ten values five middle ones are kept, wherever they stand; other days stay whole."""
    values = np.array([9.0, 0, 8, 1, 7, 2, 6, 3, 5, 4, 100])
    kept = choose_by_rank(values, np.array([0] * 10 + [1]), 5)
    assert sorted(values[kept].tolist()) == [1, 3, 5, 7, 9, 100]
    assert choose_by_rank(np.empty(0), np.empty(0, dtype=np.intp)).size == 0


def test_local_days_know_the_change_of_clocks() -> None:
    """The day on which summer time begins has 23 hours, the one on which it ends 25, all others 24."""
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)):
        end = find_midnight(date.fromordinal(day.toordinal() + 1), BERLIN)
        days = list_local_days(end, 3, BERLIN)
        assert days.dates[-1] == day
        assert days.starts[-1] == end
        assert (days.starts[-1] - days.starts[-2]) == hours * HOUR


def test_the_day_that_is_running_does_not_count() -> None:
    """At half past eleven in the evening the last whole day is yesterday, by local time."""
    evening = find_midnight(date(2026, 6, 2), BERLIN) - 30 * MINUTE
    assert list_local_days(evening, 1, BERLIN).dates == (date(2026, 5, 31),)
    assert list_local_days(evening, 1, UTC).dates == (date(2026, 5, 31),)
    assert list_local_days(evening + HOUR, 1, BERLIN).dates == (date(2026, 6, 1),)
    assert list_local_days(evening + HOUR, 1, UTC).dates == (date(2026, 5, 31),)


def test_times_are_counted_to_their_day() -> None:
    """A run at local midnight belongs to the new day; earlier and later ones lie outside."""
    end = find_midnight(date(2026, 3, 30), BERLIN)
    days = list_local_days(end, 2, BERLIN)
    times = np.array([days.starts[0] - 1, days.starts[0], days.starts[1] - 1, days.starts[1], end])
    assert days.find_days(times).tolist() == [-1, 0, 0, 1, 2]


def test_days_with_few_runs_are_merged() -> None:
    """Days 0 0 0 1 1 2 with three at least are two clusters; a rest that is not complete is left out."""
    clusters = merge_days_into_clusters(np.array([0, 0, 0, 1, 1, 2, 5]), fewest=3)
    assert clusters.bounds.tolist() == [0, 3, 6]
    assert clusters.first_days.tolist() == [0, 1]
    assert clusters.last_days.tolist() == [0, 2]
    assert clusters.average_by_cluster(np.arange(7.0)).tolist() == [1, 4]
    assert len(merge_days_into_clusters(np.array([], dtype=np.intp))) == 0
