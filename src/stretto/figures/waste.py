"""Measure what tasks used, by class, and waste: the tasks that delivered nothing, by the reason.

What lies below a wasted task is wasted too. Each instant is counted once: the wasted time of a task is its
busy time without that of the tasks below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_by_dimensions, sum_in_table, sum_up
from stretto.model.call_cost_and_usage_types import DOLLAR
from stretto.model.delivered_and_wasted_tasks import get_agent_id_of_task
from stretto.model.entities import Task
from stretto.model.interval import Interval, measure_union_length
from stretto.model.task_delivery_classes import CANCELLED, WasteReason
from stretto.names import measures
from stretto.names.measures import Dimension


class WastedTask(NamedTuple):
    """A wasted task, with the reason and its wasted time (ns)."""

    task: Task
    reason: WasteReason
    length: int


def find_wasted_tasks(tasks: Iterable[Task]) -> Iterator[WastedTask]:
    """Yield the wasted tasks of a session."""
    # Example: a failed task of 60 s with two tasks at 10-50 s and 20-40 s below it: 20 s, 20 s and 20 s.
    all_tasks = tuple(tasks)
    wasted = [task for task in all_tasks if task.is_wasted]
    if not wasted:
        return
    ids = {task.id for task in all_tasks}
    below: dict[str | None, list[Interval]] = {}
    for task in all_tasks:
        if task.interval is not None:
            below.setdefault(task.parent, []).append(task.interval)
    for task in wasted:
        delivery = task.delivery
        if delivery is not None and delivery.reason is not None:
            yield WastedTask(
                task, delivery.reason, _measure_alone(task, below.get(get_agent_id_of_task(task.id, ids), []))
            )


def compute_waste_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield the classes of the window's tasks, what they used, and waste by type, agent and reason."""
    at: Labels = (("window", window),)
    for label, name in (
        (Dimension.TASK_TYPE, "stretto_window_deliveries"),
        (Dimension.AGENT, "stretto_window_agent_deliveries"),
    ):
        for key, by_class in sorted(
            sum_in_table(sums, measures.DELIVERIES, label, Dimension.DELIVERY).items()
        ):
            for delivery, count in sorted(by_class.items()):
                labels = ((label.value, key), ("delivery", delivery), *at)
                yield Figure(name, labels, count, count)
    yield from _compute_use_of_agents(at, sums)
    for dims, count in sorted(sums.get(measures.WASTED_TASKS, {}).items()):
        labels = (*zip(("task_type", "agent", "reason"), map(str, dims), strict=True), *at)
        yield Figure("stretto_wasted_tasks", labels, count, count)
        length = sums.get(measures.WASTED_TIME, {}).get(dims, 0)
        yield Figure("stretto_wasted_seconds", labels, length / SECOND, count)
        for use in _USES_OF_WASTE:
            known, used = sums.get(use.known, {}).get(dims, 0), sums.get(use.used, {}).get(dims, 0)
            yield use.make_figure(labels, used, known, count)
    yield from _compute_ratio(at, sums)


class _Use(NamedTuple):
    """A figure of what tasks used, its measures, and how many units of a measure are one of the figure."""

    name: str
    used: str
    known: str
    scale: int

    def make_figure(self, labels: Labels, used: int, known: int, tasks: int) -> Figure:
        """Return what the tasks used of which it is known, with the share that these are of all."""
        if not known:
            return Figure(self.name, labels, None, 0, "no source reported the use of these tasks")
        return Figure(self.name, labels, used / self.scale, known, coverage=min(1.0, known / tasks))


_USES_OF_AGENTS = (
    _Use("stretto_window_agent_tokens", measures.AGENT_TOKENS, measures.AGENT_TOKEN_TASKS, 1),
    _Use("stretto_window_agent_cost_usd", measures.AGENT_COST, measures.AGENT_COST_TASKS, DOLLAR),
)

_USES_OF_WASTE = (
    _Use("stretto_wasted_tokens", measures.WASTED_TOKENS, measures.WASTED_TOKEN_TASKS, 1),
    _Use("stretto_wasted_cost_usd", measures.WASTED_COST, measures.WASTED_COST_TASKS, DOLLAR),
)


def _compute_use_of_agents(at: Labels, sums: Sums) -> Iterator[Figure]:
    by_class = (Dimension.AGENT, Dimension.DELIVERY)
    tasks = sum_by_dimensions(sums, measures.DELIVERIES, *by_class)
    for use in _USES_OF_AGENTS:
        known, used = (sum_by_dimensions(sums, measure, *by_class) for measure in (use.known, use.used))
        for key, count in sorted(tasks.items()):
            labels = (("agent", key[0]), ("delivery", key[1]), *at)
            yield use.make_figure(labels, used.get(key, 0), known.get(key, 0), count)


def _compute_ratio(at: Labels, sums: Sums) -> Iterator[Figure]:
    by_reason = sum_by(sums, measures.WASTED_TASKS, Dimension.REASON)
    cancelled = sum(by_reason.get(reason.value, 0) for reason in CANCELLED)
    wasted = sum(by_reason.values()) - cancelled
    over = sum_up(sums, measures.DELIVERIES) - cancelled
    yield Figure("stretto_window_uncancelled_waste", at, wasted, over)
    yield Figure("stretto_window_uncancelled_tasks", at, over, over)
    yield make_ratio("stretto_waste_ratio", at, wasted, over, over)


def _measure_alone(task: Task, below: Iterable[Interval]) -> int:
    interval = task.interval
    if interval is None:
        return 0
    inner = (Interval(max(interval.start, start), min(interval.end, end)) for start, end in below)
    return interval.length - measure_union_length(inner)
