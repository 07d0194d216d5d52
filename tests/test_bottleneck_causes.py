"""Hold-ups: planted faults are named with their cost, usual sessions are left alone, causes are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from stretto.analysis.rank_session_holdups import explain_each_session, find_bottlenecks
from stretto.analysis.session_holdups import WALL_PARTS, HoldupKind
from stretto.analysis.session_lane_schedule import (
    balance_lanes,
    measure_late_lane_starts,
    measure_time_lost_to_imbalance,
    order_tasks_of_known_length,
    simulate_span,
)
from stretto.analysis.two_session_comparison import NOT_WORK
from stretto.analysis.workflow_rules import EMPTY_WAITS
from stretto.clock import SECOND
from stretto.figures.elapsed_time_with_faster_task import simulate_fanout_elapsed
from stretto.figures.fanouts import find_fanouts
from stretto.figures.wall_time_parts import WallPart
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import TaskRun
from tests.run_makers import FAULTS, GeneratedRuns, generate_runs, schedule_in_order
from tests.schedules import task


@pytest.fixture(scope="module")
def usual() -> GeneratedRuns:
    return generate_runs(30, seed=3)


def make_task(name: str, start: float, length: float, agent: str | None = None, **changes: object) -> TaskRun:
    run = TaskRun("s", name, round(start * SECOND), round(length * SECOND), Outcome.SUCCESS, "code", agent)
    return structs.replace(run, **changes)


def test_planted_faults_are_ranked_first(usual: GeneratedRuns) -> None:
    """Each of thirteen faults in three sessions is among the first three hold-ups, mostly the first."""
    first = 0
    for fault in FAULTS:
        faulty = generate_runs(3, seed=3, fault=fault, first=30)
        answer = find_bottlenecks(faulty.sessions, usual.sessions, usual.by_session | faulty.by_session)
        assert answer.verdict is FindingVerdict.REGRESSION
        (planted,) = [holdup for holdup in answer.holdups[:3] if holdup.kind == fault][:1]
        assert 0 < planted.low <= planted.seconds <= planted.high
        first += answer.holdups[0].kind == fault
        findings = answer.to_findings()
        assert findings[0].kind == f"holdup_{answer.holdups[0].kind}"
        assert [finding.details["rank"] for finding in findings] == [*range(1, len(findings) + 1)]
        if fault == "agent":
            assert planted.name == "backend"
            assert findings[0].subject == {"pattern": "release", "name": "backend"}
    assert first >= 0.9 * len(FAULTS)


def test_usual_sessions_are_not_held_up() -> None:
    """Of 20 sessions like the others few are called held up; the answer counts the quiet checks."""
    more = generate_runs(50, seed=3)
    flagged = 0
    for run in more.sessions[30:]:
        answer = find_bottlenecks([run], more.sessions[:30], more.by_session)
        flagged += bool(answer.holdups)
        if not answer.holdups:
            assert answer.verdict is FindingVerdict.NO_EVIDENCE
            (finding,) = answer.to_findings()
            assert finding.details["quiet"] == answer.quiet > 10
            assert finding.evidence.detectable is not None
    assert flagged <= 3


def test_few_usual_sessions_are_too_few(usual: GeneratedRuns) -> None:
    """With four sessions nothing is usual; the reason has both numbers."""
    answer = find_bottlenecks(usual.sessions[-1:], usual.sessions[:4], usual.by_session)
    assert answer.verdict is FindingVerdict.TOO_LITTLE_DATA
    assert answer.reason == "4 usual sessions of the pattern, 5 are needed"
    assert find_bottlenecks([], usual.sessions, {}).verdict is FindingVerdict.TOO_LITTLE_DATA


def test_the_circumstance_that_explains_a_holdup_is_named() -> None:
    """Hooks became slow with version 2 of the client: it is the cause, and the machine of all runs is not."""
    before = generate_runs(30, seed=4, covariates={"version": "1", "machine": "a"})
    after = generate_runs(8, seed=4, fault="hooks", first=30, covariates={"version": "2", "machine": "a"})
    tasks = before.by_session | after.by_session
    answer = find_bottlenecks(after.sessions, before.sessions, tasks)
    (holdup, *_) = answer.holdups
    assert (holdup.kind, holdup.cause) == (HoldupKind.HOOKS, "version=2")
    assert answer.to_findings()[0].details["cause"] == "version=2"
    same = [replace(run, covariates={}) for run in after.sessions]
    unexplained = find_bottlenecks(same, before.sessions, tasks)
    assert unexplained.holdups[0].cause == ""
    assert unexplained.to_findings()[0].reason.startswith("no cause found")


def test_each_session_is_explained_by_the_others() -> None:
    """Of 30 sessions the one with slow hooks is held up by them; most others by nothing."""
    usual, odd = generate_runs(29, 8), generate_runs(1, 8, fault="hooks", first=29)
    answers = explain_each_session(
        [*usual.sessions, *odd.sessions], usual.by_session | odd.by_session, latest=10
    )
    assert [*answers] == [run.session for run in [*usual.sessions, *odd.sessions][-10:]]
    assert answers["release-29"].holdups[0].kind is HoldupKind.HOOKS
    assert sum(bool(answer.holdups) for answer in answers.values()) <= 3


def test_parts_of_wall_time_have_the_names_of_the_figures() -> None:
    """Each part of wall time that an analysis reads is a part that sessions are split into."""
    used = {part for parts in WALL_PARTS.values() for part in parts}
    used |= {"main_tools", "model", *NOT_WORK, *EMPTY_WAITS}
    assert used <= {part.value for part in WallPart}


def test_conflicts_are_priced_by_history() -> None:
    """Sessions last 100 s longer per conflict; five conflicts hold a session up by about 500 s."""
    rng = np.random.default_rng(6)
    made = generate_runs(41, seed=6)
    counts = [*rng.integers(0, 2, 40), 5]
    sessions = [
        replace(run, conflicts=int(count), end=run.end + int(count) * 100 * SECOND)
        for run, count in zip(made.sessions, counts, strict=True)
    ]
    answer = find_bottlenecks(sessions[-1:], sessions[:-1], made.by_session)
    (conflicts,) = [holdup for holdup in answer.holdups if holdup.kind is HoldupKind.CONFLICTS]
    assert conflicts.seconds == pytest.approx(500, rel=0.6)
    quiet = find_bottlenecks(made.sessions[-1:], made.sessions[:-1], made.by_session)
    assert all(holdup.kind is not HoldupKind.CONFLICTS for holdup in quiet.holdups)


def test_other_lengths_give_the_elapsed_time_of_the_what_if() -> None:
    """In 40 random fan-outs the schedule of runs agrees with the figures' simulation, task by task."""
    rng = np.random.default_rng(8)
    compared = 0
    for _ in range(40):
        starts, lengths = rng.integers(0, 60, 6), rng.integers(5, 60, 6)
        tasks = [task(f"t{n}", int(starts[n]), int(starts[n] + lengths[n])) for n in range(6)]
        for fanout in find_fanouts(tasks):
            schedule = order_tasks_of_known_length(
                [
                    structs.replace(make_task(each.id, 0, 0), start=each.start, length=each.end - each.start)
                    for each in fanout.tasks
                    if each.start is not None and each.end is not None
                ]
            )
            for place, run in enumerate(schedule.tasks):
                for factor in (0.2, 0.5, 2.0):
                    new = [*map(float, schedule.lengths)]
                    new[place] = round(new[place] * factor)
                    assert simulate_span(schedule, new) == simulate_fanout_elapsed(fanout, run.task, factor)
                    compared += 1
    assert compared > 200


