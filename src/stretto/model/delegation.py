"""Delegation: which call of the main agent or a task started which agent.

No hook says so when the agent starts. Best first: the call's own answer names the agent, or the host's notification
names the call; else, while a waiting call has not answered, the oldest open call for the same kind of agent that
nothing else claims: parallel agents start in the order in which they were called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stretto.model.event import Outcome
from stretto.model.facts import Facts, Known, number, text

SLACK = 250_000_000
"""Nanoseconds by which an agent's start may be stamped before its call: two hook processes race for the clock."""


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

    @property
    def waited(self) -> bool:
        """Whether the end of this call is the end of its agent."""
        return self.end is not None and not self.launched

    @property
    def never_ran(self) -> bool:
        """Whether no agent came of it: the call was denied or cancelled before one started."""
        return self.outcome is Outcome.CANCELLED


@dataclass(frozen=True, slots=True)
class Delegations:
    """All delegating calls of a session and the agents they started."""

    calls: Mapping[str, Delegation]
    by_agent: Mapping[str, str]
    """Agent id → call id."""
    without_agent: tuple[str, ...]
    """Calls for which no agent is known, by start."""


def match_delegations(facts: Facts) -> Delegations:
    """Match agents with the calls that started them."""
    calls = {id: _delegation(id, facts.calls[id]) for id in sorted(facts.delegating)}
    by_agent: dict[str, str] = {}
    for agent_id, known in facts.tasks.items():
        call_id = text(known, "delegated_by")
        if call_id in calls:
            by_agent[agent_id] = call_id
    claimed = set(by_agent.values())
    free = sorted((call for id, call in calls.items() if id not in claimed), key=lambda c: (c.start or 0, c.id))
    for start, agent_id in _unmatched_agents(facts, by_agent):
        agent = text(facts.tasks[agent_id], "agent")
        call = next((call for call in free if _could_start(call, agent, start)), None)
        if call is not None:
            by_agent[agent_id] = call.id
            free.remove(call)
    return Delegations(calls, by_agent, tuple(call.id for call in free if not call.launched))


def _unmatched_agents(facts: Facts, by_agent: Mapping[str, str]) -> list[tuple[int, str]]:
    found = []
    for agent_id, known in facts.tasks.items():
        if agent_id not in by_agent:
            starts = [fact[1] for name, fact in known.items() if name.startswith("start@")]
            if starts:
                found.append((min(int(start) for start in starts), agent_id))
    return sorted(found)


def _could_start(call: Delegation, agent: str | None, start: int) -> bool:
    if call.agent and agent and call.agent != agent:
        return False
    return (
        call.start is not None
        and call.start <= start + SLACK
        and (call.end is None or call.end >= start)
        and not call.never_ran
    )


def _delegation(id: str, known: Known) -> Delegation:
    outcome = text(known, "outcome")
    status = text(known, "status") or ""
    return Delegation(
        id=id,
        agent=text(known, "agent"),
        description=text(known, "description"),
        parent=text(known, "agent_id"),
        start=number(known, "start"),
        end=number(known, "end"),
        outcome=Outcome(outcome) if outcome else None,
        launched=status.endswith("_launched"),
    )
