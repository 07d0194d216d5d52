"""Fold leaves: merge events of phases, messages, scores, hooks, samples, labels and caches into facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stretto.model.event import Event, Kind
from stretto.model.facts import EntityFacts, SessionFacts, merge_fact
from stretto.model.plausible_values import (
    MAX_AMOUNT,
    Touched,
    merge_plausible_counts,
    merge_plausible_duration,
    read_text,
)
from stretto.names import fact_fields
from stretto.names.fact_fields import EntityKind, pack_timed_text


def _merge_texts(entity_facts: EntityFacts, rank: int, *texts: tuple[str, str | None]) -> None:
    for name, value in texts:
        if value:
            merge_fact(entity_facts, name, rank, value)


def _fold_phase_edge(facts: SessionFacts, event: Event, rank: int) -> Touched:
    if event.id is None:
        return ()
    phase = facts.get_entity(EntityKind.PHASE, event.id)
    edge = fact_fields.START if event.kind is Kind.PHASE_START else fact_fields.END
    merge_fact(phase, edge, rank, event.time)
    _merge_texts(phase, rank, (fact_fields.NAME, event.name), (fact_fields.OUTCOME, event.outcome))
    return ((EntityKind.PHASE, event.id),)


def _fold_message(facts: SessionFacts, event: Event, rank: int) -> Touched:
    message_id = event.id or f"@{event.time}"
    message = facts.get_entity(EntityKind.MESSAGE, message_id)
    merge_fact(message, fact_fields.TIME, rank, event.time)
    merge_plausible_duration(message, fact_fields.RESPONSE, event, rank)
    _merge_texts(
        message,
        rank,
        (fact_fields.RECEIVER, event.name),
        (fact_fields.SENDER, read_text(event.attributes, "sender")),
        (fact_fields.TYPE, event.type),
        (fact_fields.AGENT_ID, event.parent),
        (fact_fields.OUTCOME, event.outcome),
        (fact_fields.DESCRIPTION, read_text(event.attributes, "description")),
        (fact_fields.PHASE, read_text(event.attributes, "phase")),
    )
    share = event.attributes.get("share")
    if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1:
        merge_fact(message, fact_fields.SHARE, rank, round(share * 1_000_000))
    return ((EntityKind.MESSAGE, message_id),)


def _fold_score(facts: SessionFacts, event: Event, rank: int) -> Touched:
    value, of = event.attributes.get("value"), read_text(event.attributes, "of")
    if event.name is None or not isinstance(value, int | float):
        return ()
    by = read_text(event.attributes, "by")
    # A score that names no entity is about the session; an id without a kind is a task's.
    if of or event.id is None:
        of, of_id = of or EntityKind.SESSION, event.id or facts.id
    else:
        of, of_id = EntityKind.TASK, event.id
    key = "|".join((of, of_id, event.name, by or ""))
    score = facts.get_entity(EntityKind.SCORE, key)
    _merge_texts(
        score,
        rank,
        (fact_fields.OF, of),
        (fact_fields.OF_ID, of_id),
        (fact_fields.NAME, event.name),
        (fact_fields.BY, by),
    )
    # A judge who judges again corrects the earlier judgement: the largest timed text is the latest.
    out_of = event.attributes.get("out_of")
    top = [repr(float(out_of))] if isinstance(out_of, int | float) and not isinstance(out_of, bool) else []
    said = pack_timed_text(event.time, repr(float(value)), *top)
    merge_fact(score, fact_fields.SAID, rank, said)
    return ((EntityKind.SCORE, key),)


def _fold_hooks_run(facts: SessionFacts, event: Event, rank: int) -> Touched:
    run_id = event.id or f"@{event.time}"
    hooks_run = facts.get_entity(EntityKind.HOOKS, run_id)
    merge_fact(hooks_run, fact_fields.START, rank, event.time)
    merge_plausible_duration(hooks_run, fact_fields.DURATION, event, rank)
    _merge_texts(
        hooks_run,
        rank,
        (fact_fields.EVENT, event.name),
        (fact_fields.COMMAND, read_text(event.attributes, "command")),
        (fact_fields.AGENT_ID, event.parent),
        (fact_fields.SPAN, read_text(event.attributes, "span")),
    )
    return ((EntityKind.HOOKS, run_id),)


def _fold_sample(facts: SessionFacts, event: Event, rank: int) -> Touched:
    key = str(event.time)
    sample = facts.get_entity(EntityKind.SAMPLE, key)
    merge_plausible_duration(sample, fact_fields.DURATION, event, rank)
    merge_plausible_counts(sample, event, fact_fields.SAMPLE_AMOUNTS, rank, most=MAX_AMOUNT)
    return ((EntityKind.SAMPLE, key),)


def _fold_api_cost(facts: SessionFacts, event: Event, rank: int) -> Touched:
    key = event.id or f"@{event.time}"
    cost = facts.get_entity(EntityKind.API_COST, key)
    merge_fact(cost, fact_fields.TIME, rank, event.time)
    merge_plausible_duration(cost, fact_fields.DURATION, event, rank)
    return ((EntityKind.API_COST, key),)


def merge_declared_labels(facts: SessionFacts, time: int, labels: Sequence[str], rank: int) -> Touched:
    """Merge the labels that a session's program declares, each as ``key=value``; the latest value counts."""
    touched = []
    for label in labels:
        key, _, value = label.partition("=")
        if key and value:
            merge_fact(
                facts.get_entity(EntityKind.LABEL, key),
                fact_fields.DECLARED,
                rank,
                pack_timed_text(time, value),
            )
            touched.append((EntityKind.LABEL, key))
    return tuple(touched)


def _fold_label(facts: SessionFacts, event: Event, rank: int) -> Touched:
    value = event.attributes.get("value")
    if event.name is None or not isinstance(value, str):
        return ()
    label = facts.get_entity(EntityKind.LABEL, event.name)
    merge_fact(label, fact_fields.DECIDED, rank, pack_timed_text(event.time, value))
    return ((EntityKind.LABEL, event.name),)


def _fold_cache_report(facts: SessionFacts, event: Event, rank: int) -> Touched:
    if event.name is None:
        return ()
    key = f"{event.name}@{event.time}"
    report = facts.get_entity(EntityKind.CACHE, key)
    merge_fact(report, fact_fields.NAME, rank, event.name)
    merge_fact(report, fact_fields.TIME, rank, event.time)
    merge_plausible_counts(report, event, fact_fields.CACHE_COUNTS, rank)
    merge_plausible_counts(report, event, fact_fields.CACHE_AMOUNTS, rank, most=MAX_AMOUNT)
    return ((EntityKind.CACHE, key),)


LEAF_HANDLERS: Mapping[Kind, Callable[[SessionFacts, Event, int], Touched]] = {
    Kind.PHASE_START: _fold_phase_edge,
    Kind.PHASE_END: _fold_phase_edge,
    Kind.MESSAGE: _fold_message,
    Kind.SCORE: _fold_score,
    Kind.HOOKS_RUN: _fold_hooks_run,
    Kind.SAMPLE: _fold_sample,
    Kind.API_COST: _fold_api_cost,
    Kind.CACHE_REPORT: _fold_cache_report,
    Kind.LABEL: _fold_label,
}
"""Each kind's function: it merges an event with a rank and returns the entities that may have changed."""
