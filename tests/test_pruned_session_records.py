"""Kept records: their lines and files, and what the store makes of them after kills, repeats and rebuilds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from stretto import journal
from stretto.clock import DAY, SECOND
from stretto.journal import pruned_session_records
from stretto.journal.pruned_session_records import KeptRecord, hash_session_id
from stretto.model.event import Event
from stretto.state.retention_settings import Retention
from stretto.store import journal_queries, sent_spans, session_queries, sum_queries
from stretto.store.database import open_writer
from stretto.store.database_schema import EXECUTIONS
from stretto.store.ingest import Ingest
from stretto.store.prune import prune_history
from tests.fakes import IDLE, Store, append, rebuilt, store
from tests.scenes import BEGIN, Drawing, by_description, one_by_one, straggler

RETENTION = Retention(raw_days=30, hourly_days=90, daily_days=365, most_bytes=1 << 40)
FIRST = "2026-01-01.jsonl"
LATER = "2026-02-20.jsonl"
KEPT = "kept-2026-01.jsonl"
NOW = BEGIN + 51 * DAY
RECORD = KeptRecord(session="a" * 32, last=BEGIN, sums={300: ((1, "calls", ("Bash", "success"), 2),)})


def late(session: str) -> list[Event]:
    """Draw a session 50 days after the scenes."""
    day = 50 * DAY // SECOND
    return Drawing(session).opens(day).call("c", day + 1, day + 3).ends(day + 5).events


def prune(opened: Store, now: int = NOW) -> None:
    """Prune to the end."""
    for _ in prune_history(opened.connection, opened.ingest, opened.folder, RETENTION, now):
        pass


def read_lines(folder: Path, file: str) -> list[pruned_session_records.KeptLine]:
    """Return the lines of a file of kept records."""
    with (folder / file).open("rb") as content:
        return [*pruned_session_records.read_kept_lines(content, file, 0)]


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Records are in the file of the month of the session's last event, which only its owner can read."""
    other = KeptRecord(session="b" * 32, last=BEGIN + 40 * DAY, spans_sent=True)
    sizes = pruned_session_records.append_kept_records(tmp_path, [RECORD, other])
    assert sorted(sizes) == [KEPT, "kept-2026-02.jsonl"]
    assert sizes[KEPT] == (0, (tmp_path / KEPT).stat().st_size)
    assert (tmp_path / KEPT).stat().st_mode & 0o777 == 0o600
    lines = read_lines(tmp_path, KEPT)
    assert [line.content for line in lines] == [None, RECORD]
    assert lines[-1].end == sizes[KEPT][1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{torn", "not a kept record"),
        (b'{"session":1,"last":2}', "not a kept record"),
        (b'{"session":"a","last":2,"version":9}', "newer version"),
    ],
)
def test_an_unreadable_record_is_set_aside_and_the_next_is_read(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    """A torn, foreign or newer line is counted with its reason and stops nothing."""
    with store(tmp_path) as opened:
        journal.append_records(opened.folder / KEPT, b"\n" + line + b"\n")
        pruned_session_records.append_kept_records(opened.folder, [RECORD])
        results = list(opened.ingest.catch_up(opened.folder))
        assert [result.rejects for result in results] == [1]
        assert journal_queries.count_rejects(opened.connection) == {reason: 1}
        assert list(opened.ingest.list_pending(opened.folder)) == []
        sums = sum_queries.read_sums(opened.connection, 600 * SECOND, 3_600)
        assert sums == {"calls": {("Bash", "success"): 2}}


def test_a_record_that_is_still_being_written_is_read_later(tmp_path: Path) -> None:
    """Without its newline a record is left alone; once complete it is added."""
    line = pruned_session_records.encode_kept_record(RECORD)
    with store(tmp_path) as opened:
        journal.append_records(opened.folder / KEPT, line[:-5])
        list(opened.ingest.catch_up(opened.folder))
        assert opened.rows()["pruned"] == []
        journal.append_records(opened.folder / KEPT, line[-5:])
        list(opened.ingest.catch_up(opened.folder))
        assert opened.rows()["pruned"] == [(RECORD.session, RECORD.last)]


def test_a_store_that_was_deleted_comes_back_whole(tmp_path: Path) -> None:
    """Sums, runs and parallel executions of pruned sessions are made again from the journal alone."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events, file=FIRST)
        opened.take(late("late"), late(straggler().session), file=LATER)
        prune(opened)
        before = opened.rows()
        assert {row[0] for row in before["pruned"]} == {hash_session_id(one_by_one().session)}
        prune(opened, NOW + 40 * DAY)
        before = opened.rows()
        assert len(before["pruned"]) == 3
        assert before["sessions"] == []

        again = rebuilt(opened.folder, tmp_path / "anew.db", now=NOW + 40 * DAY)

        thinned = {row for row in again["rollup"] if row not in before["rollup"]}
        assert {row[0] for row in thinned} <= {300, 3_600}
        assert [row for row in again["rollup"] if row not in thinned] == before["rollup"]
        for table in (*EXECUTIONS, "pruned", "sessions", "facts"):
            assert again[table] == before[table]


def test_records_name_no_session_and_say_whether_spans_were_sent(tmp_path: Path) -> None:
    """The journal of kept records has hashes instead of ids."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events, file=FIRST)
        opened.take(late("late"), file=LATER)
        for row in session_queries.list_sessions(opened.connection):
            if row.id == one_by_one().session:
                sent_spans.note_spans_emitted(opened.connection, row.id, row.last)
        prune(opened)
        text = (opened.folder / KEPT).read_text()
        assert straggler().session not in text
        records = [line.content for line in read_lines(opened.folder, KEPT)]
        sent = {record.session: record.spans_sent for record in records if isinstance(record, KeptRecord)}
        assert sent == {
            hash_session_id(straggler().session): False,
            hash_session_id(one_by_one().session): True,
        }


def test_a_prune_killed_after_its_records_is_completed(tmp_path: Path) -> None:
    """Records without their commit: the next start removes the sessions and counts them once."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events, file=FIRST)
        opened.take(late("late"), file=LATER)
        window = 60 * DAY // SECOND
        before = sum_queries.read_sums(opened.connection, NOW, window)
        opened.connection.set_authorizer(lambda action, *_: 1 if action == 9 else 0)  # refuse any DELETE
        with pytest.raises(Exception, match="not authorized"):
            prune(opened)
        opened.connection.set_authorizer(None)
        assert (opened.folder / KEPT).exists()
        assert len(session_queries.list_sessions(opened.connection)) == 3
    with closing(open_writer(tmp_path / "stretto.db")) as connection:
        ingest = Ingest(connection, by_description, idle_limit=IDLE)
        for _ in ingest.catch_up(tmp_path / "journal"):
            pass
        assert [row.id for row in session_queries.list_sessions(connection)] == ["late"]
        assert sum_queries.read_sums(connection, NOW, window) == before
        for _ in prune_history(connection, ingest, tmp_path / "journal", RETENTION, NOW):
            pass
        assert sum_queries.read_sums(connection, NOW, window) == before


def test_a_repeated_file_of_records_adds_nothing(tmp_path: Path) -> None:
    """The same records under another name, as after a restored backup, are counted once."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        opened.take(late("late"), file=LATER)
        prune(opened)
        before = opened.rows()["rollup"]
        (opened.folder / "kept-2026-02.jsonl").write_bytes((opened.folder / KEPT).read_bytes())
        list(opened.ingest.catch_up(opened.folder))
        assert opened.rows()["rollup"] == before


def test_a_record_older_than_the_stored_session_is_counted_with_the_rest(tmp_path: Path) -> None:
    """A record that comes back beside a resumed session: its events count once, the later ones as well."""
    session = straggler().session
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        opened.take(late("late"), file=LATER)
        prune(opened)
        record = (opened.folder / KEPT).read_bytes()
        opened.take(late(session), file=LATER)
        before, window = opened.rows(), 60 * DAY // SECOND
        sums = sum_queries.read_sums(opened.connection, NOW, window)
        (opened.folder / KEPT).unlink()
        opened.ingest.clear_store()
        append(opened.folder, straggler().events, FIRST)
        list(opened.ingest.catch_up(opened.folder))
        assert opened.rows()["pruned"] == []
        journal.append_records(opened.folder / KEPT, record)
        for _ in range(2):
            list(opened.ingest.catch_up(opened.folder))
        after = opened.rows()
        for table in ("pruned", "sessions", "facts", *EXECUTIONS):
            assert after[table] == before[table]
        assert sum_queries.read_sums(opened.connection, NOW, window) == sums


def test_records_are_deleted_once_their_month_is_past_retention(tmp_path: Path) -> None:
    """After a year the file goes, with the notes that its records were added; the store has no sum of it."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        opened.take(late("late"), file=LATER)
        prune(opened)
        prune(opened, BEGIN + 380 * DAY)
        assert KEPT in journal.list_file_sizes(opened.folder)
        prune(opened, BEGIN + 400 * DAY)
        assert KEPT not in journal.list_file_sizes(opened.folder)
        assert hash_session_id(straggler().session) not in {row[0] for row in opened.rows()["pruned"]}


def test_a_record_outlives_a_change_of_the_schema(tmp_path: Path) -> None:
    """Columns that a record has and the schema has not are left out; those it lacks have their default."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        opened.take(late("late"), file=LATER)
        prune(opened)
        (opened.folder / FIRST).unlink(missing_ok=True)
        old = (opened.folder / KEPT).read_text()
        newer = old.replace('"width":', '"breadth":3,"width":')
        assert newer != old
        (opened.folder / KEPT).write_text(newer)
        before = opened.rows()["fanouts"]
        opened.connection.execute("ALTER TABLE fanouts ADD COLUMN news TEXT NOT NULL DEFAULT 'none'")
        opened.ingest.clear_store()
        list(opened.ingest.catch_up(opened.folder))
        assert opened.rows()["fanouts"] == [(*row, "none") for row in before]


def test_columns_added_to_kept_tables_have_defaults(tmp_path: Path) -> None:
    """Every column that a record of the first version lacks has a default, so old records stay readable."""
    first = {
        "sequential_runs": {"session", "number", "kept", "pattern", "signature", "end", "lengths"},
        "fanouts": {
            "session", "number", "kept", "pattern", "signature", "start", "end", "width", "work", "elapsed",
            "longest_lane",
        },
    }  # fmt: skip
    with store(tmp_path) as opened:
        for table in EXECUTIONS:
            for _, name, _, required, default, _ in opened.connection.execute(f"PRAGMA table_info({table})"):
                assert name in first[table] or not required or default is not None, name


def test_a_session_whose_record_cannot_be_written_stays(tmp_path: Path) -> None:
    """A full disk stops the prune before anything is deleted."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, file=FIRST)
        opened.take(late("late"), file=LATER)
        (opened.folder / KEPT).mkdir()
        with pytest.raises(OSError, match=r"kept-2026-01"):
            prune(opened)
        assert len(session_queries.list_sessions(opened.connection)) == 2
        assert (opened.folder / FIRST).exists()
