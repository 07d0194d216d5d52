from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stretto import journal
from stretto.clock import SECOND
from stretto.figures.fanouts import find_fanouts, find_sequential_runs
from stretto.figures.quantile_sketch import find_bucket
from stretto.model.call_cost_and_usage_types import get_reported_cost
from stretto.model.event import Event, Kind, Outcome
from stretto.model.score_scales import Scale, Scales
from stretto.store import (
    ingest,
    journal_queries,
    open_session_queries,
    sent_spans,
    session_queries,
    store_notes,
    sum_queries,
)
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.model_calls import add_up_model_call
from stretto.store.contributions.registry import CONTRIBUTIONS
from stretto.store.contributions.tool_calls import add_up_tool_calls
from stretto.store.database import open_writer
from stretto.store.database_schema import CONCLUDED
from stretto.store.ingest import IngestResult
from stretto.store.stored_facts import load_all_facts
from stretto.store.sums_by_time_slot import Additions, write_sums
from tests.fakes import DAY_FILE, IDLE, RECORDINGS, Store, any_event, append, rebuilt, recorded, store
from tests.scenes import (
    BEGIN,
    Drawing,
    at,
    background,
    by_description,
    clock_step_back,
    conclude_scene,
    conflict,
    delivery,
    fold_scene,
    fork_join,
    frame_drawing,
    idle_tail,
    lost_end,
    nested,
    one_by_one,
    orchestrated,
    paid,
    resumed,
    retried,
    sampled,
    spender,
    straggler,
)

LATER = BEGIN + 10 * IDLE * SECOND
"""When every scene is long over."""

SCENES = [
    fork_join,
    straggler,
    one_by_one,
    nested,
    background,
    idle_tail,
    lost_end,
    clock_step_back,
    resumed,
    paid,
    spender,
    retried,
    conflict,
    delivery,
    sampled,
    orchestrated,
]


def ended(taken: list[IngestResult]) -> dict[str, list[str]]:
    """Return what was reported as ended, by kind."""
    return {
        "sessions": [session.id for one in taken for session in one.ended.sessions],
        "turns": [turn.id for one in taken for _, turn in one.ended.turns],
        "tasks": [task.id for one in taken for task in one.ended.tasks],
        "tool_calls": sorted(call.id for one in taken for call in one.ended.tool_calls),
        "fanouts": [session.id for one in taken for session, _ in one.ended.fanouts],
    }


def assert_equals_rebuild(opened: Store, tmp_path: Path) -> None:
    """Close idle sessions, and compare the store byte for byte with one rebuilt from the same journal."""
    opened.ingest.close_idle_sessions(LATER)
    assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=LATER)


def test_a_scene_is_stored_as_it_was_drawn(tmp_path: Path) -> None:
    """A stored session equals the drawn one, and the sums are those of its entities."""
    with store(tmp_path) as opened:
        taken = opened.take(straggler().events)
        session = session_queries.read_session(opened.connection, "straggler", by_description)
        assert session == conclude_scene(straggler().events)
        assert sum(one.events for one in taken) == len(straggler().events)
        (row,) = session_queries.list_sessions(opened.connection)
        assert (row.turns, row.tasks, row.running, row.tool_calls, row.fanouts) == (1, 3, 0, 3, 1)
        assert (row.outcome, row.busy, row.pattern) == (Outcome.SUCCESS, False, "release")


def test_everything_that_ended_is_reported_once(tmp_path: Path) -> None:
    """However the journal is cut into batches, each end is reported exactly once."""
    events = straggler().events
    with store(tmp_path) as opened:
        taken = [one for event in events for one in opened.take([event])]
        again = opened.take(events)
    assert ended(taken) == {
        "sessions": ["straggler"],
        "turns": ["p1"],
        "tasks": ["straggler-a", "straggler-b", "straggler-c"],
        "tool_calls": [f"call-straggler-{name}" for name in "abc"],
        "fanouts": ["straggler"],
    }
    assert ended(again) == {name: [] for name in ended(taken)}


