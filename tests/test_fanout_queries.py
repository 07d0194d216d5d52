"""What the store remembers of executions: the best ones, and how many of which mix."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.clock import DAY
from stretto.figures.baselines import Provenance
from stretto.model.event import Kind
from stretto.state.retention import Retention
from stretto.store.fanout_queries import (
    MixCount,
    count_fanout_mixes,
    count_run_mixes,
    list_best_fanouts,
    make_baseline_finder,
)
from stretto.store.prune import prune_history
from tests.fakes import store
from tests.scenes import BEGIN, Drawing, at, fork_join, frame_drawing, one_by_one, straggler
from tests.test_queries import moved

MIX = "architecture,prd,test_strategy"
NOW = BEGIN + 51 * DAY
RETENTION = Retention(raw_days=30, hourly_days=90, daily_days=365, most_bytes=1 << 40)


def test_the_best_execution_of_each_pattern_is_found(tmp_path: Path) -> None:
    """Work over elapsed is 1.75 for release, 3 without a pattern; of equal ones the first is returned."""
    with store(tmp_path) as opened:
        opened.take(moved(straggler("later"), 500), straggler().events, fork_join().events)
        opened.take(
            frame_drawing(Drawing("less").task("x", 0, 10, "review").task("y", 9, 19, "prd"), 20).events
        )
        found = list_best_fanouts(opened.connection)
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
        assert list_best_fanouts(opened.connection) == []
        opened.take([event for event in events if event not in ends])
        assert [best.speedup for best in list_best_fanouts(opened.connection)] == [2]
        opened.take(ends)
        assert [best.speedup for best in list_best_fanouts(opened.connection)] == [3]
        assert [mix.signature for mix in count_fanout_mixes(opened.connection)] == ["review,review,review"]


def test_executions_are_counted_by_mix(tmp_path: Path) -> None:
    """Two stragglers, a sequential run of the same types and a fork-join are counted apart."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, moved(straggler("two"), 200), one_by_one().events, fork_join().events)
        assert count_fanout_mixes(opened.connection) == [
            MixCount("none", "review,review,review", 1, at(40)),
            MixCount("release", MIX, 2, at(260)),
        ]
        assert count_run_mixes(opened.connection) == [MixCount("release", MIX, 1, at(120))]


def test_the_finder_uses_the_store_and_the_declared_hours(tmp_path: Path) -> None:
    """A stored run gives a measured baseline; without any the configured hours count."""
    with store(tmp_path) as opened:
        opened.take(one_by_one().events)
        find = make_baseline_finder(opened.connection, {"review": 1.0})
        assert find("release", MIX).provenance is Provenance.MEASURED
        assert find("none", "review,review").provenance is Provenance.CONFIGURED
        assert find("none", "prd,review").provenance is Provenance.WORK
        assert find("release", MIX) is find("release", MIX)


def test_a_record_outlives_its_session_and_a_rebuild(tmp_path: Path) -> None:
    """A pruned session leaves its executions, even if it was resumed and pruned again."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events)
        list(prune_history(opened.connection, opened.ingest, opened.folder, RETENTION, NOW))
        opened.take(moved(straggler(), 1_000), moved(one_by_one(), 1_000), file="2026-01-02.jsonl")
        list(prune_history(opened.connection, opened.ingest, opened.folder, RETENTION, NOW + DAY))
        opened.ingest.clear_store()
        list(opened.ingest.catch_up(opened.folder))
        (best,) = list_best_fanouts(opened.connection)
        assert (best.speedup, best.end) == (1.75, at(60))
        assert [mix.count for mix in count_fanout_mixes(opened.connection)] == [2]
        measured = make_baseline_finder(opened.connection, {})("release", MIX).measured
        assert measured is not None
        assert len(measured.runs) == 2


@pytest.mark.parametrize("session", ["straggler", "one-by-one"])
def test_a_forgotten_session_leaves_nothing(tmp_path: Path, session: str) -> None:
    """The executions of a deleted recording are deleted with it."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events)
        opened.ingest.forget_sessions([session], "2026-01-01.jsonl")
        left = [*count_fanout_mixes(opened.connection), *count_run_mixes(opened.connection)]
        assert len(left) == 1