def test_a_schedule_follows_its_example() -> None:
    """A shorter task moves those after it, not those beside it."""
    tasks = [make_task("a", 0, 10), make_task("b", 12, 8), make_task("c", 5, 9)]
    schedule = order_tasks_of_known_length([*tasks, structs.replace(make_task("unknown", 1, 1), length=None)])
    assert schedule.span == 20 * SECOND
    assert [run.task for run in schedule.tasks] == ["a", "c", "b"]
    shorter = [5 * SECOND, 9 * SECOND, 8 * SECOND]
    assert simulate_span(schedule, shorter) == 15 * SECOND
    assert simulate_span(order_tasks_of_known_length([]), []) == 0


def test_lanes_are_those_of_agents() -> None:
    """Five tasks of one agent beside one of each other: an even split saves three of five seconds."""
    tasks = [
        *(make_task(f"a{n}", n * 1.01, 1, "a", phase="build") for n in range(5)),
        *(make_task(name, 0, 1, name, phase="build") for name in "bcd"),
    ]
    schedule = order_tasks_of_known_length(tasks)
    assert measure_time_lost_to_imbalance(schedule, schedule.lengths) == 3 * SECOND
    assert measure_late_lane_starts(schedule) == 0


def test_late_starts_count_if_they_end_last() -> None:
    """A lane that began 8 s late and ends last would have saved 8 s, of which 2 s are hidden by the other."""
    schedule = order_tasks_of_known_length([make_task("a", 0, 10, "a"), make_task("b", 8, 4, "b")])
    assert measure_late_lane_starts(schedule) == 2 * SECOND
    together = order_tasks_of_known_length([make_task("a", 0, 10, "a"), make_task("b", 0, 12, "b")])
    assert measure_late_lane_starts(together) == 0


def test_lists_are_scheduled_on_lanes() -> None:
    """4, 3, 3 and 2 s take 6 s on two lanes, longest first; in the order 2, 3, 3, 4 they take 7 s."""
    assert balance_lanes([2, 3, 3, 4], 2) == 6
    assert schedule_in_order([2, 3, 3, 4], 2) == 7
    assert schedule_in_order([2, 3, 3, 4], 1) == 12
