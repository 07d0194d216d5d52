"""Fold the rest: phases, messages, scores, hooks run, samples and cache reports.

Nothing else hangs on any of them: each event is about one entity and touches no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stretto.model.event import Event, Kind, said
from stretto.model.facts import CACHED, SAMPLED, Facts, Known, Touched, learn


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
    if event.duration is not None:
        learn(known, "response", trust, event.duration)
    told = (
        ("receiver", event.name),
        ("sender", said(event, "sender")),
        ("agent_id", event.parent),
        ("outcome", event.outcome),
    )
    for name, value in told:
        if value:
            learn(known, name, trust, value)
    return (("message", message_id),)


def _score(facts: Facts, event: Event, trust: int) -> Touched:
    value, of = event.attributes.get("value"), said(event, "of")
    if event.name is None or not isinstance(value, int | float):
        return ()
    by = said(event, "by")
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
    if event.duration is not None:
        learn(known, "duration", trust, event.duration)
    span = said(event, "span")
    for name, value in (("event", event.name), ("agent_id", event.parent), ("span", span)):
        if value:
            learn(known, name, trust, value)
    return (("hooks", run_id),)


def _sample(facts: Facts, event: Event, trust: int) -> Touched:
    key = str(event.time)
    _counts(facts.entity("sample", key), event, SAMPLED, trust)
    return (("sample", key),)


def _cache_report(facts: Facts, event: Event, trust: int) -> Touched:
    if event.name is None:
        return ()
    key = f"{event.name}@{event.time}"
    known = facts.entity("cache", key)
    learn(known, "name", trust, event.name)
    learn(known, "time", trust, event.time)
    _counts(known, event, CACHED, trust)
    return (("cache", key),)


def _counts(known: Known, event: Event, names: Sequence[str], trust: int) -> None:
    if event.duration is not None:
        learn(known, "duration", trust, event.duration)
    for name in names:
        count = event.attributes.get(name)
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
            learn(known, name, trust, count)


HANDLERS: dict[Kind, Callable[[Facts, Event, int], Touched]] = {
    Kind.PHASE_START: _phase_mark,
    Kind.PHASE_END: _phase_mark,
    Kind.MESSAGE: _message,
    Kind.SCORE: _score,
    Kind.HOOKS_RUN: _hooks_run,
    Kind.SAMPLE: _sample,
    Kind.CACHE_REPORT: _cache_report,
}
"""How each of their kinds is merged."""
