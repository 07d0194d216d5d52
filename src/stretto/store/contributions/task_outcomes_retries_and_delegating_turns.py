"""Sums of tasks for the scores: outcomes, retries, and how turns delegated.

Every measure begins with pattern, task type and agent, or as many of them as it has, so that the tasks of any
of them can be scored alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from stretto.figures.parallelisable_turns import iterate_tasks_of_ended_turns, measure_eligible_turn
from stretto.figures.quantile_sketch import find_bucket
from stretto.figures.retries_and_recoveries import Recovery, find_retries
from stretto.figures.scores.sums_by_pattern_type_or_agent import ALONE, PARALLEL, UNPLACED
from stretto.model.entities import Task
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext, find_counted_slot
from stretto.store.contributions.contribution_parts_by_task_or_fanout import Part
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def find_execution_modes(context: SessionContext) -> dict[str, str]:
    """Return whether each task ran alone or in parallel, by id. Tasks of which it is unknown are left out."""
    places = dict.fromkeys((task.id for task in context.lone_tasks), ALONE)
    for fanout in context.fanouts:
        places.update(dict.fromkeys((task.id for task in fanout.tasks), PARALLEL))
    return places


def list_outcome_parts(context: SessionContext) -> Iterator[Part]:
    """Yield the sums of each task that is over, and of each retry."""
    session, place_by_task = context.session, find_execution_modes(context)
    pattern = session.pattern or NONE
    for task in session.tasks:
        yield Part(task.id, (task, place_by_task.get(task.id, UNPLACED), pattern), _add_task)
    for retry in find_retries(session.tasks):
        yield Part(f"retry {retry.task.id}", (retry.task, pattern), _add_retry)


def list_delegating_turn_parts(context: SessionContext) -> Iterator[Part]:
    """Yield the sums of each turn that is over and delegated."""
    pattern = context.session.pattern or NONE
    for at, tasks in iterate_tasks_of_ended_turns(context.session):
        yield Part(f"turn {at}", (at, tasks, pattern), _add_turn)


def list_recovery_parts(context: SessionContext) -> Iterator[Part]:
    """Yield the sums of each failure that a later success of the same type or agent made good."""
    for recovery in context.recoveries:
        yield Part(recovery.failed.id, (recovery,), _add_recovery)


def _add_task(added: Additions, task: Task, place: str, pattern: str) -> None:
    slot = find_counted_slot(task)
    if slot is None:
        return
    length = task.length
    work = (pattern, task.task_type, task.agent or NONE)
    added[slot, measures.WORK_ENDS, (*work, place, task.outcome.value)] += 1
    if not task.is_wasted:
        added[slot, measures.WORK_DELIVERED, work] += 1
    if length is not None:
        placed = (*work, place)
        added[slot, measures.WORK_TIME, work] += length
        added[slot, measures.PLACED_TASKS, placed] += 1
        added[slot, measures.PLACED_TIME, placed] += length


def _add_retry(added: Additions, task: Task, pattern: str) -> None:
    slot = find_counted_slot(task)
    if slot is None:
        return
    work = (pattern, task.task_type, task.agent or NONE)
    added[slot, measures.RETRY_ENDS, (*work, task.outcome.value)] += 1
    if task.length is not None:
        added[slot, measures.RETRY_TIME, work] += task.length


def _add_recovery(added: Additions, recovery: Recovery) -> None:
    slot = find_counted_slot(recovery.success)
    if slot is not None:
        dims = (recovery.failed.task_type, find_bucket(recovery.length))
        added[slot, measures.RECOVERY_TIME, dims] += 1


def _add_turn(added: Additions, at: int, tasks: tuple[Task, ...], pattern: str) -> None:
    turn = measure_eligible_turn(at, tasks)
    if turn is None:
        return
    slot = find_slot_number(turn.at)
    added[slot, measures.TURNS, (pattern, PARALLEL if turn.parallel else ALONE)] += 1
    added[slot, measures.AGENTS_BUSY, (pattern,)] += turn.busy
    added[slot, measures.AGENTS_CAPACITY, (pattern,)] += turn.capacity
