"""Fold the rest: events of phases, messages, scores, hooks run, samples and cache reports → facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stretto.model.event import Event, Kind
from stretto.model.fact_values import MOST_SAMPLED, Touched, learn_counts, learn_length, text_of
from stretto.model.facts import CACHED, SAMPLED, Facts, learn


def _phase_mark(facts: Facts, event: Event, trust: int) -> Touched:
    if event.id is None:
        return ()
    known = facts.entity("phase", event.id)
    learn(known, "start" if event.kind is Kind.PHASE_START else "end", trust, event.time)
    for name, value in (("name", event.name), ("outcome", event.outcome)):
        if value:
            learn(known, name, trust, value)
    return (("phase", event.id),)


def _message(facts: Facts, event: Event, trust: int) -> Touched:
    message_id = event.id or f"@{event.time}"
    known = facts.entity("message", message_id)
    learn(known, "time", trust, event.time)
    learn_length(known, "response", event, trust)
    told = (
        ("receiver", event.name),
        ("sender", text_of(event.attributes, "sender")),
        ("agent_id", event.parent),
        ("outcome", event.outcome),
    )
    for name, value in told:
        if value:
            learn(known, name, trust, value)
    return (("message", message_id),)


def _score(facts: Facts, event: Event, trust: int) -> Touched:
    value, of = event.attributes.get("value"), text_of(event.attributes, "of")
    if event.name is None or not isinstance(value, int | float):
        return ()
    by = text_of(event.attributes, "by")
    # What nobody says of what is about the session. A judge who judges again corrects what was said before.
    judged = (of or "session", event.id or facts.id) if of or event.id is None else ("task", event.id)
    key = "|".join((*judged, event.name, by or ""))
    known = facts.entity("score", key)
    for name, text_value in (("of", judged[0]), ("of_id", judged[1]), ("name", event.name), ("by", by)):
        if text_value:
            learn(known, name, trust, text_value)
    learn(known, "said", trust, f"{event.time:020d} {float(value)!r}")
    return (("score", key),)


def _hooks_run(facts: Facts, event: Event, trust: int) -> Touched:
    run_id = event.id or f"@{event.time}"
    known = facts.entity("hooks", run_id)
    learn(known, "start", trust, event.time)
    learn_length(known, "duration", event, trust)
    span = text_of(event.attributes, "span")
    for name, value in (("event", event.name), ("agent_id", event.parent), ("span", span)):
        if value:
            learn(known, name, trust, value)
    return (("hooks", run_id),)


def _sample(facts: Facts, event: Event, trust: int) -> Touched:
    key = str(event.time)
    known = facts.entity("sample", key)
    learn_length(known, "duration", event, trust)
    learn_counts(known, event, SAMPLED, trust, most=MOST_SAMPLED)
    return (("sample", key),)


def _cache_report(facts: Facts, event: Event, trust: int) -> Touched:
    if event.name is None:
        return ()
    key = f"{event.name}@{event.time}"
    known = facts.entity("cache", key)
    learn(known, "name", trust, event.name)
    learn(known, "time", trust, event.time)
    learn_counts(known, event, CACHED, trust)
    return (("cache", key),)


OTHER_HANDLERS: Mapping[Kind, Callable[[Facts, Event, int], Touched]] = {
    Kind.PHASE_START: _phase_mark,
    Kind.PHASE_END: _phase_mark,
    Kind.MESSAGE: _message,
    Kind.SCORE: _score,
    Kind.HOOKS_RUN: _hooks_run,
    Kind.SAMPLE: _sample,
    Kind.CACHE_REPORT: _cache_report,
}
"""What merges an event of each of these kinds, at a trust, and tells what it may have changed."""
