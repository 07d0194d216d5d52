"""Sums of what watching a session cost, once it is over."""

from __future__ import annotations

from collections import Counter

from stretto.figures.monitoring_overhead import measure_overhead
from stretto.model.phases_messages_and_scores_from_facts import conclude_samples, sum_up_recording_time
from stretto.names import measures
from stretto.store.contributions.contribution import SessionContext
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_overhead(context: SessionContext) -> Additions:
    """Return the agents' own time and the cost of watching by part, all counted when the session ended."""
    added: Additions = Counter()
    if not context.over:
        return added
    session = context.whole
    overhead = measure_overhead(
        session,
        context.work_tree,
        context.wall_time,
        samples=conclude_samples(context.facts),
        api_cost=sum_up_recording_time(context.facts),
    )
    slot = find_slot_number(session.last if session.end is None else session.end)
    if overhead.agents_time:
        added[slot, measures.AGENTS_WORKING, ()] = overhead.agents_time
        for part, cost in overhead.parts.items():
            added[slot, measures.OVERHEAD_KNOWN, (part.value,)] = overhead.agents_time
            if cost:
                added[slot, measures.OVERHEAD_TIME, (part.value,)] = cost
    return added
