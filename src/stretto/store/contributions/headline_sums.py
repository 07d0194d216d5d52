"""Sums of the headline: all parallel executions, each instant of a session counted once."""

from __future__ import annotations

from collections import Counter

from stretto.figures.overlapping_fanouts import count_fanouts_once
from stretto.figures.work_identity import build_work_signature
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext
from stretto.store.rollup import Additions, find_slot_number


def add_up_headline(context: SessionContext) -> Additions:
    """Return the tasks and work of the finished fan-outs by class, their elapsed time, and the time paid.

    Fan-outs that overlap are added in the slot in which the last of them ended.
    """
    added: Additions = Counter()
    pattern = context.session.pattern or NONE
    for fanout, at, elapsed in count_fanouts_once(context.fanouts):
        slot, mix = find_slot_number(at), (pattern, build_work_signature(context.session, fanout.tasks))
        added[slot, measures.VERDICT_FANOUTS, mix] += 1
        for measure, length in ((measures.VERDICT_ELAPSED, elapsed), (measures.VERDICT_PAID, fanout.paid)):
            if length:
                added[slot, measure, mix] += length
        for task in fanout.tasks:
            if task.delivery is not None and task.length is not None:
                dims = (*mix, task.task_type, task.delivery.delivery.value)
                added[slot, measures.VERDICT_TASKS, dims] += 1
                added[slot, measures.VERDICT_WORK, dims] += task.length
    return added
