"""Silence: when each running task was last heard of, and whether it has a reason to be silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stretto.model.entities import Session
from stretto.model.event import Outcome


def find_last_signs(session: Session) -> dict[str, int]:
    """Return when (ns) each running task that waits for no tool was last heard of.

    A call of its own that is open is a reason to be silent: a command may take hours, and so may an agent
    that the task has started. Such a task is left out. Where the source never tells in which task a call is
    made, what looks like the main agent's may be any task's, and counts for all of them.
    """
    running = [task for task in session.tasks if task.outcome is Outcome.RUNNING]
    delegating = {task.delegated_by for task in running} | {task.id for task in running}
    waiting = {
        call.task
        for call in session.tool_calls
        if call.outcome is Outcome.RUNNING and call.id not in delegating
    }
    waiting |= {task.parent for task in running if task.parent is not None}
    told = any(call.task is not None for call in session.tool_calls)
    if not told and None in waiting:
        return {}
    newest = {task.id: task.start for task in running if task.start is not None and task.id not in waiting}
    for task_id, at in _iterate_signs(session):
        for id in newest if task_id is None and not told else (task_id,):
            if id is not None and id in newest:
                newest[id] = max(newest[id], at)
    return newest


def find_silent_tasks(newest: Mapping[str, int], now: int, limit: int) -> tuple[str, ...]:
    """Return the tasks that nothing was heard of for longer than a limit (ns)."""
    return tuple(sorted(task_id for task_id, at in newest.items() if now - at > limit))


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
