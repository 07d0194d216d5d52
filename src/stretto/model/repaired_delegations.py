"""Repaired delegations: calls for an agent that were refused, and that a later call for the work made good.

A refused, not allowed or mistyped call is no task: no agent took it up. It is repaired if a later call of the
same parent with the same description, for whatever agent, was taken up.
"""

from __future__ import annotations

from dataclasses import dataclass

from stretto.model.conclude_delivery import normalise_description
from stretto.model.delegation import Delegation, match_delegations
from stretto.model.event import Outcome
from stretto.model.facts import SessionFacts


@dataclass(frozen=True, slots=True)
class RefusedDelegation:
    """A call for an agent that no agent took up."""

    time: int
    """When it ended, else when it started (ns)."""
    is_repaired: bool


def find_refused_delegations(facts: SessionFacts) -> tuple[RefusedDelegation, ...]:
    """Return the refused calls for agents, by time; a later call repairs a single refused call.

    Example: "review" for the agent ``reviwer`` fails, "review" for ``reviewer`` runs: one, repaired.
    """
    delegations = match_delegations(facts)
    refused = [call for call in delegations.without_agent if _is_refused(call)]
    taken_up = [call for calls in delegations.by_agent.values() for call in calls]
    taken_up += [call for call in delegations.without_agent if call.outcome is Outcome.SUCCESS]
    taken_up.sort(key=lambda call: call.start or 0)
    found = []
    for call in sorted(refused, key=_get_time):
        repair = next((later for later in taken_up if _repairs(later, call)), None)
        if repair is not None:
            taken_up.remove(repair)
        found.append(RefusedDelegation(_get_time(call), repair is not None))
    return tuple(found)


def _is_refused(call: Delegation) -> bool:
    return call.outcome in {Outcome.FAILURE, Outcome.CANCELLED} or call.denied


def _get_time(call: Delegation) -> int:
    return call.end if call.end is not None else call.start or 0


def _repairs(later: Delegation, refused: Delegation) -> bool:
    words = normalise_description(refused.description)
    return (
        later.start is not None
        and later.start >= _get_time(refused)
        and later.parent == refused.parent
        and bool(words)
        and normalise_description(later.description) == words
    )
