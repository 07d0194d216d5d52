from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from stretto.clock import HOUR, SECOND
from stretto.figures.confidence_intervals import Estimate
from stretto.figures.fanouts import (
    Fanout,
    SequentialTime,
    build_signature,
    estimate_sequential_time,
    find_fanouts,
    find_sequential_runs,
)
from stretto.figures.sequential_baseline_choice import (
    WORK_BASELINE,
    MeasuredRuns,
    Provenance,
    choose_baseline,
)
from stretto.model.entities import Task
from stretto.model.event import Outcome
from stretto.model.interval import count_peak_overlap, measure_union_length, pack_lanes
from tests.fakes import ROOT, recorded
from tests.scenes import Drawing, at, background, conclude_scene, fork_join, nested, one_by_one, straggler


def fanouts_of(drawing: Drawing) -> tuple[Fanout, ...]:
    """Return the scene's fan-outs."""
    return find_fanouts(conclude_scene(drawing.events).tasks)


def task(name: str, start: int | None, end: int | None, kind: str = "review", **rest: object) -> Task:
    """Return a task with edges in nanoseconds; without an end it runs."""
    outcome = rest.get("outcome", Outcome.RUNNING if end is None else Outcome.SUCCESS)
    parent = rest.get("parent")
    assert isinstance(outcome, Outcome)
    assert parent is None or isinstance(parent, str)
    return Task(name, kind, None, None, parent, None, start, end, outcome)


# Scenes.


def test_a_fork_join_loses_nothing() -> None:
    """Three tasks of 30 s side by side: work 90, elapsed 30, every factor 1."""
    (found,) = fanouts_of(fork_join())
    assert (found.width, found.work, found.elapsed) == (3, 90 * SECOND, 30 * SECOND)
    assert (found.efficiency, found.load_balance, found.concurrency) == (1, 1, 1)
    assert estimate_sequential_time(found, WORK_BASELINE) == SequentialTime(
        90 * SECOND, WORK_BASELINE, Estimate(90 * SECOND, 0)
    )
    assert found.signature == "review,review,review"


def test_the_straggler_has_the_figures_in_the_docs() -> None:
    """Every number of the worked scene in docs/figures.md is computed from the same scene."""
    (found,) = fanouts_of(straggler())
    (run,) = find_sequential_runs(conclude_scene(one_by_one().events).tasks)
    measured = MeasuredRuns((run.lengths,))
    hours = {"architecture": 0.01, "prd": 0.02, "test_strategy": 0.02}
    by_provenance = {
        "work": estimate_sequential_time(found, WORK_BASELINE),
        "configured": estimate_sequential_time(
            found, choose_baseline("release", found.signature, None, hours)
        ),
        "measured": estimate_sequential_time(
            found, choose_baseline("release", found.signature, measured, hours)
        ),
    }
    computed = {
        "work": found.work / SECOND,
        "elapsed": found.elapsed / SECOND,
        "width": found.width,
        "longest lane": found.longest_lane / SECOND,
        "load balance": found.load_balance,
        "concurrency": found.concurrency,
        "efficiency": found.efficiency,
        **{
            f"share of {one.task_type}": share / SECOND
            for one, share in zip(found.tasks, found.shares, strict=True)
        },
    }
    for name, against in by_provenance.items():
        assert against.provenance == name
        saved = against.length - found.elapsed
        computed[f"sequential, {name}"] = against.length / SECOND
        computed[f"speedup, {name}"] = against.length / found.elapsed
        computed[f"time saved, {name}"] = saved / SECOND
        computed[f"improvement, {name}"] = saved / against.length
    written = worked_scene(ROOT / "docs" / "figures.md")
    assert written.keys() == computed.keys()
    for name, value in written.items():
        assert computed[name] == pytest.approx(value, abs=0.0005), name
    on_paper = {"work": 105, "elapsed": 60, "width": 3, "speedup, work": 1.75, "speedup, configured": 3}
    assert on_paper == {name: computed[name] for name in on_paper}


def worked_scene(page: Path) -> dict[str, float]:
    """Return the figures in the worked scene's table, by name."""
    section = page.read_text(encoding="utf-8").partition("## The worked scene")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-z_ ,]+) \| .* \| ([0-9.]+)(?: s)? \|$", section, re.MULTILINE)
    assert rows
    return {name: float(value) for name, value in rows}


def test_a_chain_is_no_fanout_but_a_sequential_run() -> None:
    """Gaps between tasks one after another are not sequential time."""
    assert fanouts_of(one_by_one()) == ()
    (run,) = find_sequential_runs(conclude_scene(one_by_one().events).tasks)
    assert run.signature == "architecture,prd,test_strategy"
    assert (run.elapsed, run.end) == (100 * SECOND, at(120))
    assert run.lengths == {
        "architecture": [18 * SECOND],
        "prd": [32 * SECOND],
        "test_strategy": [50 * SECOND],
    }


