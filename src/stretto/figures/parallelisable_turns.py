"""Find the turns that could run tasks in parallel, whether they did, and how busy their agents were."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
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
    judged = (measure_eligible_turn(at, tasks) for at, tasks in iterate_tasks_of_ended_turns(session))
    return tuple(turn for turn in judged if turn is not None)


def iterate_tasks_of_ended_turns(session: Session) -> Iterator[tuple[int, tuple[Task, ...]]]:
    """Yield the end of each turn that is over, or its start, and its tasks, if there are two or more."""
    turns, tasks = _list_turns(session), session.tasks
    starts = [turn.start for turn in turns]
    # Tasks are by start, so those of a turn are together. Those without a start come first.
    first = bisect_right(tasks, 0, key=_get_start)
    placed: dict[int, list[Task]] = {}
    for task in tasks[:first]:
        time = task.start if task.start is not None else task.end
        if time is not None:
            placed.setdefault(max(0, bisect_right(starts, time) - 1), []).append(task)
    for index, turn in enumerate(turns):
        if not turn.over:
            continue
        begin = first if index == 0 else bisect_left(tasks, turn.start, lo=first, key=_get_start)
        last = index + 1 == len(turns)
        end = len(tasks) if last else bisect_left(tasks, starts[index + 1], lo=first, key=_get_start)
        tasks_of_turn = (*placed.get(index, ()), *tasks[begin:end])
        if len(tasks_of_turn) > 1:
            yield turn.at, tasks_of_turn


def measure_eligible_turn(at: int, tasks: Iterable[Task]) -> EligibleTurn | None:
    """Return how a turn that is over ran its tasks, or None if it is left out."""
    by_parent: dict[str | None, list[Task]] = {}
    for task in tasks:
        if task.outcome is Outcome.RUNNING:
            return None
        by_parent.setdefault(task.parent, []).append(task)
    return _judge_groups(at, [group for group in by_parent.values() if len(group) > 1])


def _get_start(task: Task) -> int:
    return task.start or 0


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


def _judge_groups(at: int, groups: list[list[Task]]) -> EligibleTurn | None:
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
