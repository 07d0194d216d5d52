"""Stuck: the running tasks that nothing was heard of for too long, looked for now and then."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from stretto.figures.task_silence import find_last_signs, find_silent_tasks
from stretto.model.conclude import Classify
from stretto.store import queries


@dataclass(frozen=True, slots=True)
class StuckTask:
    """A task that seems stuck."""

    session: str
    task: str
    since: int
    """When it was last heard of."""


@dataclass(slots=True)
class StuckTaskWatch:
    """Looks for stuck tasks; a session is worked out again only after something has happened in it."""

    classify: Classify
    limit: int
    """Nanoseconds of silence."""
    _heard: dict[str, tuple[tuple[int, int, int], dict[str, int]]] = field(default_factory=dict)
    """Session → (as of when, its tasks as last heard of)."""

    def find_stuck_tasks(self, connection: sqlite3.Connection, now: int) -> tuple[StuckTask, ...]:
        """Return the tasks that are stuck at ``now``, by session."""
        # Nothing that began within the limit has been silent for longer.
        rows = queries.list_sessions_with_running_tasks(connection, now - self.limit)
        kept = self._heard
        self._heard = {}
        stuck: list[StuckTask] = []
        for row in rows:
            as_of = (row.last, row.running, row.tool_calls)
            known = kept.get(row.id)
            if known is None or known[0] != as_of:
                session = queries.read_session(connection, row.id, self.classify)
                known = (as_of, {} if session is None else find_last_signs(session))
            self._heard[row.id] = known
            stuck += (
                StuckTask(row.id, task, known[1][task])
                for task in find_silent_tasks(known[1], now, self.limit)
            )
        return tuple(stuck)
