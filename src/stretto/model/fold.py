"""Fold: events → facts. Pure, and deaf to order and repeats because facts are (see ``facts``).

What a missing end means is not decided here: that is ``conclude``, which is taken again from the same facts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stretto.model.event import Event, Kind, Outcome
from stretto.model.fact_values import Touched, count_of, learn_counts, learn_length, text_of
from stretto.model.facts import (
    DELEGATES,
    TESTED,
    TOKENS,
    TRUST,
    WEAK,
    Facts,
    Known,
    asked_for,
    learn,
    number,
)
from stretto.model.fold_leaves import OTHER_HANDLERS
from stretto.model.model_call_cost import DOLLAR, MOST_DOLLARS

_MILLISECOND = 1_000_000
_MOST_MILLISECONDS = 30 * 86_400_000
"""Thirty days; nobody waits longer for a first token."""
MOST_PROCESSES = 8
"""Processes that a session is looked for in; the hook client tells five at most."""

_NOTICE = {
    "completed": Outcome.SUCCESS,
    "failed": Outcome.FAILURE,
    "stopped": Outcome.CANCELLED,
    "killed": Outcome.CANCELLED,
}
"""How the host words the end of a background task (facts of Claude Code's ``<task-notification>``)."""


NO_SIGN_OF_LIFE = frozenset({Kind.SAMPLE, Kind.SCORE})
"""Samples are taken of any process that is still there; a score may be given long afterwards, by others."""


def apply(facts: Facts, events: Sequence[Event]) -> set[tuple[str, str]]:
    """Merge events of one session into its facts and return what they may have changed.

    Whatever its kind, an event is a sign of life of the session, but for those of ``NO_SIGN_OF_LIFE``.
    """
    if not events:
        return set()
    touched = {("session", "")}
    for event in events:
        handle = _HANDLERS.get(event.kind)
        if handle is not None:
            touched.update(handle(facts, event, TRUST[event.channel]))
    signs = [event for event in events if event.kind not in NO_SIGN_OF_LIFE]
    if signs:
        learn(facts.session, "first", 0, min(event.time for event in signs))
        learn(facts.session, "last", 0, max(event.time for event in signs))
    for channel, source in {(event.channel, event.source) for event in signs}:
        learn(facts.session, "source", TRUST[channel], source)
    for event in events:
        if event.kind in NO_SIGN_OF_LIFE:
            # Only where nothing else is known of the session does it date it.
            learn(facts.session, "first", WEAK, event.time)
            learn(facts.session, "source", TRUST[event.channel] + WEAK, event.source)
    return touched


def _overlapped_by_permission(facts: Facts, event: Event) -> Touched:
    """Return the calls whose time around execution a permission request makes a person's.

    As it names no call, it touches every call of that tool by that agent that was open.
    """
    about = asked_for(event.parent, event.name)
    return tuple(
        ("call", call_id)
        for call_id, known in facts.calls_about(about)
        if (number(known, "start") or 0) <= event.time <= (number(known, "end") or event.time)
    )


def _session_start(facts: Facts, event: Event, trust: int) -> Touched:
    session = facts.session
    learn(session, "opened", trust, event.time)
    _learn_context(session, event, trust)
    pattern = text_of(event.attributes, "pattern")
    if pattern:
        learn(session, "pattern", trust, pattern)
    if event.attributes.get("recording"):
        learn(session, "recording", trust, 1)
    return ()


def _session_end(facts: Facts, event: Event, trust: int) -> Touched:
    learn(facts.session, "ended", trust, event.time)
    # A session that is resumed ends again: between an end and what follows it, it was closed.
    learn(facts.session, f"ended@{event.time}", trust, event.time)
    if event.outcome:
        learn(facts.session, "outcome", trust, event.outcome)
    return ()


def _turn_start(facts: Facts, event: Event, trust: int) -> Touched:
    session = facts.session
    host = event.type == "host"
    learn(session, "opened", trust, event.time)
    _learn_context(session, event, trust)
    command = text_of(event.attributes, "command")
    if command:
        # The earliest command names the session's pattern; a zero-padded time makes text order time order.
        learn(session, "command", trust, f"{event.time:020d} {command}")
    touched: list[tuple[str, str]] = []
    task = text_of(event.attributes, "task")
    if task:
        known = facts.tasks.setdefault(task, {})
        touched.append(("task", task))
        outcome = _NOTICE.get(text_of(event.attributes, "task_status") or "")
        if outcome:
            # An agent that runs again is reported again: each notice is about the run before it.
            learn(known, f"notice@{event.time}", trust, outcome)
        delegated_by = text_of(event.attributes, "delegated_by")
        if delegated_by:
            learn(known, "delegated_by", trust, delegated_by)
    if event.type == "user":
        learn(session, "prompted", trust, event.time)
    turn_id = event.id or f"@{event.time}"
    turn = facts.turns.setdefault(turn_id, {})
    learn(turn, "start", trust, event.time)
    if event.type:
        # A host's prompt may share the user's turn: the user's word on whose turn it is goes first.
        learn(turn, "origin", trust + (WEAK if host else 0), "host" if host else "user")
    return (*touched, ("turn", turn_id))


def _turn_end(facts: Facts, event: Event, trust: int) -> Touched:
    session = facts.session
    learn(session, "stopped", trust, event.time)
    running = event.attributes.get("running")
    if isinstance(running, list):
        learn(session, "running", trust, " ".join([f"{event.time:020d}", *running]))
    if event.id is None:
        learn(session, f"stop@{event.time}", trust, event.outcome or Outcome.UNKNOWN)
        if event.duration is not None:
            learn(session, f"asked@{event.time}", trust, event.time - event.duration)
        return ()
    turn = facts.turns.setdefault(event.id, {})
    # Stop hooks may send the agent on, so one turn can stop more than once: the last stop ends it.
    learn(turn, "stopped", trust, event.time)
    if event.outcome:
        learn(turn, "outcome", trust, event.outcome)
    return (("turn", event.id),)


def _task_start(facts: Facts, event: Event, trust: int) -> Touched:
    return _task_mark(facts, event, trust, "start")


def _task_end(facts: Facts, event: Event, trust: int) -> Touched:
    touched = _task_mark(facts, event, trust, "end")
    if event.id and event.outcome:
        learn(facts.tasks[event.id], "outcome", trust, event.outcome)
    return touched


def _task_mark(facts: Facts, event: Event, trust: int, edge: str) -> Touched:
    if event.id is None:
        return ()
    known = facts.tasks.setdefault(event.id, {})
    learn(known, f"{edge}@{event.time}", trust, event.time)
    if event.name:
        learn(known, "agent", trust, event.name)
    if event.type:
        learn(known, "type", trust, event.type)
    if event.parent:
        learn(known, "parent", trust, event.parent)
    if event.attributes:
        for name in ("delegated_by", "description", "phase", "span_parent"):
            value = text_of(event.attributes, name)
            if value:
                learn(known, name, trust, value)
        outcome = _NOTICE.get(text_of(event.attributes, "task_status") or "")
        if outcome:
            learn(known, "outcome", trust, outcome)
    return (("task", event.id),)


def _tool_start(facts: Facts, event: Event, trust: int) -> Touched:
    call_id = event.id or text_of(event.attributes, "pair")
    if call_id is None:
        return ()
    known = _call(facts, event, call_id, trust)
    learn(known, "start" if event.id else f"start@{event.time}", trust, event.time)
    if event.attributes:
        for name in ("agent", "description"):
            value = text_of(event.attributes, name)
            if value:
                learn(known, name, trust, value)
    return (("call", call_id),)


def _tool_end(facts: Facts, event: Event, trust: int) -> Touched:
    call_id = event.id or text_of(event.attributes, "pair")
    if call_id is None:
        return ()
    known = _call(facts, event, call_id, trust)
    if event.id is None:
        learn(known, f"end@{event.time}", trust, event.outcome or Outcome.UNKNOWN)
    else:
        learn(known, "end", trust, event.time)
        if event.outcome:
            learn(known, "outcome", trust, event.outcome)
    learn_length(known, "duration", event, trust)
    touched: Touched = (("call", call_id),)
    if event.attributes:
        status, task = text_of(event.attributes, "status"), text_of(event.attributes, "task")
        span = text_of(event.attributes, "span")
        if span:
            learn(known, "span", trust, span)
        if status:
            learn(known, "status", trust, status)
        if task:
            learn(known, "task", trust, task)
            learn(facts.tasks.setdefault(task, {}), "delegated_by", trust, call_id)
            touched += (("task", task),)
            facts.index(call_id, known)
    return touched


def _call(facts: Facts, event: Event, call_id: str, trust: int) -> Known:
    known = facts.calls.get(call_id)
    if known is None:
        known = facts.calls[call_id] = {}
    if event.name:
        learn(known, "tool", trust, event.name)
        if event.name in DELEGATES or call_id in facts.delegating:
            facts.index(call_id, known)
    if event.parent:
        learn(known, "agent_id", trust, event.parent)
    facts.index_about(call_id, known)
    if event.attributes:
        for name in ("wrote", "test_framework"):
            value = text_of(event.attributes, name)
            if value:
                learn(known, name, trust, value)
        for name in TESTED:
            count = count_of(event, name)
            if count is not None:
                # Calls that share a pair have each their own tests.
                learn(known, name if event.id else f"{name}@{event.time}", trust, count)
    return known


def _batch_end(facts: Facts, event: Event, trust: int) -> Touched:
    ids = event.attributes.get("ids")
    if not isinstance(ids, list):
        return ()
    for call_id in ids:
        learn(facts.calls.setdefault(call_id, {}), "batched", trust, event.time)
    return tuple(("call", call_id) for call_id in ids)


def _permission_request(facts: Facts, event: Event, trust: int) -> Touched:
    facts.ask(asked_for(event.parent, event.name), event.time, trust)
    return (("permission", ""), *_overlapped_by_permission(facts, event))


def _model_call(facts: Facts, event: Event, trust: int) -> Touched:
    if event.id is None:
        return ()
    known = facts.model_calls.setdefault(event.id, {})
    learn(known, "start", trust, event.time)
    learn_length(known, "duration", event, trust)
    request = text_of(event.attributes, "request")
    for name, value in (
        ("model", event.name),
        ("agent_id", event.parent),
        ("outcome", event.outcome),
        ("request", request),
    ):
        if value:
            learn(known, name, trust, value)
    if event.attributes.get("anonymous") is True:
        learn(known, "anonymous", trust, 1)
    learn_counts(known, event, TOKENS, trust)
    cost = event.attributes.get("cost_usd")
    if isinstance(cost, int | float) and 0 <= cost < MOST_DOLLARS:
        learn(known, "cost", trust, round(cost * DOLLAR))
    first_token = event.attributes.get("first_token_ms")
    if isinstance(first_token, int | float) and 0 <= first_token < _MOST_MILLISECONDS:
        learn(known, "first_token", trust, round(first_token * _MILLISECOND))
    return (("model", event.id),)


def _learn_context(session: Known, event: Event, trust: int) -> None:
    project = text_of(event.attributes, "project")
    if project:
        # Zero-padded time first: a session that moves keeps the project it began in.
        learn(session, "project", trust, f"{event.time:020d} {project}")
    processes = event.attributes.get("processes")
    named = [name for name in processes if " " not in name] if isinstance(processes, list) else []
    if named:
        # A session that goes on in another process is to be found there.
        learn(session, "processes", trust, " ".join([f"{event.time:020d}", *named[:MOST_PROCESSES]]))
    traceparent = text_of(event.attributes, "traceparent")
    if traceparent:
        learn(session, "traceparent", trust, f"{event.time:020d} {traceparent}")


_HANDLERS: dict[Kind, Callable[[Facts, Event, int], Touched]] = {
    Kind.SESSION_START: _session_start,
    Kind.SESSION_END: _session_end,
    Kind.TURN_START: _turn_start,
    Kind.TURN_END: _turn_end,
    Kind.TASK_START: _task_start,
    Kind.TASK_END: _task_end,
    Kind.TOOL_START: _tool_start,
    Kind.TOOL_END: _tool_end,
    Kind.BATCH_END: _batch_end,
    Kind.PERMISSION_REQUEST: _permission_request,
    Kind.MODEL_CALL: _model_call,
    **OTHER_HANDLERS,
}
"""The kinds that change entities; the others count as a sign of life."""
