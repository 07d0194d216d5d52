"""Pruning: what goes, what stays, and that no figure notices."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from stretto import journal
from stretto.clock import DAY, HOUR, MINUTE
from stretto.errors import ConfigError
from stretto.figures.scores.score_rules import Scoring
from stretto.journal.pruned_session_records import hash_session_id
from stretto.model.event import Event
from stretto.model.task_type import TaskTypes
from stretto.state.retention_settings import Retention
from stretto.store import journal_queries, prune, sent_spans, session_queries, sum_queries
from stretto.store.database import open_writer
from stretto.store.fanout_and_baseline_queries import read_admission
from stretto.store.ingest import Ingest
from stretto.store.prune import (
    PruneStep,
    count_used_bytes,
    measure_bytes_over_cap,
    prune_history,
    refuse_impossible_cap,
)
from stretto.store.sums_by_time_slot import SLOTS
from stretto.summaries.snapshot import take_snapshot
from stretto.summaries.snapshot_of_any_window import SnapshotRules, read_windowed_snapshot
from stretto.summaries.time_window import make_bounded_window, make_named_window
from tests.fakes import IDLE, Store, append, store
from tests.scenes import BEGIN, Drawing, at, by_description, earlier_runs, one_by_one, straggler

RETENTION = Retention(raw_days=30, hourly_days=90, daily_days=365, most_bytes=1 << 40)
FIRST = "2026-01-01.jsonl"
LATER = "2026-02-20.jsonl"
KEPT = "kept-2026-01.jsonl"
"""A day on which that of the scenes is past its retention."""

NOW = BEGIN + 51 * DAY


def pruned(opened: Store, now: int = NOW, retention: Retention = RETENTION) -> PruneStep:
    """Prune to the end and return the sum of all steps."""
    steps = list(prune_history(opened.connection, opened.ingest, opened.folder, retention, now))
    return PruneStep(sum(step.sessions for step in steps), sum(step.files for step in steps))


def ids(opened: Store) -> list[str]:
    """Return the sessions in the store, by name."""
    return sorted(row.id for row in session_queries.list_sessions(opened.connection))


def late(session: str = "late") -> list[Event]:
    """Draw a session 50 days after the scenes."""
    day = 50 * DAY // 10**9
    return Drawing(session).opens(day).call("c", day + 1, day + 3).ends(day + 5).events


def test_old_sessions_are_deleted_and_every_sum_stays(tmp_path: Path) -> None:
    """Rows and journal lines are deleted; the sums of any window and the baselines are as before."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events, earlier_runs(), file=FIRST)
        opened.take(late(), file=LATER)
        pattern, signature = opened.connection.execute(
            "SELECT pattern, signature FROM sequential_runs"
        ).fetchone()
        windows = [60 * DAY // 10**9, 55 * DAY // 10**9, DAY // 10**9]
        before = [sum_queries.read_sums(opened.connection, NOW, window) for window in windows]
        measured = read_admission(opened.connection, pattern, signature).measured

        assert pruned(opened) == PruneStep(sessions=4, files=1)

        assert ids(opened) == ["late"]
        assert list(journal.list_file_sizes(opened.folder)) == [LATER, "kept-2025-12.jsonl", KEPT]
        assert before[0]["tasks"]
        assert [sum_queries.read_sums(opened.connection, NOW, window) for window in windows] == before
        assert measured is not None
        assert read_admission(opened.connection, pattern, signature).measured == measured
        assert pruned(opened) == PruneStep()


def test_the_time_recorded_begins_with_the_earliest_day(tmp_path: Path) -> None:
    """Days are kept for a year, hours for 90 days: a window without a beginning has them all."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        opened.take(late(), file=LATER)
        now = NOW + 100 * DAY
        pruned(opened, now)
        latest = take_snapshot(opened.connection, now, TaskTypes(()), {})
        rules = SnapshotRules(hours={}, scoring=Scoring())
        whole = read_windowed_snapshot(opened.connection, latest, make_named_window("all", now), rules)

    assert whole.verdicts["all"].all_fanouts == 1


@pytest.mark.parametrize(("later", "slot"), [(0, "hour"), (100 * DAY, "day")])
def test_a_window_within_an_hour_without_parts_is_offered_the_whole(
    tmp_path: Path, later: int, slot: str
) -> None:
    """Pruned sessions leave sums by the hour, and after months by the day: the nearest window has them."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        opened.take(late(), file=LATER)
        now = NOW + later
        pruned(opened, now)
        latest = take_snapshot(opened.connection, now, TaskTypes(()), {})
        rules = SnapshotRules(hours={}, scoring=Scoring())
        asked = make_bounded_window(BEGIN, BEGIN + 7 * MINUTE)
        cut = read_windowed_snapshot(opened.connection, latest, asked, rules)
        assert cut.coarser is not None
        whole = read_windowed_snapshot(opened.connection, latest, cut.coarser.window, rules)
        elsewhere = make_bounded_window(BEGIN - 9 * DAY, BEGIN - 9 * DAY + MINUTE)
        empty = read_windowed_snapshot(opened.connection, latest, elsewhere, rules)

    assert (cut.verdicts[asked.name].all_fanouts, cut.coarser.slot) == (0, slot)
    assert whole.verdicts[cut.coarser.window.name].all_fanouts == 1
    assert whole.coarser is None
    assert empty.coarser is None


def test_notes_of_sent_spans_are_deleted_with_their_sessions(tmp_path: Path) -> None:
    """A stored session whose spans were sent is not sent again; a deleted session leaves no note."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        opened.take(late(), file=LATER)
        for row in session_queries.list_sessions(opened.connection):
            sent_spans.note_spans_emitted(opened.connection, row.id, row.last)
        pruned(opened)
        assert sent_spans.get_last_event_time_of_sent_spans(opened.connection, "straggler") is None
        assert sent_spans.list_unsent_session_ids(opened.connection, 0) == []


def test_a_rebuild_after_pruning_gives_the_same(tmp_path: Path) -> None:
    """The kept sums of pruned sessions survive the rebuild, and nothing is counted twice."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, late("old but living")[:1], file=FIRST)
        opened.take(late("old but living")[1:], late(), file=LATER)
        pruned(opened)
        before = opened.rows()
        assert any(row[-1] == 1 for row in before["rollup"])

        opened.ingest.clear_store()
        list(opened.ingest.catch_up(opened.folder))

        assert opened.rows() == before


def test_a_continued_session_keeps_its_lines_in_old_files(tmp_path: Path) -> None:
    """A file keeps only the lines of stored sessions, and its position follows."""
    living = late("living")
    with store(tmp_path) as opened:
        opened.take(straggler().events, living[:2], file=FIRST)
        opened.take(living[2:], file=LATER)

        assert pruned(opened) == PruneStep(sessions=1, files=1)

        left = journal.read_batch(opened.folder, FIRST, 0)
        assert list(left.events) == living[:2]
        assert list(opened.ingest.list_pending(opened.folder)) == []
        assert (opened.folder / f"{FIRST}.gz").stat().st_mode & 0o777 == 0o600
        assert pruned(opened) == PruneStep()


def test_history_that_arrived_lately_stays(tmp_path: Path) -> None:
    """An imported session is old, but its lines are in a new file: it is kept as long as that file."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=LATER)
        assert pruned(opened) == PruneStep()
        assert pruned(opened, NOW + 31 * DAY).sessions == 1


def test_an_open_session_stays(tmp_path: Path) -> None:
    """A running session is not deleted, however old it is."""
    with store(tmp_path) as opened:
        opened.take(Drawing("open").opens().events, file=FIRST)
        assert pruned(opened) == PruneStep()
        opened.ingest.close_idle_sessions(NOW)
        assert pruned(opened).sessions == 1


def test_repeated_events_of_a_pruned_session_are_not_counted_again(tmp_path: Path) -> None:
    """Events from before its end change nothing; later events begin the session anew."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        pruned(opened)
        before = opened.rows()["rollup"]

        opened.take(straggler().events, file=LATER)
        assert ids(opened) == []
        assert opened.rows()["rollup"] == before

        session = straggler().session
        opened.take(late(session), file=LATER)
        assert ids(opened) == [session]
        found = session_queries.read_session(opened.connection, session, by_description)
        assert found is not None
        assert found.tasks == ()
        assert len(found.tool_calls) == 1


def test_beyond_the_size_the_oldest_days_are_deleted_first(tmp_path: Path) -> None:
    """Whole days are deleted until the rest fits; today and yesterday stay whatever the size."""
    day = DAY // 10**9
    with store(tmp_path) as opened:
        for number in range(5):
            start = number * day
            drawings = [Drawing(f"{number}-{n}").opens(start) for n in range(40)]
            events = [drawing.call("c", start + 1, start + 2).ends(start + 3).events for drawing in drawings]
            opened.take(*events, file=f"2026-01-0{number + 1}.jsonl")
        now = BEGIN + 4 * DAY + HOUR
        size = count_used_bytes(opened.connection, opened.folder)

        pruned(opened, now, Retention(30, 90, 365, size - 1))
        days = {id[0] for id in ids(opened)}
        assert "0" not in days
        assert days == set("1234"[-len(days) :])
        assert count_used_bytes(opened.connection, opened.folder) < size

        pruned(opened, now, Retention(30, 90, 365, 1))
        assert {id[0] for id in ids(opened)} == {"3", "4"}
        calls = sum_queries.read_sums(opened.connection, now, 30 * day)["calls"]
        assert sum(calls.values()) == 200


def test_freed_pages_go_back_to_the_disk(tmp_path: Path) -> None:
    """After a pass the files on the disk are within the cap: no free page, no long log, a small journal."""
    day = DAY // 10**9
    with store(tmp_path) as opened:
        for number in range(6):
            for part in range(6):
                drawings = [Drawing(f"{number}-{part}-{n}").opens(number * day) for n in range(20)]
                for drawing in drawings:
                    for call in range(10):
                        start = number * day + call
                        drawing.call(f"{call}", start, start + 1)
                    drawing.ends(number * day + 20)
                opened.take(*[drawing.events for drawing in drawings], file=f"2026-01-0{number + 1}.jsonl")
        opened.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        before = (tmp_path / "stretto.db").stat().st_size
        cap = count_used_bytes(opened.connection, opened.folder) // 2

        pruned(opened, BEGIN + 5 * DAY + HOUR, Retention(30, 90, 365, cap))

        assert opened.connection.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert (tmp_path / "stretto.db").stat().st_size < before * 0.7
        assert (tmp_path / "stretto.db-wal").stat().st_size == 0
        files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".db-shm"]
        assert sum(path.stat().st_size for path in files) <= cap + 200_000
        assert measure_bytes_over_cap(opened.connection, opened.folder, Retention(30, 90, 365, cap)) == 0


