"""Rescue: a store that cannot be used is moved aside, and nothing that no journal holds is lost."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stretto.cli.main import main
from stretto.errors import StoreError
from stretto.journal.pruned_session_records import STORE_PREFIX, hash_session_id
from stretto.store import sent_spans, session_queries, store_notes
from stretto.store.database import open_writer
from stretto.store.database_schema import EXECUTIONS, VERSION
from stretto.store.store_rescue import (
    find_store_problem,
    move_unusable_store_aside,
    rescue_and_move_store_aside,
)
from tests.fakes import ROOT, store
from tests.scenes import BEGIN, straggler

OLD = ROOT / "tests/recorded/store-9b835fb"
"""A store of commit 9b835fb with sessions that were pruned, two that were not, and their journal."""


def place_old_store(state: Path) -> sqlite3.Connection:
    """Put the recorded store and journal into a state folder, and open a copy of the store."""
    shutil.copytree(OLD / "journal", state / "journal")
    data = gzip.decompress((OLD / "stretto.db.gz").read_bytes())
    (state / "stretto.db").write_bytes(data)
    copy = state.with_name("copy.db")
    copy.write_bytes(data)
    return sqlite3.connect(copy)


def read_kept(connection: sqlite3.Connection, *, hashed: bool) -> dict[str, list[tuple[object, ...]]]:
    """Return the kept rows of a store, sessions as hashes."""
    columns = {
        "rollup": "width, slot, measure, dims, value",
        "sequential_runs": 'session, number, kept, pattern, signature, "end", lengths',
        "fanouts": (
            'session, number, kept, pattern, signature, start, "end", width, work, elapsed, longest_lane'
        ),
    }
    kept: dict[str, list[tuple[object, ...]]] = {}
    for table, names in columns.items():
        rows = connection.execute(f"SELECT {names} FROM {table} WHERE kept > 0").fetchall()
        if table in EXECUTIONS and not hashed:
            rows = [(hash_session_id(row[0]), *row[1:]) for row in rows]
        kept[table] = sorted(rows)
    rows = connection.execute("SELECT session, last FROM pruned").fetchall()
    kept["pruned"] = sorted(
        row if hashed else (hash_session_id(row[0]), row[1])
        for row in rows
        if not row[0].startswith("store-")
    )
    return kept


def assert_all_rows_kept(state: Path, before: dict[str, list[tuple[object, ...]]]) -> None:
    """Compare the kept rows of the new store with those of the old store."""
    assert {table: len(rows) for table, rows in before.items()} == {
        "rollup": 547,
        "sequential_runs": 1,
        "fanouts": 4,
        "pruned": 4,
    }
    with closing(sqlite3.connect(state / "stretto.db")) as connection:
        after = read_kept(connection, hashed=True)
        old_measures = {row[2] for row in before["rollup"]}
        completed = [row for row in after["rollup"] if row[2] not in old_measures]
        after["rollup"] = [row for row in after["rollup"] if row[2] in old_measures]
        assert after == before
        # What the old definition did not have is completed: all of its tasks are taken as delivered.
        assert {"parallel_delivered", "verdict_fanouts", "deliveries"} <= {str(row[2]) for row in completed}
        assert store_notes.read_old_definition_until(connection)
        assert [id for (id,) in connection.execute("SELECT id FROM sessions ORDER BY id")] == [
            "live-1",
            "live-2",
        ]
        assert sent_spans.get_last_event_time_of_sent_spans(connection, "live-1") == 7
        assert store_notes.read_note(connection, sent_spans.EMITTING_SINCE) == str(BEGIN)


def test_a_store_of_the_first_release_keeps_every_row(tmp_path: Path) -> None:
    """The new version's first rebuild has every kept row, and the old file aside; a second adds nothing."""
    state = tmp_path / "state"
    with closing(place_old_store(state)) as old:
        before = read_kept(old, hashed=False)
    for _ in range(2):
        assert main(["--state", str(state), "rebuild"]) == 0
        assert_all_rows_kept(state, before)
    assert len([*(state / "aside").iterdir()]) == 1
    assert len([*(state / "journal").glob(f"{STORE_PREFIX}*")]) == 1


