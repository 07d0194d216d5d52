"""Missing usage: turns and tasks whose model calls are known to be missing, as after an outage of telemetry.

A tool is called because the model asked for it. So a turn or task with tool calls had a model call. If some
source reports the session's model calls, and none of such a turn, they were lost on the way.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from stretto.clock import SECOND
from stretto.model.entities import Session, Task, Turn

SLACK = 2 * SECOND
"""Nanoseconds by which a model call may be stamped outside of the turn that it belongs to."""


def find_turns_without_usage(session: Session) -> list[Turn]:
    """Return the ended turns in which the main agent called tools, and of which no model call is known.

    Sessions without any model call are left out: nobody reports theirs. Example: turns at 0-20 s and 60-80 s
    with tool calls in both, model calls at 1, 9 and 15 s: the second turn's are missing.
    """
    if not session.model_calls:
        return []
    asked = sorted(call.start for call in session.model_calls if call.task is None and call.start is not None)
    called = sorted(call.start for call in session.tool_calls if call.task is None and call.start is not None)
    return [
        turn
        for turn in session.turns
        if turn.end is not None
        and _has_any(called, turn.start, turn.end)
        and not _has_any(asked, turn.start - SLACK, turn.end + SLACK)
    ]


def find_tasks_without_usage(session: Session) -> list[Task]:
    """Return the tasks that are over and called tools, and of which no model call is known."""
    if not session.model_calls:
        return []
    reporting = {call.task for call in session.model_calls}
    working = {call.task for call in session.tool_calls}
    return [
        task
        for task in session.tasks
        if task.end is not None and task.id in working and task.id not in reporting
    ]


def explain_missing_usage(session: Session) -> str | None:
    """Return a sentence on the model calls that are known to be missing, or None."""
    parts = [
        f"{len(found)} {things}"
        for found, things in (
            (find_turns_without_usage(session), "turn(s)"),
            (find_tasks_without_usage(session), "task(s)"),
        )
        if found
    ]
    if not parts:
        return None
    return f"model calls of {' and '.join(parts)} never arrived: tokens and costs are at least those shown"


def _has_any(times: list[int], start: int, end: int) -> bool:
    return bisect_left(times, start) < bisect_right(times, end)
