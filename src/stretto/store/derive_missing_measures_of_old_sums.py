"""Sums of an older definition: add the measures that pruned sessions lack, as the older version meant them.

Before 0018 every task of a parallel execution counted as delivered. No journal has the events of a pruned
session, so its sums cannot be computed again. Its tasks become "taken as delivered", which every surface
shows as outcomes that were not reported, and the store notes until when sums are of the old definition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from stretto.figures.work_signature import list_signature_task_types
from stretto.model.event import Outcome
from stretto.model.task_delivery_classes import Delivery, WasteReason
from stretto.names import measures

Amounts = Counter[tuple[int, str, tuple[str | int, ...]]]
"""(slot, measure, values of its dimensions) → sum."""

OLD_DEFINITION_UNTIL = "old_definition_until"
"""The note with the last event (ns) of the sessions whose sums are of the old definition."""

_CLASSES = {
    Outcome.SUCCESS.value: (Delivery.DELIVERED, None),
    Outcome.FAILURE.value: (Delivery.WASTED, WasteReason.FAILED),
    Outcome.CANCELLED.value: (Delivery.WASTED, WasteReason.CANCELLED_BY_PROGRAM),
}
"""Outcome → (class, reason). Of an unknown outcome no sum says whether the end was seen."""


def is_old_definition(counted_by: str) -> bool:
    """Return whether sums made under this version lack the classes of tasks or the headline."""
    return not {"deliveries", "headline"} <= set(counted_by.split())


def complete_old_sums(amounts: Amounts, counted_by: str) -> Amounts:
    """Return amounts of one width of slot with the measures that an older version did not have."""
    # Example: 2 parallel reviews in 30 s become 1 parallel execution of 2 tasks that are taken as delivered.
    known = set(counted_by.split())
    added: Amounts = Counter(amounts)
    for (slot, measure, dims), amount in amounts.items():
        if "deliveries" not in known and measure in _COMPLETED:
            _COMPLETED[measure](added, slot, dims, amount)
    if "headline" not in known:
        _add_headline(added, amounts)
    return added


def _copy_to(*targets: str) -> Callable[[Amounts, int, tuple[str | int, ...], int], None]:
    def copy(added: Amounts, slot: int, dims: tuple[str | int, ...], amount: int) -> None:
        for target in targets:
            added[slot, target, dims] += amount

    return copy


def _add_parallel_tasks(added: Amounts, slot: int, dims: tuple[str | int, ...], amount: int) -> None:
    added[slot, measures.PARALLEL_DELIVERED, dims] += amount
    added[slot, measures.PATTERN_TASKS, dims[:1]] += amount
    added[slot, measures.PATTERN_DELIVERED, dims[:1]] += amount


def _multiply_types(target: str) -> Callable[[Amounts, int, tuple[str | int, ...], int], None]:
    def multiply(added: Amounts, slot: int, dims: tuple[str | int, ...], amount: int) -> None:
        for task_type in list_signature_task_types(str(dims[1])):
            added[slot, target, (*dims, task_type)] += amount

    return multiply


def _add_delivered_work(added: Amounts, slot: int, dims: tuple[str | int, ...], amount: int) -> None:
    *work, _, outcome = dims
    if outcome in {Outcome.SUCCESS.value, Outcome.UNKNOWN.value}:
        added[slot, measures.WORK_DELIVERED, tuple(work)] += amount


def _add_class(added: Amounts, slot: int, dims: tuple[str | int, ...], amount: int) -> None:
    *work, outcome = dims
    delivery, reason = _CLASSES.get(str(outcome), (Delivery.TAKEN, None))
    added[slot, measures.DELIVERIES, (*work, delivery.value)] += amount
    if reason is not None:
        added[slot, measures.WASTED_TASKS, (*work, reason.value)] += amount


_COMPLETED = {
    measures.PATTERN_WORK: _copy_to(measures.PATTERN_DELIVERED_WORK),
    measures.PARALLEL_WORK: _copy_to(measures.PARALLEL_DELIVERED_WORK),
    measures.PARALLEL_TASKS: _add_parallel_tasks,
    measures.TOKEN_FANOUTS: _multiply_types(measures.TOKEN_DELIVERED),
    measures.COST_FANOUTS: _multiply_types(measures.COST_DELIVERED),
    measures.TASKS: _add_class,
    measures.WORK_ENDS: _add_delivered_work,
}
"""Measure of the old definition → the function that adds the newer measures."""


def _add_headline(added: Amounts, amounts: Amounts) -> None:
    tasks: Counter[tuple[int, tuple[str | int, ...]]] = Counter()
    for (slot, measure, dims), amount in amounts.items():
        mix, taken = dims[:2], (*dims, Delivery.TAKEN.value)
        if measure == measures.PARALLEL_TASKS:
            added[slot, measures.VERDICT_TASKS, taken] += amount
            tasks[slot, mix] += amount
        elif measure == measures.PARALLEL_WORK:
            added[slot, measures.VERDICT_WORK, taken] += amount
        elif measure == measures.PARALLEL_ELAPSED:
            added[slot, measures.VERDICT_PAID, mix] += amount
            added[slot, measures.VERDICT_ELAPSED, mix] += amount
    for (slot, mix), count in tasks.items():
        added[slot, measures.VERDICT_FANOUTS, mix] += count // len(list_signature_task_types(str(mix[1])))