def test_a_reloaded_session_does_not_report_again(tmp_path: Path) -> None:
    """After a restart the rest of a session is ingested, and only new ends are reported."""
    events = sorted(straggler().events, key=lambda event: event.time)
    with store(tmp_path) as opened:
        opened.take(events[:-4])
    with store(tmp_path) as opened:
        news = ended(opened.take(events[-4:]))
    assert news["tasks"] == ["straggler-c"]
    assert news["sessions"] == ["straggler"]


def test_a_resumed_session_ends_again(tmp_path: Path) -> None:
    """Each end of a session is reported; entities that ended before are not reported again."""
    with store(tmp_path) as opened:
        assert ended(opened.take(fork_join().events))["sessions"] == ["fork-join"]
        more = Drawing("fork-join").opens(100).prompt(101, "p2")
        assert ended(opened.take(more.events))["sessions"] == []
        assert open_session_queries.read_activity(opened.connection).sessions_busy == 1
        news = ended(opened.take(Drawing("fork-join").stop(110, "p2").ends(111).events))
        assert news["sessions"] == ["fork-join"]
        assert news["turns"] == ["p2"]
        assert news["tasks"] == []


def test_fanouts_of_two_parents_that_start_together_are_both_reported(tmp_path: Path) -> None:
    """A fan-out is identified by its tasks, not by its start."""
    drawing = Drawing().opens()
    for parent in ("left", "right"):
        drawing.task(parent, 0, 50, "plan")
        drawing.task(f"{parent}-a", 10, 30, "review", parent=parent)
        drawing.task(f"{parent}-b", 10, 40, "review", parent=parent)
    with store(tmp_path) as opened:
        assert len(ended(opened.take(drawing.events))["fanouts"]) == 3


def test_a_late_correction_is_subtracted_from_the_sums(tmp_path: Path) -> None:
    """A late hook that corrects a call's tool or a task's type leaves no amount under the old name."""
    drawing = frame_drawing(Drawing(), 50).call("c", 1, 2).task("a", 10, 20, "review")
    with store(tmp_path) as opened:
        opened.take(drawing.events)
        opened.take(Drawing().call("c", 0.5, 2, tool="Awk", took=1).events)
        opened.take([Event(kind=Kind.TASK_START, session="scene", time=at(10), id="a", type="testing")])
        sums = sum_queries.read_sums(opened.connection, at(60), 3_600)
        assert sums["calls"] == {("Awk", "success"): 1, ("Agent", "success"): 1}
        assert sums["call_time"] == {("Awk", find_bucket(SECOND)): 1}
        assert sums["tasks"] == {("testing", "worker", "success"): 1}
        assert_equals_rebuild(opened, tmp_path)


def test_a_permission_request_removes_the_overhead(tmp_path: Path) -> None:
    """The request names no call, and may be in a later batch than the end of the call."""
    with store(tmp_path) as opened:
        opened.take(frame_drawing(Drawing(), 50).call("c", 10, 20, took=8).events)
        assert "overhead" in sum_queries.read_sums(opened.connection, at(60), 3_600)
        opened.take(Drawing().stroke(Kind.PERMISSION_REQUEST, 12, name="Bash").events)
        assert "overhead" not in sum_queries.read_sums(opened.connection, at(60), 3_600)
        assert_equals_rebuild(opened, tmp_path)


def test_an_idle_session_is_closed_and_reopened_by_an_event(tmp_path: Path) -> None:
    """After the idle limit a session is over with outcome unknown; its next event opens it again."""
    with store(tmp_path) as opened:
        opened.take(Drawing().opens().prompt(1).order("call-a", 2).run("a", 3).events)
        closed: list[IngestResult] = []
        opened.ingest.close_idle_sessions(at(IDLE), closed.append)
        assert closed == []
        assert open_session_queries.read_activity(opened.connection).tasks_running == 1
        opened.ingest.close_idle_sessions(at(IDLE + 4), closed.append)
        assert ended(closed)["sessions"] == ["scene"]
        activity = open_session_queries.read_activity(opened.connection)
        assert (activity.sessions_open, activity.tasks_running) == (0, 0)
        opened.take(Drawing().run("a", None, IDLE + 10).events)
        assert open_session_queries.read_activity(opened.connection).sessions_open == 1
        session = session_queries.read_session(opened.connection, "scene", by_description)
        assert session is not None
        assert [task.outcome for task in session.tasks] == [Outcome.SUCCESS]
        assert_equals_rebuild(opened, tmp_path)


