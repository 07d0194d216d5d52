"""Find when each running task last gave a sign of life, and which tasks have been silent for too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stretto.model.entities import Session
from stretto.model.event import Outcome


def find_last_signs_of_idle_tasks(session: Session) -> dict[str, int]:
    """Return the time (ns) of the last sign of each running task, without tasks that wait for a tool.

    An open call is a reason for silence: a command or a delegated agent may take hours. A task with an open
    call is left out. If the source never names the task of a call, a call without a task may belong to any
    task and counts for all of them.
    """
    # Example: a task from 5 s on with a call at 7-20 s gave its last sign at 20 s.
    running = [task for task in session.tasks if task.outcome is Outcome.RUNNING]
    delegating = {task.delegated_by for task in running} | {task.id for task in running}
    waiting = {
        call.task
        for call in session.tool_calls
        if call.outcome is Outcome.RUNNING and call.id not in delegating
    }
    waiting |= {task.parent for task in running if task.parent is not None}
    calls_name_tasks = any(call.task is not None for call in session.tool_calls)
    if not calls_name_tasks and None in waiting:
        return {}
    last_signs = {
        task.id: task.start for task in running if task.start is not None and task.id not in waiting
    }
    for task_id, time in _iterate_signs(session):
        for id in last_signs if task_id is None and not calls_name_tasks else (task_id,):
            if id is not None and id in last_signs:
                last_signs[id] = max(last_signs[id], time)
    return last_signs


def find_silent_tasks(last_signs: Mapping[str, int], now: int, limit: int) -> tuple[str, ...]:
    """Return the tasks whose last sign is longer ago than a limit (ns)."""
    return tuple(sorted(task_id for task_id, time in last_signs.items() if now - time > limit))


def _iterate_signs(session: Session) -> Iterator[tuple[str | None, int]]:
    for call in session.tool_calls:
        yield from ((call.task, at) for at in (call.start, call.end) if at is not None)
    for model_call in session.model_calls:
        if model_call.start is not None:
            yield model_call.task, model_call.start + (model_call.duration or 0)
    for task in session.tasks:
        yield from ((task.parent, at) for at in (task.start, task.end) if at is not None)
    yield from ((message.task, message.time) for message in session.messages)
    yield from ((run.task, run.start + run.duration) for run in session.hooks_run)
    yield from ((request.task, request.time) for request in session.permissions)
