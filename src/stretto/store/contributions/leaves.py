"""What phases, messages, hooks run and cache reports add to the sums."""

from __future__ import annotations

from collections import Counter

from stretto.figures.quantile_sketch import find_bucket
from stretto.model.conclude_leaves import (
    conclude_cache_reports,
    conclude_hooks_run,
    conclude_messages,
    conclude_phases,
)
from stretto.model.event import Outcome
from stretto.names import NONE
from stretto.store.contributions.contribution import Settling
from stretto.store.rollup import Additions, slot_of


def of_phases(settling: Settling) -> Additions:
    """Return what the phases that are over add."""
    added: Additions = Counter()
    for phase in conclude_phases(settling.facts, closed=settling.closed):
        at = phase.end if phase.end is not None else phase.start
        if phase.outcome is Outcome.RUNNING or at is None:
            continue
        added[slot_of(at), "phases", (phase.name, phase.outcome.value)] += 1
        if phase.interval is not None:
            added[slot_of(at), "phase_time", (phase.name, find_bucket(phase.interval.length))] += 1
    return added


def of_messages(settling: Settling) -> Additions:
    """Return what the messages add, each to its receiver."""
    added: Additions = Counter()
    for message in conclude_messages(settling.facts):
        slot, agent = slot_of(message.time), message.receiver or NONE
        added[slot, "messages", (agent, message.outcome.value)] += 1
        if message.response is not None:
            added[slot, "message_time", (agent, find_bucket(message.response))] += 1
    return added


def of_hooks_run(settling: Settling) -> Additions:
    """Return what the hooks that the agent timed itself add."""
    added: Additions = Counter()
    for run in conclude_hooks_run(settling.facts):
        added[slot_of(run.start), "hooks_time", (find_bucket(run.duration),)] += 1
    return added


def of_cache_reports(settling: Settling) -> Additions:
    """Return what happened in the caches that report."""
    added: Additions = Counter()
    for report in conclude_cache_reports(settling.facts):
        slot = slot_of(report.time)
        for measure, what, count in (
            ("cache_lookups", "hit", report.hits),
            ("cache_lookups", "miss", report.misses),
            ("cache_removals", "eviction", report.evictions),
            ("cache_removals", "invalidation", report.invalidations),
        ):
            if count:
                added[slot, measure, (report.name, what)] += count
    return added
