"""Compressed journal files: smaller on the disk, read as they are, whole after a kill at any moment."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stretto import journal
from stretto.clock import DAY, HOUR
from stretto.journal import compression
from stretto.state.retention_settings import Retention
from stretto.store import journal_queries, session_queries, sum_queries
from stretto.store.prune import count_used_bytes, prune_history
from tests.fakes import DAY_FILE, Store, append, dump, recorded, store
from tests.scenes import BEGIN, Drawing, fork_join, one_by_one, straggler
from tests.test_pruned_session_records import late

GZIP = DAY_FILE + compression.COMPRESSED
NOW = BEGIN + 3 * DAY + HOUR
RETENTION = Retention(raw_days=30, hourly_days=90, daily_days=365, most_bytes=1 << 40)


def prune(opened: Store, now: int = NOW, retention: Retention = RETENTION) -> None:
    """Prune to the end."""
    for _ in prune_history(opened.connection, opened.ingest, opened.folder, retention, now):
        pass


def read_content(folder: Path, file: str = DAY_FILE) -> bytes:
    """Return the content of a journal file."""
    with journal.open_content(folder, file) as content:
        return content.read()


def test_day_files_older_than_two_days_are_compressed_and_read_as_they_are(tmp_path: Path) -> None:
    """Nothing is read twice; a rebuild from the compressed journal gives the same store; the mode is 0600."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events)
        opened.take(fork_join("second").events, file="2026-01-02.jsonl")
        before, content = opened.rows(), read_content(opened.folder)
        prune(opened)
        assert sorted(path.name for path in opened.folder.iterdir()) == [GZIP, "2026-01-02.jsonl"]
        assert (opened.folder / GZIP).stat().st_mode & 0o777 == 0o600
        assert read_content(opened.folder) == content
        assert next(iter(journal.list_file_sizes(opened.folder).items())) == (DAY_FILE, len(content))
        assert list(opened.ingest.catch_up(opened.folder)) == []
        assert journal_queries.read_shortened_files(opened.connection) == {}
        opened.ingest.clear_store()
        list(opened.ingest.catch_up(opened.folder))
        assert opened.rows() == before


def test_a_compressed_day_takes_a_sixth_of_the_disk(tmp_path: Path) -> None:
    """A day of recorded sessions is at most a sixth of its size, and the disk use counts what is there."""
    events = [event for name in ("fanout", "sequential", "two-phase") for event in recorded(name)]
    with store(tmp_path) as opened:
        for number in range(20):
            append(opened.folder, Drawing(f"s{number}").opens().events)
            append(opened.folder, events)
        list(opened.ingest.catch_up(opened.folder))
        size = (opened.folder / DAY_FILE).stat().st_size
        used = count_used_bytes(opened.connection, opened.folder)
        compression.compress_file(opened.folder, DAY_FILE)
        compressed = (opened.folder / GZIP).stat().st_size
        assert compressed <= size / 6
        assert count_used_bytes(opened.connection, opened.folder) == used - size + compressed


def test_lines_that_arrive_late_are_read_and_compressed_with_the_next_pass(tmp_path: Path) -> None:
    """A hook with a wrong clock writes to a day that is compressed: its lines follow the compressed ones."""
    with store(tmp_path) as opened:
        opened.take(straggler().events)
        prune(opened)
        opened.take(fork_join("late").events)
        assert {row.id for row in session_queries.list_sessions(opened.connection)} == {"straggler", "late"}
        assert journal_queries.read_shortened_files(opened.connection) == {}
        content = read_content(opened.folder)
        prune(opened)
        assert [path.name for path in opened.folder.iterdir()] == [GZIP]
        assert read_content(opened.folder) == content
        assert list(opened.ingest.catch_up(opened.folder)) == []


