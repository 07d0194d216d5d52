"""What the fan-outs of a session that is over add to the sums of tokens and money.

A fan-out counts where every one of its tasks told of its model calls; of a part of them no price of the
whole can be worked out. Tokens and money stand beside work and elapsed by pattern and mix of types, so that
the time saved by just these fan-outs can be worked out from the same sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from stretto.figures.fanouts import Fanout
from stretto.model.conclude_calls import runs_by_agent
from stretto.model.entities import ModelCall
from stretto.model.model_call_cost import Price
from stretto.names import NONE
from stretto.store.contributions.contribution import Settling
from stretto.store.rollup import Additions, slot_of


def of_price(settling: Settling) -> Additions:
    """Return tokens and cost of the fan-outs; nothing before the session is over, when all calls are in."""
    added: Additions = Counter()
    if not settling.over or not settling.fanouts or not settling.facts.model_calls:
        return added
    run_of = runs_by_agent(settling.facts, settling.session.tasks)
    by_task: dict[str, list[ModelCall]] = {}
    for call in settling.whole.model_calls:
        if call.task is not None:
            by_task.setdefault(run_of(call.task, call.start or 0), []).append(call)
    for fanout in settling.fanouts:
        calls = [by_task.get(task.id, []) for task in fanout.tasks]
        _add(added, fanout, settling.session.pattern or NONE, calls, settling.price)
    return added


def _add(
    added: Additions, fanout: Fanout, pattern: str, calls: Iterable[list[ModelCall]], price: Price
) -> None:
    used = [[call for call in own if _tokens(call) is not None] for own in calls]
    if not all(used):
        return
    slot, mix = slot_of(fanout.end), (pattern, fanout.signature)
    added[slot, "token_count", mix] += sum(_tokens(call) or 0 for own in used for call in own)
    _add_fanout(added, fanout, "token", mix)
    costs = [price(call) for own in used for call in own]
    if None not in costs:
        added[slot, "cost_nano_usd", mix] += sum(cost.amount for cost in costs if cost is not None)
        _add_fanout(added, fanout, "cost", mix)


def _add_fanout(added: Additions, fanout: Fanout, of: str, mix: tuple[str, str]) -> None:
    slot = slot_of(fanout.end)
    added[slot, f"{of}_fanouts", mix] += 1
    added[slot, f"{of}_work", mix] += fanout.work
    added[slot, f"{of}_elapsed", mix] += fanout.elapsed


def _tokens(call: ModelCall) -> int | None:
    """Return all tokens of a call, those of the cache included; None where its source tells none."""
    counts = [count for count in call.tokens.by_kind().values() if count is not None]
    return sum(counts) if counts else None
