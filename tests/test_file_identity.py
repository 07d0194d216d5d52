"""Identity of journal files: a file that is not the one that was read is read again, whatever its size."""

from __future__ import annotations

import io
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto import journal
from stretto.journal.file_identity import EDGE, compute_identity
from stretto.model.event import Event
from stretto.store import journal_queries, session_queries
from stretto.store.database import open_writer
from stretto.store.ingest import Ingest
from tests.fakes import DAY_FILE, IDLE, Store, append, rebuilt, store
from tests.scenes import BEGIN, Drawing, by_description

LATER = BEGIN + 10 * IDLE * 10**9


def session(name: str, calls: int = 3) -> list[Event]:
    """Draw a short session."""
    drawing = Drawing(name).opens()
    for number in range(calls):
        drawing.call(f"{name}-{number}", 1 + number, 2 + number)
    return drawing.ends(calls + 5).events


def ids(opened: Store) -> set[str]:
    """Return the stored sessions."""
    return {row.id for row in session_queries.list_sessions(opened.connection)}


@given(
    data=st.binary(min_size=1, max_size=3 * EDGE),
    offset=st.integers(0, 3 * EDGE),
    place=st.integers(0, 3 * EDGE),
    appended=st.binary(max_size=100),
)
def test_identity_depends_on_the_edges_of_what_was_read(
    data: bytes, offset: int, place: int, appended: bytes
) -> None:
    """Later bytes change nothing; a change in the first or last 4 kB before the position changes it."""
    before = compute_identity(io.BytesIO(data), offset)
    if offset > len(data):
        assert before is None
        return
    assert compute_identity(io.BytesIO(data + appended), offset) == before
    if place < offset and (place < EDGE or place >= offset - EDGE):
        other = bytearray(data)
        other[place] ^= 1
        assert compute_identity(io.BytesIO(bytes(other)), offset) != before


def delete_and_write(path: Path) -> None:
    """Delete the file; a longer file of the same name is written."""
    path.unlink()
    append(path.parent, session("new", 30), path.name)


def cut_and_grow(path: Path) -> None:
    """Cut the file to half and let it grow beyond its size."""
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"\n", 0, len(data) // 2) + 1])
    append(path.parent, session("new", 30), path.name)


def cut_in_place(path: Path) -> None:
    """Empty the file and let it grow beyond its size, with the same inode."""
    os.truncate(path, 0)
    append(path.parent, session("new", 30), path.name)


def restore_other(path: Path) -> None:
    """Put another file of the very same size and time in its place."""
    status = path.stat()
    other = b"".join(journal.encode_event(event) for event in session("new"))
    path.write_bytes(other + b"\n" * (status.st_size - len(other)))
    assert path.stat().st_size == status.st_size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


@pytest.mark.parametrize("change", [delete_and_write, cut_and_grow, cut_in_place, restore_other])
@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_a_file_that_is_not_the_one_that_was_read_begins_again(
    tmp_path: Path, change: object, *, restart: bool
) -> None:
    """No event of the new file is lost, a problem names the file, and a rebuild agrees with the journal."""
    assert callable(change)
    with store(tmp_path) as opened:
        opened.take(session("older-one"), session("older-two"))
        if not restart:
            change(opened.folder / DAY_FILE)
            list(opened.ingest.catch_up(opened.folder))
            assert "new" in ids(opened)
    if restart:
        change(tmp_path / "journal" / DAY_FILE)
    with store(tmp_path) as opened:
        list(opened.ingest.catch_up(opened.folder))
        assert "new" in ids(opened)
        assert list(journal_queries.read_shortened_files(opened.connection)) == [DAY_FILE]
        assert list(opened.ingest.catch_up(opened.folder)) == []
        found = session_queries.read_session(opened.connection, "new", by_description)
        assert found is not None
        opened.ingest.clear_store()
        list(opened.ingest.catch_up(opened.folder))
        opened.ingest.close_idle_sessions(LATER)
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=LATER)
        assert session_queries.read_session(opened.connection, "new", by_description) == found


def test_a_journal_that_was_moved_is_not_read_again(tmp_path: Path) -> None:
    """A copy has another inode and time, but the same content: nothing is read twice, nobody blamed."""
    with store(tmp_path) as opened:
        opened.take(session("one", 60), session("two"))
    copied = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "journal", copied)
    with closing(open_writer(tmp_path / "stretto.db")) as connection:
        ingest = Ingest(connection, by_description, idle_limit=IDLE)
        assert list(ingest.catch_up(copied)) == []
        append(copied, session("three"))
        assert sum(result.events for result in ingest.catch_up(copied)) == len(session("three"))
        assert journal_queries.read_shortened_files(connection) == {}


def test_an_unchanged_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Device, inode, size and time say when to look: an idle journal is not read, after a start neither."""
    with store(tmp_path) as opened:
        opened.take(session("one"))
    with store(tmp_path) as opened:
        monkeypatch.setattr(journal, "open_content", None)
        monkeypatch.setattr(journal, "identify_content", None)
        assert list(opened.ingest.catch_up(opened.folder)) == []


def test_a_file_that_cannot_be_read_keeps_no_other_from_being_read(tmp_path: Path) -> None:
    """Its name and the reason are known until it can be read; the other files are ingested."""
    with store(tmp_path) as opened:
        append(opened.folder, session("one"), "2026-01-01.jsonl")
        append(opened.folder, session("two"), "2026-01-02.jsonl")
        real = journal.open_content

        def refuse(folder: Path, file: str) -> object:
            if file == "2026-01-01.jsonl":
                raise PermissionError(13, "Permission denied")
            return real(folder, file)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal, "open_content", refuse)
            list(opened.ingest.catch_up(opened.folder))
        assert ids(opened) == {"two"}
        assert opened.ingest.unreadable == {"2026-01-01.jsonl": "Permission denied"}
        list(opened.ingest.catch_up(opened.folder))
        assert ids(opened) == {"one", "two"}
        assert opened.ingest.unreadable == {}
