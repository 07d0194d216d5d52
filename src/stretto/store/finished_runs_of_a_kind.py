"""Read the finished tasks and sessions of a kind, to describe them and to link them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from enum import StrEnum

from stretto.figures.finished_run_statistics import RunPoint
from stretto.model.event import Outcome
from stretto.store.database import bound_instant

MOST_RUNS = 20_000
"""Most runs that are read: the newest ones."""


class RunFilter(StrEnum):
    """The fields by which runs are chosen."""

    TYPE = "type"
    AGENT = "agent"
    PATTERN = "pattern"
    MODEL = "model"
    PROJECT = "project"


def read_task_points(
    connection: sqlite3.Connection,
    chosen: Mapping[RunFilter, str | None],
    start: int | None = None,
    end: int | None = None,
) -> list[RunPoint]:
    """Return the newest finished tasks that began from ``start`` to before ``end`` (ns), latest first.

    A value that is None chooses the runs without one.
    """
    conditions = "".join(f" AND {field.value} IS ?" for field in chosen)
    rows = connection.execute(
        "SELECT session, task, start, length, outcome, type, agent, project, kept FROM task_runs"  # noqa: S608  # constants
        f" WHERE start >= ? AND start < ?{conditions} ORDER BY start DESC LIMIT ?",
        (start or 0, bound_instant(end), *chosen.values(), MOST_RUNS),
    )
    return [
        RunPoint(session, task, begin, length, Outcome(outcome), type, agent, project, bool(kept))
        for session, task, begin, length, outcome, type, agent, project, kept in rows
    ]


def read_session_points(
    connection: sqlite3.Connection, pattern: str | None, start: int | None = None, end: int | None = None
) -> list[RunPoint]:
    """Return the newest finished sessions of a pattern that ended from ``start`` to before ``end`` (ns)."""
    rows = connection.execute(
        'SELECT session, start, "end" - start, outcome, project, kept FROM session_runs'
        ' WHERE "end" >= ? AND "end" < ? AND pattern IS ? ORDER BY "end" DESC LIMIT ?',
        (start or 0, bound_instant(end), pattern, MOST_RUNS),
    )
    return [
        RunPoint(session, None, begin, length, Outcome(outcome), project=project, is_pruned=bool(kept))
        for session, begin, length, outcome, project, kept in rows
    ]
