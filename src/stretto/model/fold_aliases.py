"""Fold identity: merge spans and aliases into facts, from which entities are joined while concluding."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stretto.model.call_cost_and_usage_types import DOLLAR, MOST_DOLLARS
from stretto.model.event import Event, Kind
from stretto.model.facts import HEARSAY, EntityFacts, SessionFacts, merge_fact
from stretto.model.fold_phases_messages_and_scores import merge_declared_labels
from stretto.model.plausible_values import (
    Touched,
    merge_plausible_counts,
    merge_plausible_duration,
    read_text,
)
from stretto.names import fact_fields
from stretto.names.fact_fields import EntityKind, pack_timed_text

_COPIED_KINDS = frozenset({EntityKind.TURN, EntityKind.TASK, EntityKind.CALL, EntityKind.MODEL})
"""The kinds of entity that a session's file can share with another's."""

_SPAN_TEXTS = (
    fact_fields.ROLE,
    fact_fields.TRACE,
    fact_fields.ENTITY,
    fact_fields.AGENT_ID,
    fact_fields.CALL,
    fact_fields.DESCRIPTION,
    fact_fields.PHASE,
    fact_fields.DELEGATED_BY,
    fact_fields.RESPONSE,
    fact_fields.TEST_FRAMEWORK,
    fact_fields.ERROR,
)
"""Attributes of a span's event that become fields of the same name."""


def _fold_span(facts: SessionFacts, event: Event, rank: int) -> Touched:
    """Merge a span. An open span is written again when it ends, and its later words replace the first."""
    if event.id is None:
        return ()
    span = facts.get_entity(EntityKind.SPAN, event.id)
    is_open = event.attributes.get("open") is True
    text_rank = rank + HEARSAY if is_open else rank
    merge_fact(span, fact_fields.START, rank, event.time)
    if not is_open:
        end = event.attributes.get("end")
        ended_at = end if type(end) is int else event.time + (event.duration or 0)
        merge_fact(span, fact_fields.END, rank, ended_at)
        merge_plausible_duration(span, fact_fields.DURATION, event, rank)
        if event.outcome:
            merge_fact(span, fact_fields.OUTCOME, rank, event.outcome)
    for name in _SPAN_TEXTS:
        value = read_text(event.attributes, name)
        if value:
            merge_fact(span, name, text_rank, value)
    owner = event.attributes.get("owner")
    if isinstance(owner, str):
        merge_fact(span, fact_fields.OWNER, text_rank, owner)
    for name, text in (
        (fact_fields.PARENT, event.parent),
        (fact_fields.SOURCE, event.source),
        (fact_fields.NAME, event.name),
        (fact_fields.TYPE, event.type),
    ):
        if text:
            merge_fact(span, name, text_rank, text)
    _merge_evidence(span, event, text_rank)
    merge_plausible_counts(span, event, (*fact_fields.TOKENS, *fact_fields.TEST_COUNTS), rank)
    cost = event.attributes.get("cost_usd")
    if isinstance(cost, int | float) and 0 <= cost < MOST_DOLLARS:
        merge_fact(span, fact_fields.COST, rank, round(cost * DOLLAR))
    return ((EntityKind.SPAN, event.id), *_merge_session_words(facts, event, rank))


def _merge_session_words(facts: SessionFacts, event: Event, rank: int) -> Touched:
    """Merge what the outermost span says of its session: the project and the labels."""
    project = read_text(event.attributes, "project")
    if project:
        # As at a session's start, the earliest counts.
        merge_fact(facts.session, fact_fields.PROJECT, rank, pack_timed_text(event.time, project))
    labels = event.attributes.get("labels")
    return merge_declared_labels(facts, event.time, labels, rank) if isinstance(labels, list) else ()


def _merge_evidence(span: EntityFacts, event: Event, rank: int) -> None:
    """Merge the files that a task or call wrote, and whether a task's result conflicts with another's."""
    wrote = event.attributes.get("wrote")
    if isinstance(wrote, list) and wrote:
        merge_fact(span, fact_fields.WROTE, rank, " ".join(wrote))
    conflict = event.attributes.get("conflict")
    if isinstance(conflict, bool):
        merge_fact(span, fact_fields.CONFLICT, rank, int(conflict))


def fold_alias(facts: SessionFacts, event: Event, rank: int) -> Touched:
    """Merge that the id in the attribute ``alias`` stands for the event's entity."""
    alias = read_text(event.attributes, "alias")
    if event.id is None or alias is None or alias == event.id:
        return ()
    merge_fact(facts.get_entity(EntityKind.ALIAS, alias), fact_fields.CANONICAL, rank, event.id)
    return ((EntityKind.ALIAS, alias),)


def _fold_copy(facts: SessionFacts, event: Event, rank: int) -> Touched:
    """Mark entities that belong to another session. The session began with its first event of its own."""
    kind, ids = read_text(event.attributes, "of"), event.attributes.get("ids")
    if kind not in _COPIED_KINDS or not isinstance(ids, list):
        return ()
    merge_fact(facts.session, fact_fields.FORKED, rank, event.time)
    touched = tuple((kind, id) for id in ids)
    for entity in touched:
        merge_fact(facts.get_entity(*entity), fact_fields.COPIED, rank, 1)
        facts.copied.add(entity)
    return touched


IDENTITY_HANDLERS: Mapping[Kind, Callable[[SessionFacts, Event, int], Touched]] = {
    Kind.SPAN: _fold_span,
    Kind.ALIAS: fold_alias,
    Kind.COPY: _fold_copy,
}
"""Each kind's function: it merges an event with a rank and returns the entities that may have changed."""
