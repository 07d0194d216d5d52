"""Runs: what finished sessions and tasks leave for the analyses, and how it is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from stretto.clock import DAY, SECOND
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.state.retention_settings import Retention
from stretto.store.prune import prune_history
from stretto.store.run_queries import (
    SeriesKey,
    read_length_series,
    read_session_runs,
    read_task_runs_begun_between,
)
from tests.fakes import Store, rebuilt, store
from tests.scenes import BEGIN, Drawing, at, conflict, paid, resumed, sampled, straggler

EVER = (0, 1 << 62)
LATER = at(1_000_000)


def side_by_side(session: str = "s", **opened: object) -> Drawing:
    """Draw A at 0-60 s beside B at 0-30 s, a success and a failure, and the session's end at 60 s."""
    drawing = Drawing(session).opens(0, pattern="release", project="shop", **opened).prompt(0)
    drawing.task("a", 0, 60, "review")
    drawing.task("b", 0, 30, "tests", outcome=Outcome.FAILURE)
    return drawing.stop(60).ends(60)


def prune(opened: Store, retention: Retention, now: int) -> None:
    """Prune in as many steps as it takes."""
    for _ in prune_history(opened.connection, opened.ingest, opened.folder, retention, now):
        pass


def test_a_finished_session_leaves_a_run_of_itself_and_of_each_task(tmp_path: Path) -> None:
    """A at 0-60 s beside B at 0-30 s: 1.5 and 2 ran during them; B failed, so 60 of 90 s were delivered."""
    with store(tmp_path) as opened:
        opened.take(side_by_side(labels=["arm=B", "pattern=release"]).events)
        a, b = read_task_runs_begun_between(opened.connection, *EVER)
        (session,) = read_session_runs(opened.connection, *EVER)
    assert (a.task, a.start, a.length, a.outcome, a.type) == (
        "a",
        at(0),
        60 * SECOND,
        Outcome.SUCCESS,
        "review",
    )
    assert (a.concurrency, b.concurrency, b.outcome) == (1.5, 2.0, Outcome.FAILURE)
    assert (a.pattern, a.project, a.tokens, a.dollars) == ("release", "shop", None, None)
    assert session.task_types == {"review": 1, "tests": 1}
    assert (session.work, session.delivered_work, session.width) == (90 * SECOND, 60 * SECOND, 2)
    assert (session.elapsed, session.capacity) == (60 * SECOND, 120 * SECOND)
    assert session.labels == {"arm": "B"}
    assert sum(session.wall_parts.values()) == 60 * SECOND


def test_use_conflicts_tests_and_memory_are_those_of_the_scene(tmp_path: Path) -> None:
    """Tokens, dollars, conflicting tasks and memory are read from the session; unknown is None, never 0."""
    with store(tmp_path) as opened:
        opened.take(paid().events, conflict().events, sampled().events)
        opened.ingest.close_idle_sessions(LATER)
        runs = {run.session: run for run in read_session_runs(opened.connection, *EVER)}
        tasks = [
            run for run in read_task_runs_begun_between(opened.connection, *EVER) if run.session == "paid"
        ]
    assert runs["paid"].tokens
    assert runs["paid"].dollars
    assert sum(run.tokens or 0 for run in tasks) <= runs["paid"].tokens
    assert {run.model for run in tasks if run.tokens} == {"a-model"}
    assert runs["paid"].conflicts is None
    assert runs["conflict"].conflicts == 2
    assert runs["conflict"].tokens is None
    assert runs["sampled"].covariates == {
        "machine": "2 processors, 7 GiB", "machine_load": "free", "machine_memory": "enough",
    }  # fmt: skip
    peak = runs["sampled"].memory_peak
    assert peak is not None
    assert peak >= (runs["sampled"].memory_mean or 0) > 0


def test_the_machine_of_a_task_is_that_of_its_own_time(tmp_path: Path) -> None:
    """Tasks in the full minute have a full machine; a name that the session gives it stays."""
    drawing = sampled("early").task("late", 70, 100, "review")
    named = Drawing("named").opens(0, machine="build-7").task("a", 0, 60, "review")
    named.sample(0, 60, machine_memory=100, machine_memory_available=5).stop(60).ends(60)
    with store(tmp_path) as opened:
        opened.take(drawing.events, named.events)
        opened.ingest.close_idle_sessions(LATER)
        tasks = {run.task: run.covariates for run in read_task_runs_begun_between(opened.connection, *EVER)}
    assert tasks["early-a"]["machine_load"] == "full"
    assert tasks["late"]["machine_load"] == "free"
    assert tasks["a"] == {"machine": "build-7", "machine_memory": "short"}


def test_circumstances_are_kept_as_they_were_at_the_beginning(tmp_path: Path) -> None:
    """A client that is upgraded within a session counts as the version that the session began with."""
    drawing = side_by_side(client_version="2.1.0", branch="1f2e", effort="high")
    drawing.prompt(61, "p2", client_version="2.2.0", permission_mode="plan").stop(62, "p2").ends(62)
    with store(tmp_path) as opened:
        opened.take(drawing.events)
        (run,) = read_session_runs(opened.connection, *EVER)
        task = read_task_runs_begun_between(opened.connection, *EVER)[0]
    assert run.session == "s"
    known = {"client_version": "2.1.0", "branch": "1f2e", "effort": "high", "permission_mode": "plan"}
    assert run.covariates == task.covariates == known


