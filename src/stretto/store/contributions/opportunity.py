"""What runs of tasks one after another add to the sums: what they would have saved side by side, at most."""

from __future__ import annotations

from collections import Counter

from stretto.names import NONE
from stretto.store.contributions.contribution import Settling
from stretto.store.rollup import Additions, slot_of


def of_sequential_runs(settling: Settling) -> Additions:
    """Return for each run its elapsed time without its longest task: nothing can be over before that one."""
    added: Additions = Counter()
    pattern = settling.session.pattern or NONE
    for run in settling.sequential_runs:
        slot = slot_of(run.end)
        longest = max(length for lengths in run.lengths.values() for length in lengths)
        added[slot, "opportunity", (pattern,)] += run.elapsed - longest
        added[slot, "sequential_runs", (pattern,)] += 1
    return added
