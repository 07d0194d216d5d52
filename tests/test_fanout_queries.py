"""What the store remembers of executions: the best ones, and how many of which mix."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.clock import DAY, SECOND
from stretto.figures.baseline_admission import MOST_RUNS
from stretto.figures.sequential_baseline_choice import Provenance
from stretto.figures.work_signature import WorkIdentity
from stretto.model.event import Kind
from stretto.state.retention_settings import Retention
from stretto.store.fanout_and_baseline_queries import (
    UNIDENTIFIED,
    MixCount,
    NearMiss,
    count_fanout_mixes,
    count_run_mixes,
    list_best_fanout_by_pattern,
    list_runs_under_other_patterns,
    make_baseline_finder,
    read_admission,
)
from stretto.store.prune import prune_history
from tests.fakes import store
from tests.scenes import (
    BEGIN,
    PROJECT,
    Drawing,
    at,
    earlier_runs,
    fork_join,
    frame_drawing,
    one_by_one,
    straggler,
)
from tests.test_queries import moved

MIX = "architecture,prd,test_strategy"
WORKERS = tuple(("worker", task_type) for task_type in MIX.split(","))
SIGNATURE = WorkIdentity(PROJECT, "release", WORKERS).signature
NOW = BEGIN + 51 * DAY
RETENTION = Retention(raw_days=30, hourly_days=90, daily_days=365, most_bytes=1 << 40)


def test_the_best_execution_of_each_pattern_is_found(tmp_path: Path) -> None:
    """Work over elapsed is 1.75 for release, 3 without a pattern; of equal ones the first is returned."""
    with store(tmp_path) as opened:
        opened.take(moved(straggler("later"), 500), straggler().events, fork_join().events)
        opened.take(
            frame_drawing(Drawing("less").task("x", 0, 10, "review").task("y", 9, 19, "prd"), 20).events
        )
        found = list_best_fanout_by_pattern(opened.connection)
    assert [(best.pattern, best.speedup, best.session) for best in found] == [
        ("none", 3, "fork-join"),
        ("release", 1.75, "straggler"),
    ]
    assert found[1].end == at(60)


def test_a_late_event_replaces_the_stored_executions(tmp_path: Path) -> None:
    """Before the third task's end is known two tasks overlap, after it three; the old row is deleted."""
    late = {"fork-join-a", "call-fork-join-a"}
    events = fork_join().events
    ends = [event for event in events if event.id in late and event.kind in {Kind.TASK_END, Kind.TOOL_END}]
    with store(tmp_path) as opened:
        assert list_best_fanout_by_pattern(opened.connection) == []
        opened.take([event for event in events if event not in ends])
        assert [best.speedup for best in list_best_fanout_by_pattern(opened.connection)] == [2]
        opened.take(ends)
        assert [best.speedup for best in list_best_fanout_by_pattern(opened.connection)] == [3]
        assert [mix.signature for mix in count_fanout_mixes(opened.connection)] == ["review,review,review"]


def test_executions_are_counted_by_mix(tmp_path: Path) -> None:
    """Two stragglers, a sequential run of the same types and a fork-join are counted apart."""
    reviews = WorkIdentity(None, "none", (("worker", "review"),) * 3)
    release = WorkIdentity(PROJECT, "release", WORKERS)
    with store(tmp_path) as opened:
        opened.take(straggler().events, moved(straggler("two"), 200), one_by_one().events, fork_join().events)
        assert count_fanout_mixes(opened.connection) == [
            MixCount(reviews, "review,review,review", 1, at(40)),
            MixCount(release, SIGNATURE, 2, at(260)),
        ]
        assert count_run_mixes(opened.connection) == [MixCount(release, SIGNATURE, 1, at(120))]


def test_the_finder_uses_the_store_and_the_declared_hours(tmp_path: Path) -> None:
    """Stored runs give a measured baseline; without any the configured hours count."""
    with store(tmp_path) as opened:
        opened.take(one_by_one().events, earlier_runs())
        find = make_baseline_finder(opened.connection, {"review": 1.0})
        assert find("release", SIGNATURE).provenance is Provenance.MEASURED
        assert find("none", "review,review").provenance is Provenance.CONFIGURED
        assert find("none", "prd,review").provenance is Provenance.WORK
        assert find("release", SIGNATURE) is find("release", SIGNATURE)
        assert find("release", MIX).refusal == UNIDENTIFIED


