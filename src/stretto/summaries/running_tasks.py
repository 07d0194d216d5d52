"""Running tasks with what can be expected of them: whether they are overdue, and the time that is left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stretto.clock import DAY
from stretto.figures.overdue_limits_and_time_left import (
    OverdueLimit,
    TimeLeft,
    compute_overdue_chance,
    estimate_time_left,
    find_most_overdue,
    find_overdue_limit,
)
from stretto.figures.task_silence import find_last_signs_of_life
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.store import queries
from stretto.store.queries import SessionRow
from stretto.store.run_queries import read_length_series

HISTORY_DAYS = 60
"""Days of finished tasks that a running one is compared with."""

Kind = tuple[str | None, str]
"""Pattern and task type."""


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A running task and its kind."""

    session: str
    task: str
    kind: Kind
    agent: str | None
    start: int
    description: str | None = None


@dataclass(frozen=True, slots=True)
class RunningSession:
    """A session with running tasks, as it was when it had last changed."""

    row: SessionRow
    tasks: tuple[RunningTask, ...]
    """The running tasks whose start is known; none of a recording."""
    last_signs: Mapping[str, int]
    """When (ns) each running task gave its last sign of life, without those that wait for a tool."""


@dataclass(slots=True)
class RunningSessionReader:
    """Reads the sessions with running tasks; a session is read again only after it has changed."""

    classify: Classify
    _sessions: dict[str, RunningSession] = field(default_factory=dict)

    def read_sessions(self, connection: sqlite3.Connection, now: int) -> list[RunningSession]:
        """Return the open sessions that began before ``now`` (ns) and have a running task, by start."""
        rows = queries.list_sessions_with_running_tasks(connection, now)
        self._sessions = {row.id: self._read_session(connection, row) for row in rows}
        return [*self._sessions.values()]

    def _read_session(self, connection: sqlite3.Connection, row: SessionRow) -> RunningSession:
        last = self._sessions.get(row.id)
        if last is not None and last.row == row:
            return last
        session = queries.read_session(connection, row.id, self.classify)
        if session is None:
            return RunningSession(row, (), {})
        tasks = () if session.recording else _list_tasks(session)
        return RunningSession(row, tasks, find_last_signs_of_life(session))


@dataclass(frozen=True, slots=True)
class ExpectedTask:
    """A running task at an instant, with what is expected of it."""

    running: RunningTask
    elapsed: int
    limit: OverdueLimit | None
    left: TimeLeft | None

    @property
    def is_overdue(self) -> bool:
        """Whether it takes longer than 99 % of its kind did, or than the rule of thumb."""
        return self.limit is not None and self.elapsed > self.limit.length


@dataclass(slots=True)
class TaskExpectations:
    """What is known of running and finished tasks, to be asked for any instant."""

    running: tuple[RunningTask, ...] = ()
    lengths: Mapping[Kind, Sequence[int]] = field(default_factory=dict)
    """Sorted lengths (ns) of finished tasks that succeeded, by kind."""
    _limits: dict[Kind, OverdueLimit | None] = field(default_factory=dict)

    def list_expected(self, now: int) -> list[ExpectedTask]:
        """Return the running tasks at ``now`` (ns), the one that is late the longest first."""
        expected = [self._expect(running, now) for running in self.running]
        return sorted(expected, key=lambda task: (not task.is_overdue, task.running.start))

    def count_overdue(self, now: int) -> int:
        """Return how many running tasks are overdue at ``now`` (ns)."""
        return sum(self._expect(running, now).is_overdue for running in self.running)

    def find_most_overdue(self, now: int) -> int:
        """Return how many of the tasks that run at ``now`` (ns) may be overdue by chance, at least 1."""
        return find_most_overdue(
            compute_overdue_chance(self.lengths[expected.running.kind], expected.limit)
            for expected in (self._expect(running, now) for running in self.running)
            if expected.limit is not None
        )

    def _expect(self, running: RunningTask, now: int) -> ExpectedTask:
        lengths = self.lengths.get(running.kind, ())
        if running.kind not in self._limits:
            self._limits[running.kind] = find_overdue_limit(lengths)
        elapsed = max(0, now - running.start)
        return ExpectedTask(
            running, elapsed, self._limits[running.kind], estimate_time_left(lengths, elapsed)
        )


def read_finished_lengths(connection: sqlite3.Connection, now: int) -> dict[Kind, Sequence[int]]:
    """Return the sorted lengths of successful tasks of the last weeks, by pattern and type."""
    lengths: dict[Kind, list[int]] = {}
    for key, series in read_length_series(connection, now - HISTORY_DAYS * DAY, now, at=now).items():
        if key.outcome is Outcome.SUCCESS:
            lengths.setdefault((key.pattern, key.type), []).extend(series.lengths)
    return {kind: sorted(values) for kind, values in lengths.items()}


def list_running_tasks(sessions: Iterable[RunningSession]) -> tuple[RunningTask, ...]:
    """Return the tasks that run, by start."""
    running = [task for session in sessions for task in session.tasks]
    return tuple(sorted(running, key=lambda task: (task.start, task.session, task.task)))


def _list_tasks(session: Session) -> tuple[RunningTask, ...]:
    return tuple(
        RunningTask(
            session.id,
            task.id,
            (session.pattern, task.task_type),
            task.agent,
            task.start,
            task.description,
        )
        for task in session.tasks
        if task.outcome is Outcome.RUNNING and task.start is not None
    )
