"""Find retries: tasks that repeat a failed task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stretto.model.conclude_delivery import WorkKey, make_work_key
from stretto.model.entities import Task
from stretto.model.event import Outcome


@dataclass(frozen=True, slots=True)
class Retry:
    """A task, and the failed task that it repeats."""

    task: Task
    failed: Task


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
