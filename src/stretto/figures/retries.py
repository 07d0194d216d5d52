"""Find retries: tasks that repeat a failed task."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stretto.model.entities import Task
from stretto.model.event import Outcome

_RETRY_WORDS = re.compile(
    r"\b(?:re-?try(?:ing)?|re-?run(?:ning)?|again|(?:attempt|try)\s*#?\d+(?:\s*(?:of|/)\s*\d+)?)\b"
)
"""Words that only mark a repetition."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A task, and the failed task that it repeats."""

    task: Task
    failed: Task


def find_retries(tasks: Iterable[Task]) -> tuple[Retry, ...]:
    """Return the retries among the tasks of a session, by start.

    A task is a retry if an earlier task of the same parent, task type, agent and description had failed
    before it started. Each failure has at most a single retry: the first task to start after it.
    Descriptions are compared without case, punctuation and words such as "retry" or "attempt 2".
    """
    retries: list[Retry] = []
    failures_by_kind: dict[tuple[str | None, ...], list[Task]] = {}
    started = [task for task in tasks if task.start is not None]
    if not any(task.outcome is Outcome.FAILURE for task in started):
        return ()
    for task in sorted(started, key=lambda task: (task.start, task.id)):
        failures = failures_by_kind.setdefault(
            (task.parent, task.task_type, task.agent, _normalise_description(task.description)), []
        )
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


def _normalise_description(description: str | None) -> str | None:
    if description is None:
        return None
    return " ".join(re.findall(r"\w+", _RETRY_WORDS.sub(" ", description.lower())))
