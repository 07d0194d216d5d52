"""Sums of the classes of tasks that are over, and of the tasks that were wasted."""

from __future__ import annotations

from collections.abc import Iterator

from stretto.figures.waste import find_wasted_tasks
from stretto.model.entities import Task
from stretto.model.task_delivery_classes import WasteReason
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext, get_counted_time
from stretto.store.contributions.contribution_parts_by_task_or_fanout import Part
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def list_delivery_parts(context: SessionContext) -> Iterator[Part]:
    """Yield the class of each task that is over, and each wasted task with its time by reason."""
    tasks = context.session.tasks
    for task in tasks:
        yield Part(task.id, (task,), _add_delivery)
    for wasted in find_wasted_tasks(tasks):
        yield Part(f"wasted {wasted.task.id}", wasted, _add_waste)


def _add_delivery(added: Additions, task: Task) -> None:
    at, delivery = get_counted_time(task), task.delivery
    if at is not None and delivery is not None:
        dims = (task.task_type, task.agent or NONE, delivery.delivery.value)
        added[find_slot_number(at), measures.DELIVERIES, dims] += 1


def _add_waste(added: Additions, task: Task, reason: WasteReason, length: int) -> None:
    at = get_counted_time(task)
    if at is None:
        return
    dims = (task.task_type, task.agent or NONE, reason.value)
    added[find_slot_number(at), measures.WASTED_TASKS, dims] += 1
    if length:
        added[find_slot_number(at), measures.WASTED_TIME, dims] += length
