"""Find retries, tasks that repeat a failed task, and recoveries: the next success after a failure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from stretto.model.delivered_and_wasted_tasks import WorkKey, make_work_key
from stretto.model.entities import Task
from stretto.model.event import Outcome


@dataclass(frozen=True, slots=True)
class Retry:
    """A task, and the failed task that it repeats."""

    task: Task
    failed: Task


@dataclass(frozen=True, slots=True)
class Recovery:
    """A failed task, and the next success of its task type or its agent."""

    failed: Task
    success: Task

    @property
    def length(self) -> int:
        """Nanoseconds from the end of the failure to the end of the success."""
        return _get_end(self.success) - _get_end(self.failed)


@dataclass(frozen=True, slots=True)
class EarlierRecoveries:
    """The recoveries among the first tasks of a session, and the failures that may still have one."""

    recoveries: tuple[Recovery, ...] = ()
    unrecovered: tuple[Task, ...] = ()
    """The failures without a recovery so far."""
    until: int = 0
    """When the last of these tasks ended (ns)."""

    def find_with(self, later: Sequence[Task]) -> tuple[Recovery, ...] | None:
        """Return all recoveries of a session that goes on with later tasks, which have ended or may run.

        None if one of these ended no later than an earlier task: which success was next is then open.
        """
        if any(task.end is not None and task.end <= self.until for task in later):
            return None
        return self.recoveries + find_recoveries((*self.unrecovered, *later))

    def add(self, later: Sequence[Task], all_tasks: Sequence[Task]) -> EarlierRecoveries:
        """Return these and later tasks together; ``all_tasks`` are both."""
        found, failed = self.find_with(later), (*self.unrecovered, *later)
        if found is None:
            found, failed = find_recoveries(all_tasks), tuple(all_tasks)
        recovered = {recovery.failed.id for recovery in found}
        return EarlierRecoveries(
            found,
            tuple(task for task in failed if task.outcome is Outcome.FAILURE and task.id not in recovered),
            max([self.until, *(task.end for task in later if task.end is not None)]),
        )


def find_recoveries(tasks: Iterable[Task]) -> tuple[Recovery, ...]:
    """Return the recovery of each failed task of a session that has one.

    Example: a review fails at 10 s; the next review succeeds at 25 s, another task of the same agent at 40 s:
    the work was recovered after 15 s.
    """
    ended = [task for task in tasks if task.end is not None]
    outcomes = {task.outcome for task in ended}
    if Outcome.FAILURE not in outcomes or Outcome.SUCCESS not in outcomes:
        return ()
    ended.sort(key=attrgetter("end", "id"))
    recoveries: list[Recovery] = []
    next_of_type: dict[str, Task] = {}
    next_of_agent: dict[str, Task] = {}
    for task in reversed(ended):
        if task.outcome is Outcome.SUCCESS:
            next_of_type[task.task_type] = task
            if task.agent is not None:
                next_of_agent[task.agent] = task
        elif task.outcome is Outcome.FAILURE:
            following = [next_of_type.get(task.task_type), next_of_agent.get(task.agent or "")]
            known = [success for success in following if success is not None]
            if known:
                recoveries.append(Recovery(task, min(known, key=_get_end)))
    return tuple(reversed(recoveries))


def find_retries(tasks: Iterable[Task]) -> tuple[Retry, ...]:
    """Return the retries among the tasks of a session, by start.

    A task is a retry if an earlier task that does the same work (``make_work_key``) had failed before it
    started, whatever agent did it. Each failure has at most a single retry: the first task to start after it.
    """
    retries: list[Retry] = []
    failures_by_work: dict[WorkKey, list[Task]] = {}
    started = [task for task in tasks if task.start is not None]
    if not any(task.outcome is Outcome.FAILURE for task in started):
        return ()
    for task in sorted(started, key=lambda task: (task.start, task.id)):
        failures = failures_by_work.setdefault(make_work_key(task), [])
        earlier = [failed for failed in failures if _get_end(failed) <= (task.start or 0)]
        if earlier:
            failed = max(earlier, key=_get_end)
            failures.remove(failed)
            retries.append(Retry(task, failed))
        if task.outcome is Outcome.FAILURE:
            failures.append(task)
    return tuple(retries)


def _get_end(task: Task) -> int:
    return task.end if task.end is not None else task.start or 0
