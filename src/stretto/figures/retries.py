"""Retries: tasks that try again what has failed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stretto.model.entities import Task
from stretto.model.event import Outcome

_RETRY_WORDS = re.compile(
    r"\b(?:re-?try(?:ing)?|re-?run(?:ning)?|again|(?:attempt|try)\s*#?\d+(?:\s*(?:of|/)\s*\d+)?)\b"
)
"""Words that say no more than that something is done once more."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A task, and the failed one that it tries again."""

    task: Task
    failed: Task


def find_retries(tasks: Iterable[Task]) -> tuple[Retry, ...]:
    """Return the retries among the tasks of one session, by start.

    A task is a retry where an earlier one of the same parent, task type, agent and description was over
    with a failure when it started. Each failure is tried again by one task: the first to start after it.
    Descriptions are compared without case, punctuation and words such as "retry" or "attempt 2".
    """
    found: list[Retry] = []
    waiting: dict[tuple[str | None, ...], list[Task]] = {}
    began = [task for task in tasks if task.start is not None]
    if not any(task.outcome is Outcome.FAILURE for task in began):
        return ()
    for task in sorted(began, key=lambda task: (task.start, task.id)):
        failures = waiting.setdefault(
            (task.parent, task.task_type, task.agent, _normalise_description(task.description)), []
        )
        before = [failed for failed in failures if _get_end(failed) <= (task.start or 0)]
        if before:
            failed = max(before, key=_get_end)
            failures.remove(failed)
            found.append(Retry(task, failed))
        if task.outcome is Outcome.FAILURE:
            failures.append(task)
    return tuple(found)


def _get_end(task: Task) -> int:
    return task.end if task.end is not None else task.start or 0


def _normalise_description(description: str | None) -> str | None:
    if description is None:
        return None
    return " ".join(re.findall(r"\w+", _RETRY_WORDS.sub(" ", description.lower())))