def test_a_judgement_does_not_open_a_session_again(tmp_path: Path) -> None:
    """A session closed by silence stays closed with the same end, and the score is stored."""
    with store(tmp_path) as opened:
        opened.take(Drawing().opens().prompt(1).events)
        opened.ingest.close_idle_sessions(at(2 * IDLE))
        opened.take(Drawing().stroke(Kind.SCORE, 3 * IDLE, name="quality", attributes={"value": 7}).events)
        (row,) = session_queries.list_sessions(opened.connection)
        assert (row.outcome, row.last) == (Outcome.UNKNOWN, at(1))
        session = session_queries.read_session(opened.connection, "scene", by_description)
        assert session is not None
        assert [score.value for score in session.scores] == [7]
        assert_equals_rebuild(opened, tmp_path)


def test_a_description_is_redacted_before_it_is_stored(tmp_path: Path) -> None:
    """The journal has the agent's text; the store has the redacted text."""
    secret = "sk-ant-" + "0123456789abcdef" * 2
    with store(tmp_path) as opened:
        opened.take(Drawing().order("call-a", 1, f"review with {secret}").events)
        rows = str(opened.rows())
        assert "review with [redacted]" in rows
        assert secret not in rows


def test_rejected_lines_are_counted_with_their_place(tmp_path: Path) -> None:
    """Torn lines and rejects of sources are rows with a place, and no event around them is lost."""
    with store(tmp_path) as opened:
        good = Drawing().opens().events
        reject = Event(kind=Kind.REJECT, session="", time=at(1), attributes={"reason": "not JSON"})
        journal.append_records(opened.folder / DAY_FILE, b"\n{torn\n")
        (taken,) = opened.take([*good, reject])
        assert (taken.events, taken.rejects) == (1, 2)
        assert journal_queries.count_rejects(opened.connection) == {"not JSON": 1, "payload: not JSON": 1}
        assert [place[:2] for place in journal_queries.list_newest_rejects(opened.connection)][-1] == (
            DAY_FILE,
            1,
        )
        (position,) = journal_queries.read_journal_positions(opened.connection)
        assert (position.events, position.offset) == (1, (opened.folder / DAY_FILE).stat().st_size)
        assert list(opened.ingest.list_pending(opened.folder)) == []


@pytest.mark.parametrize("tail", [b'{"version":1,"kind":"sess', b"x" * (journal.LONGEST_LINE + 5), None])
def test_the_torn_last_line_of_a_past_day_is_set_aside(tmp_path: Path, tail: bytes | None) -> None:
    """A torn last line waits while its writer may finish it; an hour after its day it is rejected, once."""
    whole = journal.encode_event(Drawing().opens().events[0])
    day_over = at(86_400 + 3_600)
    with store(tmp_path) as opened:
        opened.take(straggler().events)
        path = opened.folder / DAY_FILE
        with path.open("ab") as file:
            file.write(whole.rstrip(b"\n") if tail is None else b"\n" + tail)
        assert [t.events for t in opened.ingest.catch_up(opened.folder, now=day_over - 1)] in ([], [0])
        assert sum(size for _, _, size in opened.ingest.list_pending(opened.folder)) > 10
        list(opened.ingest.catch_up(opened.folder, now=day_over))
        assert list(opened.ingest.list_pending(opened.folder)) == []
        rejects = journal_queries.count_rejects(opened.connection)
        assert sum(rejects.values()) == (0 if tail is None else 1)
        assert len(session_queries.find_session_ids(opened.connection, "scene")) == (1 if tail is None else 0)
        # A clock that was behind: its record begins with a newline, so it is read all the same.
        append(opened.folder, fork_join().events)
        list(opened.ingest.catch_up(opened.folder, now=day_over))
        assert journal_queries.count_rejects(opened.connection) == rejects
        assert_equals_rebuild(opened, tmp_path)


