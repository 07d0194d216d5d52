"""Fold: events → facts. Pure, and deaf to order and repeats because facts are (see ``facts``).

What a missing end means is not decided here: that is ``conclude``, which can be taken again from the same facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stretto.model.event import Event, Kind, Outcome, Value
from stretto.model.facts import DELEGATES, TRUST, WEAK, Facts, Known, learn, number, text

Touched = set[tuple[str, str]]
"""The entities an event may have changed: (kind of ``facts.KINDS``, id)."""

_NOTICE = {"completed": Outcome.SUCCESS, "failed": Outcome.FAILURE, "stopped": Outcome.CANCELLED}
"""How the host words the end of a background task (facts of Claude Code's ``<task-notification>``)."""


def apply(facts: Facts, event: Event) -> Touched:
    """Merge one event into its session's facts and return what it may have changed."""
    trust = TRUST[event.channel]
    session = facts.session
    learn(session, "first", 0, event.time)
    learn(session, "last", trust, event.time)
    learn(session, "source", trust, event.source)
    touched = {("session", "")}
    handle = _HANDLERS.get(event.kind)
    if handle is not None:
        touched |= handle(facts, event, trust)
    return touched


def overlapped_by_permission(facts: Facts, event: Event) -> list[str]:
    """Return the ids of the calls whose time around execution a permission request makes a person's.

    A request names agent and tool but no call, so it touches every call of that tool by that agent that was open.
    """
    return [
        id
        for id, known in facts.calls.items()
        if text(known, "tool") == event.name
        and text(known, "agent_id") == event.parent
        and (number(known, "start") or 0) <= event.time <= (number(known, "end") or event.time)
    ]


def _session_start(facts: Facts, event: Event, trust: int) -> Touched:
    session = facts.session
    learn(session, "opened", trust, event.time)
    _learn_context(session, event, trust)
    if event.attributes.get("recording"):
        learn(session, "recording", trust, 1)
    return set()


def _session_end(facts: Facts, event: Event, trust: int) -> Touched:
    learn(facts.session, "ended", trust, event.time)
    return set()


def _turn_start(facts: Facts, event: Event, trust: int) -> Touched:
    session, attributes = facts.session, event.attributes
    host = event.type == "host"
    learn(session, "opened", trust, event.time)
    _learn_context(session, event, trust)
    command = _text(attributes, "command")
    if command:
        # The earliest command names the session's pattern: zero-padded time first, so that text order is time order.
        learn(session, "command", trust, f"{event.time:020d} {command}")
    touched: Touched = set()
    task = _text(attributes, "task")
    if task:
        known = facts.tasks.setdefault(task, {})
        touched.add(("task", task))
        outcome = _NOTICE.get(_text(attributes, "task_status") or "")
        if outcome:
            learn(known, "outcome", trust, outcome.value)
        delegated_by = _text(attributes, "delegated_by")
        if delegated_by:
            learn(known, "delegated_by", trust, delegated_by)
    if not host:
        learn(session, "prompted", trust, event.time)
    id = event.id or f"@{event.time}"
    turn = facts.turns.setdefault(id, {})
    learn(turn, "start", trust, event.time)
    # A host's prompt may share the user's turn: the user's word on whose turn it is goes first.
    learn(turn, "origin", trust + (WEAK if host else 0), "host" if host else "user")
    touched.add(("turn", id))
    return touched


def _turn_end(facts: Facts, event: Event, trust: int) -> Touched:
    session = facts.session
    learn(session, "stopped", trust, event.time)
    running = event.attributes.get("running")
    if isinstance(running, list):
        learn(session, "running", trust, " ".join([f"{event.time:020d}", *running]))
    if event.id is None:
        learn(session, f"stop@{event.time}", trust, (event.outcome or Outcome.UNKNOWN).value)
        return set()
    turn = facts.turns.setdefault(event.id, {})
    # Stop hooks may send the agent on, so one turn can stop more than once: the last stop ends it.
    learn(turn, "stopped", trust, event.time)
    if event.outcome:
        learn(turn, "outcome", trust, event.outcome.value)
    return {("turn", event.id)}


def _task_start(facts: Facts, event: Event, trust: int) -> Touched:
    return _task_mark(facts, event, trust, "start")


def _task_end(facts: Facts, event: Event, trust: int) -> Touched:
    touched = _task_mark(facts, event, trust, "end")
    if event.id and event.outcome:
        learn(facts.tasks[event.id], "outcome", trust + WEAK, event.outcome.value)
    return touched


def _task_mark(facts: Facts, event: Event, trust: int, edge: str) -> Touched:
    if event.id is None:
        return set()
    known = facts.tasks.setdefault(event.id, {})
    learn(known, f"{edge}@{event.time}", trust, event.time)
    if event.name:
        learn(known, "agent", trust, event.name)
    if event.type:
        learn(known, "type", trust, event.type)
    return {("task", event.id)}


def _tool_start(facts: Facts, event: Event, trust: int) -> Touched:
    known = _call(facts, event, trust)
    if known is None or event.id is None:
        return set()
    learn(known, "start", trust, event.time)
    for name in ("agent", "description"):
        value = _text(event.attributes, name)
        if value:
            learn(known, name, trust, value)
    return {("call", event.id)}


def _tool_end(facts: Facts, event: Event, trust: int) -> Touched:
    known = _call(facts, event, trust)
    if known is None or event.id is None:
        return set()
    learn(known, "end", trust, event.time)
    if event.duration is not None:
        learn(known, "duration", trust, event.duration)
    if event.outcome:
        learn(known, "outcome", trust, event.outcome.value)
    status = _text(event.attributes, "status")
    if status:
        learn(known, "status", trust, status)
    touched = {("call", event.id)}
    task = _text(event.attributes, "task")
    if task:
        learn(known, "task", trust, task)
        learn(facts.tasks.setdefault(task, {}), "delegated_by", trust, event.id)
        touched.add(("task", task))
    return touched


def _call(facts: Facts, event: Event, trust: int) -> Known | None:
    if event.id is None:
        return None
    known = facts.calls.get(event.id)
    if known is None:
        known = facts.calls[event.id] = {}
    if event.name:
        learn(known, "tool", trust, event.name)
    if event.parent:
        learn(known, "agent_id", trust, event.parent)
    if event.name in DELEGATES or "task" in event.attributes:
        facts.delegating.add(event.id)
    return known


def _batch_end(facts: Facts, event: Event, trust: int) -> Touched:
    ids = event.attributes.get("ids")
    if not isinstance(ids, list):
        return set()
    for id in ids:
        learn(facts.calls.setdefault(id, {}), "batched", trust, event.time)
    return {("call", id) for id in ids}


def _permission_request(facts: Facts, event: Event, trust: int) -> Touched:
    learn(facts.permissions, f"@{event.time}", trust, f"{event.parent or ''}|{event.name or ''}")
    return {("permission", "")} | {("call", id) for id in overlapped_by_permission(facts, event)}


def _model_call(facts: Facts, event: Event, trust: int) -> Touched:
    if event.id is None:
        return set()
    known = facts.model_calls.setdefault(event.id, {})
    learn(known, "start", trust, event.time)
    if event.duration is not None:
        learn(known, "duration", trust, event.duration)
    for name, value in (("model", event.name), ("agent_id", event.parent), ("outcome", event.outcome)):
        if value:
            learn(known, name, trust, str(value))
    return {("model", event.id)}


def _learn_context(session: Known, event: Event, trust: int) -> None:
    project = _text(event.attributes, "project")
    if project:
        # Zero-padded time first: a session that moves keeps the project it began in.
        learn(session, "project", trust, f"{event.time:020d} {project}")
    traceparent = _text(event.attributes, "traceparent")
    if traceparent:
        learn(session, "traceparent", trust, f"{event.time:020d} {traceparent}")


def _text(attributes: Mapping[str, Value], name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) and value else None


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
}
"""The kinds that change entities; the others count as a sign of life."""
