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
from stretto.store.statusline_query import LAG_NS, SessionBrief, is_behind, read_brief
from tests.web_served import NOON, Store, Work


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a session that is over and one with an agent still at work."""
    store = Store(tmp_path)
    store.scene("done", NOON - 600 * SECOND, [Work(1, 11), Work(2, 12), Work(20, 30), Work(20, 30)])
    store.scene("open", NOON - 60 * SECOND, [Work(1, 11), Work(2, None)], over=False)
    store.refresh()
    return store


def test_it_sums_the_fan_outs_of_one_session(store: Store) -> None:
    """Two fan-outs of 20 s of work each in 11 s and 10 s: what they saved together is 19 s."""
    found = read_brief(store.config.database, "done")

    assert found == SessionBrief(tasks=4, running=0, fanouts=2, work=40 * SECOND, elapsed=21 * SECOND)
    assert found.speedup == pytest.approx(40 / 21)
    assert found.saved == 19 * SECOND


def test_an_unfinished_fan_out_counts_for_nothing(store: Store) -> None:
    """While an agent runs there are agents, and no speedup."""
    found = read_brief(store.config.database, "open")

    assert found == SessionBrief(tasks=2, running=1, fanouts=0, work=0, elapsed=0)
    assert found.speedup is None


def test_a_session_that_nobody_told_of_is_unknown(store: Store) -> None:
    """An unknown session is None, not a session of nothing."""
    assert read_brief(store.config.database, "nobody") is None


def test_a_store_of_another_version_is_not_read(store: Store) -> None:
    """What another version means by its columns is not known."""
    with closing(sqlite3.connect(store.config.database)) as connection:
        connection.execute("PRAGMA user_version = 999")

    with pytest.raises(sqlite3.DatabaseError):
        read_brief(store.config.database, "done")


def test_no_store_is_made_by_looking(tmp_path: Path) -> None:
    """Where there is no store it says so and leaves none behind."""
    with pytest.raises(sqlite3.Error):
        read_brief(tmp_path / "stretto.db", "done")
    assert not (tmp_path / "stretto.db").exists()


def test_it_is_behind_only_after_what_was_told_lay_unread_for_long(store: Store) -> None:
    """Read to the end is never behind, however old; unread is behind once the store has stood still."""
    database, journal = store.config.database, store.config.journal
    written = database.stat().st_mtime_ns
    late = written + LAG_NS + 2

    assert not is_behind(database, journal, late)
    store.garble()
    for name in (database, database.with_name("stretto.db-wal")):
        if name.exists():
            os.utime(name, ns=(written, written))
    assert not is_behind(database, journal, written + LAG_NS)
    assert is_behind(database, journal, late)


def test_the_recording_is_not_taken_for_the_newest_day(store: Store) -> None:
    """Files that are no days are left out of the question."""
    (store.config.journal / "recording.jsonl").write_bytes(b"{}\n")

    assert not is_behind(store.config.database, store.config.journal, 1 << 62)


def test_it_loads_next_to_nothing() -> None:
    """What takes long to load stays unloaded: dataclasses, msgspec and every figure."""
    program = "import sys, stretto.store.statusline_query; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = set(told.stdout.split())
    assert not loaded & {"dataclasses", "msgspec", "rich", "inspect", "stretto.config", "stretto.model"}
    assert {name for name in loaded if name.startswith("stretto.store")} == {
        "stretto.store", "stretto.store.statusline_query", "stretto.store.schema",
    }  # fmt: skip