def test_small_batches_give_the_same_store(tmp_path: Path) -> None:
    """A service takes in less at once than an import does, and its figures are the same."""
    with store(tmp_path) as opened:
        append(opened.folder, [*straggler().events, *fork_join().events])
        results = list(opened.ingest.catch_up(opened.folder, batch_bytes=1_000))
        assert len(results) > 3
        assert sum(result.events for result in results) == len([*straggler().events, *fork_join().events])
        assert_equals_rebuild(opened, tmp_path)


@pytest.mark.parametrize("batch_bytes", [300, 1_000, 2_000])
def test_sessions_that_follow_one_another_are_closed_once(tmp_path: Path, batch_bytes: int) -> None:
    """Of an import each session is concluded whole, also one that is longer than a batch."""
    names = ["first", "second", "third"]
    with store(tmp_path) as opened:
        for name in names:
            drawing = Drawing(name).opens().prompt(1)
            for call in range(9 if name == "second" else 3):
                drawing.call(f"{name}-{call}", call + 2, call + 2.5)
            append(opened.folder, drawing.events)
        batches = opened.ingest.catch_up(opened.folder, now=LATER, close_idle=True, batch_bytes=batch_bytes)
        taken = list(batches)
        opened.ingest.close_idle_sessions(LATER, taken.append)
        assert len(taken) >= (3 if batch_bytes < 2_000 else 2)
        assert [session.id for result in taken for session in result.ended.sessions] == names
        assert_equals_rebuild(opened, tmp_path)


def test_a_failed_batch_changes_nothing_and_can_be_ingested_again(tmp_path: Path) -> None:
    """An error in the middle rolls back all of the batch, in memory as well."""
    with store(tmp_path) as opened:
        opened.take(fork_join().events)
        before = opened.rows()
        append(opened.folder, [*straggler().events, *Drawing("fork-join").call("late", 45, 46).events])
        opened.connection.execute(
            "CREATE TEMP TRIGGER fault BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'planted'); END"
        )
        with pytest.raises(sqlite3.IntegrityError, match="planted"):
            list(opened.ingest.catch_up(opened.folder))
        assert opened.rows() == before
        opened.connection.execute("DROP TRIGGER fault")
        list(opened.ingest.catch_up(opened.folder))
        assert_equals_rebuild(opened, tmp_path)


def test_a_failed_closing_of_idle_sessions_changes_nothing(tmp_path: Path) -> None:
    """Sessions closed in memory are dropped with the rollback, and can be closed again."""
    with store(tmp_path) as opened:
        opened.take(Drawing().opens().prompt(1).call("c", 2).events)
        before = opened.rows()
        opened.connection.execute(
            "CREATE TEMP TRIGGER fault BEFORE INSERT ON rollup BEGIN SELECT RAISE(ABORT, 'planted'); END"
        )
        with pytest.raises(sqlite3.IntegrityError, match="planted"):
            opened.ingest.close_idle_sessions(LATER)
        assert opened.rows() == before
        opened.connection.execute("DROP TRIGGER fault")
        assert_equals_rebuild(opened, tmp_path)


def test_a_forgotten_recording_leaves_no_trace(tmp_path: Path) -> None:
    """Its rows, sums, rejects and journal position are deleted; those of other sessions stay."""
    with store(tmp_path) as opened:
        opened.take(straggler().events)
        before = opened.rows()
        opened.take(fork_join().events, one_by_one().events, file="recording.jsonl")
        opened.ingest.forget_sessions(["fork-join", "one-by-one"], "recording.jsonl")
        assert opened.rows() == before


def test_a_forgotten_recording_is_subtracted_after_a_restart(tmp_path: Path) -> None:
    """A session that is no longer in memory is loaded, and exactly its amounts are subtracted."""
    with store(tmp_path) as opened:
        opened.take(nested().events, file="recording.jsonl")
        opened.take(Drawing("nested").call("odd", 5, 6, took=0.5).events, file="recording.jsonl")
    with store(tmp_path) as opened:
        opened.ingest.forget_sessions(["nested"], "recording.jsonl")
        assert opened.rows() == {table: [] for table in CONCLUDED}


