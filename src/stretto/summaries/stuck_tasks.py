"""Watch for stuck tasks: running tasks that gave no sign of life for too long."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from stretto.figures.task_silence import find_last_signs_of_life, find_silent_tasks
from stretto.model.conclude import Classify
from stretto.model.process_state import ProcessState
from stretto.store import queries


@dataclass(frozen=True, slots=True)
class StuckTask:
    """A task that seems stuck."""

    session: str
    task: str
    since: int
    """Time of its last sign of life (ns)."""
    process: ProcessState = ProcessState.UNKNOWN
    """Whether its session's process still runs."""


@dataclass(slots=True)
class StuckTaskWatch:
    """Finds stuck tasks; a session is read again only after it has changed."""

    classify: Classify
    limit: int
    """Nanoseconds of silence."""
    _last_signs: dict[str, tuple[tuple[int, int, int], dict[str, int]]] = field(default_factory=dict)
    """Session id → (version of the session when read, last sign by task id)."""

    def find_stuck_tasks(
        self,
        connection: sqlite3.Connection,
        now: int,
        find_state: Callable[[str], ProcessState] = lambda _: ProcessState.UNKNOWN,
    ) -> tuple[StuckTask, ...]:
        """Return the tasks that are stuck at ``now``, by session.

        ``find_state`` returns the state of a session's processes. Where they are gone nothing is stuck: the
        session is about to be closed, and its tasks are lost.
        """
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
            silent = find_silent_tasks(last_seen[1], now, self.limit)
            process = find_state(row.id) if silent else ProcessState.UNKNOWN
            if process is not ProcessState.GONE:
                stuck += (StuckTask(row.id, task, last_seen[1][task], process) for task in silent)
        return tuple(stuck)
