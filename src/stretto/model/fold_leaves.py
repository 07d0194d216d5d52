"""Fold the rest: events of phases, messages, scores, hooks run, samples and cache reports → facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stretto.model.event import Event, Kind
from stretto.model.fact_values import MAX_AMOUNT, Touched, merge_counts, merge_duration, read_text
from stretto.model.facts import CACHED, SAMPLED, SessionFacts, merge_fact


def _phase_mark(facts: SessionFacts, event: Event, trust: int) -> Touched:
    if event.id is None:
        return ()
    known = facts.get_entity("phase", event.id)
    merge_fact(known, "start" if event.kind is Kind.PHASE_START else "end", trust, event.time)
    for name, value in (("name", event.name), ("outcome", event.outcome)):
        if value:
            merge_fact(known, name, trust, value)
    return (("phase", event.id),)


def _message(facts: SessionFacts, event: Event, trust: int) -> Touched:
    message_id = event.id or f"@{event.time}"
    known = facts.get_entity("message", message_id)
    merge_fact(known, "time", trust, event.time)
    merge_duration(known, "response", event, trust)
    told = (
        ("receiver", event.name),
        ("sender", read_text(event.attributes, "sender")),
        ("agent_id", event.parent),
        ("outcome", event.outcome),
    )
    for name, value in told:
        if value:
            merge_fact(known, name, trust, value)
    return (("message", message_id),)


def _score(facts: SessionFacts, event: Event, trust: int) -> Touched:
    value, of = event.attributes.get("value"), read_text(event.attributes, "of")
    if event.name is None or not isinstance(value, int | float):
        return ()
    by = read_text(event.attributes, "by")
    # What nobody says of what is about the session. A judge who judges again corrects what was said before.
    judged = (of or "session", event.id or facts.id) if of or event.id is None else ("task", event.id)
    key = "|".join((*judged, event.name, by or ""))
    known = facts.get_entity("score", key)
    for name, text_value in (("of", judged[0]), ("of_id", judged[1]), ("name", event.name), ("by", by)):
        if text_value:
            merge_fact(known, name, trust, text_value)
    merge_fact(known, "said", trust, f"{event.time:020d} {float(value)!r}")
    return (("score", key),)


def _hooks_run(facts: SessionFacts, event: Event, trust: int) -> Touched:
    run_id = event.id or f"@{event.time}"
    known = facts.get_entity("hooks", run_id)
    merge_fact(known, "start", trust, event.time)
    merge_duration(known, "duration", event, trust)
    span = read_text(event.attributes, "span")
    for name, value in (("event", event.name), ("agent_id", event.parent), ("span", span)):
        if value:
            merge_fact(known, name, trust, value)
    return (("hooks", run_id),)


def _sample(facts: SessionFacts, event: Event, trust: int) -> Touched:
    key = str(event.time)
    known = facts.get_entity("sample", key)
    merge_duration(known, "duration", event, trust)
    merge_counts(known, event, SAMPLED, trust, most=MAX_AMOUNT)
    return (("sample", key),)


def _cache_report(facts: SessionFacts, event: Event, trust: int) -> Touched:
    if event.name is None:
        return ()
    key = f"{event.name}@{event.time}"
    known = facts.get_entity("cache", key)
    merge_fact(known, "name", trust, event.name)
    merge_fact(known, "time", trust, event.time)
    merge_counts(known, event, CACHED, trust)
    return (("cache", key),)


LEAF_HANDLERS: Mapping[Kind, Callable[[SessionFacts, Event, int], Touched]] = {
    Kind.PHASE_START: _phase_mark,
    Kind.PHASE_END: _phase_mark,
    Kind.MESSAGE: _message,
    Kind.SCORE: _score,
    Kind.HOOKS_RUN: _hooks_run,
    Kind.SAMPLE: _sample,
    Kind.CACHE_REPORT: _cache_report,
}
"""What merges an event of each of these kinds, at a trust, and tells what it may have changed."""
