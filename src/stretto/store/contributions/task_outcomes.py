"""Sums of tasks for the scores: outcomes, retries, and how turns delegated.

Every measure begins with pattern, task type and agent, or as many of them as it has, so that the tasks of any
of them can be scored alone.
"""

from __future__ import annotations

from collections import Counter

from stretto.figures.eligible_turns import find_eligible_turns
from stretto.figures.fanouts import find_lone_tasks
from stretto.figures.retries import find_retries
from stretto.figures.scores.slices import ALONE, PARALLEL, UNPLACED
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext, get_counted_time
from stretto.store.rollup import Additions, find_slot_number


def find_execution_modes(context: SessionContext) -> dict[str, str]:
    """Return whether each task ran alone or in parallel, by id. Tasks of which it is unknown are left out."""
    places = dict.fromkeys((task.id for task in find_lone_tasks(context.session.tasks)), ALONE)
    for fanout in context.fanouts:
        places.update(dict.fromkeys((task.id for task in fanout.tasks), PARALLEL))
    return places


def add_up_task_outcomes(context: SessionContext) -> Additions:
    """Return the sums of the tasks that are over, of their retries, and of the turns that delegated."""
    added: Additions = Counter()
    session, place_by_task = context.session, find_execution_modes(context)
    pattern = session.pattern or NONE
    for task in session.tasks:
        at = get_counted_time(task)
        if at is None:
            continue
        work = (pattern, task.task_type, task.agent or NONE)
        place = place_by_task.get(task.id, UNPLACED)
        added[find_slot_number(at), measures.WORK_ENDS, (*work, place, task.outcome.value)] += 1
        if not task.is_wasted:
            added[find_slot_number(at), measures.WORK_DELIVERED, work] += 1
        if task.length is not None:
            added[find_slot_number(at), measures.WORK_TIME, work] += task.length
            added[find_slot_number(at), measures.PLACED_TASKS, (*work, place)] += 1
            added[find_slot_number(at), measures.PLACED_TIME, (*work, place)] += task.length
    for retry in find_retries(session.tasks):
        task, at = retry.task, get_counted_time(retry.task)
        if at is None:
            continue
        work = (pattern, task.task_type, task.agent or NONE)
        added[find_slot_number(at), measures.RETRY_ENDS, (*work, task.outcome.value)] += 1
        if task.length is not None:
            added[find_slot_number(at), measures.RETRY_TIME, work] += task.length
    for turn in find_eligible_turns(session):
        slot = find_slot_number(turn.at)
        added[slot, measures.TURNS, (pattern, PARALLEL if turn.parallel else ALONE)] += 1
        added[slot, measures.AGENTS_BUSY, (pattern,)] += turn.busy
        added[slot, measures.AGENTS_CAPACITY, (pattern,)] += turn.capacity
    return added