def test_a_running_session_leaves_nothing_and_a_resumed_one_is_written_again(tmp_path: Path) -> None:
    """Before its end there is no row; resumed, its rows are deleted until it ends again."""
    events = side_by_side().events
    with store(tmp_path) as opened:
        opened.take(events[:-1])
        assert read_task_runs_begun_between(opened.connection, *EVER) == []
        opened.take(events[-1:])
        assert len(read_task_runs_begun_between(opened.connection, *EVER)) == 2
        more = Drawing("s").prompt(100, "p2").task("c", 100, 120, "docs").events
        opened.take(more)
        assert read_task_runs_begun_between(opened.connection, *EVER) == []
        opened.take(Drawing("s").stop(130, "p2").ends(130).events)
        assert [run.task for run in read_task_runs_begun_between(opened.connection, *EVER)] == ["a", "b", "c"]


def test_a_rebuild_gives_the_same_runs(tmp_path: Path) -> None:
    """Sessions that end, are resumed, are lost and are scored late: the journal read at once agrees."""
    late = Event(
        kind=Kind.SCORE, session="paid", time=at(5_000), channel=Channel.API, source="stretto", id="paid",
        name="quality", attributes={"value": 9, "of": "session", "by": "person"},
    )  # fmt: skip
    with store(tmp_path) as opened:
        for events in (side_by_side().events, straggler().events, resumed().events, paid().events):
            for event in events:
                opened.take([event])
        opened.ingest.close_idle_sessions(LATER)
        opened.take([late])
        rows = opened.rows()
        assert rows["session_runs"]
        assert rows == rebuilt(opened.folder, tmp_path / "anew.db", now=LATER)
        (run,) = [run for run in read_session_runs(opened.connection, *EVER) if run.session == "paid"]
    assert run.score_sums == {"quality:sum": 9, "quality:number": 1}


def test_a_run_has_the_judgements_of_the_sums(tmp_path: Path) -> None:
    """A score on another scale is placed on its criterion's; two judges of one thing are one judgement."""
    drawing = Drawing("s").opens().task("a", 0, 9, "review").task("b", 0, 9, "review")
    on_another_scale = {"value": 92, "out_of": 100, "of": "task", "by": "judge"}
    drawing.stroke(Kind.SCORE, 10, id="a", name="quality", attributes=on_another_scale)
    drawing.score("quality", 6, 10, of="task", id="b", by="one").score(
        "quality", 8, 11, of="task", id="b", by="two"
    )
    with store(tmp_path) as opened:
        opened.take(drawing.ends(20).events)
        (run,) = read_session_runs(opened.connection, *EVER)
    assert run.score_sums == {"quality:sum": pytest.approx(16.2), "quality:number": 2}


def test_pruned_sessions_keep_their_runs_for_a_year(tmp_path: Path) -> None:
    """After 35 days the session is gone and its runs stay, under the hash of its id; after 400 they go."""
    retention = Retention(raw_days=30, hourly_days=90, daily_days=365, most_bytes=1 << 40)
    with store(tmp_path) as opened:
        opened.take(side_by_side().events)
        before = read_task_runs_begun_between(opened.connection, *EVER)
        prune(opened, retention, BEGIN + 35 * DAY)
        after = read_task_runs_begun_between(opened.connection, *EVER)
        assert [structs.replace(run, session="s", task="") for run in after] == [
            structs.replace(run, task="") for run in before
        ]
        assert {run.session for run in after} != {"s"}
        assert "s" not in {run.session for run in read_session_runs(opened.connection, *EVER)}
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=LATER)
        prune(opened, retention, BEGIN + 400 * DAY)
        assert read_task_runs_begun_between(opened.connection, *EVER) == []


def test_a_look_back_knows_only_what_was_over(tmp_path: Path) -> None:
    """At 40 s B was over and A was not; a session counts from its end."""
    with store(tmp_path) as opened:
        opened.take(side_by_side().events)
        assert [run.task for run in read_task_runs_begun_between(opened.connection, *EVER, at=at(40))] == [
            "b"
        ]
        assert read_session_runs(opened.connection, *EVER, at=at(40)) == []
        assert read_task_runs_begun_between(opened.connection, at(1), EVER[1]) == []
        series = read_length_series(opened.connection, *EVER, at=at(40))
    assert {key: values.lengths for key, values in series.items()} == {
        SeriesKey("release", "tests", "worker", Outcome.FAILURE): [30 * SECOND]
    }


def test_a_recording_leaves_no_runs(tmp_path: Path) -> None:
    """The recording that an empty store shows must not be compared with anything."""
    with store(tmp_path) as opened:
        opened.take(side_by_side(recording=True).events)
        assert read_session_runs(opened.connection, *EVER) == []


def test_beyond_the_size_the_oldest_runs_go_and_the_sums_stay(tmp_path: Path) -> None:
    """A cap of a byte leaves no run of a pruned session; its sums are as before, and so is a rebuild."""
    retention = Retention(raw_days=30, hourly_days=90, daily_days=365, most_bytes=1 << 40)
    now = BEGIN + 35 * DAY
    with store(tmp_path) as opened:
        opened.take(side_by_side().events)
        prune(opened, retention, now)
        before = opened.rows()
        assert before["task_runs"]
        prune(opened, replace(retention, most_bytes=1), now)
        for _ in opened.ingest.catch_up(opened.folder):
            pass
        after = opened.rows()
        assert after["task_runs"] == after["session_runs"] == []
        assert (after["rollup"], after["fanouts"]) == (before["rollup"], before["fanouts"])
        assert after == rebuilt(opened.folder, tmp_path / "anew.db", now=now)
