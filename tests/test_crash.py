from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from stretto import journal
from stretto.clock import SECOND
from stretto.store import journal_queries
from tests.fakes import IDLE, ROOT, Store, append, rebuilt, recorded, store
from tests.scenes import BEGIN, background, fork_join, nested, one_by_one, straggler

LATER = BEGIN + 10 * IDLE * SECOND
DRAWINGS = (fork_join, nested, background, straggler, one_by_one)


class Writer:
    """Appends sessions to the journal, event by event and torn now and then, until it is stopped."""

    def __init__(self, folder: Path, name: str, seed: int) -> None:
        self.events = self.torn = 0
        self._path = folder / f"{name}.jsonl"
        self._name = name
        self._random = Random(seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Finish the session under way and end."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            for event in self._random.choice(DRAWINGS)(f"{self._name}-{number}").events:
                record = journal.encode_event(event)
                if self._random.random() < 0.02:
                    # What a writer leaves that is killed in the middle; the next one's newline ends it.
                    journal.append_records(self._path, record[: self._random.randint(2, len(record) - 2)])
                    self.torn += 1
                journal.append_records(self._path, record)
                self.events += 1
            self._stopping.wait(0.004)


@contextmanager
def nursery(state: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the process that starts the children to be killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash_child", str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    try:
        yield process
    finally:
        process.communicate()
        assert process.returncode == 0


def kill_again_and_again(tmp_path: Path, kills: int) -> None:
    """Kill the ingesting process at random moments while others write; then compare with a rebuild."""
    random = Random(20_261_120)
    folder = tmp_path / "journal"
    writers = [Writer(folder, name, seed) for seed, name in enumerate(("one", "two"))]
    interrupted = 0
    try:
        with nursery(tmp_path) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for seed in range(kills):
                process.stdin.write(f"{seed}\n")
                process.stdin.flush()
                child = int(process.stdout.readline())
                threading.Event().wait(random.random() * 0.04)
                os.kill(child, signal.SIGKILL)
                assert process.stdout.readline() == "gone\n"
                interrupted += pending(tmp_path) > 0
    finally:
        for writer in writers:
            writer.stop()
    # Most kills hit a process that was behind the writers, so in the middle of its work.
    assert interrupted > kills / 2
    with store(tmp_path) as opened:
        for _ in opened.ingest.catch_up(folder):
            pass
        opened.ingest.close_idle_sessions(LATER)
        assert sum(
            position.events for position in journal_queries.read_journal_positions(opened.connection)
        ) == sum(writer.events for writer in writers)
        assert sum(journal_queries.count_rejects(opened.connection).values()) == sum(
            writer.torn for writer in writers
        )
        assert opened.rows() == rebuilt(folder, tmp_path / "anew.db", now=LATER)


def pending(state: Path) -> int:
    """Return the number of journal bytes that the store has not read."""
    with sqlite3.connect(state / "stretto.db") as connection:
        try:
            read = connection.execute("SELECT SUM(offset) FROM journal").fetchone()[0] or 0
        except sqlite3.OperationalError:
            read = 0  # killed before it had made its tables
    connection.close()
    return sum(journal.list_file_sizes(state / "journal").values()) - int(read)


def test_eight_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """Whenever the ingesting process dies, its successor stores every event exactly once."""
    kill_again_and_again(tmp_path, 8)


@pytest.mark.slow
def test_two_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """The same holds often enough to hit rare moments."""
    kill_again_and_again(tmp_path, 200)


def test_broken_off_at_any_step_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    """Interrupted after 1, 2, 3 … hundred steps of the database, a batch is stored whole or not at all."""
    with store(tmp_path) as opened:
        append(opened.folder, recorded("fanout"))
        append(opened.folder, straggler().events)
        empty = opened.rows()
        batch = journal.read_batch(opened.folder, "2026-01-01.jsonl", 0)
        broken_off = 0
        while not taken(opened, batch, after=broken_off):
            assert opened.rows() == empty
            broken_off += 1
        assert broken_off > 20
        opened.ingest.close_idle_sessions(LATER)
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=LATER)


def taken(opened: Store, batch: journal.Batch, *, after: int) -> bool:
    """Ingest a batch, interrupted once after some hundred steps; return whether it was completed."""
    steps = iter([False] * after + [True])
    opened.connection.set_progress_handler(lambda: next(steps, False), 100)
    try:
        opened.ingest.ingest_batch(batch)
    except sqlite3.OperationalError:
        return False
    finally:
        opened.connection.set_progress_handler(None, 0)
    return True
