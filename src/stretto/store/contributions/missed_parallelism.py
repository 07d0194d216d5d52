"""Sums of sequential runs: the most time that running them in parallel would have saved."""

from __future__ import annotations

from collections import Counter

from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext
from stretto.store.rollup import Additions, find_slot_number


def add_up_sequential_runs(context: SessionContext) -> Additions:
    """Return the elapsed time of each run without its longest task, which no parallel run can undercut.

    Example: tasks of 10, 20 and 30 s take 60 s one after another, 30 s at best in parallel: 30 s are added.
    """
    added: Additions = Counter()
    pattern = context.session.pattern or NONE
    for run in context.sequential_runs:
        slot = find_slot_number(run.end)
        longest = max(length for lengths in run.lengths.values() for length in lengths)
        added[slot, measures.OPPORTUNITY, (pattern,)] += run.elapsed - longest
        added[slot, measures.SEQUENTIAL_RUNS, (pattern,)] += 1
    return added
