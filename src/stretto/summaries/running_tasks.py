"""Running tasks and parallel executions with what can be expected of them: overdue or not, the time left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stretto.clock import DAY, SECOND
from stretto.figures.fanout_conflict_and_test_checks import find_conflicts_so_far
from stretto.figures.fanouts import group_overlapping
from stretto.figures.figure import Figure, make_ratio
from stretto.figures.overdue_limits_and_time_left import (
    OverdueLimit,
    TimeLeft,
    compute_chance_that_running_task_is_overdue,
    count_overdue_explained_by_chance,
    estimate_time_left,
    estimate_time_until_all_end,
    find_overdue_limit,
)
from stretto.figures.task_silence import find_last_signs_of_idle_tasks
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.store import open_session_queries, session_queries
from stretto.store.run_queries import read_length_series
from stretto.store.session_queries import SessionRow

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
    blocked: str | None = None
    """Why it cannot go on, if that is what it reported last."""


@dataclass(frozen=True, slots=True)
class RunningFanout:
    """A parallel execution with a running task: two or more tasks of a parent that overlap."""

    session: str
    pattern: str | None
    project: str | None
    start: int
    tasks: int
    """Tasks that have begun; more may begin."""
    running: tuple[RunningTask, ...]
    conflicts: frozenset[str] | None = None
    """Its tasks that wrote a file which another of them also wrote; None before any was seen to write."""
    phases: tuple[str, ...] = ()
    """The phases of its session that run."""

    @property
    def over(self) -> int:
        """Number of its tasks that are over."""
        return self.tasks - len(self.running)


@dataclass(frozen=True, slots=True)
class RunningSession:
    """A session with running tasks, as it was when it had last changed."""

    row: SessionRow
    tasks: tuple[RunningTask, ...]
    """The running tasks whose start is known; none of a recording."""
    last_signs: Mapping[str, int]
    """When (ns) each running task gave its last sign of life, without those that wait for a tool."""
    fanouts: tuple[RunningFanout, ...] = ()
    """Its running parallel executions, by start; none of a recording."""


@dataclass(slots=True)
class RunningSessionReader:
    """Reads the sessions with running tasks; a session is read again only after it has changed."""

    classify: Classify
    _sessions: dict[str, RunningSession] = field(default_factory=dict)

    def read_sessions(self, connection: sqlite3.Connection, now: int) -> list[RunningSession]:
        """Return the open sessions that began before ``now`` (ns) and have a running task, by start."""
        rows = open_session_queries.list_sessions_with_running_tasks(connection, now)
        self._sessions = {row.id: self._read_session(connection, row) for row in rows}
        return [*self._sessions.values()]

    def _read_session(self, connection: sqlite3.Connection, row: SessionRow) -> RunningSession:
        last = self._sessions.get(row.id)
        if last is not None and last.row == row:
            return last
        session = session_queries.read_session(connection, row.id, self.classify)
        if session is None:
            return RunningSession(row, (), {})
        signs = find_last_signs_of_idle_tasks(session)
        if session.recording:
            return RunningSession(row, (), signs)
        tasks = _list_tasks(session)
        return RunningSession(row, tasks, signs, _list_fanouts(session, tasks))


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


@dataclass(frozen=True, slots=True)
class ExpectedFanout:
    """A running parallel execution at an instant, with the time until its running tasks are over."""

    running: RunningFanout
    elapsed: int
    left: TimeLeft | None
    """None if too few finished tasks took as long as one of its tasks has run."""


@dataclass(slots=True)
class TaskExpectations:
    """What is known of running and finished tasks, to be asked for any instant."""

    running: tuple[RunningTask, ...] = ()
    lengths: Mapping[Kind, Sequence[int]] = field(default_factory=dict)
    """Sorted lengths (ns) of finished tasks that succeeded, by kind."""
    fanouts: tuple[RunningFanout, ...] = ()
    """The running parallel executions."""
    _limits: dict[Kind, OverdueLimit | None] = field(default_factory=dict)

    def list_expected(self, now: int) -> list[ExpectedTask]:
        """Return the running tasks at ``now`` (ns), the one that is late the longest first."""
        expected = [self._expect(running, now) for running in self.running]
        return sorted(expected, key=lambda task: (not task.is_overdue, task.running.start))

    def list_expected_fanouts(self, now: int) -> list[ExpectedFanout]:
        """Return the running parallel executions at ``now`` (ns), by start."""
        return [
            ExpectedFanout(
                fanout, max(0, now - fanout.start), self._estimate_time_until_end(fanout.running, now)
            )
            for fanout in self.fanouts
        ]

    def estimate_time_until_fanouts_end(self, now: int) -> TimeLeft | None:
        """Return how long it takes until no parallel execution of now runs; None if one has no estimate."""
        return self._estimate_time_until_end(
            [task for fanout in self.fanouts for task in fanout.running], now
        )

    def _estimate_time_until_end(self, tasks: Iterable[RunningTask], now: int) -> TimeLeft | None:
        return estimate_time_until_all_end(
            (self.lengths.get(task.kind, ()), max(0, now - task.start)) for task in tasks
        )

    def count_overdue(self, now: int) -> int:
        """Return how many running tasks are overdue at ``now`` (ns)."""
        return sum(self._expect(running, now).is_overdue for running in self.running)

    def count_overdue_explained_by_chance(self, now: int) -> int:
        """Return how many of the tasks that run at ``now`` (ns) may be overdue by chance, at least 1."""
        return count_overdue_explained_by_chance(
            compute_chance_that_running_task_is_overdue(self.lengths[expected.running.kind], expected.limit)
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


def compute_running_fanout_figures(expectations: TaskExpectations, now: int) -> Iterator[Figure]:
    """Yield how many parallel executions run, how far they are, and when they should be over."""
    fanouts = expectations.fanouts
    tasks, over = sum(fanout.tasks for fanout in fanouts), sum(fanout.over for fanout in fanouts)
    yield Figure("stretto_fanouts_running", (), len(fanouts), len(fanouts))
    yield Figure("stretto_running_fanouts_tasks", (), tasks, tasks)
    yield Figure("stretto_running_fanouts_tasks_over", (), over, tasks)
    if not fanouts:
        yield Figure("stretto_running_fanouts_progress_ratio", (), None, 0, "nothing runs in parallel")
    else:
        yield make_ratio("stretto_running_fanouts_progress_ratio", (), over, tasks, tasks)
    left = expectations.estimate_time_until_fanouts_end(now)
    for bound in ("low", "middle", "high"):
        labels, name = (("bound", bound),), "stretto_running_fanouts_left_seconds"
        if left is None:
            reason = "too few finished tasks like those that run" if fanouts else "nothing runs in parallel"
            yield Figure(name, labels, None, 0, reason)
        else:
            value = left.median if bound == "middle" else getattr(left, bound)
            yield Figure(name, labels, value / SECOND, left.n)


def read_successful_task_lengths(connection: sqlite3.Connection, now: int) -> dict[Kind, Sequence[int]]:
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


def list_running_fanouts(sessions: Iterable[RunningSession]) -> tuple[RunningFanout, ...]:
    """Return the parallel executions that run, by start."""
    running = [fanout for session in sessions for fanout in session.fanouts]
    return tuple(sorted(running, key=lambda fanout: (fanout.start, fanout.session)))


def _list_fanouts(session: Session, running: Iterable[RunningTask]) -> tuple[RunningFanout, ...]:
    by_id = {task.task: task for task in running}
    phases = tuple(phase.name for phase in session.phases if phase.outcome is Outcome.RUNNING)
    fanouts = [
        RunningFanout(
            session.id,
            session.pattern,
            session.project,
            min(task.start for task in group if task.start is not None),
            len(group),
            tuple(by_id[task.id] for task in group if task.id in by_id),
            find_conflicts_so_far(group, session.tasks, session.tool_calls),
            phases,
        )
        for _, group in group_overlapping(session.tasks)
        if len(group) > 1 and any(task.id in by_id for task in group)
    ]
    return tuple(sorted(fanouts, key=lambda fanout: fanout.start))


def _list_tasks(session: Session) -> tuple[RunningTask, ...]:
    reports = session.latest_reports
    return tuple(
        RunningTask(
            session.id,
            task.id,
            (session.pattern, task.task_type),
            task.agent,
            task.start,
            task.description,
            None if (report := reports.get(task.id)) is None else report.description,
        )
        for task in session.tasks
        if task.outcome is Outcome.RUNNING and task.start is not None
    )
