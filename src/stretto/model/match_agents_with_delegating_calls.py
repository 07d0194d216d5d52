"""Delegation: match each agent with the tool call that started it.

No hook reports this when the agent starts. The best evidence is used: the call's answer names the agent, or
the host's notification names the call. Otherwise an agent is matched with the oldest call that asks for the
same kind of agent, was open when it started and has no agent yet, since parallel agents start in call order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from stretto.model.calls_from_facts import OUTCOMES
from stretto.model.event import Outcome
from stretto.model.facts import (
    DELEGATING_TOOLS,
    EntityFacts,
    SessionFacts,
    get_text,
    split_repeated_calls,
)
from stretto.names import fact_fields
from stretto.names.fact_fields import EntityKind, list_stamped_facts

SLACK = 250_000_000
"""Nanoseconds by which an agent's start may be stamped before its call: two hook processes race."""

AGENT_REPORTING_SOURCES = frozenset({"claude-code"})
"""Clients that report each agent by its id as soon as it starts."""


LAUNCH = 2_000_000_000
"""Nanoseconds by which an agent's start may be stamped after the call that left it in the background."""


class Delegation(msgspec.Struct, frozen=True, gc=False):
    """A call that starts an agent, as far as it is known."""

    id: str
    agent: str | None
    description: str | None
    parent: str | None
    start: int | None
    end: int | None
    outcome: Outcome | None
    launched: bool
    """It returned at once and left the agent in the background: its end is not the agent's."""
    denied: bool
    """Permission was refused: it started no agent."""
    task_duration: int | None = None
    """The length (ns) of the run that it waited for, as the client measured it."""
    task_tool_calls: int | None = None
    """How many tools that run called, as the client counted."""
    task_prompt_tokens: int | None = None
    """How many tokens the last request of that run sent, as the client counted."""
    named_agent: str | None = None
    """The id of the agent that its answer names."""
    span: str | None = None
    """The span that stands for it."""

    @property
    def waited(self) -> bool:
        """Whether the end of this call is the end of its agent."""
        return self.end is not None and not self.launched

    @property
    def cancelled(self) -> bool:
        """Whether it was denied or interrupted: if no agent is known for it, none ran."""
        return self.outcome is Outcome.CANCELLED

    def can_precede(self, start: int | None) -> bool:
        """Return whether an agent's run that began at ``start`` can come from this call."""
        return self.start is None or start is None or self.start <= start + SLACK


@dataclass(frozen=True, slots=True)
class Delegations:
    """All delegating calls of a session and the agents they started."""

    by_agent: Mapping[str, tuple[Delegation, ...]]
    """Agent id → its calls by start; an agent that is called again runs again."""
    without_agent: tuple[Delegation, ...]
    """Calls for which no agent is known, by start."""


@dataclass(slots=True)
class DelegationMemory:
    """The delegating calls of a live session as they were last concluded.

    What depends on the facts of one call or one agent is kept until they change. The same object comes back
    then, so that a caller knows by the object that nothing has changed.
    """

    _calls: dict[str, tuple[Delegation, ...]] = field(default_factory=dict)
    """By key: a key has several calls if an agent's calls have no ids of their own."""
    _first_starts: dict[str, int | None] = field(default_factory=dict)
    """By agent id."""
    _launched: dict[str, tuple[Delegation, Delegation]] = field(default_factory=dict)
    """Call id → the call, and the same call marked as launched."""

    def forget(self, changed: Iterable[tuple[str, str]]) -> None:
        """Forget what depends on the facts of these entities: (kind, key)."""
        if not self._calls and not self._first_starts:
            return
        for kind, key in changed:
            if kind == EntityKind.CALL:
                self._calls.pop(key, None)
            elif kind == EntityKind.TASK:
                self._first_starts.pop(key, None)

    def get_calls(self, facts: SessionFacts) -> dict[str, Delegation]:
        """Return the delegating calls of a session by id."""
        calls: dict[str, Delegation] = {}
        for key in facts.delegating:
            known = self._calls.get(key)
            if known is None:
                split = split_repeated_calls(key, facts.calls[key])
                known = tuple([_to_delegation(id, call_facts) for id, call_facts in split])
                self._calls[key] = known
            for call in known:
                calls[call.id] = call
        return calls

    def mark_launched(self, call: Delegation, agent_id: str, task_facts: EntityFacts) -> Delegation:
        """Return the call, marked as launched if its agent began only after the call's end."""
        if call.end is None:
            return call
        if agent_id not in self._first_starts:
            self._first_starts[agent_id] = min(_list_starts(task_facts), default=None)
        first_start = self._first_starts[agent_id]
        if first_start is None or first_start <= call.end:
            return call
        before, marked = self._launched.get(call.id, (None, call))
        if before is not call:
            marked = replace(call, launched=True)
            self._launched[call.id] = call, marked
        return marked


