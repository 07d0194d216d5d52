"""Put two sessions side by side, and find those that are like a session. Needs no extra package.

Two sessions can be described, never tested: with one run on each side nothing is known about their scatter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from stretto.clock import SECOND
from stretto.model.run_rows_for_analyses import SessionRun

SIMILAR = 0.6
"""Least similarity of a session's like."""
SIZE_RANGE = 2.0
"""Most times as many tasks, or as few, as a session's like may have."""
NOT_WORK = ("waiting", "idle")
"""Parts of wall time in which a session waited for a person or did nothing."""


def measure_similarity(some: Mapping[str, int], others: Mapping[str, int]) -> float:
    """Return the weighted Jaccard similarity of two multisets of task types, from 0 to 1.

    Example: 2 reviews and 2 tests share 3 of 5 tasks with 1 review and 3 tests: 0.6.
    """
    types = {*some, *others}
    largest = sum(max(some.get(type_, 0), others.get(type_, 0)) for type_ in types)
    return sum(min(some.get(type_, 0), others.get(type_, 0)) for type_ in types) / largest if largest else 0.0


def list_similar(current: SessionRun, sessions: Iterable[SessionRun]) -> list[tuple[SessionRun, float]]:
    """Return the other sessions that are like this one, with their similarity, the most similar first."""
    size = sum(current.task_types.values())
    similar = [
        (run, similarity)
        for run in sessions
        if run.session != current.session
        and (similarity := measure_similarity(current.task_types, run.task_types)) >= SIMILAR
        and size / SIZE_RANGE <= sum(run.task_types.values()) <= size * SIZE_RANGE
    ]
    return sorted(similar, key=lambda pair: (-pair[1], pair[0].session))


def measure_seconds_per_task(run: SessionRun) -> float | None:
    """Return the seconds per task without waits and idle time; None without tasks."""
    count = sum(run.task_types.values())
    active = measure_active_time(run)
    return active / SECOND / count if active > 0 and count else None


def measure_active_time(run: SessionRun) -> int:
    """Return the session's wall time (ns) without waits for a person and idle time."""
    return run.end - run.start - sum(run.wall_parts.get(part, 0) for part in NOT_WORK)


def _to_seconds(length: int | None) -> float | None:
    return None if length is None else length / SECOND


MEASURE_READERS: Mapping[str, Callable[[SessionRun], float | None]] = {
    "elapsed_seconds": lambda run: _to_seconds(run.elapsed),
    "wall_seconds": lambda run: _to_seconds(run.end - run.start),
    "work_seconds": lambda run: _to_seconds(run.work),
    "tokens": lambda run: run.tokens,
    "dollars": lambda run: run.dollars,
    "retries": lambda run: run.retries,
    "cpu_seconds": lambda run: run.cpu_seconds,
    "memory_peak_bytes": lambda run: run.memory_peak,
}
"""Measure of a session → how to read it; None where it is not known."""
