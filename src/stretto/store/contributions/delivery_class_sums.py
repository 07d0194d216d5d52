"""Sums of the classes of tasks that are over, and of the tasks that were wasted."""

from __future__ import annotations

from collections.abc import Iterator

from stretto.figures.waste import find_wasted_tasks
from stretto.model.entities import Task
from stretto.model.task_delivery_classes import WasteReason
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext, find_counted_slot
from stretto.store.contributions.contribution_parts_by_task_or_fanout import Part
from stretto.store.sums_by_time_slot import Additions


def list_delivery_parts(context: SessionContext) -> Iterator[Part]:
    """Yield the class of each task that is over, and each wasted task with its time by reason."""
    tasks = context.session.tasks
    for task in tasks:
        yield Part(task.id, (task,), _add_delivery)
    for wasted in find_wasted_tasks(tasks):
        yield Part(f"wasted {wasted.task.id}", wasted, _add_waste)


def _add_delivery(added: Additions, task: Task) -> None:
    slot, delivery = find_counted_slot(task), task.delivery
    if slot is not None and delivery is not None:
        dims = (task.task_type, task.agent or NONE, delivery.delivery.value)
        added[slot, measures.DELIVERIES, dims] += 1


def _add_waste(added: Additions, task: Task, reason: WasteReason, length: int) -> None:
    slot = find_counted_slot(task)
    if slot is None:
        return
    dims = (task.task_type, task.agent or NONE, reason.value)
    added[slot, measures.WASTED_TASKS, dims] += 1
    if length:
        added[slot, measures.WASTED_TIME, dims] += length
