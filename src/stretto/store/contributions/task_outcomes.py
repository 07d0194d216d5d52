"""What tasks add for the scores: how each ended and ran, what was tried again, and how turns delegated.

Every measure begins with pattern, task type and agent, or as many of them as it has, so that any of them
can be scored alone.
"""

from __future__ import annotations

from collections import Counter

from stretto.figures.adoption import find_eligible_turns
from stretto.figures.fanouts import find_lone_tasks
from stretto.figures.retries import find_retries
from stretto.figures.scores.slices import ALONE, PARALLEL, UNPLACED
from stretto.model.entities import Task
from stretto.model.event import Outcome
from stretto.names import NONE
from stretto.store.contributions.contribution import Settling
from stretto.store.rollup import Additions, slot_of


def places(settling: Settling) -> dict[str, str]:
    """Return how each task ran whose way is known, by id."""
    found = dict.fromkeys((task.id for task in find_lone_tasks(settling.session.tasks)), ALONE)
    for fanout in settling.fanouts:
        found.update(dict.fromkeys((task.id for task in fanout.tasks), PARALLEL))
    return found


def over_at(task: Task) -> int | None:
    """Return when a task is counted (ns): at its end, else its start; None while it runs."""
    if task.outcome is Outcome.RUNNING:
        return None
    return task.start if task.end is None else task.end


def of_work(settling: Settling) -> Additions:
    """Return what the tasks that are over and the turns that delegated add."""
    added: Additions = Counter()
    session, place_of = settling.session, places(settling)
    pattern = session.pattern or NONE
    for task in session.tasks:
        at = over_at(task)
        if at is None:
            continue
        work = (pattern, task.task_type, task.agent or NONE)
        place = place_of.get(task.id, UNPLACED)
        added[slot_of(at), "work_ends", (*work, place, task.outcome.value)] += 1
        if task.interval is not None:
            added[slot_of(at), "work_time", work] += task.interval.length
    for retry in find_retries(session.tasks):
        task, at = retry.task, over_at(retry.task)
        if at is None:
            continue
        work = (pattern, task.task_type, task.agent or NONE)
        added[slot_of(at), "retry_ends", (*work, task.outcome.value)] += 1
        if task.interval is not None:
            added[slot_of(at), "retry_time", work] += task.interval.length
    for turn in find_eligible_turns(session):
        slot = slot_of(turn.at)
        added[slot, "turns", (pattern, PARALLEL if turn.parallel else ALONE)] += 1
        added[slot, "agents_busy", (pattern,)] += turn.busy
        added[slot, "agents_capacity", (pattern,)] += turn.capacity
    return added