class _KilledError(Exception):
    """The process is gone."""


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Raise at the n-th change of a file or folder by a compression."""
    steps = iter(range(100))

    def wrap(name: str) -> object:
        real = getattr(Path, name)

        def act(path: Path, *args: object, **options: object) -> object:
            if path.name.startswith(DAY_FILE) and next(steps) == step:
                raise _KilledError
            return real(path, *args, **options)

        return act

    with pytest.MonkeyPatch.context() as patch:
        for name in ("rename", "replace", "unlink"):
            patch.setattr(Path, name, wrap(name))
        yield


@pytest.mark.parametrize("again", [False, True], ids=["first", "with-late-lines"])
def test_a_compression_killed_at_any_step_leaves_the_content_whole(tmp_path: Path, *, again: bool) -> None:
    """Whenever it dies, the next start reads every line once and the next pass completes it."""
    for step in range(10):
        state = tmp_path / str(step)
        with store(state) as opened:
            opened.take(straggler().events)
            if again:
                prune(opened)
                opened.take(one_by_one().events)
            before, content = opened.rows(), read_content(opened.folder)
            was_killed = False
            with killed_at(step):
                try:
                    compression.compress_file(opened.folder, DAY_FILE)
                except _KilledError:
                    was_killed = True
        with store(state) as opened:
            assert list(opened.ingest.catch_up(opened.folder)) == []
            assert read_content(opened.folder) == content
            assert journal_queries.read_shortened_files(opened.connection) == {}
            prune(opened)
            assert [path.name for path in opened.folder.iterdir()] == [GZIP]
            assert read_content(opened.folder) == content
            opened.ingest.clear_store()
            list(opened.ingest.catch_up(opened.folder))
            assert dump(opened.connection) == before
        if not was_killed:
            break
    assert step >= 3


def test_a_compressed_file_is_pruned(tmp_path: Path) -> None:
    """Lines of pruned sessions leave it, late lines as well; a file without events goes with all parts."""
    living = late("living")
    with store(tmp_path) as opened:
        opened.take(straggler().events, living[:2])
        prune(opened)
        opened.take(one_by_one().events)
        opened.take(living[2:], file="2026-02-20.jsonl")
        before = sum_queries.read_sums(opened.connection, BEGIN + 51 * DAY, 60 * 86_400)
        prune(opened, BEGIN + 51 * DAY)
        assert [row.id for row in session_queries.list_sessions(opened.connection)] == ["living"]
        assert list(journal.read_batch(opened.folder, DAY_FILE, 0).events) == living[:2]
        assert not (opened.folder / DAY_FILE).exists()
        assert sum_queries.read_sums(opened.connection, BEGIN + 51 * DAY, 60 * 86_400) == before
        assert list(opened.ingest.catch_up(opened.folder)) == []
        prune(opened, BEGIN + 90 * DAY)
        assert not list(opened.folder.glob(f"{DAY_FILE}*"))
        assert journal_queries.read_shortened_files(opened.connection) == {}


def test_a_damaged_compressed_file_is_a_problem_and_stops_no_other(tmp_path: Path) -> None:
    """Its sessions stay in the store, the others are read, and the reason names the remedy."""
    with store(tmp_path) as opened:
        opened.take(straggler().events)
        prune(opened)
        data = bytearray((opened.folder / GZIP).read_bytes())
        data[len(data) // 2] ^= 0xFF
        (opened.folder / GZIP).write_bytes(bytes(data))
        opened.take(fork_join("second").events, file="2026-01-02.jsonl")
        assert {row.id for row in session_queries.list_sessions(opened.connection)} == {"straggler", "second"}
        assert "restore a backup" in opened.ingest.unreadable[DAY_FILE]


def test_a_file_that_a_person_compressed_is_read(tmp_path: Path) -> None:
    """Compressed by gzip's own program, with a name and a time inside, it has the same content."""
    with store(tmp_path) as opened:
        opened.take(straggler().events)
        path = opened.folder / DAY_FILE
        with gzip.open(opened.folder / GZIP, "wb") as compressed:
            compressed.write(path.read_bytes())
        path.unlink()
        assert list(opened.ingest.catch_up(opened.folder)) == []
        assert journal_queries.read_shortened_files(opened.connection) == {}
