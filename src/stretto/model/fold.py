"""Fold: events → facts. Pure, and deaf to order and repeats because facts are (see ``facts``).

What a missing end means is not decided here: that is ``conclude``, which is taken again from the same facts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stretto.model.event import Event, Kind, Outcome
from stretto.model.fact_values import Touched, read_count, merge_counts, merge_duration, read_text
from stretto.model.facts import (
    DELEGATING_TOOLS,
    TESTED,
    TOKENS,
    RANK,
    HEARSAY,
    SessionFacts,
    EntityFacts,
    make_permission_key,
    merge_fact,
    get_number,
)
from stretto.model.fold_leaves import LEAF_HANDLERS
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


def fold_events(facts: SessionFacts, events: Sequence[Event]) -> set[tuple[str, str]]:
    """Merge events of one session into its facts and return what they may have changed.

    Whatever its kind, an event is a sign of life of the session, but for those of ``NO_SIGN_OF_LIFE``.
    """
    if not events:
        return set()
    touched = {("session", "")}
    for event in events:
        handle = _HANDLERS.get(event.kind)
        if handle is not None:
            touched.update(handle(facts, event, RANK[event.channel]))
    signs = [event for event in events if event.kind not in NO_SIGN_OF_LIFE]
    if signs:
        merge_fact(facts.session, "first", 0, min(event.time for event in signs))
        merge_fact(facts.session, "last", 0, max(event.time for event in signs))
    for channel, source in {(event.channel, event.source) for event in signs}:
        merge_fact(facts.session, "source", RANK[channel], source)
    for event in events:
        if event.kind in NO_SIGN_OF_LIFE:
            # Only where nothing else is known of the session does it date it.
            merge_fact(facts.session, "first", HEARSAY, event.time)
            merge_fact(facts.session, "source", RANK[event.channel] + HEARSAY, event.source)
    return touched


def _overlapped_by_permission(facts: SessionFacts, event: Event) -> Touched:
    """Return the calls whose time around execution a permission request makes a person's.

    As it names no call, it touches every call of that tool by that agent that was open.
    """
    about = make_permission_key(event.parent, event.name)
    return tuple(
        ("call", call_id)
        for call_id, known in facts.iterate_calls_for(about)
        if (get_number(known, "start") or 0) <= event.time <= (get_number(known, "end") or event.time)
    )


def _session_start(facts: SessionFacts, event: Event, trust: int) -> Touched:
    session = facts.session
    merge_fact(session, "opened", trust, event.time)
    _learn_context(session, event, trust)
    pattern = read_text(event.attributes, "pattern")
    if pattern:
        merge_fact(session, "pattern", trust, pattern)
    if event.attributes.get("recording"):
        merge_fact(session, "recording", trust, 1)
    return ()


def _session_end(facts: SessionFacts, event: Event, trust: int) -> Touched:
    merge_fact(facts.session, "ended", trust, event.time)
    # A session that is resumed ends again: between an end and what follows it, it was closed.
    merge_fact(facts.session, f"ended@{event.time}", trust, event.time)
    if event.outcome:
        merge_fact(facts.session, "outcome", trust, event.outcome)
    return ()


def _turn_start(facts: SessionFacts, event: Event, trust: int) -> Touched:
    session = facts.session
    host = event.type == "host"
    merge_fact(session, "opened", trust, event.time)
    _learn_context(session, event, trust)
    command = read_text(event.attributes, "command")
    if command:
        # The earliest command names the session's pattern; a zero-padded time makes text order time order.
        merge_fact(session, "command", trust, f"{event.time:020d} {command}")
    touched: list[tuple[str, str]] = []
    task = read_text(event.attributes, "task")
    if task:
        known = facts.tasks.setdefault(task, {})
        touched.append(("task", task))
        outcome = _NOTICE.get(read_text(event.attributes, "task_status") or "")
        if outcome:
            # An agent that runs again is reported again: each notice is about the run before it.
            merge_fact(known, f"notice@{event.time}", trust, outcome)
        delegated_by = read_text(event.attributes, "delegated_by")
        if delegated_by:
            merge_fact(known, "delegated_by", trust, delegated_by)
    if event.type == "user":
        merge_fact(session, "prompted", trust, event.time)
    turn_id = event.id or f"@{event.time}"
    turn = facts.turns.setdefault(turn_id, {})
    merge_fact(turn, "start", trust, event.time)
    if event.type:
        # A host's prompt may share the user's turn: the user's word on whose turn it is goes first.
        merge_fact(turn, "origin", trust + (HEARSAY if host else 0), "host" if host else "user")
    return (*touched, ("turn", turn_id))


def _turn_end(facts: SessionFacts, event: Event, trust: int) -> Touched:
    session = facts.session
    merge_fact(session, "stopped", trust, event.time)
    running = event.attributes.get("running")
    if isinstance(running, list):
        merge_fact(session, "running", trust, " ".join([f"{event.time:020d}", *running]))
    if event.id is None:
        merge_fact(session, f"stop@{event.time}", trust, event.outcome or Outcome.UNKNOWN)
        if event.duration is not None:
            merge_fact(session, f"asked@{event.time}", trust, event.time - event.duration)
        return ()
    turn = facts.turns.setdefault(event.id, {})
    # Stop hooks may send the agent on, so one turn can stop more than once: the last stop ends it.
    merge_fact(turn, "stopped", trust, event.time)
    if event.outcome:
        merge_fact(turn, "outcome", trust, event.outcome)
    return (("turn", event.id),)


def _task_start(facts: SessionFacts, event: Event, trust: int) -> Touched:
    return _task_mark(facts, event, trust, "start")


def _task_end(facts: SessionFacts, event: Event, trust: int) -> Touched:
    touched = _task_mark(facts, event, trust, "end")
    if event.id and event.outcome:
        merge_fact(facts.tasks[event.id], "outcome", trust, event.outcome)
    return touched


def _task_mark(facts: SessionFacts, event: Event, trust: int, edge: str) -> Touched:
    if event.id is None:
        return ()
    known = facts.tasks.setdefault(event.id, {})
    merge_fact(known, f"{edge}@{event.time}", trust, event.time)
    if event.name:
        merge_fact(known, "agent", trust, event.name)
    if event.type:
        merge_fact(known, "type", trust, event.type)
    if event.parent:
        merge_fact(known, "parent", trust, event.parent)
    if event.attributes:
        for name in ("delegated_by", "description", "phase", "span_parent"):
            value = read_text(event.attributes, name)
            if value:
                merge_fact(known, name, trust, value)
        outcome = _NOTICE.get(read_text(event.attributes, "task_status") or "")
        if outcome:
            merge_fact(known, "outcome", trust, outcome)
    return (("task", event.id),)


def _tool_start(facts: SessionFacts, event: Event, trust: int) -> Touched:
    call_id = event.id or read_text(event.attributes, "pair")
    if call_id is None:
        return ()
    known = _call(facts, event, call_id, trust)
    merge_fact(known, "start" if event.id else f"start@{event.time}", trust, event.time)
    if event.attributes:
        for name in ("agent", "description"):
            value = read_text(event.attributes, name)
            if value:
                merge_fact(known, name, trust, value)
    return (("call", call_id),)


def _tool_end(facts: SessionFacts, event: Event, trust: int) -> Touched:
    call_id = event.id or read_text(event.attributes, "pair")
    if call_id is None:
        return ()
    known = _call(facts, event, call_id, trust)
    if event.id is None:
        merge_fact(known, f"end@{event.time}", trust, event.outcome or Outcome.UNKNOWN)
    else:
        merge_fact(known, "end", trust, event.time)
        if event.outcome:
            merge_fact(known, "outcome", trust, event.outcome)
    merge_duration(known, "duration", event, trust)
    touched: Touched = (("call", call_id),)
    if event.attributes:
        status, task = read_text(event.attributes, "status"), read_text(event.attributes, "task")
        span = read_text(event.attributes, "span")
        if span:
            merge_fact(known, "span", trust, span)
        if status:
            merge_fact(known, "status", trust, status)
        if task:
            merge_fact(known, "task", trust, task)
            merge_fact(facts.tasks.setdefault(task, {}), "delegated_by", trust, call_id)
            touched += (("task", task),)
            facts.index_delegating(call_id, known)
    return touched


def _call(facts: SessionFacts, event: Event, call_id: str, trust: int) -> EntityFacts:
    known = facts.calls.get(call_id)
    if known is None:
        known = facts.calls[call_id] = {}
    if event.name:
        merge_fact(known, "tool", trust, event.name)
        if event.name in DELEGATING_TOOLS or call_id in facts.delegating:
            facts.index_delegating(call_id, known)
    if event.parent:
        merge_fact(known, "agent_id", trust, event.parent)
    facts.index_permission_key(call_id, known)
    if event.attributes:
        for name in ("wrote", "test_framework"):
            value = read_text(event.attributes, name)
            if value:
                merge_fact(known, name, trust, value)
        for name in TESTED:
            count = read_count(event, name)
            if count is not None:
                # Calls that share a pair have each their own tests.
                merge_fact(known, name if event.id else f"{name}@{event.time}", trust, count)
    return known


def _batch_end(facts: SessionFacts, event: Event, trust: int) -> Touched:
    ids = event.attributes.get("ids")
    if not isinstance(ids, list):
        return ()
    for call_id in ids:
        merge_fact(facts.calls.setdefault(call_id, {}), "batched", trust, event.time)
    return tuple(("call", call_id) for call_id in ids)


def _permission_request(facts: SessionFacts, event: Event, trust: int) -> Touched:
    facts.add_permission_request(make_permission_key(event.parent, event.name), event.time, trust)
    return (("permission", ""), *_overlapped_by_permission(facts, event))


def _model_call(facts: SessionFacts, event: Event, trust: int) -> Touched:
    if event.id is None:
        return ()
    known = facts.model_calls.setdefault(event.id, {})
    merge_fact(known, "start", trust, event.time)
    merge_duration(known, "duration", event, trust)
    request = read_text(event.attributes, "request")
    for name, value in (
        ("model", event.name),
        ("agent_id", event.parent),
        ("outcome", event.outcome),
        ("request", request),
    ):
        if value:
            merge_fact(known, name, trust, value)
    if event.attributes.get("anonymous") is True:
        merge_fact(known, "anonymous", trust, 1)
    merge_counts(known, event, TOKENS, trust)
    cost = event.attributes.get("cost_usd")
    if isinstance(cost, int | float) and 0 <= cost < MOST_DOLLARS:
        merge_fact(known, "cost", trust, round(cost * DOLLAR))
    first_token = event.attributes.get("first_token_ms")
    if isinstance(first_token, int | float) and 0 <= first_token < _MOST_MILLISECONDS:
        merge_fact(known, "first_token", trust, round(first_token * _MILLISECOND))
    return (("model", event.id),)


def _learn_context(session: EntityFacts, event: Event, trust: int) -> None:
    project = read_text(event.attributes, "project")
    if project:
        # Zero-padded time first: a session that moves keeps the project it began in.
        merge_fact(session, "project", trust, f"{event.time:020d} {project}")
    processes = event.attributes.get("processes")
    named = [name for name in processes if " " not in name] if isinstance(processes, list) else []
    if named:
        # A session that goes on in another process is to be found there.
        merge_fact(session, "processes", trust, " ".join([f"{event.time:020d}", *named[:MOST_PROCESSES]]))
    traceparent = read_text(event.attributes, "traceparent")
    if traceparent:
        merge_fact(session, "traceparent", trust, f"{event.time:020d} {traceparent}")


_HANDLERS: dict[Kind, Callable[[SessionFacts, Event, int], Touched]] = {
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
    **LEAF_HANDLERS,
}
"""The kinds that change entities; the others count as a sign of life."""