def test_a_record_outlives_its_session_and_a_rebuild(tmp_path: Path) -> None:
    """A pruned session leaves its executions, even if it was resumed and pruned again."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events)
        list(prune_history(opened.connection, opened.ingest, opened.folder, RETENTION, NOW))
        opened.take(moved(straggler(), 1_000), moved(one_by_one(), 1_000), file="2026-01-02.jsonl")
        list(prune_history(opened.connection, opened.ingest, opened.folder, RETENTION, NOW + DAY))
        opened.ingest.clear_store()
        list(opened.ingest.catch_up(opened.folder))
        (best,) = list_best_fanout_by_pattern(opened.connection)
        assert (best.speedup, best.end) == (1.75, at(60))
        assert [mix.count for mix in count_fanout_mixes(opened.connection)] == [2]
        admission = read_admission(opened.connection, "release", SIGNATURE)
        assert [run.end for run in admission.runs] == [at(120), at(1_120)]


@pytest.mark.parametrize("session", ["straggler", "one-by-one"])
def test_a_forgotten_session_leaves_nothing(tmp_path: Path, session: str) -> None:
    """The executions of a deleted recording are deleted with it."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events)
        opened.ingest.forget_sessions([session], "2026-01-01.jsonl")
        left = [*count_fanout_mixes(opened.connection), *count_run_mixes(opened.connection)]
        assert len(left) == 1


def test_a_measured_baseline_is_the_mean_of_runs_of_the_same_work(tmp_path: Path) -> None:
    """Same pattern, project, agents and types only: 18, 28 and 29 s of architecture make 25."""
    with store(tmp_path) as opened:
        for name, length in (("longer", 28), ("longest", 29)):
            drawing = Drawing(name).task(f"{name}-a", 0, length, "architecture")
            drawing.task(f"{name}-b", 30, 62, "prd").task(f"{name}-c", 70, 120, "test_strategy")
            opened.take(frame_drawing(drawing, 121, "release").events)
        opened.take(one_by_one().events, one_by_one("other", "plan").events, straggler().events)
        measured = read_admission(opened.connection, "release", SIGNATURE).measured
        assert measured is not None
        assert measured.lengths == {
            "architecture": 25 * SECOND,
            "prd": 32 * SECOND,
            "test_strategy": 50 * SECOND,
        }
        assert measured.newest == at(120)
        for other in (
            WorkIdentity(PROJECT, "plan", WORKERS),
            WorkIdentity("another", "release", WORKERS),
            WorkIdentity(PROJECT, "release", WORKERS[:2]),
            WorkIdentity(PROJECT, "release", (("critic", "architecture"), *WORKERS[1:])),
        ):
            assert read_admission(opened.connection, other.pattern or "", other.signature).measured is None


def test_only_the_newest_runs_are_a_baseline(tmp_path: Path) -> None:
    """A slow run long ago no longer counts once there are enough newer ones."""
    with store(tmp_path) as opened:
        slow = Drawing("slow").task("sa", 0, 1_000, "architecture").task("sb", 1_001, 2_000, "prd")
        opened.take(frame_drawing(slow.task("sc", 2_001, 3_000, "test_strategy"), 3_001, "release").events)
        for number in range(MOST_RUNS):
            opened.take(moved(one_by_one(f"run-{number}"), 10_000 + 200 * number))
        measured = read_admission(opened.connection, "release", SIGNATURE).measured
        assert measured is not None
        assert measured.lengths["architecture"] == 18 * SECOND
        assert len(measured.runs) == MOST_RUNS


def test_runs_of_the_same_tasks_under_another_pattern_are_a_near_miss(tmp_path: Path) -> None:
    """Two sessions ran the tasks one after another, but under another pattern than the parallel one."""
    with store(tmp_path) as opened:
        opened.take(one_by_one(command="plan").events, one_by_one("again", "plan").events)
        opened.take(straggler().events)
        (mix,) = count_fanout_mixes(opened.connection)
        assert list_runs_under_other_patterns(opened.connection, mix.work) == [NearMiss("plan", 2, 2)]
        assert make_baseline_finder(opened.connection, {})("release", mix.signature).refusal == (
            "0 sequential run(s) of 0 session(s) in 90 days, 3 of 3 are needed"
        )


def test_a_run_of_tomorrow_does_not_count_today(tmp_path: Path) -> None:
    """A baseline is judged at an instant: what ended after it is not known then."""
    with store(tmp_path) as opened:
        opened.take(one_by_one().events, earlier_runs())
        assert read_admission(opened.connection, "release", SIGNATURE, at(119)).measured is None
        assert read_admission(opened.connection, "release", SIGNATURE, at(120)).measured is not None
        assert read_admission(opened.connection, "release", SIGNATURE, at(120) + 91 * DAY).measured is None
