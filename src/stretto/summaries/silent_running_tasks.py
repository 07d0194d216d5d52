"""Find stuck tasks: running tasks that gave no sign of life for too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stretto.figures.task_silence import find_silent_tasks
from stretto.model.process_state import ProcessState
from stretto.summaries.running_tasks import RunningSession


@dataclass(frozen=True, slots=True)
class StuckTask:
    """A task that seems stuck."""

    session: str
    task: str
    since: int
    """Time of its last sign of life (ns)."""
    process: ProcessState = ProcessState.UNKNOWN
    """Whether its session's process still runs."""


def find_stuck_tasks(
    sessions: Iterable[RunningSession],
    now: int,
    limit: int,
    find_state: Callable[[str], ProcessState] = lambda _: ProcessState.UNKNOWN,
) -> tuple[StuckTask, ...]:
    """Return the tasks that at ``now`` were silent for longer than ``limit`` (ns), by session.

    ``find_state`` returns the state of a session's processes. Where they are gone nothing is stuck: the
    session is about to be closed, and its tasks are lost.
    """
    stuck: list[StuckTask] = []
    for session in sessions:
        id, last_signs = session.row.id, session.last_signs
        silent = find_silent_tasks(last_signs, now, limit)
        process = find_state(id) if silent else ProcessState.UNKNOWN
        if process is not ProcessState.GONE:
            stuck += (StuckTask(id, task, last_signs[task], process) for task in silent)
    return tuple(stuck)