def test_tasks_that_touch_do_not_overlap() -> None:
    """One that starts when the other ends runs after it."""
    tasks = [task("a", 0, 10), task("b", 10, 20)]
    assert find_fanouts(tasks) == ()
    assert len(find_sequential_runs(tasks)) == 1


def test_nested_tasks_fan_out_under_their_own_parent() -> None:
    """10-40 and 20-50 of the same parent: width 2, work 60, elapsed 40; the parent is in no fan-out."""
    (found,) = fanouts_of(nested())
    assert (found.parent, found.width, found.work, found.elapsed) == ("outer", 2, 60 * SECOND, 40 * SECOND)


def test_background_agents_fan_out_as_well() -> None:
    """2-22 and 4-34: work 50, elapsed 32; the failed task is part of it."""
    (found,) = fanouts_of(background())
    assert (found.width, found.work, found.elapsed) == (2, 50 * SECOND, 32 * SECOND)


def test_two_stretches_of_overlap_are_two_fanouts() -> None:
    """If nothing ran in between, a fan-out has ended and another begins."""
    tasks = [task("a", 0, 10), task("b", 5, 15), task("c", 20, 30), task("d", 20, 25)]
    assert [[one.id for one in found.tasks] for found in find_fanouts(tasks)] == [["a", "b"], ["c", "d"]]


def test_a_fanout_with_a_running_task_is_not_finished() -> None:
    """It is left out until its last task has ended; a fan-out that ended before is not."""
    tasks = [task("a", 0, 10), task("b", 5, 15), task("c", 20, None), task("d", 30, 40)]
    assert [[one.id for one in found.tasks] for found in find_fanouts(tasks)] == [["a", "b"]]


def test_tasks_of_unknown_length_take_no_part() -> None:
    """A lost edge or no length at all: the rest are judged without it, never with a made-up length."""
    lost = [task("x", 5, None, outcome=Outcome.UNKNOWN), task("y", None, 9), task("z", 5, 5)]
    (found,) = find_fanouts([task("a", 0, 10), task("b", 5, 15), *lost])
    assert [one.id for one in found.tasks] == ["a", "b"]
    assert find_fanouts([task("a", 0, 10), *lost]) == ()


def test_only_successful_tasks_make_a_sequential_run() -> None:
    """A failure, a fan-out or another parent ends the stretch."""
    tasks = [task("a", 0, 10), task("b", 10, 20, outcome=Outcome.FAILURE), task("c", 20, 30)]
    assert find_sequential_runs(tasks) == ()
    tasks = [task("a", 0, 10), task("b", 10, 20), task("c", 20, 30), task("d", 25, 30), task("e", 30, 40)]
    assert [[one.id for one in run.tasks] for run in find_sequential_runs(tasks)] == [["a", "b"]]
    tasks = [task("a", 0, 10), task("b", 10, 20, parent="p"), task("c", 30, 40, parent="p")]
    assert [[one.id for one in run.tasks] for run in find_sequential_runs(tasks)] == [["b", "c"]]


# Baselines.


def test_sequential_time_counts_each_task_once() -> None:
    """Two reviews and a test of configured hours: 2 + 2 + 5 hours, each task its part of the total."""
    (found,) = find_fanouts([task("a", 0, 10), task("b", 5, 15), task("c", 5, 20, "testing")])
    against = estimate_sequential_time(
        found, choose_baseline("none", found.signature, None, {"review": 2.0, "testing": 5.0})
    )
    assert (against.length, against.provenance) == (9.0 * HOUR, Provenance.CONFIGURED)
    assert [against.get_task_length(one) for one in found.tasks] == [2.0 * HOUR, 2.0 * HOUR, 5.0 * HOUR]
    by_work = estimate_sequential_time(found, WORK_BASELINE)
    assert [by_work.get_task_length(one) for one in found.tasks] == [10, 10, 15]


def test_a_signature_is_a_multiset() -> None:
    """The types are sorted and repeats kept: two reviews differ from a single review."""
    assert build_signature([task("a", 0, 1, "b"), task("b", 0, 1, "a"), task("c", 0, 1, "b")]) == "a,b,b"


# Recordings.


@pytest.mark.parametrize(
    ("name", "tasks", "work", "elapsed"), [("fanout", 3, 5.54, 2.55), ("fanout-background", 3, 6.14, 2.80)]
)
def test_a_recorded_fanout_has_the_figures_that_were_taken_by_hand(
    name: str, tasks: int, work: float, elapsed: float
) -> None:
    """Width, work and elapsed of a real client's parallel agents."""
    (found,) = find_fanouts(conclude_scene(recorded(name)).tasks)
    assert (found.width, len(found.tasks)) == (tasks, tasks)
    assert found.work / SECOND == pytest.approx(work, abs=0.005)
    assert found.elapsed / SECOND == pytest.approx(elapsed, abs=0.005)
    assert estimate_sequential_time(found, WORK_BASELINE).length / found.elapsed == pytest.approx(
        work / elapsed, rel=0.03
    )


