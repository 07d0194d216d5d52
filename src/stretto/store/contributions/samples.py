"""Sums of the samples of a session's processes and of the machine."""

from __future__ import annotations

from collections import Counter

from stretto.figures.memory_evenness_over_time_and_machine_load import measure_resource_use
from stretto.figures.quantile_sketch import find_bucket
from stretto.figures.scores.sums_by_pattern_type_or_agent import MICRO
from stretto.model.entities import Sample
from stretto.model.phases_messages_and_scores_from_facts import conclude_samples
from stretto.names import measures
from stretto.store.contributions.contribution import SessionContext
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_samples(context: SessionContext) -> Additions:
    """Return the sums of the samples, each in the slot in which it ended."""
    added: Additions = Counter()
    samples = conclude_samples(context.facts)
    for sample in samples:
        _add_sample(added, sample)
    if samples:
        slot = find_slot_number(samples[-1].start + samples[-1].duration)
        use = measure_resource_use(samples)
        if use.memory_evenness is not None:
            added[slot, measures.SAMPLED_SESSIONS, ()] += 1
            added[slot, measures.MEMORY_EVENNESS, ()] += round(use.memory_evenness * MICRO)
        if use.machine_busy_ratio is not None:
            added[slot, measures.SESSION_MACHINE_USE, (round(use.machine_busy_ratio * 100),)] += 1
    return added


def _add_sample(added: Additions, sample: Sample) -> None:
    slot = find_slot_number(sample.start + sample.duration)
    added[slot, measures.SAMPLED, ()] += sample.duration
    if sample.cpu is not None and sample.cpu_use is not None:
        added[slot, measures.AGENTS_CPU, ()] += sample.cpu
        added[slot, measures.AGENTS_CPU_USE, (find_bucket(sample.cpu_use),)] += 1
    if sample.memory is not None:
        added[slot, measures.AGENTS_MEMORY, (find_bucket(sample.memory),)] += 1
    for direction, amount in (("read", sample.read), ("write", sample.written)):
        if amount is not None:
            # A sum of 0 is stored as nothing: the number of samples shows that 0 was measured.
            added[slot, measures.AGENTS_IO_SAMPLES, (direction,)] += 1
            added[slot, measures.AGENTS_IO, (direction,)] += amount
    if sample.machine_busy_share is not None and sample.machine_available_share is not None:
        added[slot, measures.MACHINE_BUSY, ()] += sample.machine_busy_share
        added[slot, measures.MACHINE_AVAILABLE, ()] += sample.machine_available_share