def test_clearing_deletes_concluded_rows_and_nothing_else(tmp_path: Path) -> None:
    """Notes and the times of sent spans stay: neither is in the journal."""
    with store(tmp_path) as opened:
        opened.take(fork_join().events)
        before = opened.rows()
        store_notes.write_note(opened.connection, "rules", "abc")
        sent_spans.note_spans_emitted(opened.connection, "fork-join", 7)
        opened.ingest.clear_store()
        assert opened.rows() == {table: [] for table in CONCLUDED}
        assert store_notes.read_note(opened.connection, "rules") == "abc"
        assert sent_spans.get_last_event_time_of_sent_spans(opened.connection, "fork-join") == 7
        list(opened.ingest.catch_up(opened.folder))
        assert opened.rows() == before


def test_the_sums_are_those_of_the_entities(tmp_path: Path) -> None:
    """All additions and subtractions over time equal the sums of the sessions as they are now."""
    with store(tmp_path) as opened, store(tmp_path / "other") as other:
        for draw in SCENES:
            for event in draw().events:
                opened.take([event])
        for row in session_queries.list_sessions(opened.connection):
            session = session_queries.read_session(opened.connection, row.id, by_description)
            assert session is not None
            closed = session.outcome is not Outcome.RUNNING
            facts = load_all_facts(opened.connection, row.id)
            settling = SessionContext(
                facts,
                session,
                find_fanouts(session.tasks),
                find_sequential_runs(session.tasks),
                closed=closed,
                lost=False,
                classify=by_description,
            )
            added: Additions = Counter()
            for part in CONTRIBUTIONS.values():
                added.update(part.compute(settling))
            add_up_tool_calls(session.tool_calls, 1, added)
            for model_call in session.model_calls:
                added.update(dict(add_up_model_call(model_call, get_reported_cost(model_call))))
            write_sums(other.connection, added)
        sums = opened.rows()["rollup"]
        assert len(sums) > 50
        assert sums == other.rows()["rollup"]


def test_scores_are_summed_on_the_configured_scales(tmp_path: Path) -> None:
    """Of the scores 10 and 11 only 10 is on the scale; a reloaded session subtracts the same amounts."""
    connection = open_writer(tmp_path / "scaled.db")
    scales = Scales((Scale("quality", 0, 20),))
    with closing(connection):
        for part in (delivery().events[:-1], delivery().events[-1:]):
            append(tmp_path / "journal", part)
            taker = ingest.Ingest(connection, by_description, idle_limit=IDLE, scales=scales)
            list(taker.catch_up(tmp_path / "journal"))
        sums = sum_queries.read_sums(connection, at(120), 3_600)
        assert sums["score_sum"]["quality", "release", "review", "worker", "parallel"] == 19_000_000
        assert "score_outside" not in sums
    with store(tmp_path) as opened:
        opened.take(delivery().events)
        sums = sum_queries.read_sums(opened.connection, at(120), 3_600)
        assert sums["score_sum"]["quality", "release", "review", "worker", "parallel"] == 8_000_000
        assert sums["score_outside"] == {("quality", "release", "review", "worker"): 1}


# What cannot be taken, and what is no longer there.


def unsettling(description: str | None, agent: str | None) -> str:
    """Classify like the scenes, but raise an error for one agent."""
    if agent == "poison":
        raise KeyError("what nobody thought of")
    return by_description(description, agent)


def test_an_event_that_raises_an_error_is_set_aside_alone(tmp_path: Path) -> None:
    """Its neighbours in batch and session are ingested, and the reason is counted with its place."""
    with store(tmp_path, unsettling) as opened:
        bad = Drawing("fork-join").run("x", 41, 42, agent="poison").events
        events = [*fork_join().events, *bad, *straggler().events]
        taken = opened.take(events)
        assert sum(one.events for one in taken) == len(events) - 2
        assert journal_queries.count_rejects(opened.connection) == {"internal: KeyError": 2}
        text = (opened.folder / DAY_FILE).read_bytes()
        for file, offset, _ in journal_queries.list_newest_rejects(opened.connection):
            assert file == DAY_FILE
            assert text[offset:].startswith(b'{"version":1,"kind":"task.')
        assert list(opened.ingest.list_pending(opened.folder)) == []
        opened.ingest.close_idle_sessions(LATER)
        anew = rebuilt(opened.folder, tmp_path / "anew.db", now=LATER, classify=unsettling)
        assert opened.rows() == anew
        assert ended(taken)["fanouts"] == ["fork-join", "straggler"]


