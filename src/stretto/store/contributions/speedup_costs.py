"""Sums of the tokens and the cost of parallel executions, in sessions that are over.

A fan-out is added only if the model calls of every one of its tasks are known: tokens of a part of the tasks
give no price of the whole. Work and elapsed of exactly these fan-outs are added beside their tokens and cost,
so that the price of a second saved has numerator and denominator of the same fan-outs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from stretto.figures.fanouts import Fanout
from stretto.model.conclude_calls import index_runs_by_agent
from stretto.model.entities import ModelCall
from stretto.model.model_call_cost import Price
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext
from stretto.store.rollup import Additions, find_slot


def add_up_speedup_costs(context: SessionContext) -> Additions:
    """Return the tokens and the cost of the fan-outs; nothing while the session runs."""
    added: Additions = Counter()
    if not context.over or not context.fanouts or not context.facts.model_calls:
        return added
    find_run = index_runs_by_agent(context.facts, context.session.tasks)
    calls_by_task: dict[str, list[ModelCall]] = {}
    for call in context.whole.model_calls:
        if call.task is not None:
            calls_by_task.setdefault(find_run(call.task, call.start or 0), []).append(call)
    for fanout in context.fanouts:
        calls = [calls_by_task.get(task.id, []) for task in fanout.tasks]
        _add_fanout(added, fanout, context.session.pattern or NONE, calls, context.price)
    return added


def _add_fanout(
    added: Additions,
    fanout: Fanout,
    pattern: str,
    calls_by_task: Iterable[list[ModelCall]],
    price: Price,
) -> None:
    with_tokens = [[call for call in calls if _sum_tokens(call) is not None] for calls in calls_by_task]
    if not all(with_tokens):
        return
    slot, mix = find_slot(fanout.end), (pattern, fanout.signature)
    added[slot, measures.TOKEN_COUNT, mix] += sum(
        _sum_tokens(call) or 0 for calls in with_tokens for call in calls
    )
    added[slot, measures.TOKEN_FANOUTS, mix] += 1
    added[slot, measures.TOKEN_WORK, mix] += fanout.work
    added[slot, measures.TOKEN_ELAPSED, mix] += fanout.elapsed
    costs = [price(call) for calls in with_tokens for call in calls]
    if None not in costs:
        added[slot, measures.COST_NANO_USD, mix] += sum(cost.amount for cost in costs if cost is not None)
        added[slot, measures.COST_FANOUTS, mix] += 1
        added[slot, measures.COST_WORK, mix] += fanout.work
        added[slot, measures.COST_ELAPSED, mix] += fanout.elapsed


def _sum_tokens(call: ModelCall) -> int | None:
    """Return all tokens of a call, those of the cache included. None if its source reports no tokens."""
    counts = [count for count in call.tokens.to_counts().values() if count is not None]
    return sum(counts) if counts else None
