"""What the samples of a session's processes add to the sums."""

from __future__ import annotations

from collections import Counter

from stretto.figures.quantile_sketch import find_bucket
from stretto.model.conclude_leaves import conclude_samples
from stretto.model.entities import Sample
from stretto.store.contributions.contribution import Settling
from stretto.store.rollup import Additions, slot_of


def of_samples(settling: Settling) -> Additions:
    """Return what the samples add, each in the slot in which it ended."""
    added: Additions = Counter()
    for sample in conclude_samples(settling.facts):
        _add_sample(added, sample)
    return added


def _add_sample(added: Additions, sample: Sample) -> None:
    slot = slot_of(sample.start + sample.duration)
    added[slot, "sampled", ()] += sample.duration
    if sample.cpu is not None and sample.cpu_use is not None:
        added[slot, "agents_cpu", ()] += sample.cpu
        added[slot, "agents_cpu_use", (find_bucket(sample.cpu_use),)] += 1
    if sample.memory is not None:
        added[slot, "agents_memory", (find_bucket(sample.memory),)] += 1
    for direction, amount in (("read", sample.read), ("write", sample.written)):
        if amount is not None:
            # Nothing was read is not the same as nobody knows: the sum alone would not tell them apart.
            added[slot, "agents_io_samples", (direction,)] += 1
            added[slot, "agents_io", (direction,)] += amount
    if sample.machine_busy_share is not None and sample.machine_available_share is not None:
        added[slot, "machine_busy", ()] += sample.machine_busy_share
        added[slot, "machine_available", ()] += sample.machine_available_share