def test_a_line_set_aside_is_ingested_by_a_later_rebuild(tmp_path: Path) -> None:
    """The journal keeps the line, so a corrected program loses nothing."""
    with store(tmp_path, unsettling) as opened:
        opened.take(Drawing("one").run("x", 1, 2, agent="poison").events)
        assert session_queries.list_sessions(opened.connection) == []
        rows = rebuilt(opened.folder, tmp_path / "anew.db", now=LATER)
        assert [row[0] for row in rows["sessions"]] == ["one"]
        assert rows["rejects"] == []


def test_a_full_disk_sets_nothing_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is not a fault of the events: the error is raised, and the batch ingested later."""
    with store(tmp_path) as opened, monkeypatch.context() as patched:
        append(opened.folder, fork_join().events)

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patched.setattr(ingest, "write_sums", full)
        with pytest.raises(OSError, match="No space"):
            list(opened.ingest.catch_up(opened.folder))
        patched.undo()
        list(opened.ingest.catch_up(opened.folder))
        assert journal_queries.count_rejects(opened.connection) == {}
        assert_equals_rebuild(opened, tmp_path)


def test_a_file_that_became_shorter_is_read_again_and_reported(tmp_path: Path) -> None:
    """Lines written after the cut are ingested, whatever the length; a rebuild drops the lost events."""
    with store(tmp_path) as opened:
        opened.take(fork_join().events)
        path = opened.folder / DAY_FILE
        was = path.stat().st_size
        path.write_bytes(b"")
        assert opened.take() == []
        assert journal_queries.read_shortened_files(opened.connection) == {DAY_FILE: was}
        opened.take(straggler().events)
        assert {row.id for row in session_queries.list_sessions(opened.connection)} == {
            "fork-join",
            "straggler",
        }
        (position,) = journal_queries.read_journal_positions(opened.connection)
        assert (position.offset, position.events) == (path.stat().st_size, len(straggler().events))
        opened.ingest.clear_store()
        assert journal_queries.read_shortened_files(opened.connection) == {}
        list(opened.ingest.catch_up(opened.folder))
        assert_equals_rebuild(opened, tmp_path)


def test_a_sample_is_no_sign_of_life(tmp_path: Path) -> None:
    """A sample neither keeps a session open nor reopens it, and sets neither its times nor its source."""
    with store(tmp_path) as opened:
        opened.take(Drawing().opens(1).prompt(2).events)
        opened.take(Drawing().sample(100, 60, cpu=SECOND).events)
        (row,) = session_queries.list_sessions(opened.connection)
        assert (row.start, row.last, row.source) == (at(1), at(2), "claude-code")
        opened.ingest.close_idle_sessions(at(IDLE + 3))
        opened.take(Drawing().sample(IDLE, 60, cpu=SECOND).events)
        (row,) = session_queries.list_sessions(opened.connection)
        assert (row.outcome, row.busy) == (Outcome.UNKNOWN, False)
        assert_equals_rebuild(opened, tmp_path)


# Incremental ingest equals a rebuild.


def assert_incremental(opened: Store, tmp_path: Path, random: Random, sessions: list[list[Event]]) -> None:
    """Write sessions in turns to two files, ingest at random moments, close idle ones: as a rebuild."""
    now = BEGIN
    while any(sessions):
        events = random.choice([events for events in sessions if events])
        portion = [events.pop(0) for _ in range(min(len(events), random.randint(1, 6)))]
        append(opened.folder, portion, random.choice([DAY_FILE, "2026-01-02.jsonl"]))
        now = max(now, *(event.time for event in portion))
        if random.random() < 0.5:
            for file, offset, _ in list(opened.ingest.list_pending(opened.folder)):
                batch = journal.read_batch(opened.folder, file, offset, limit=random.randint(1, 3_000))
                opened.ingest.ingest_batch(batch)
        if random.random() < 0.1:
            opened.ingest.close_idle_sessions(now + random.randint(0, 2 * IDLE) * SECOND)
    list(opened.ingest.catch_up(opened.folder))
    assert_equals_rebuild(opened, tmp_path)


@pytest.mark.parametrize("held", [ingest.MOST_CALLS_IN_MEMORY, 8])
@pytest.mark.parametrize(
    "seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 15))]
)
def test_incremental_ingest_of_scenes_and_recordings_equals_a_rebuild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, held: int
) -> None:
    """Any interleaving, batches, evictions and closings of idle sessions give byte for byte the same rows."""
    monkeypatch.setattr(ingest, "MOST_CALLS_IN_MEMORY", held)
    random = Random(seed)
    sessions = [list(draw().events) for draw in SCENES]
    sessions += [list(recorded(name)) for name in RECORDINGS]
    for events in sessions:
        events.extend(random.choices(events, k=3))
        if seed % 2:
            random.shuffle(events)
    with store(tmp_path) as opened:
        assert_incremental(opened, tmp_path, random, sessions)


@settings(max_examples=40)
@given(
    sessions=st.lists(st.lists(any_event(), max_size=15), min_size=1, max_size=4),
    seed=st.integers(0, 1 << 30),
    held=st.sampled_from([3, 20_000]),
)
def test_incremental_ingest_of_anything_equals_a_rebuild(
    tmp_path_factory: pytest.TempPathFactory, sessions: list[list[Event]], seed: int, held: int
) -> None:
    """Random events of several sessions, with repeated ids and several channels."""
    tmp_path = tmp_path_factory.mktemp("store")
    named = [[replace(event, session=f"s{n}") for event in events] for n, events in enumerate(sessions)]
    with pytest.MonkeyPatch.context() as patched, store(tmp_path) as opened:
        patched.setattr(ingest, "MOST_CALLS_IN_MEMORY", held)
        assert_incremental(opened, tmp_path, Random(seed), named)


def test_memory_holds_no_more_calls_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open sessions unused for longest are dropped first, and loaded again with their next event."""
    monkeypatch.setattr(ingest, "MOST_CALLS_IN_MEMORY", 16)
    with store(tmp_path) as opened:
        for name in ("one", "two", "three", "four"):
            opened.take(fork_join(name).events[:-1])
            opened.take(Drawing(name).opens(60).events)
        held = opened.ingest._states
        assert list(held) == ["three", "four"]
        opened.take(Drawing("one").call("late", 45, 46).events)
        assert list(held) == ["four", "one"]
        assert_equals_rebuild(opened, tmp_path)


