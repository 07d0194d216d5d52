"""Watch for stuck tasks: running tasks that gave no sign of life for too long."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from stretto.figures.task_silence import find_last_signs_of_life, find_silent_tasks
from stretto.model.conclude import Classify
from stretto.store import queries


@dataclass(frozen=True, slots=True)
class StuckTask:
    """A task that seems stuck."""

    session: str
    task: str
    since: int
    """Time of its last sign of life (ns)."""


@dataclass(slots=True)
class StuckTaskWatch:
    """Finds stuck tasks; a session is read again only after it has changed."""

    classify: Classify
    limit: int
    """Nanoseconds of silence."""
    _last_signs: dict[str, tuple[tuple[int, int, int], dict[str, int]]] = field(default_factory=dict)
    """Session id → (version of the session when read, last sign by task id)."""

    def find_stuck_tasks(self, connection: sqlite3.Connection, now: int) -> tuple[StuckTask, ...]:
        """Return the tasks that are stuck at ``now``, by session."""
        # A task that started within the limit cannot have been silent for longer.
        rows = queries.list_sessions_with_running_tasks(connection, now - self.limit)
        previous = self._last_signs
        self._last_signs = {}
        stuck: list[StuckTask] = []
        for row in rows:
            version = (row.last, row.running, row.tool_calls)
            last_seen = previous.get(row.id)
            if last_seen is None or last_seen[0] != version:
                session = queries.read_session(connection, row.id, self.classify)
                last_seen = (version, {} if session is None else find_last_signs_of_life(session))
            self._last_signs[row.id] = last_seen
            stuck += (
                StuckTask(row.id, task, last_seen[1][task])
                for task in find_silent_tasks(last_seen[1], now, self.limit)
            )
        return tuple(stuck)