def test_a_cap_below_the_last_two_days_is_refused_with_the_least_possible(tmp_path: Path) -> None:
    """Today's and yesterday's journal are never pruned, so a smaller cap could not be kept."""
    folder = tmp_path / "journal"
    for file, size in (
        ("2026-01-01.jsonl", 9),
        ("2026-01-02.jsonl", 3_000_000),
        ("2026-01-03.jsonl", 500_000),
    ):
        journal.append_records(folder / file, b"\n" * size)
    now = BEGIN + 2 * DAY + HOUR
    refuse_impossible_cap(folder, Retention(30, 90, 365, 4_000_000), now)
    with pytest.raises(ConfigError, match="less than the journal of two days") as refused:
        refuse_impossible_cap(folder, Retention(30, 90, 365, 3_000_000), now)
    assert refused.value.hint == "set retention_megabytes to at least 4"


def test_imported_history_is_pruned_once_its_file_rests(tmp_path: Path) -> None:
    """Sessions of an import go after the retention from the last write to its file, or beyond the cap."""
    file = "import-transcripts.jsonl"
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=file)
        written = (BEGIN + DAY) / 10**9
        os.utime(opened.folder / file, (written, written))
        assert pruned(opened, BEGIN + 20 * DAY) == PruneStep()
        append(opened.folder, [], "2026-01-19.jsonl")
        assert pruned(opened, BEGIN + 40 * DAY) == PruneStep(sessions=1, files=1)
        assert not (opened.folder / file).exists()


