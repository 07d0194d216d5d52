"""The brief: a session in a few numbers, as the whole store has it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stretto.clock import SECOND
from stretto.store.statusline_query import LAG_NS, SessionBrief, is_ingest_behind, read_session_brief
from tests.web_served import NOON, Store, Work


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with a session that is over and another with a running agent."""
    store = Store(tmp_path)
    store.scene("done", NOON - 600 * SECOND, [Work(1, 11), Work(2, 12), Work(20, 30), Work(20, 30)])
    store.scene("open", NOON - 60 * SECOND, [Work(1, 11), Work(2, None)], over=False)
    store.refresh()
    return store


def test_it_sums_the_fan_outs_of_one_session(store: Store) -> None:
    """Two fan-outs of 20 s of work each in 11 s and 10 s: what they saved together is 19 s."""
    found = read_session_brief(store.config.database, "done")

    assert found == SessionBrief(
        tasks=4, running=0, fanouts=2, delivered_work=40 * SECOND, paid=21 * SECOND, elapsed=21 * SECOND
    )
    assert found.speedup == pytest.approx(40 / 21)
    assert found.saved == 19 * SECOND


def test_an_unfinished_fan_out_counts_for_nothing(store: Store) -> None:
    """While an agent runs there is a count of agents, but no speedup."""
    found = read_session_brief(store.config.database, "open")

    assert found == SessionBrief(tasks=2, running=1, fanouts=0, delivered_work=0, paid=0, elapsed=0)
    assert found.speedup is None


def test_a_session_without_events_is_unknown(store: Store) -> None:
    """An unknown session is None, not a session with zeros."""
    assert read_session_brief(store.config.database, "nobody") is None


def test_a_store_of_another_version_is_not_read(store: Store) -> None:
    """The columns of another version may have another meaning."""
    with closing(sqlite3.connect(store.config.database)) as connection:
        connection.execute("PRAGMA user_version = 999")

    with pytest.raises(sqlite3.DatabaseError):
        read_session_brief(store.config.database, "done")


def test_a_query_creates_no_store(tmp_path: Path) -> None:
    """Without a store the query raises an error and creates no file."""
    with pytest.raises(sqlite3.Error):
        read_session_brief(tmp_path / "stretto.db", "done")
    assert not (tmp_path / "stretto.db").exists()


def test_it_is_behind_only_if_lines_are_unread_for_long(store: Store) -> None:
    """A store read to the end is never behind, however old; unread lines count once it stopped changing."""
    database, journal = store.config.database, store.config.journal
    written = database.stat().st_mtime_ns
    late = written + LAG_NS + 2

    assert not is_ingest_behind(database, journal, late)
    store.garble()
    for name in (database, database.with_name("stretto.db-wal")):
        if name.exists():
            os.utime(name, ns=(written, written))
    assert not is_ingest_behind(database, journal, written + LAG_NS)
    assert is_ingest_behind(database, journal, late)


def test_the_recording_is_not_taken_for_the_newest_day(store: Store) -> None:
    """Files that are not named by a day are ignored."""
    (store.config.journal / "recording.jsonl").write_bytes(b"{}\n")

    assert not is_ingest_behind(store.config.database, store.config.journal, 1 << 62)


def test_it_loads_no_slow_module() -> None:
    """Modules that take long to load stay unloaded: dataclasses, msgspec and all figures."""
    program = "import sys, stretto.store.statusline_query; print(*sys.modules)"
    # Under make coverage a program would load the tracer, which loads them.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ
    )

    loaded = set(told.stdout.split())
    assert not loaded & {"dataclasses", "msgspec", "rich", "inspect", "stretto.config", "stretto.model"}
    assert {name for name in loaded if name.startswith("stretto.store")} == {
        "stretto.store", "stretto.store.statusline_query", "stretto.store.database_schema",
    }  # fmt: skip
