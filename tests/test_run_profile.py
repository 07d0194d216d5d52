"""The profile of runs: counts, days, spread and lists, worked out by hand."""

from __future__ import annotations

import pytest

from stretto.clock import DAY, HOUR, SECOND
from stretto.figures.finished_run_statistics import (
    MOST_DAYS,
    MOST_LISTED,
    DayOfCalls,
    RunPoint,
    align_ranges,
    build_call_profile,
    build_run_profile,
)
from stretto.figures.quantile_sketch import find_bucket
from stretto.model.event import Outcome
from stretto.web.run_statistics_view import describe_profile


def make_run(number: int, length: float | None, outcome: Outcome = Outcome.SUCCESS, day: int = 0) -> RunPoint:
    """Return a run of so many seconds, in a session of its own."""
    nanoseconds = None if length is None else round(length * SECOND)
    return RunPoint(f"s{number}", f"t{number}", day * DAY + number * HOUR, nanoseconds, outcome)


def test_runs_are_counted_by_day_length_and_outcome() -> None:
    """3, 4 and 30 s on day 0, one failed; 12 s on day 2; a run of unknown length and outcome beside them."""
    profile = build_run_profile(
        [
            make_run(1, 30, Outcome.FAILURE),
            make_run(2, 3),
            make_run(3, 4),
            make_run(4, 12, day=2),
            make_run(5, None, Outcome.UNKNOWN, day=2),
        ]
    )

    assert (profile.runs, profile.failed, profile.judged, profile.sessions) == (5, 1, 4, 5)
    assert (profile.median, profile.p95, profile.longest) == (4, 30, 30)
    assert [(day.day, day.runs, day.failed, day.median) for day in profile.days] == [
        (0, 3, 1, 4),
        (1, 0, 0, None),
        (2, 2, 0, 12),
    ]
    assert [(each.low, each.high, each.runs) for each in profile.ranges] == [
        (2, 5, 2),
        (5, 10, 0),
        (10, 20, 1),
        (20, 50, 1),
    ]
    assert [run.session for run in profile.slowest] == ["s1", "s4", "s3", "s2"]
    assert [run.session for run in profile.failing] == ["s1"]


def test_spreads_are_aligned_over_all_their_lengths() -> None:
    """Of 3 s and of 12 and 30 s: the ranges between them are there too; no run at all has no range."""
    spreads = [
        build_run_profile([make_run(number, length) for number, length in enumerate(lengths)]).ranges
        for lengths in ([3.0], [12.0, 30.0], [])
    ]

    assert [(each.low, each.high, each.runs) for each in align_ranges(spreads)] == [
        (2, 5, (1, 0, 0)),
        (5, 10, (0, 0, 0)),
        (10, 20, (0, 1, 0)),
        (20, 50, (0, 1, 0)),
    ]
    assert align_ranges([(), ()]) == []


@pytest.mark.parametrize(
    ("length", "low", "high"),
    [(0.01, 0, 0.1), (0.1, 0.1, 0.2), (1, 1, 2), (9.99, 5, 10), (3e3, 2e3, 5e3)],
)
def test_a_length_lies_between_round_bounds(length: float, low: float, high: float) -> None:
    """A bound belongs to the range above it."""
    (only,) = build_run_profile([make_run(1, length)]).ranges

    assert (only.low, only.high, only.runs) == (low, high, 1)


def test_nothing_is_nothing() -> None:
    """Without runs no figure is known."""
    profile = build_run_profile([])

    assert (profile.runs, profile.median, profile.days, profile.ranges) == (0, None, (), ())
    assert build_call_profile({}) == profile


def test_lists_and_days_are_bounded() -> None:
    """The latest failures and the latest days stay."""
    profile = build_run_profile([make_run(1, 1, Outcome.FAILURE, day) for day in range(MOST_DAYS + 20)])

    assert len(profile.failing) == len(profile.slowest) == MOST_LISTED
    assert (len(profile.days), profile.days[-1].day) == (MOST_DAYS, MOST_DAYS + 19)
    assert profile.failing[0].start > profile.failing[-1].start


def test_runs_beyond_the_bound_are_mentioned() -> None:
    """As many runs as are read at most: there may be older ones, and the sentence says so."""
    runs = [make_run(1, 1), make_run(2, 1)]

    assert describe_profile(build_run_profile(runs, read_limit=2), "task").sentence.startswith(
        "the newest 2\N{NO-BREAK SPACE}tasks in"
    )
    assert describe_profile(build_run_profile(runs, read_limit=3), "task").sentence.startswith(
        "2\N{NO-BREAK SPACE}tasks in"
    )


def test_calls_are_described_by_their_sketches() -> None:
    """Three calls of 1 s and one of 10 s on two days: lengths within 2 %, no list of calls."""
    second, ten = find_bucket(SECOND), find_bucket(10 * SECOND)
    profile = build_call_profile(
        {
            7: DayOfCalls({"success": 2, "failure": 1}, {second: 3}),
            9: DayOfCalls({"success": 1}, {ten: 1}),
        }
    )

    assert (profile.runs, profile.failed, profile.judged) == (4, 1, 4)
    assert profile.median == pytest.approx(1, rel=0.02)
    assert profile.longest == pytest.approx(10, rel=0.02)
    assert [(day.day, day.runs) for day in profile.days] == [(7, 3), (8, 0), (9, 1)]
    assert sum(each.runs for each in profile.ranges) == 4
    assert profile.slowest == profile.failing == ()
