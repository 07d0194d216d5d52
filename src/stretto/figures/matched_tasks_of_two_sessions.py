"""Match the tasks of two sessions, to see which took longer, which are new and which are gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.model.delivered_and_wasted_tasks import normalise_description
from stretto.model.entities import Task

LEAST_SECONDS = 1.0
LEAST_SHARE = 0.05
"""A difference of two lengths up to either of these is none that a reader would act on."""


@dataclass(frozen=True, slots=True)
class TaskPair:
    """The same work in two sessions; None where a session has no such task."""

    first: Task | None
    second: Task | None

    @property
    def task(self) -> Task:
        """The task of the second session, else that of the first."""
        task = self.second or self.first
        assert task is not None
        return task

    @property
    def longer_seconds(self) -> float | None:
        """Seconds by which the second took longer; None if a length is not known."""
        if self.first is None or self.second is None:
            return None
        if self.first.length is None or self.second.length is None:
            return None
        return (self.second.length - self.first.length) / SECOND

    @property
    def is_as_before(self) -> bool:
        """Whether it took about as long in both: within a twentieth, or within a second."""
        longer = self.longer_seconds
        if longer is None or self.first is None or self.first.length is None:
            return False
        return abs(longer) <= max(LEAST_SECONDS, LEAST_SHARE * self.first.length / SECOND)


@dataclass(frozen=True, slots=True)
class TaskMatches:
    """The tasks of two sessions side by side."""

    both: tuple[TaskPair, ...]
    """By difference, the one that grew most first; those of unknown length last."""
    new: tuple[TaskPair, ...]
    """In the second session only."""
    gone: tuple[TaskPair, ...]
    """In the first session only."""


_KEYS: tuple[Callable[[Task], Hashable], ...] = (
    lambda task: (task.task_type, task.agent, normalise_description(task.description)),
    # Without a description only the task itself has its key.
    lambda task: (task.task_type, normalise_description(task.description) or id(task)),
    lambda task: (task.task_type, task.agent),
)
"""What two tasks must share, the strictest first."""


def match_tasks(first: Iterable[Task], second: Iterable[Task]) -> TaskMatches:
    """Return the tasks of two sessions in pairs.

    Tasks of the same type, agent and description are paired by their order; what is left by type and
    description, then by type and agent. Example: two reviews by ``a`` beside one by ``a`` and one of the
    same description by ``b`` make two pairs.
    """
    left, right = ([*sorted(tasks, key=_get_order)] for tasks in (first, second))
    pairs: list[TaskPair] = []
    for key in _KEYS:
        waiting: dict[Hashable, list[Task]] = defaultdict(list)
        for task in left:
            waiting[key(task)].append(task)
        unmatched = []
        for task in right:
            if candidates := waiting[key(task)]:
                pairs.append(TaskPair(candidates.pop(0), task))
            else:
                unmatched.append(task)
        left, right = [task for tasks in waiting.values() for task in tasks], unmatched
    pairs.sort(key=lambda pair: (pair.longer_seconds is None, -(pair.longer_seconds or 0.0)))
    return TaskMatches(
        tuple(pairs),
        tuple(TaskPair(None, task) for task in right),
        tuple(TaskPair(task, None) for task in sorted(left, key=_get_order)),
    )


def _get_order(task: Task) -> tuple[bool, int, str]:
    return task.start is None, task.start or 0, task.id