def test_imported_history_is_pruned_beyond_the_cap(tmp_path: Path) -> None:
    """An import without a write for an hour gives its oldest sessions first."""
    file = "import-transcripts.jsonl"
    with store(tmp_path) as opened:
        opened.take(straggler().events, late(), file=file)
        written = (BEGIN + 51 * DAY) / 10**9
        os.utime(opened.folder / file, (written, written))
        pruned(opened, BEGIN + 51 * DAY + HOUR // 2, Retention(60, 90, 365, 1))
        assert len(ids(opened)) == 2
        pruned(opened, BEGIN + 51 * DAY + 2 * HOUR, Retention(60, 90, 365, 1))
        assert ids(opened) == ["late"]
        assert "straggler" not in (opened.folder / file).read_text()


def test_kept_rows_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond their number the oldest kept parallel executions go, but the best of a pattern stays."""
    monkeypatch.setattr(prune, "MOST_KEPT_ROWS", 2)
    with store(tmp_path) as opened:
        for number in range(5):
            opened.take(straggler(f"s{number}").events, file=FIRST)
        opened.take(late(), file=LATER)
        opened.connection.execute("UPDATE fanouts SET work = work * 9 WHERE session = 's0'")
        pruned(opened)
        kept = opened.connection.execute("SELECT session FROM fanouts WHERE kept > 0").fetchall()
        assert 2 <= len(kept) <= 3
        assert (hash_session_id("s0"),) in kept
        pruned(opened, BEGIN + 400 * DAY)
        assert opened.connection.execute("SELECT COUNT(*) FROM fanouts WHERE kept > 0").fetchone() == (0,)


def test_a_store_that_was_moved_aside_goes_after_a_week(tmp_path: Path) -> None:
    """A store with damaged rows that no journal holds stays."""
    aside = tmp_path / "aside"
    aside.mkdir()
    for name in ("stretto-1.db", "unread-stretto-1.db"):
        (aside / name).write_bytes(b"x")
        os.utime(aside / name, (BEGIN / 10**9, BEGIN / 10**9))
    with store(tmp_path) as opened:
        pruned(opened, BEGIN + 6 * DAY)
        assert len(list(aside.iterdir())) == 2
        pruned(opened, BEGIN + 8 * DAY)
        assert [path.name for path in aside.iterdir()] == ["unread-stretto-1.db"]


def test_sums_thin_out_with_age(tmp_path: Path) -> None:
    """Slots of five minutes are deleted with the sessions, those of an hour later, those of a day last."""

    def widths(opened: Store) -> set[int]:
        return {width for (width,) in opened.connection.execute("SELECT DISTINCT width FROM rollup")}

    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        assert widths(opened) == set(SLOTS)
        pruned(opened, BEGIN + 40 * DAY)
        assert widths(opened) == {3_600, 86_400}
        pruned(opened, BEGIN + 100 * DAY)
        assert widths(opened) == {86_400}
        pruned(opened, BEGIN + 400 * DAY)
        assert widths(opened) == set()


def test_a_file_with_unread_lines_is_left_alone(tmp_path: Path) -> None:
    """Lines that are not ingested yet are never deleted."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        append(opened.folder, late("unread"), FIRST)
        pruned(opened)
        assert len(list(opened.ingest.catch_up(opened.folder))) == 1
        assert "unread" in ids(opened)


@pytest.mark.parametrize("living", [True, False], ids=["rewritten", "deleted"])
def test_a_kill_between_file_and_store_loses_nothing(tmp_path: Path, living: bool) -> None:
    """If a file was rewritten or deleted but its position not yet moved, nothing is lost, nobody blamed."""
    session = late("living")
    with store(tmp_path) as opened:
        opened.take(straggler().events, session[:2] if living else [], file=FIRST)
        opened.take(session[2:] if living else session, file=LATER)
        opened.ingest.release_sessions([straggler().session], opened.folder)
        journal.rewrite_with_kept_sessions(
            opened.folder,
            FIRST,
            lambda name: name == "living",
            lambda planned: opened.ingest.positions.plan_rewrite(
                FIRST, planned.size, planned.events, planned.identity
            ),
        )
        assert (opened.folder / FIRST).exists() is living
        before = session_queries.read_session(opened.connection, "living", by_description)
    with closing(open_writer(tmp_path / "stretto.db")) as connection:
        ingest = Ingest(connection, by_description, idle_limit=IDLE)
        list(ingest.catch_up(tmp_path / "journal"))
        assert session_queries.read_session(connection, "living", by_description) == before
        for _ in prune_history(connection, ingest, tmp_path / "journal", RETENTION, NOW):
            pass
        if not living:
            append(tmp_path / "journal", late("second"), FIRST)
            list(ingest.catch_up(tmp_path / "journal"))
            assert session_queries.read_session(connection, "second", by_description) is not None
        assert session_queries.read_session(connection, "living", by_description) == before
        assert journal_queries.read_shortened_files(connection) == {}
        assert sum(sum_queries.read_sums(connection, at(0) + HOUR, 2 * HOUR // 10**9)["tasks"].values()) == 3