def test_a_session_that_is_over_leaves_memory(tmp_path: Path) -> None:
    """An ended or lost session leaves memory; a late event loads it without a second report."""
    with store(tmp_path) as opened:
        opened.take(fork_join().events, Drawing("lost").opens().events)
        assert list(opened.ingest._states) == ["lost"]
        opened.ingest.close_idle_sessions(LATER)
        assert list(opened.ingest._states) == []
        news = ended(opened.take(Drawing("fork-join").call("late", 45, 46).events))
        assert news == {"sessions": [], "turns": [], "tasks": [], "tool_calls": ["late"], "fanouts": []}
        assert_equals_rebuild(opened, tmp_path)


def test_a_journal_that_grows_during_catching_up_is_read_to_its_end(tmp_path: Path) -> None:
    """Positions move batch by batch, and every byte is read once."""
    with store(tmp_path) as opened:
        for _ in range(40):
            append(opened.folder, [Event(kind=Kind.NOTIFICATION, session="s", time=at(1))] * 2_000)
        taken = list(opened.ingest.catch_up(opened.folder))
        assert len(taken) > 1
        assert sum(one.events for one in taken) == 80_000
        assert journal_queries.read_journal_positions(opened.connection)[0].events == 80_000


def test_facts_in_the_store_are_those_of_the_fold(tmp_path: Path) -> None:
    """Loaded facts equal the merged events of every recording."""
    with store(tmp_path) as opened:
        for name in RECORDINGS:
            opened.take(recorded(name))
        for name in RECORDINGS:
            facts = fold_scene(recorded(name))
            assert load_all_facts(opened.connection, facts.id) == facts
