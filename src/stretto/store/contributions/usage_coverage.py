"""Sums of who could report tokens and who did: the model calls and tasks of sessions that are over."""

from __future__ import annotations

from collections import Counter

from stretto.model.conclude_calls import index_runs_by_agent
from stretto.model.event import Outcome
from stretto.names import measures
from stretto.store.contributions.contribution import SessionContext, get_counted_time
from stretto.store.rollup import Additions, find_slot_number


def add_up_usage_coverage(context: SessionContext) -> Additions:
    """Return how many calls and tasks could report tokens, and how many reported all; nothing before the end.

    A task reported its tokens if a model call of it is known; a call, unless only an unfinished answer was
    seen.
    Example: two calls and two tasks whose own files are gone add 4 that could, and 2 that did.
    """
    added: Additions = Counter()
    if not context.over:
        return added
    find_run = index_runs_by_agent(context.facts, context.session.tasks)
    reporting: set[str] = set()
    for call in context.whole.model_calls:
        if call.start is None:
            continue
        slot = find_slot_number(call.start + (call.duration or 0))
        added[slot, measures.USAGE_EXPECTED, ()] += 1
        if not call.is_lower_bound:
            added[slot, measures.USAGE_REPORTED, ()] += 1
        if call.task is not None:
            reporting.add(find_run(call.task, call.start))
    for task in context.session.tasks:
        at = get_counted_time(task)
        if at is None or task.outcome is Outcome.RUNNING:
            continue
        added[find_slot_number(at), measures.USAGE_EXPECTED, ()] += 1
        if task.id in reporting:
            added[find_slot_number(at), measures.USAGE_REPORTED, ()] += 1
    return added
