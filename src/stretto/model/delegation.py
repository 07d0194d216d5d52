"""Delegation: which call of the main agent or a task started which agent.

No hook says so when the agent starts. Best first: the call's own answer names the agent, or the host's
notification names the call; else, while a waiting call has not answered, the oldest open call for the same
kind of agent that nothing else claims: parallel agents start in the order in which they were called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stretto.model.event import Outcome
from stretto.model.facts import DELEGATING_TOOLS, SessionFacts, EntityFacts, get_number, split_repeated_calls, get_text

SLACK = 250_000_000
"""Nanoseconds by which an agent's start may be stamped before its call: two hook processes race."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """One call that delegates, as far as it is known."""

    id: str
    agent: str | None
    description: str | None
    parent: str | None
    start: int | None
    end: int | None
    outcome: Outcome | None
    launched: bool
    """It returned at once and left the agent in the background: its end says nothing of the agent's."""
    denied: bool
    """Permission was refused: no agent came of it."""

    @property
    def waited(self) -> bool:
        """Whether the end of this call is the end of its agent."""
        return self.end is not None and not self.launched

    @property
    def cancelled(self) -> bool:
        """Whether it was denied or broken off: where no agent is known for it, none ran."""
        return self.outcome is Outcome.CANCELLED

    def precedes(self, start: int | None) -> bool:
        """Tell whether an agent's run that began at ``start`` can have come of this call."""
        return self.start is None or start is None or self.start <= start + SLACK


@dataclass(frozen=True, slots=True)
class Delegations:
    """All delegating calls of a session and the agents they started."""

    by_agent: Mapping[str, tuple[Delegation, ...]]
    """Agent id → its calls by start; an agent that is called again runs again."""
    without_agent: tuple[Delegation, ...]
    """Calls for which no agent is known, by start."""


def match_delegations(facts: SessionFacts) -> Delegations:
    """Match agents with the calls that started them."""
    behind = dict(one for call_id in facts.delegating for one in split_repeated_calls(call_id, facts.calls[call_id]))
    calls = {call_id: _delegation(call_id, known) for call_id, known in behind.items()}
    executions = {span: call_id for call_id in calls if (span := get_text(behind[call_id], "span"))}
    named: dict[str, set[str]] = {}
    for call_id in calls:
        agent_id = get_text(behind[call_id], "task")
        if agent_id:
            named.setdefault(agent_id, set()).add(call_id)
    for agent_id, known in facts.tasks.items():
        said = get_text(known, "delegated_by") or executions.get(get_text(known, "span_parent") or "")
        if said in calls:
            named.setdefault(agent_id, set()).add(said)
    for agent_id, ids in named.items():
        for call_id in ids:
            calls[call_id] = _seen_apart(calls[call_id], facts.tasks.get(agent_id, {}))
    claimed = set().union(*named.values())
    free = sorted((call for call in calls.values() if call.id not in claimed), key=_by_start)
    for start, agent_id in _unmatched_agents(facts, named):
        call = _guess(free, get_text(facts.tasks[agent_id], "agent"), start)
        if call is not None:
            named[agent_id] = {call.id}
            free.remove(call)
    return Delegations(
        {agent_id: tuple(sorted((calls[c] for c in ids), key=_by_start)) for agent_id, ids in named.items()},
        tuple(call for call in free if not call.launched),
    )


def _seen_apart(call: Delegation, agent: EntityFacts) -> Delegation:
    """Return a call as launching, if all that is known of its agent began when it was over."""
    starts = [int(fact[1]) for name, fact in agent.items() if name.startswith("start@")]
    if call.end is not None and starts and min(starts) > call.end:
        return replace(call, launched=True)
    return call


def _by_start(call: Delegation) -> tuple[int, str]:
    return call.start or 0, call.id


def _unmatched_agents(facts: SessionFacts, named: Mapping[str, set[str]]) -> list[tuple[int, str]]:
    found = []
    for agent_id, known in facts.tasks.items():
        if agent_id not in named:
            starts = [fact[1] for name, fact in known.items() if name.startswith("start@")]
            if starts:
                found.append((min(int(start) for start in starts), agent_id))
    return sorted(found)


def _guess(free: list[Delegation], agent: str | None, start: int) -> Delegation | None:
    could = [call for call in free if _could_start(call, agent, start)]
    # An agent that ran comes of a call that was broken off only where no other is left.
    return next((call for call in could if not call.cancelled), could[0] if could else None)


def _could_start(call: Delegation, agent: str | None, start: int) -> bool:
    if call.denied or call.start is None or (call.agent and agent and call.agent != agent):
        return False
    return call.precedes(start) and (call.end is None or call.end >= start)


def _delegation(call_id: str, known: EntityFacts) -> Delegation:
    outcome = get_text(known, "outcome")
    status = get_text(known, "status") or ""
    return Delegation(
        id=call_id,
        agent=get_text(known, "agent"),
        description=get_text(known, "description"),
        parent=get_text(known, "agent_id"),
        start=get_number(known, "start"),
        end=get_number(known, "end"),
        outcome=Outcome(outcome) if outcome else None,
        # Another tool that names an agent sends it a message, and does not wait either.
        launched=status.endswith("_launched") or get_text(known, "tool") not in DELEGATING_TOOLS,
        denied=status == "denied",
    )
