"""Repaired delegations: calls for an agent that were refused, and that a later call for the work made good.

A refused, not allowed or mistyped call is no task: no agent took it up. It is repaired if a later call of the
same parent with the same description, for whatever agent, was taken up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from stretto.model.delivered_and_wasted_tasks import normalise_description
from stretto.model.event import Outcome
from stretto.model.facts import EntityFacts, SessionFacts, get_text
from stretto.model.match_agents_with_delegating_calls import Delegation, match_delegations
from stretto.names import fact_fields

_REFUSED = frozenset({Outcome.FAILURE, Outcome.CANCELLED})


@dataclass(frozen=True, slots=True)
class RefusedDelegation:
    """A call for an agent that no agent took up."""

    time: int
    """When it ended, else when it started (ns)."""
    is_repaired: bool


def find_refused_and_repaired_delegations(facts: SessionFacts) -> tuple[RefusedDelegation, ...]:
    """Return the refused calls for agents, by time; a later call repairs a single refused call.

    Example: "review" for the agent ``reviwer`` fails, "review" for ``reviewer`` runs: one, repaired.
    """
    # Most sessions have no refused call: then agents and calls need not be matched.
    if not _has_unclaimed_failure(facts):
        return ()
    delegations = match_delegations(facts)
    refused = [call for call in delegations.without_agent if _is_refused(call)]
    taken_up = [call for calls in delegations.by_agent.values() for call in calls]
    taken_up += [call for call in delegations.without_agent if call.outcome is Outcome.SUCCESS]
    starts_by_work: dict[_Work, list[int]] = {}
    for call in taken_up:
        if call.start is not None:
            starts_by_work.setdefault(_identify_work(call), []).append(call.start)
    found = []
    for call in sorted(refused, key=_get_time):
        time, work = _get_time(call), _identify_work(call)
        starts = starts_by_work.get(work, []) if work.words else []
        repair = min((start for start in starts if start >= time), default=None)
        if repair is not None:
            starts.remove(repair)
        found.append(RefusedDelegation(time, repair is not None))
    return tuple(found)


def _has_unclaimed_failure(facts: SessionFacts) -> bool:
    """Return whether a call for an agent was not answered well, and no agent is named as its own."""
    unclaimed = {call_id for call_id in facts.delegating if _has_failed_alone(facts.calls[call_id])}
    if unclaimed:
        unclaimed -= {get_text(task_facts, fact_fields.DELEGATED_BY) for task_facts in facts.tasks.values()}
    return bool(unclaimed)


def _has_failed_alone(call_facts: EntityFacts) -> bool:
    # A key that several calls share has their outcomes under stamped fields.
    if fact_fields.STAMP in "".join(call_facts):
        return True
    outcome, agent = get_text(call_facts, fact_fields.OUTCOME), get_text(call_facts, fact_fields.TASK)
    is_denied = get_text(call_facts, fact_fields.STATUS) == "denied"
    # The path of an agent whose id is not known names nobody.
    return (is_denied or outcome in _REFUSED) and (not agent or agent.startswith("/"))


def _is_refused(call: Delegation) -> bool:
    return call.outcome in _REFUSED or call.denied


def _get_time(call: Delegation) -> int:
    return call.end if call.end is not None else call.start or 0


class _Work(NamedTuple):
    parent: str | None
    words: str


def _identify_work(call: Delegation) -> _Work:
    return _Work(call.parent, normalise_description(call.description))
