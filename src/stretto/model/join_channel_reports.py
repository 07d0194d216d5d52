"""Join: make of all that channels reported about a session the entities that the reports are about.

An entity is known by the id that the model or the client gave it. Each channel has ids of its own beside it,
and some channels have nothing else. ``join_facts`` puts the spans of a session together, replaces aliases,
and pairs what was reported without an id with the reports that have one. It depends on the facts alone, not
on the order in which they came, and is run again whenever they change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stretto.model.event import Kind
from stretto.model.events_from_spans import make_events_of_spans
from stretto.model.facts import EntityFacts, SessionFacts, find_enclosing_task, get_text
from stretto.model.fold import fold_events
from stretto.model.match_reports_across_channels import (
    merge_entity_facts,
    pair_calls_without_ids,
    pair_model_calls,
    pair_tasks,
    pair_turns,
)
from stretto.names import fact_fields
from stretto.names.fact_fields import EntityKind

_REFERENCES = (fact_fields.AGENT_ID, fact_fields.PARENT, fact_fields.DELEGATED_BY, fact_fields.TASK)
"""Fields that hold the id of another entity."""

_EDGES = frozenset({Kind.SESSION_START, Kind.SESSION_END})


def join_facts(facts: SessionFacts) -> SessionFacts:
    """Return the facts with all ids joined; the same object if each entity has a single id already."""
    if facts.is_joined:
        return facts
    some_named = bool(facts.unnamed_calls) and len(facts.unnamed_calls) < len(facts.calls)
    if not (facts.spans or facts.aliases or facts.copied or some_named or _has_unnamed_turns(facts)):
        return facts
    joined = SessionFacts(
        facts.id,
        session=dict(facts.session),
        turns=_copy_table(facts.turns),
        tasks=_copy_table(facts.tasks),
        calls=_copy_table(facts.calls),
        model_calls=_copy_table(facts.model_calls),
        permissions=facts.permissions,
        leaves=facts.leaves,
        permission_times=facts.permission_times,
        unnamed_calls=facts.unnamed_calls,
        is_joined=True,
    )
    if facts.copied:
        _drop_copies(joined, facts.copied)
    if facts.spans:
        known = frozenset([*facts.turns, *facts.tasks, *facts.calls])
        story = make_events_of_spans(facts.spans, facts.id, known)
        # A coding agent whose hooks report its turns ends by them, not with each trace.
        events = [event for event in story.events if not (facts.turns and event.kind in _EDGES)]
        fold_events(joined, events)
        joined.places = dict(story.places)
        for call_id, call in joined.calls.items():
            # Claude Code's spans are events of calls; a program that runs in a call names its span.
            if fact_fields.SPAN in call:
                joined.places.setdefault(str(call[fact_fields.SPAN][1]), call_id)
        _set_source(joined, story.source)
    if facts.aliases:
        _replace_aliases(joined, _find_canonical_ids(joined, facts.aliases))
    # What a program reports by Stretto's API is work of its own, even inside a coding agent's session.
    declared = {id for id, span in facts.spans.items() if fact_fields.OWNER in span}
    pairs = pair_tasks(joined, joined.tasks.keys() - facts.tasks.keys() - declared)
    if pairs:
        _replace_aliases(joined, pairs)
    pair_turns(joined, joined.turns.keys() - facts.turns.keys())
    pair_model_calls(joined, joined.model_calls.keys() - facts.model_calls.keys() - declared)
    pair_calls_without_ids(joined)
    joined.unnamed_calls = set()
    joined.delegating = set()
    for call_id, call in joined.calls.items():
        joined.index_delegating(call_id, call)
    return joined


def _has_unnamed_turns(facts: SessionFacts) -> bool:
    """Return whether some turns have prompt ids and others only a time."""
    unnamed = sum(turn_id.startswith(fact_fields.STAMP) for turn_id in facts.turns)
    return 0 < unnamed < len(facts.turns)


def find_changed_entities(before: SessionFacts | None, after: SessionFacts) -> set[tuple[str, str]]:
    """Return (kind, key) of the turns, tasks and calls that two joins of a session differ in."""
    changed: set[tuple[str, str]] = set()
    for kind in (EntityKind.TURN, EntityKind.TASK, EntityKind.CALL, EntityKind.MODEL):
        old = {} if before is None else before.get_table(kind)
        new = after.get_table(kind)
        if old is new:
            continue
        changed |= {(kind, key) for key, value in new.items() if old.get(key) != value}
        changed |= {(kind, key) for key in old if key not in new}
    return changed


def _copy_table(table: Mapping[str, EntityFacts]) -> dict[str, EntityFacts]:
    return {key: dict(entity_facts) for key, entity_facts in table.items()}


def _drop_copies(joined: SessionFacts, copied: Iterable[tuple[str, str]]) -> None:
    """Drop the entities that belong to another session; the session begins with an event of its own."""
    for kind, key in copied:
        joined.get_table(kind).pop(key, None)
    forked = joined.session.get(fact_fields.FORKED)
    if forked is not None:
        joined.session[fact_fields.FIRST] = forked


def _set_source(joined: SessionFacts, source: str | None) -> None:
    """Let the first outermost span name the product, unless a better ranked channel did."""
    reported = joined.session.get(fact_fields.SOURCE)
    if source and (reported is None or reported[0] >= 1):
        joined.session[fact_fields.SOURCE] = (1, source)


def _find_canonical_ids(joined: SessionFacts, aliases: Mapping[str, EntityFacts]) -> dict[str, str]:
    """Return alias → id. A span as alias stands for the task that it is or lies in."""
    canonical_ids: dict[str, str] = {}
    for alias in sorted(aliases):
        task = find_enclosing_task(joined, alias) if alias in joined.places else alias
        canonical = _follow(aliases, alias)
        if task is not None and task != canonical:
            canonical_ids.setdefault(task, canonical)
    return canonical_ids


def _follow(aliases: Mapping[str, EntityFacts], alias: str) -> str:
    """Return the id at the end of a chain of aliases; a ring ends at its smallest id."""
    seen = [alias]
    while (canonical := get_text(aliases.get(seen[-1], {}), fact_fields.CANONICAL)) is not None:
        if canonical in seen:
            return min(seen[seen.index(canonical) :])
        seen.append(canonical)
    return seen[-1]


def _replace_aliases(joined: SessionFacts, canonical_ids: Mapping[str, str]) -> None:
    for table in (joined.turns, joined.tasks, joined.calls):
        for alias, canonical in canonical_ids.items():
            if alias in table and alias != canonical:
                merge_entity_facts(table.setdefault(canonical, {}), table.pop(alias))
        _replace_references(table.values(), canonical_ids)
    _replace_references(joined.model_calls.values(), canonical_ids)
    for alias, canonical in canonical_ids.items():
        if alias != canonical:
            joined.places.setdefault(alias, canonical)


def _replace_references(entities: Iterable[EntityFacts], canonical_ids: Mapping[str, str]) -> None:
    for entity_facts in entities:
        for name in _REFERENCES:
            fact = entity_facts.get(name)
            if fact is not None and fact[1] in canonical_ids:
                entity_facts[name] = (fact[0], canonical_ids[str(fact[1])])