@pytest.mark.skipif(importlib.util.find_spec("pysqlite3") is None, reason="pysqlite3-binary is not installed")
def test_a_store_of_the_first_release_keeps_every_row_with_a_newer_sqlite(tmp_path: Path) -> None:
    """The same holds with the SQLite of pysqlite3, which is newer than 3.40."""
    state = tmp_path / "state"
    with closing(place_old_store(state)) as old:
        before = read_kept(old, hashed=False)
    program = (
        "import json, sys, pysqlite3; sys.modules['sqlite3'] = pysqlite3;"
        "sys.modules['sqlite3.dbapi2'] = pysqlite3.dbapi2;"
        "from stretto.cli.main import main; code = main(sys.argv[1:]);"
        "print(json.dumps(pysqlite3.sqlite_version_info)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--state", str(state), "rebuild"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert tuple(json.loads(done.stdout.splitlines()[-1])) > (3, 42)
    assert_all_rows_kept(state, before)


def test_a_rescue_killed_before_the_move_is_done_again_without_doubling(tmp_path: Path) -> None:
    """If the record was written and the store not yet moved, the next start writes no second record."""
    state = tmp_path / "state"
    with closing(place_old_store(state)) as old:
        before = read_kept(old, hashed=False)
    copy = tmp_path / "again.db"
    copy.write_bytes((state / "stretto.db").read_bytes())
    rescue_and_move_store_aside(state / "stretto.db", state / "journal", BEGIN, "test")
    copy.rename(state / "stretto.db")
    assert main(["--state", str(state), "rebuild"]) == 0
    assert_all_rows_kept(state, before)
    assert len([*(state / "aside").iterdir()]) == 2


def test_a_damaged_old_store_gives_what_is_readable_and_says_what_is_not(tmp_path: Path) -> None:
    """Damaged pages cost their rows only; the sentence names the tables and asks to keep the file."""
    state = tmp_path / "state"
    place_old_store(state).close()
    path = state / "stretto.db"
    with closing(sqlite3.connect(path)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'rollup'").fetchone()[0]
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)

    aside = rescue_and_move_store_aside(path, state / "journal", BEGIN, "test")

    assert aside.unread == ("rollup",)
    assert aside.path.exists()
    assert main(["--state", str(state), "rebuild"]) == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM fanouts WHERE kept > 0").fetchone() == (4,)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"this is not a database, and never was one" * 100),
        lambda path: sqlite3.connect(path).execute(f"PRAGMA user_version = {VERSION + 1}"),
    ],
    ids=["foreign", "newer"],
)
def test_an_unusable_store_is_moved_aside_whole(tmp_path: Path, spoil: object) -> None:
    """A foreign file or a newer store is moved byte for byte, and a new store takes its place."""
    path = tmp_path / "stretto.db"
    assert find_store_problem(path) is None
    with closing(open_writer(path)):
        pass
    assert move_unusable_store_aside(path, tmp_path / "journal", BEGIN) is None
    assert callable(spoil)
    spoil(path)
    data = path.read_bytes()
    os.utime(path, (1, 1))

    aside = move_unusable_store_aside(path, tmp_path / "journal", BEGIN)

    assert aside is not None
    assert aside.path.read_bytes() == data
    assert aside.path.stat().st_mtime > 1, "its age counts from the move"
    assert not path.exists()
    with closing(open_writer(path)) as connection:
        assert session_queries.list_sessions(connection) == []


def test_a_healthy_store_passes_the_thorough_check_on_any_sqlite(tmp_path: Path) -> None:
    """No NOT NULL column stands before a key column, which SQLite before 3.42 takes for damage."""
    with store(tmp_path) as opened:
        opened.take(straggler().events)
    assert find_store_problem(tmp_path / "stretto.db", thorough=True) is None


def test_a_damaged_page_is_found_by_the_thorough_check(tmp_path: Path) -> None:
    """A file that opens but has damaged pages is moved aside, not rebuilt into."""
    path = tmp_path / "s.db"
    with closing(open_writer(path)) as connection:
        rows = [("s", "call", str(number), b"x" * 200) for number in range(2_000)]
        connection.executemany("INSERT INTO facts VALUES (?, ?, ?, ?)", rows)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\xff" * 4096
    path.write_bytes(data)

    assert move_unusable_store_aside(path, tmp_path / "journal", BEGIN) is None
    assert move_unusable_store_aside(path, tmp_path / "journal", BEGIN, thorough=True) is not None
    assert not path.exists()


def test_a_schema_that_is_not_text_is_damage(tmp_path: Path) -> None:
    """SQLite quotes the schema in its message; bytes that are no text name a damaged store all the same."""
    path = tmp_path / "stretto.db"
    open_writer(path).close()
    content = path.read_bytes()
    begin = content.index(b"CREATE TABLE meta")
    path.write_bytes(content[:begin] + b"\xab\xff BREAK \xfe" + content[begin + 10 :])

    assert find_store_problem(path) is not None
    with pytest.raises(StoreError):
        open_writer(path)
