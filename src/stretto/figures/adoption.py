"""Adoption: turns that could run tasks in parallel, whether they did, and how busy their agents were."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from stretto.model.entities import Session, Task
from stretto.model.event import Outcome
from stretto.model.interval import Interval, measure_width


@dataclass(frozen=True, slots=True)
class EligibleTurn:
    """A turn that is over, with two or more tasks of one parent. Lengths are in nanoseconds."""

    at: int
    """When the turn ended, or began where its end was never seen."""
    parallel: bool
    busy: int
    """Busy time of its agents."""
    capacity: int
    """Most agents at once times the stretch from their first start to their last end."""


@dataclass(frozen=True, slots=True)
class _Turn:
    start: int
    at: int
    over: bool


def find_eligible_turns(session: Session) -> tuple[EligibleTurn, ...]:
    """Return the turns whose tasks could have run in parallel, where it is known whether they did.

    A task belongs to the turn that had last begun when it started. A session without turns counts as one. A
    turn with a running task is left out, and one that was not seen to run in parallel but has a task of
    unknown length.
    """
    turns = _list_turns(session)
    starts = [turn.start for turn in turns]
    of_turn: dict[int, dict[str | None, list[Task]]] = {}
    for task in session.tasks:
        at = task.start if task.start is not None else task.end
        if at is not None:
            index = max(0, bisect_right(starts, at) - 1)
            of_turn.setdefault(index, {}).setdefault(task.parent, []).append(task)
    found = []
    for index, by_parent in sorted(of_turn.items()):
        tasks = [task for group in by_parent.values() for task in group]
        if turns[index].over and not any(task.outcome is Outcome.RUNNING for task in tasks):
            groups = [group for group in by_parent.values() if len(group) > 1]
            judged = _judge_turn(turns[index].at, groups)
            if judged is not None:
                found.append(judged)
    return tuple(found)


def _list_turns(session: Session) -> list[_Turn]:
    if session.turns:
        return [
            _Turn(
                turn.start, turn.start if turn.end is None else turn.end, turn.outcome is not Outcome.RUNNING
            )
            for turn in session.turns
        ]
    at = session.last if session.end is None else session.end
    return [_Turn(session.start, at, session.outcome is not Outcome.RUNNING)]


def _judge_turn(at: int, groups: list[list[Task]]) -> EligibleTurn | None:
    if not groups:
        return None
    parallel = False
    busy = capacity = 0
    for group in groups:
        intervals = [interval for task in group if (interval := task.interval) is not None]
        most = measure_width(intervals)
        parallel = parallel or most > 1
        if len(intervals) == len(group):
            busy += sum(interval.length for interval in intervals)
            capacity += most * _measure_extent(intervals)
    if not parallel and any(task.interval is None for group in groups for task in group):
        return None
    return EligibleTurn(at, parallel, busy, capacity)


def _measure_extent(intervals: list[Interval]) -> int:
    return max(interval.end for interval in intervals) - min(interval.start for interval in intervals)