def test_a_recorded_session_of_two_phases_has_two_fanouts() -> None:
    """Two agents, a shell call, two more agents."""
    assert [found.width for found in find_fanouts(conclude_scene(recorded("two-phase")).tasks)] == [2, 2]


def test_a_recorded_sequential_session_matches_the_fanouts_signature() -> None:
    """The fan-out is compared with the same three tasks run one after another."""
    (found,) = find_fanouts(conclude_scene(recorded("fanout")).tasks)
    (run,) = find_sequential_runs(conclude_scene(recorded("sequential")).tasks)
    assert run.signature == found.signature


# Properties.

EDGE = st.integers(0, 40)


@st.composite
def tasks_at_random(draw: st.DrawFn) -> list[Task]:
    """Draw tasks of two parents on a short clock, some without an end, some running."""
    found = []
    for number in range(draw(st.integers(0, 10))):
        start, length = draw(EDGE), draw(st.integers(0, 15))
        outcome = draw(st.sampled_from(Outcome))
        end = None if outcome is Outcome.RUNNING or draw(st.integers(0, 9)) == 0 else start + length
        parent = draw(st.sampled_from([None, "p"]))
        kind = draw(st.sampled_from(["review", "testing"]))
        found.append(task(str(number), start, end, kind, outcome=outcome, parent=parent))
    return found


@given(tasks_at_random())
def test_the_figures_of_a_fanout_agree_with_each_other(tasks: list[Task]) -> None:
    """Efficiency is a ratio and the product of its factors; the union, lanes and shares fit together."""
    for found in find_fanouts(tasks):
        intervals = [one.interval for one in found.tasks if one.interval is not None]
        assert len(intervals) == len(found.tasks) >= 2
        assert found.work == sum(interval.length for interval in intervals)
        # In a fan-out somebody is always busy, so the whole stretch is covered.
        assert found.elapsed == measure_union_length(intervals) == found.end - found.start
        assert found.elapsed < found.work <= found.capacity
        assert len(pack_lanes(intervals)) == count_peak_overlap(intervals) == found.width >= 2
        assert 0 <= found.efficiency <= 1
        assert 0 <= found.delivery <= 1
        assert 0 < found.load_balance <= 1
        assert 0 < found.concurrency <= 1
        factors = found.load_balance * found.concurrency * found.delivery
        assert math.isclose(found.efficiency, factors, abs_tol=1e-12)
        assert math.isclose(sum(found.shares), found.elapsed)
        assert all(
            0 < share <= interval.length for share, interval in zip(found.shares, intervals, strict=True)
        )
        sequential = estimate_sequential_time(found, WORK_BASELINE)
        assert sequential.length == found.delivered_work
        assert sum(map(sequential.get_task_length, found.tasks)) == sequential.length
        assert found.delivered or sequential.length == 0
        assert 0 <= found.paid <= found.elapsed


@given(tasks_at_random())
def test_no_task_is_in_two_executions_and_none_overlaps_outside(tasks: list[Task]) -> None:
    """No task is in two groups; tasks of two fan-outs of the same parent never overlap."""
    found = find_fanouts(tasks)
    parts = [*(execution.tasks for execution in found), *(run.tasks for run in find_sequential_runs(tasks))]
    ids = [one.id for part in parts for one in part]
    assert len(ids) == len(set(ids))
    for one in found:
        for other in found:
            if one is not other and one.parent == other.parent:
                assert one.end <= other.start or other.end <= one.start


# Hand-overs.


def overlapping(overlap: float, doubt: int) -> tuple[Task, ...]:
    """Return two tasks of 10 s, the second of which begins ``overlap`` seconds before the first ends."""
    drawing = Drawing().task("a", 0, 10, "review").task("b", 10 - overlap, 20 - overlap, "review")
    return tuple(structs.replace(task, doubt=doubt) for task in conclude_scene(drawing.events).tasks)


@pytest.mark.parametrize(
    ("overlap", "doubt", "fanouts"),
    [(0.4, SECOND // 2, 0), (0.5, SECOND // 2, 0), (0.6, SECOND // 2, 1), (0.4, 0, 1), (0, 0, 0)],
)
def test_an_overlap_within_the_doubt_is_a_handover(overlap: float, doubt: int, fanouts: int) -> None:
    """Hooks may be stamped half a second late: a shorter overlap joins nothing; the tasks are a series."""
    tasks = overlapping(overlap, doubt)
    assert len(find_fanouts(tasks)) == fanouts
    assert len(find_sequential_runs(tasks)) == 1 - fanouts


def test_a_short_task_inside_a_long_one_is_no_handover() -> None:
    """It began and ended while the other ran on: only starts near the other's end are in doubt."""
    drawing = Drawing().task("a", 0, 100, "review").task("b", 50, 50.3, "review")
    tasks = conclude_scene(drawing.events).tasks
    assert {task.doubt for task in tasks} == {SECOND // 2}
    assert len(find_fanouts(tasks)) == 1
