"""Sums of the tokens and the cost of parallel executions and of tasks, in sessions that are over.

A fan-out is added only if the model calls of every one of its tasks are known: tokens of a part of the tasks
give no price of the whole. Delivered work and elapsed of exactly these fan-outs are added beside their tokens
and cost, so that the price of a second saved has numerator and denominator of the same fan-outs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from stretto.figures.fanouts import Fanout
from stretto.figures.work_signature import build_work_signature
from stretto.model.call_cost_and_usage_types import Price
from stretto.model.entities import ModelCall, Task
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext, find_counted_slot
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_cost_of_fanouts_and_waste(context: SessionContext) -> Additions:
    """Return tokens and cost of the fan-outs and of the tasks; nothing while the session runs."""
    added: Additions = Counter()
    if not context.over or not context.session.tasks or not context.facts.model_calls:
        return added
    calls_by_task: dict[str, list[ModelCall]] = {}
    for call in context.whole.model_calls:
        if call.task is not None:
            calls_by_task.setdefault(call.task, []).append(call)
    for fanout in context.fanouts:
        calls = [calls_by_task.get(task.id, []) for task in fanout.tasks]
        mix = (context.session.pattern or NONE, build_work_signature(context.session, fanout.tasks))
        _add_fanout(added, fanout, mix, calls, context.price)
    for task in context.session.tasks:
        _add_task(added, task, calls_by_task.get(task.id, []), context.price)
    return added


def _add_task(added: Additions, task: Task, calls: Iterable[ModelCall], price: Price) -> None:
    with_tokens = [call for call in calls if _sum_tokens(call) is not None]
    slot, delivery = find_counted_slot(task), task.delivery
    if not with_tokens or slot is None or delivery is None:
        return
    agent = task.agent or NONE
    tokens = sum(_sum_tokens(call) or 0 for call in with_tokens)
    costs = [price(call) for call in with_tokens]
    cost = None if None in costs else sum(cost.amount for cost in costs if cost is not None)
    of_agent = (agent, delivery.delivery.value)
    added[slot, measures.AGENT_TOKENS, of_agent] += tokens
    added[slot, measures.AGENT_TOKEN_TASKS, of_agent] += 1
    if cost is not None:
        added[slot, measures.AGENT_COST, of_agent] += cost
        added[slot, measures.AGENT_COST_TASKS, of_agent] += 1
    if delivery.reason is None:
        return
    of_waste = (task.task_type, agent, delivery.reason.value)
    added[slot, measures.WASTED_TOKENS, of_waste] += tokens
    added[slot, measures.WASTED_TOKEN_TASKS, of_waste] += 1
    if cost is not None:
        added[slot, measures.WASTED_COST, of_waste] += cost
        added[slot, measures.WASTED_COST_TASKS, of_waste] += 1


def _add_fanout(
    added: Additions,
    fanout: Fanout,
    mix: tuple[str, str],
    calls_by_task: Iterable[list[ModelCall]],
    price: Price,
) -> None:
    with_tokens = [[call for call in calls if _sum_tokens(call) is not None] for calls in calls_by_task]
    if not all(with_tokens):
        return
    slot = find_slot_number(fanout.end)
    delivered_types = [task.task_type for task in fanout.delivered]
    added[slot, measures.TOKEN_COUNT, mix] += sum(
        _sum_tokens(call) or 0 for calls in with_tokens for call in calls
    )
    added[slot, measures.TOKEN_FANOUTS, mix] += 1
    for task_type in delivered_types:
        added[slot, measures.TOKEN_DELIVERED, (*mix, task_type)] += 1
    added[slot, measures.TOKEN_WORK, mix] += fanout.delivered_work
    added[slot, measures.TOKEN_ELAPSED, mix] += fanout.paid
    costs = [price(call) for calls in with_tokens for call in calls]
    if None not in costs:
        added[slot, measures.COST_NANO_USD, mix] += sum(cost.amount for cost in costs if cost is not None)
        added[slot, measures.COST_FANOUTS, mix] += 1
        for task_type in delivered_types:
            added[slot, measures.COST_DELIVERED, (*mix, task_type)] += 1
        added[slot, measures.COST_WORK, mix] += fanout.delivered_work
        added[slot, measures.COST_ELAPSED, mix] += fanout.paid


def _sum_tokens(call: ModelCall) -> int | None:
    """Return all tokens of a call, those of the cache included. None if its source reports no tokens."""
    counts = [count for count in call.tokens.to_counts().values() if count is not None]
    return sum(counts) if counts else None