def match_delegations(facts: SessionFacts, memory: DelegationMemory | None = None) -> Delegations:
    """Match agents with the calls that started them. ``memory`` is that of the same session, up to date.

    Example: of two open calls for agent ``reviewer``, started at 10 and 12, and two reviewers seen at 13 and
    14, the first call gets the first agent.
    """
    memory = memory or DelegationMemory()
    calls = memory.get_calls(facts)
    calls_by_agent = _find_named_agents(facts, calls)
    for agent_id, ids in calls_by_agent.items():
        for call_id in ids:
            calls[call_id] = memory.mark_launched(calls[call_id], agent_id, facts.tasks.get(agent_id, {}))
    claimed = set().union(*calls_by_agent.values())
    free = sorted((call for call in calls.values() if call.id not in claimed), key=_order_by_start)
    for start, agent_id in _list_unmatched_agents(facts, calls_by_agent):
        call = _guess_call(free, get_text(facts.tasks[agent_id], fact_fields.AGENT), start)
        if call is not None:
            calls_by_agent[agent_id] = {call.id}
            free.remove(call)
    return Delegations(
        {
            agent_id: tuple(sorted([calls[call_id] for call_id in ids], key=_order_by_start))
            if len(ids) > 1
            else (calls[next(iter(ids))],)
            for agent_id, ids in calls_by_agent.items()
        },
        tuple(call for call in free if not call.launched),
    )


def _find_named_agents(facts: SessionFacts, calls: Mapping[str, Delegation]) -> dict[str, set[str]]:
    """Return the calls of each agent that a source reports, in the call's facts or in the agent's."""
    calls_by_agent: dict[str, set[str]] = {}
    call_of_span = {call.span: call_id for call_id, call in calls.items() if call.span}
    for call_id, call in calls.items():
        agent_id = call.named_agent
        # The path of an agent whose id is not known (Codex) names nobody.
        if agent_id and not agent_id.startswith("/"):
            calls_by_agent.setdefault(agent_id, set()).add(call_id)
    for agent_id, task_facts in facts.tasks.items():
        if agent_id.startswith("/"):
            continue
        reported_call = get_text(task_facts, fact_fields.DELEGATED_BY)
        if not reported_call and call_of_span:
            reported_call = call_of_span.get(get_text(task_facts, fact_fields.SPAN_PARENT) or "")
        if reported_call is not None and reported_call in calls:
            calls_by_agent.setdefault(agent_id, set()).add(reported_call)
    return calls_by_agent


def _order_by_start(call: Delegation) -> tuple[int, str]:
    return call.start or 0, call.id


def _list_starts(task_facts: EntityFacts) -> list[int]:
    return [time for time, _ in list_stamped_facts(task_facts, fact_fields.START)]


def _list_unmatched_agents(
    facts: SessionFacts, calls_by_agent: Mapping[str, set[str]]
) -> list[tuple[int, str]]:
    """Return (first start, agent id) of the agents without a known call, by start."""
    unmatched = []
    for agent_id, task_facts in facts.tasks.items():
        if agent_id not in calls_by_agent:
            starts = _list_starts(task_facts)
            if starts:
                unmatched.append((min(starts), agent_id))
    return sorted(unmatched)


def _guess_call(free: list[Delegation], agent: str | None, start: int) -> Delegation | None:
    candidates = [call for call in free if _can_start(call, agent, start)]
    # A cancelled call is matched with an agent that ran only if no other call is left.
    uncancelled = (call for call in candidates if not call.cancelled)
    return next(uncancelled, candidates[0] if candidates else None)


def _can_start(call: Delegation, agent: str | None, start: int) -> bool:
    if call.denied or call.start is None or (call.agent and agent and call.agent != agent):
        return False
    # An agent behind the foreground may start just after the answer of its call.
    ended = call.end if call.end is None or not call.launched else call.end + LAUNCH
    return call.can_precede(start) and (ended is None or ended >= start)


_FIELDS = (
    fact_fields.AGENT,
    fact_fields.DESCRIPTION,
    fact_fields.AGENT_ID,
    fact_fields.START,
    fact_fields.END,
    fact_fields.OUTCOME,
    fact_fields.STATUS,
    fact_fields.TOOL,
    fact_fields.TASK_DURATION,
    fact_fields.TASK_TOOL_CALLS,
    fact_fields.TASK_PROMPT_TOKENS,
    fact_fields.TASK,
    fact_fields.SPAN,
)
"""The facts of a delegating call, in the order in which ``_to_delegation`` takes them."""


def _to_delegation(call_id: str, call_facts: EntityFacts) -> Delegation:
    # Look-ups without a function: a session may have thousands. A field has values of one type.
    known: Mapping[str, tuple[int, Any]] = call_facts
    agent, description, parent, start, end, outcome, status, tool, duration, calls, prompt, named, span = [
        known[name][1] if name in known else None for name in _FIELDS
    ]
    return Delegation(
        call_id,
        agent,
        description,
        parent,
        start,
        end,
        OUTCOMES[outcome] if outcome else None,
        # Another tool that names an agent sends it a message and does not wait for it.
        tool not in DELEGATING_TOOLS or (status is not None and status.endswith("_launched")),
        status == "denied",
        duration,
        calls,
        prompt,
        named,
        span,
    )
