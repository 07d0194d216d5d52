"""Conclude the class of each task that is over: delivered, taken as delivered or wasted, with the reason.

Most tasks have the class of their own outcome. Other entities of the session change it in four cases:

- a resumed agent: all its runs share the class of its last run that is over
- a cut: a task without an outcome that ended with an interrupted turn, or with its process, is wasted
- a retry: a wasted task whose work a later task delivered is wasted because it was retried
- a wasted task above: whatever lies below it is wasted for its reason
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import lru_cache

from msgspec.structs import replace

from stretto.model.entities import Task, Turn
from stretto.model.event import Outcome
from stretto.model.facts import SessionFacts
from stretto.model.task_delivery_classes import Delivery, TaskDelivery, WasteReason
from stretto.names import fact_fields

_RETRY_WORDS = re.compile(
    r"\b(?:re-?try(?:ing)?|re-?run(?:ning)?|again|(?:attempt|try)\s*#?\d+(?:\s*(?:of|/)\s*\d+)?)\b"
)
"""Words that only mark a repetition."""

WorkKey = tuple[str | None, ...]
"""Tasks with equal keys do the same work."""

_LOST = TaskDelivery(Delivery.WASTED, WasteReason.LOST)
_BY_PERSON = TaskDelivery(Delivery.WASTED, WasteReason.CANCELLED_BY_PERSON)


def judge_task_deliveries(
    facts: SessionFacts, tasks: Sequence[Task], turns: Sequence[Turn], end: int | None
) -> tuple[Task, ...]:
    """Return the tasks of a session, each with its class. ``end`` is the session's end, if it was seen."""
    # Example: `a` fails, `a/2` succeeds: both are delivered. `b` fails, a later `b again` succeeds: `b` was
    # retried, and all tasks below `b` were too.
    if not any(_is_unclear(task) for task in tasks):
        return tuple(tasks)
    ids = {task.id for task in tasks}
    agents = {id: get_agent_id_of_task(id, ids) for id in ids}
    by_agent = _share_last_run(tasks, agents, _judge_cuts(facts, tasks, turns, end))
    parents = {agents[task.id]: task.parent for task in reversed(tasks)}
    wasted_agents = {agent for agent, judged in by_agent.items() if judged.is_wasted}
    blocked: set[str] = set()
    reasons: dict[str, WasteReason] = {}
    if wasted_agents:
        blocked = {agent for agent in parents if _is_below(agent, parents, wasted_agents)}
        reasons = _find_retried(tasks, agents, by_agent, blocked)
    return tuple(
        _with_delivery(task, _judge(agents[task.id], by_agent, parents, reasons))
        if task.outcome is not Outcome.RUNNING
        else task
        for task in tasks
    )


def get_agent_id_of_task(task_id: str, ids: Container[str]) -> str:
    """Return the agent id of a task: a resumed run ``a1/2`` belongs to the agent ``a1``."""
    agent, _, number = task_id.rpartition("/")
    return agent if number.isdigit() and agent in ids else task_id


def make_work_key(task: Task) -> WorkKey:
    """Return a key that is equal for tasks that do the same work.

    It is the parent with the description, without case, punctuation and words such as "retry" or "attempt 2";
    without a description the parent with agent and task type.
    """
    words = normalise_description(task.description)
    return (task.parent, words) if words else (task.parent, task.agent, task.task_type)


# A live session is judged again with each event about one of its tasks.
@lru_cache(maxsize=8_192)
def normalise_description(description: str | None) -> str:
    """Return the words of a description without case, punctuation, and words such as "retry"."""
    return " ".join(re.findall(r"\w+", _RETRY_WORDS.sub(" ", (description or "").lower())))


def _is_unclear(task: Task) -> bool:
    return task.outcome not in {Outcome.SUCCESS, Outcome.RUNNING}


def _judge_cuts(
    facts: SessionFacts, tasks: Iterable[Task], turns: Sequence[Turn], end: int | None
) -> dict[str, TaskDelivery]:
    """Return the class of each task that is over, by its outcome and by what cut it off."""
    starts = [turn.start for turn in turns]
    judged = {}
    for task in tasks:
        alone = task.own_delivery
        if alone is None:
            continue
        if task.outcome is Outcome.UNKNOWN and task.end is not None and end is not None and task.end > end:
            alone = _LOST
        if task.outcome in {Outcome.UNKNOWN, Outcome.CANCELLED} and task.end is not None:
            turn = turns[place - 1] if (place := bisect_right(starts, task.end)) else None
            if turn is not None and _is_cut(facts, task, turn):
                alone = _BY_PERSON
        judged[task.id] = alone
    return judged


def _is_cut(facts: SessionFacts, task: Task, turn: Turn) -> bool:
    """Return whether a turn was interrupted, and a task that ended in it ended because of that."""
    if turn.origin != "user":
        return False
    if turn.outcome is Outcome.CANCELLED:
        return task.end is not None and (turn.end is None or task.end >= turn.end)
    # A client reports no stop after an interrupt: the call for the agent has not returned either.
    call = facts.calls.get(task.delegated_by or "", {})
    return turn.end is None and turn.outcome is Outcome.UNKNOWN and bool(call) and fact_fields.END not in call


def _share_last_run(
    tasks: Iterable[Task], agents: Mapping[str, str], judged: Mapping[str, TaskDelivery]
) -> dict[str, TaskDelivery]:
    """Return the class of each agent: that of its last run that is over. Tasks are by start."""
    return {agents[task.id]: judged[task.id] for task in tasks if task.id in judged}


def _find_retried(
    tasks: Sequence[Task],
    agents: Mapping[str, str],
    by_agent: Mapping[str, TaskDelivery],
    blocked: set[str],
) -> dict[str, WasteReason]:
    """Return the reason of each agent that was wasted by itself, ``RETRIED`` if its work was delivered."""
    delivered_from: dict[WorkKey, int] = {}
    for task in tasks:
        agent = agents[task.id]
        if agent in by_agent and not by_agent[agent].is_wasted and agent not in blocked:
            key = make_work_key(task)
            delivered_from[key] = max(delivered_from.get(key, 0), task.start or 0)
    reasons: dict[str, WasteReason] = {}
    for task in tasks:
        agent = agents[task.id]
        reason = by_agent[agent].reason if agent in by_agent else None
        if reason is not None:
            ended = task.end if task.end is not None else task.start or 0
            is_retried = delivered_from.get(make_work_key(task), -1) >= ended
            reasons[agent] = WasteReason.RETRIED if is_retried else reasons.get(agent, reason)
    return reasons


def _judge(
    agent: str,
    by_agent: Mapping[str, TaskDelivery],
    parents: Mapping[str, str | None],
    reasons: Mapping[str, WasteReason],
) -> TaskDelivery:
    for above in _walk_up(agent, parents) if reasons else ():
        if above in reasons:
            return TaskDelivery(Delivery.WASTED, reasons[above])
    return by_agent[agent]


def _is_below(agent: str, parents: Mapping[str, str | None], wasted: set[str]) -> bool:
    return any(above in wasted for above in _walk_up(agent, parents) if above != agent)


def _walk_up(agent: str, parents: Mapping[str, str | None]) -> Iterable[str]:
    """Yield an agent and the agents above it, innermost first; contradictory events end the walk."""
    climbed: set[str] = set()
    above: str | None = agent
    while above is not None and above not in climbed:
        yield above
        climbed.add(above)
        above = parents.get(above)


def _with_delivery(task: Task, judged: TaskDelivery) -> Task:
    return task if judged == task.own_delivery else replace(task, judged=judged)
