"""Sums of the headline: all parallel executions, each instant of a session counted once."""

from __future__ import annotations

from collections.abc import Iterator

from stretto.figures.overlapping_fanouts import CountedFanout, count_fanouts_once
from stretto.figures.work_signature import make_work_identity
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.contribution_parts_by_task_or_fanout import Part, add_up_parts
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_headline(context: SessionContext) -> Additions:
    """Return the tasks and work of the finished fan-outs by class, their elapsed time, and the time paid.

    Fan-outs that overlap are added in the slot in which the last of them ended.
    """
    return add_up_parts(list_headline_parts(context))


def list_headline_parts(context: SessionContext) -> Iterator[Part]:
    """Yield the sums of each fan-out."""
    session = context.session
    for counted in count_fanouts_once(context.fanouts):
        inputs = counted, session.project, session.pattern, session.repository
        yield Part(counted.fanout.tasks[0].id, inputs, _add_counted_fanout)


def _add_counted_fanout(
    added: Additions,
    counted: CountedFanout,
    project: str | None,
    pattern: str | None,
    repository: str | None,
) -> None:
    fanout, at, elapsed = counted
    signature = make_work_identity(project, pattern, repository, fanout.tasks).signature
    slot, mix = find_slot_number(at), (pattern or NONE, signature)
    added[slot, measures.VERDICT_FANOUTS, mix] += 1
    for measure, length in ((measures.VERDICT_ELAPSED, elapsed), (measures.VERDICT_PAID, fanout.paid)):
        if length:
            added[slot, measure, mix] += length
    for task in fanout.tasks:
        if task.delivery is not None and task.length is not None:
            dims = (*mix, task.task_type, task.delivery.delivery.value)
            added[slot, measures.VERDICT_TASKS, dims] += 1
            added[slot, measures.VERDICT_WORK, dims] += task.length
