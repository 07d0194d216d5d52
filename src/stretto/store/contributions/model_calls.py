"""What a model call adds to the sums."""

from __future__ import annotations

from collections.abc import Iterator

from stretto.figures.quantile_sketch import find_bucket
from stretto.model.entities import ModelCall
from stretto.model.model_call_cost import Cost
from stretto.model.model_name import normalise_model
from stretto.store.rollup import Amount, slot_of


def of_model_call(call: ModelCall, cost: Cost | None) -> tuple[Amount, ...]:
    """Return what a model call adds, in the slot of its end, or of its start where its length is untold."""
    return () if call.start is None else tuple(_of_model_call(call, call.start + (call.duration or 0), cost))


def _of_model_call(call: ModelCall, end: int, cost: Cost | None) -> Iterator[Amount]:
    slot, model, tokens = slot_of(end), normalise_model(call.model), call.tokens
    yield (slot, "model_calls", (model, call.outcome.value)), 1
    if call.duration is not None:
        yield (slot, "model_time", (model, find_bucket(call.duration))), 1
    if call.first_token is not None:
        yield (slot, "first_token_time", (model, find_bucket(call.first_token))), 1
    used = {kind: count for kind, count in tokens.to_counts().items() if count}
    for kind, count in used.items():
        yield (slot, "tokens", (model, kind)), count
    if tokens.cache_read is not None:
        # Where a source is silent about the cache, its prompts must not pass for ones that read nothing.
        prompt = (tokens.input or 0) + tokens.cache_read + (tokens.cache_write or 0)
        if prompt:
            yield (slot, "prompt_tokens", (model,)), prompt
    if cost is not None:
        yield (slot, "priced_calls", (model, cost.origin.value)), 1
        if cost.amount:
            yield (slot, "cost", (model, cost.origin.value)), cost.amount
    elif used:
        yield (slot, "unpriced_calls", (model,)), 1
