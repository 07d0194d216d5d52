"""Sums of a model call: outcome, length, tokens and cost."""

from __future__ import annotations

from collections.abc import Iterator

from stretto.cost_computation import find_context_window
from stretto.figures.quantile_sketch import find_bucket
from stretto.figures.scores.sums_by_pattern_type_or_agent import MICRO
from stretto.model.call_cost_and_usage_types import Cost
from stretto.model.entities import ModelCall
from stretto.model.model_name import normalise_model
from stretto.names import measures
from stretto.store.sums_by_time_slot import Amount, find_slot_number


def add_up_model_call(call: ModelCall, cost: Cost | None) -> tuple[Amount, ...]:
    """Return the amounts of a model call in the slot of its end, else of its start."""
    if call.start is None:
        return ()
    return tuple(_yield_amounts(call, call.start + (call.duration or 0), cost))


def _yield_amounts(call: ModelCall, end: int, cost: Cost | None) -> Iterator[Amount]:
    slot, model, tokens = find_slot_number(end), normalise_model(call.model), call.tokens
    yield (slot, measures.MODEL_CALLS, (model, call.outcome.value)), 1
    if call.duration is not None:
        yield (slot, measures.MODEL_TIME, (model, find_bucket(call.duration))), 1
    if call.first_token is not None:
        yield (slot, measures.FIRST_TOKEN_TIME, (model, find_bucket(call.first_token))), 1
    used = {kind: count for kind, count in tokens.to_counts().items() if count}
    for kind, count in used.items():
        yield (slot, measures.TOKENS, (model, kind)), count
    if tokens.cache_read is not None:
        # A source that does not report cache reads is left out: its prompts would lower the share read.
        prompt = (tokens.input or 0) + tokens.cache_read + (tokens.cache_write or 0)
        if prompt:
            yield (slot, measures.PROMPT_TOKENS, (model,)), prompt
            window = find_context_window(call.model)
            # A prompt that does not fit shows that the window is not the listed one.
            if window is not None and prompt <= window:
                fill = max(1, prompt * MICRO // window)
                yield (slot, measures.CONTEXT_FILL, (model, find_bucket(fill))), 1
    if cost is not None:
        yield (slot, measures.PRICED_CALLS, (model, cost.origin.value)), 1
        if cost.amount:
            yield (slot, measures.COST, (model, cost.origin.value)), cost.amount
    elif used:
        yield (slot, measures.UNPRICED_CALLS, (model,)), 1
