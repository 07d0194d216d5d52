"""Sums of tasks and of parallel executions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stretto.figures.efficiency_tree import measure_efficiency
from stretto.figures.fanouts import Fanout
from stretto.figures.quantile_sketch import find_bucket
from stretto.figures.work_signature import make_work_identity
from stretto.model.entities import Session, Task
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext, find_counted_slot
from stretto.store.contributions.contribution_parts_by_task_or_fanout import Part, add_up_parts
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_tasks(session: Session, fanouts: Iterable[Fanout]) -> Additions:
    """Return the sums of the tasks that are over and of the finished fan-outs."""
    return add_up_parts(_list_parts(session, fanouts))


def list_task_and_fanout_parts(context: SessionContext) -> Iterator[Part]:
    """Yield the sums of each task and of each fan-out."""
    return _list_parts(context.session, context.fanouts)


def _list_parts(session: Session, fanouts: Iterable[Fanout]) -> Iterator[Part]:
    for task in session.tasks:
        yield Part(task.id, (task,), _add_task)
    for fanout in fanouts:
        inputs = fanout, session.project, session.pattern, session.repository
        yield Part(f"fanout {fanout.tasks[0].id}", inputs, _add_fanout)


def _add_task(added: Additions, task: Task) -> None:
    slot = find_counted_slot(task)
    if slot is None:
        return
    agent = task.agent or NONE
    added[slot, measures.TASKS, (task.task_type, agent, task.outcome.value)] += 1
    added[slot, measures.ENDS_EXPECTED, ()] += 1
    if task.end is not None:
        added[slot, measures.ENDS_SEEN, ()] += 1
    if task.length is not None:
        bucket = find_bucket(task.length)
        added[slot, measures.TASK_TIME, (task.task_type, bucket)] += 1
        added[slot, measures.AGENT_TIME, (agent, bucket)] += 1


def _add_fanout(
    added: Additions, fanout: Fanout, project: str | None, named_pattern: str | None, repository: str | None
) -> None:
    slot, pattern = find_slot_number(fanout.end), named_pattern or NONE
    node = measure_efficiency(fanout)
    for measure, amount in (
        (measures.FANOUTS, node.fanouts),
        (measures.CAPACITY, node.capacity),
        (measures.PATTERN_WORK, node.work),
        (measures.PATTERN_ELAPSED, node.elapsed),
        (measures.LONGEST_LANE, node.longest),
        (measures.PATTERN_DELIVERED_WORK, node.delivered_work),
        (measures.PATTERN_TASKS, node.tasks),
        (measures.PATTERN_DELIVERED, node.delivered),
        (measures.EMPTY_IN_BALANCE, node.empty_in_balance),
        (measures.EMPTY_IN_CONCURRENCY, node.empty_in_concurrency),
    ):
        if amount:
            added[slot, measure, (pattern,)] += amount
    signature = make_work_identity(project, named_pattern, repository, fanout.tasks).signature
    for task, share in zip(fanout.tasks, fanout.shares, strict=True):
        dims = (pattern, signature, task.task_type)
        added[slot, measures.PARALLEL_TASKS, dims] += 1
        length = task.length or 0
        added[slot, measures.PARALLEL_WORK, dims] += length
        if not task.is_wasted:
            added[slot, measures.PARALLEL_DELIVERED, dims] += 1
            added[slot, measures.PARALLEL_DELIVERED_WORK, dims] += length
        added[slot, measures.PARALLEL_ELAPSED, dims] += round(share)
        added[slot, measures.PARALLEL_OUTCOMES, (task.outcome.value,)] += 1
