"""Sums of phases, messages, hook runs and cache reports."""

from __future__ import annotations

from collections import Counter

from stretto.figures.quantile_sketch import find_bucket
from stretto.model.message_kinds import name_message_kind
from stretto.model.phases_messages_and_scores_from_facts import (
    conclude_cache_reports,
    conclude_hooks_run,
    conclude_messages,
    conclude_phases,
)
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext, find_counted_slot
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_phases(context: SessionContext) -> Additions:
    """Return the sums of the phases that are over."""
    added: Additions = Counter()
    for phase in conclude_phases(context.facts, closed=context.closed):
        slot = find_counted_slot(phase)
        if slot is None:
            continue
        added[slot, measures.PHASES, (phase.name, phase.outcome.value)] += 1
        if phase.interval is not None:
            bucket = find_bucket(phase.interval.length)
            added[slot, measures.PHASE_TIME, (phase.name, bucket)] += 1
    return added


def add_up_messages(context: SessionContext) -> Additions:
    """Return the sums of messages by receiver, sender and kind; reports of progress have no receiver."""
    added: Additions = Counter()
    for message in conclude_messages(context.facts):
        slot, agent = find_slot_number(message.time), message.receiver or NONE
        added[slot, measures.MESSAGE_KINDS, (name_message_kind(message.type),)] += 1
        if message.is_report:
            continue
        added[slot, measures.MESSAGES, (agent, message.outcome.value)] += 1
        added[slot, measures.MESSAGES_SENT, (message.sender or NONE,)] += 1
        if message.response is not None:
            added[slot, measures.MESSAGE_TIME, (agent, find_bucket(message.response))] += 1
    return added


def add_up_conversations(context: SessionContext) -> Additions:
    """Return the sums of messages by the session's pattern, sender and receiver."""
    added: Additions = Counter()
    pattern = context.session.pattern or NONE
    for message in conclude_messages(context.facts):
        if message.is_report:
            continue
        slot = find_slot_number(message.time)
        pair = (pattern, message.sender or NONE, message.receiver or NONE)
        added[slot, measures.CONVERSATIONS, pair] += 1
        if message.response is not None:
            added[slot, measures.CONVERSATION_TIME, (*pair, find_bucket(message.response))] += 1
    return added


def add_up_hook_runs(context: SessionContext) -> Additions:
    """Return the sums of the hook runs that the agent itself timed, in all, by event and by command.

    Where all hooks of an event were timed together, single commands of it are not counted as runs again.
    """
    added: Additions = Counter()
    runs = conclude_hooks_run(context.facts)
    together = {run.event for run in runs if run.command is None}
    for run in runs:
        slot, bucket = find_slot_number(run.start), find_bucket(run.duration)
        if run.command is not None:
            added[slot, measures.HOOK_COMMAND_TIME, (run.command, bucket)] += 1
        if run.command is None or run.event not in together:
            added[slot, measures.HOOKS_TIME, (bucket,)] += 1
            added[slot, measures.HOOK_EVENT_TIME, (run.event or NONE, bucket)] += 1
    return added


def add_up_cache_reports(context: SessionContext) -> Additions:
    """Return the sums of lookups, removals and times in reported caches."""
    added: Additions = Counter()
    for report in conclude_cache_reports(context.facts):
        slot = find_slot_number(report.time)
        for measure, result, count in (
            (measures.CACHE_LOOKUPS, "hit", report.hits),
            (measures.CACHE_LOOKUPS, "miss", report.misses),
            (measures.CACHE_REMOVALS, "eviction", report.evictions),
            (measures.CACHE_REMOVALS, "invalidation", report.invalidations),
        ):
            if count:
                added[slot, measure, (report.name, result)] += count
        for measure, amount in (
            (measures.CACHE_REFUSED, report.refused),
            (measures.CACHE_EVICTED_MISSES, report.evicted_misses),
            (measures.CACHE_SAVED, report.saved),
            (measures.CACHE_LOOKUP_TIME, report.lookup_time),
        ):
            if amount:
                added[slot, measure, (report.name,)] += amount
    return added
