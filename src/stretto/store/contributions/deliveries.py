"""Sums of the classes of tasks that are over, and of the tasks that were wasted."""

from __future__ import annotations

from collections import Counter

from stretto.figures.waste import find_wasted_tasks
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext, get_counted_time
from stretto.store.rollup import Additions, find_slot_number


def add_up_deliveries(context: SessionContext) -> Additions:
    """Return the tasks that are over by class, and the wasted ones with their time by reason."""
    added: Additions = Counter()
    tasks = context.session.tasks
    for task in tasks:
        at, delivery = get_counted_time(task), task.delivery
        if at is not None and delivery is not None:
            dims = (task.task_type, task.agent or NONE, delivery.delivery.value)
            added[find_slot_number(at), measures.DELIVERIES, dims] += 1
    for task, reason, length in find_wasted_tasks(tasks):
        at = get_counted_time(task)
        if at is not None:
            dims = (task.task_type, task.agent or NONE, reason.value)
            added[find_slot_number(at), measures.WASTED_TASKS, dims] += 1
            if length:
                added[find_slot_number(at), measures.WASTED_TIME, dims] += length
    return added
