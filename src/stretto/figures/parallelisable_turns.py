"""Find the turns that could run tasks in parallel, whether they did, and how busy their agents were."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from stretto.model.entities import Session, Task
from stretto.model.event import Outcome
from stretto.model.interval import Interval, count_peak_overlap


@dataclass(frozen=True, slots=True)
class EligibleTurn:
    """A turn that is over, with two or more tasks of one parent. Lengths are in nanoseconds."""

    at: int
    """End of the turn, or its start if the end was never seen."""
    parallel: bool
    busy: int
    """Busy time of its agents."""
    capacity: int
    """Most agents at once, times the length from their first start to their last end."""


@dataclass(frozen=True, slots=True)
class _Turn:
    start: int
    at: int
    over: bool


def find_eligible_turns(session: Session) -> tuple[EligibleTurn, ...]:
    """Return the turns whose tasks could have run in parallel, if it is known whether they did.

    A task belongs to the last turn that began before the task started. A session without turns counts as a
    single turn. Turns with a running task are left out. A turn is also left out if no overlap was seen and
    the length of a task is unknown.
    """
    turns = _list_turns(session)
    starts = [turn.start for turn in turns]
    tasks_by_turn: dict[int, dict[str | None, list[Task]]] = {}
    for task in session.tasks:
        time = task.start if task.start is not None else task.end
        if time is not None:
            index = max(0, bisect_right(starts, time) - 1)
            tasks_by_turn.setdefault(index, {}).setdefault(task.parent, []).append(task)
    eligible = []
    for index, by_parent in sorted(tasks_by_turn.items()):
        tasks = [task for group in by_parent.values() for task in group]
        if turns[index].over and not any(task.outcome is Outcome.RUNNING for task in tasks):
            groups = [group for group in by_parent.values() if len(group) > 1]
            turn = _judge_turn(turns[index].at, groups)
            if turn is not None:
                eligible.append(turn)
    return tuple(eligible)


def _list_turns(session: Session) -> list[_Turn]:
    if session.turns:
        return [
            _Turn(
                turn.start, turn.start if turn.end is None else turn.end, turn.outcome is not Outcome.RUNNING
            )
            for turn in session.turns
        ]
    end = session.last if session.end is None else session.end
    return [_Turn(session.start, end, session.outcome is not Outcome.RUNNING)]


def _judge_turn(at: int, groups: list[list[Task]]) -> EligibleTurn | None:
    if not groups:
        return None
    parallel = False
    busy = capacity = 0
    for group in groups:
        intervals = [piece for task in group for piece in task.busy]
        lanes = count_peak_overlap(intervals)
        parallel = parallel or lanes > 1
        if intervals and all(task.interval is not None for task in group):
            busy += sum(interval.length for interval in intervals)
            capacity += lanes * _measure_extent(intervals)
    if not parallel and any(task.interval is None for group in groups for task in group):
        return None
    return EligibleTurn(at, parallel, busy, capacity)


def _measure_extent(intervals: list[Interval]) -> int:
    return max(interval.end for interval in intervals) - min(interval.start for interval in intervals)
