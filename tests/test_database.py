from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from stretto.errors import StoreError
from stretto.store.database import open_reader, open_transaction, open_writer
from stretto.store.database_schema import CONCLUDED, VERSION


def test_only_its_owner_can_read_a_new_store(tmp_path: Path) -> None:
    """The folder has mode 0700, the files of SQLite 0600, and all tables exist."""
    path = tmp_path / "state" / "stretto.db"
    with closing(open_writer(path)) as connection:
        connection.execute("INSERT INTO meta VALUES ('a', 'b')")
        modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
        assert modes == {"stretto.db": 0o600, "stretto.db-wal": 0o600, "stretto.db-shm": 0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        words = {f"session_words_{part}" for part in ("config", "content", "data", "docsize", "idx")}
        assert tables == {
            *CONCLUDED,
            *words,
            "meta",
            "emitted",
            "file_looks",
            "analysis_results",
            "shipped",
            "unshipped",
        }


def test_a_store_keeps_its_rows_when_opened_again(tmp_path: Path) -> None:
    """Opening twice neither creates the tables again nor loses a row."""
    path = tmp_path / "stretto.db"
    with closing(open_writer(path)) as connection:
        connection.execute("INSERT INTO meta VALUES ('a', 'b')")
    with closing(open_writer(path)) as connection:
        assert connection.execute("SELECT * FROM meta").fetchall() == [("a", "b")]


def test_a_reader_sees_what_the_writer_commits_and_writes_nothing(tmp_path: Path) -> None:
    """A reader is read-only and works beside an open writer."""
    path = tmp_path / "a #?% folder" / "stretto.db"
    with closing(open_writer(path)) as writer, closing(open_reader(path)) as reader:
        with open_transaction(writer):
            writer.execute("INSERT INTO meta VALUES ('a', 'b')")
            assert reader.execute("SELECT * FROM meta").fetchall() == []
        assert reader.execute("SELECT * FROM meta").fetchall() == [("a", "b")]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM meta")


def test_a_missing_store_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """A missing file, or one without tables, means that there is no store yet."""
    with pytest.raises(StoreError, match="there is no store yet") as missing:
        open_reader(tmp_path / "stretto.db")
    assert "stretto up" in missing.value.hint
    (tmp_path / "stretto.db").touch()
    with pytest.raises(StoreError, match="there is no store yet"):
        open_reader(tmp_path / "stretto.db")


def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Neither reader nor writer changes a store of a newer version."""
    path = tmp_path / "stretto.db"
    with closing(open_writer(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    for opened in (open_reader, open_writer):
        with pytest.raises(StoreError, match=f"version {VERSION + 1}, this program reads version {VERSION}"):
            opened(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)


@pytest.mark.parametrize("opened", [open_reader, open_writer])
def test_a_file_that_is_not_a_database_is_an_error_with_a_hint(tmp_path: Path, opened: object) -> None:
    """The error names the file and says how to make the store again from the journal."""
    path = tmp_path / "stretto.db"
    path.write_bytes(b"this is not a database, and never was one" * 100)
    assert callable(opened)
    with pytest.raises(StoreError, match="not a database") as told:
        opened(path)
    assert "stretto rebuild" in told.value.hint


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    """A file in the place of the folder gives a readable error, not a traceback."""
    (tmp_path / "state").touch()
    with pytest.raises(StoreError, match="the store cannot be created"):
        open_writer(tmp_path / "state" / "stretto.db")


def test_a_transaction_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    """An error inside undoes all changes and is raised; the connection can be used again."""
    with closing(open_writer(tmp_path / "stretto.db")) as connection:
        with pytest.raises(sqlite3.IntegrityError), open_transaction(connection):
            connection.executemany("INSERT INTO meta VALUES (?, ?)", [("a", "b"), ("a", "c")])
        assert connection.execute("SELECT * FROM meta").fetchall() == []
        with open_transaction(connection):
            connection.execute("INSERT INTO meta VALUES ('a', 'b')")
        assert connection.execute("SELECT COUNT(*) FROM meta").fetchone() == (1,)


def test_a_full_disk_leaves_the_connection_usable(tmp_path: Path) -> None:
    """SQLite may roll back by itself on a full disk: the error is raised, and the next transaction works."""
    with closing(open_writer(tmp_path / "stretto.db")) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(sqlite3.OperationalError, match="full"), open_transaction(connection):
            connection.execute("INSERT INTO meta VALUES ('a', ?)", ("x" * 1_000_000,))
        assert not connection.in_transaction
        connection.execute("PRAGMA max_page_count = 100000")
        with open_transaction(connection):
            connection.execute("INSERT INTO meta VALUES ('a', 'b')")
        assert connection.execute("SELECT value FROM meta").fetchone() == ("b",)
