"""Client agents: those that Claude Code runs for itself, to fill the model's cache or compact a session."""

from __future__ import annotations

from stretto.clock import SECOND
from stretto.model.facts import EntityFacts, SessionFacts, get_number, get_text
from stretto.names import fact_fields
from stretto.names.fact_fields import list_stamped_facts

SOURCE = "claude-code"

_KINDS = frozenset({"Explore", "Plan"})
_BEFORE_PROMPT = 10 * SECOND
"""Nanoseconds within which a prompt follows the start of such an agent."""


def is_helper(task_facts: EntityFacts) -> bool:
    """Return whether an agent is known by its end alone and has no kind: the client runs it for itself."""
    return fact_fields.AGENT not in task_facts and not list_stamped_facts(task_facts, fact_fields.START)


def is_warm_up(facts: SessionFacts, agent_id: str) -> bool:
    """Return whether an agent that no call started is no task but a warm-up.

    Example: the session starts at 0 s, agents Explore and Plan at 0.2 s, the prompt comes at 0.4 s, and
    neither agent calls a tool.
    """
    task = facts.tasks[agent_id]
    if get_text(facts.session, fact_fields.SOURCE) != SOURCE or fact_fields.DELEGATED_BY in task:
        return False
    starts = [time for time, _ in list_stamped_facts(task, fact_fields.START)]
    if get_text(task, fact_fields.AGENT) not in _KINDS or not starts:
        return False
    prompts = [get_number(turn, fact_fields.START) or 0 for turn in facts.turns.values()]
    if not any(0 <= prompt - min(starts) <= _BEFORE_PROMPT for prompt in prompts):
        return False
    return all(get_text(call, fact_fields.AGENT_ID) != agent_id for call in facts.calls.values())
