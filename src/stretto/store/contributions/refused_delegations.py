"""Sums of calls for an agent that no agent took up, and of those that a later call made good."""

from __future__ import annotations

from collections import Counter

from stretto.model.delegations_refused_then_repeated import find_refused_and_repaired_delegations
from stretto.names import measures
from stretto.store.contributions.contribution import SessionContext
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_refused_delegations(context: SessionContext) -> Additions:
    """Return the sums of refused calls for an agent; nothing while the session runs."""
    added: Additions = Counter()
    if not context.over:
        return added
    for refused in find_refused_and_repaired_delegations(context.facts):
        slot = find_slot_number(refused.time)
        added[slot, measures.REFUSED_DELEGATIONS, ()] += 1
        if refused.is_repaired:
            added[slot, measures.REPAIRED_DELEGATIONS, ()] += 1
    return added
