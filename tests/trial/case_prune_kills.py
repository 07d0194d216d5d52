"""Pruning is killed at random moments: no sum changes, nothing counts twice, a deleted store comes back."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from stretto.clock import DAY
from stretto.figures.sums_by_dimension import Sums
from stretto.state.retention_settings import Retention
from stretto.store import prune as store_prune
from stretto.store import session_queries, sum_queries
from stretto.store.prune import prune_history
from tests.fakes import Store, append, store
from tests.scenes import BEGIN, fork_join, one_by_one, straggler
from tests.trial.case import NotTriedError, Row, Scope

RETENTION = Retention(raw_days=30, hourly_days=90, daily_days=365, most_bytes=1 << 40)
NOW = BEGIN + 40 * DAY
WINDOW = 60 * 86_400
DRAWINGS = (fork_join, straggler, one_by_one)


def run(scope: Scope) -> Iterator[Row]:
    """Kill the pruning process again and again, and compare the sums with those before any prune."""
    if not hasattr(os, "fork"):
        raise NotTriedError("this system cannot fork")
    kills, sessions = scope.count(200, 25), scope.count(1_500, 300)
    dice = random.Random(20_261_130)  # moments of kills, no secret
    with store(scope.folder) as opened:
        for number in range(sessions):
            append(opened.folder, DRAWINGS[number % len(DRAWINGS)](f"s{number}").events)
        before = _read_sums(opened)
        _compress(opened)
    interrupted = 0
    for _ in range(kills):
        interrupted += _prune_and_kill(scope.folder, dice.uniform(0, 0.05))
    with store(scope.folder) as opened:
        _prune(opened)
        after, left = _read_sums(opened), len(session_queries.list_sessions(opened.connection))
        note = f"{kills} kills, {interrupted} before the end"
        yield Row("kills while sessions are pruned", sessions, _count_differences(before, after) + left, note)
    for suffix in ("", "-wal", "-shm"):
        (scope.folder / f"stretto.db{suffix}").unlink(missing_ok=True)
    with store(scope.folder) as opened:
        again = _read_sums(opened)
        yield Row("the same, after the store was deleted", sessions, _count_differences(before, again))


def _read_sums(opened: Store) -> Sums:
    for _ in opened.ingest.catch_up(opened.folder):
        pass
    return sum_queries.read_sums(opened.connection, NOW, WINDOW)


def _compress(opened: Store) -> None:
    """Let the file be compressed, which sessions of ten days ago are."""
    for _ in prune_history(opened.connection, opened.ingest, opened.folder, RETENTION, BEGIN + 10 * DAY):
        pass


def _prune(opened: Store) -> None:
    for _ in prune_history(opened.connection, opened.ingest, opened.folder, RETENTION, NOW):
        pass


def _prune_and_kill(folder: Path, seconds: float) -> bool:
    """Let a child prune in small steps and kill it; return whether it was in the middle."""
    child = os.fork()
    if child == 0:
        store_prune.STEP = 5
        with store(folder) as opened:
            for _ in opened.ingest.catch_up(opened.folder):
                pass
            _prune(opened)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _count_differences(before: Sums, after: Sums) -> int:
    """Return the number of sums that are not the same."""
    measures = {*before, *after}
    return sum(before.get(measure) != after.get(measure) for measure in measures)
