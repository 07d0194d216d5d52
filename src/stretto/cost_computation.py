"""Prices: compute the cost of a model call from configured prices, its source's report or list prices.

List prices come with the package ``genai-prices`` (MIT licence, maintained by the authors of Pydantic);
nothing is fetched. A look-up by model name takes 0.1 ms and is cached, with the rates for prompts of each
length. Computing a cost takes microseconds instead of the package's 0.15 ms; a test compares the results. The
first call that needs the package loads it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from stretto.clock import SECOND
from stretto.model.call_cost_and_usage_types import DOLLAR, MOST_DOLLARS, Cost, CostOrigin, get_reported_cost
from stretto.model.configured_token_prices import Rates
from stretto.model.entities import ModelCall, Tokens
from stretto.model.model_name import normalise_model

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

PACKAGE = "genai-prices"
_PRICES = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
"""The package's prices of the kinds of token that are counted."""

_MILLION_MARK, _MILLION = "[1m]", 1_000_000
"""How a model's name says that its context window is larger, and how large."""

_PARTS = 1_000_000
"""Parts of a billionth of a dollar: in this unit the price of a token is a whole number."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Computes the cost of model calls. Safe to use from several threads.

    ``configured`` are rates by model name, as the source spells it or normalised.
    """

    configured: Mapping[str, Rates]

    def compute_cost(self, call: ModelCall) -> Cost | None:
        """Return the cost of a call, or None if it is unknown."""
        rates = self.configured.get(call.model or "") or self.configured.get(normalise_model(call.model))
        if rates is not None:
            amount = _apply_rates(rates, _get_used_tokens(call.tokens))
            if amount is not None and amount < MOST_DOLLARS * DOLLAR:
                return Cost(amount, CostOrigin.CONFIGURED, _is_lower_bound(rates, call))
        reported = get_reported_cost(call)
        return reported if reported is not None else _compute_list_cost(call)


def read_list_version() -> str:
    """Return the version of the list prices in use: another version may give the same calls other costs."""
    from importlib import metadata  # noqa: PLC0415  # milliseconds; only writers of the store need it

    return metadata.version(PACKAGE)


def is_listed_model(name: str) -> bool:
    """Return whether a list of prices has a model of exactly this name, as people everywhere spell it."""
    return name in _read_listed_names()


@lru_cache(maxsize=1)
def _read_listed_names() -> frozenset[str]:
    from genai_prices import data_snapshot  # noqa: PLC0415  # as below

    providers = data_snapshot.get_snapshot().providers
    return frozenset(normalise_model(model.id) for provider in providers for model in provider.models)


def find_context_window(model: str | None) -> int | None:
    """Return how many tokens a request to a model may have in all, or None if the list does not say.

    Claude Code writes ``[1m]`` behind the name of a model that it asks for a window of a million tokens.
    """
    if model is None:
        return None
    if model.strip().lower().endswith(_MILLION_MARK):
        return _MILLION
    listed = _find_model(model)
    return None if listed is None else listed.context_window


def _compute_list_cost(call: ModelCall) -> Cost | None:
    tokens = call.tokens
    used = _get_used_tokens(tokens)
    if call.model is None or call.start is None or not used:
        return None
    bands = _find_rate_bands(call.model)
    if bands is not None:
        rates = bands.rates[bisect_left(bands.starts, tokens.prompt)]
    else:
        model = _find_model(call.model)
        if model is None:
            return None
        prices = model.get_prices(datetime.fromtimestamp(call.start / SECOND, UTC))
        rates = _select_rates(prices, tokens.prompt)
    amount = _apply_rates(rates, used)
    if amount is None or amount >= MOST_DOLLARS * DOLLAR:
        return None
    return Cost(amount, CostOrigin.LIST, _is_lower_bound(rates, call))


def _is_lower_bound(rates: Rates, call: ModelCall) -> bool:
    """Return whether a call cost at least its computed cost.

    The tokens are those of an unfinished answer, or cache writes may have been kept for an hour, which costs
    more, and the source does not split them.
    """
    tokens = call.tokens
    is_split = not tokens.cache_write or tokens.cache_write_1h is not None
    return call.is_lower_bound or (not is_split and (rates.cache_write_1h or 0) > (rates.cache_write or 0))


def _apply_rates(rates: Rates, used: Mapping[str, int]) -> int | None:
    """Return the cost in billionths of a dollar, or None if no tokens were used or a used kind has no price.

    Example: 1,000 input tokens at 3 dollars per million cost 3,000,000 billionths.
    """
    parts = 0
    for kind, count in used.items():
        rate = getattr(rates, kind)
        if rate is None and kind == "cache_write_1h":
            rate = rates.cache_write
        if rate is None:
            return None
        # A dollar per million tokens is 1,000 billionths per token.
        parts += count * round(rate * 1_000 * _PARTS)
    return (parts + _PARTS // 2) // _PARTS if used else None


def _get_used_tokens(tokens: Tokens) -> dict[str, int]:
    kept_for_an_hour = min(tokens.cache_write_1h or 0, tokens.cache_write or 0)
    counts = {
        "input": tokens.input,
        "output": tokens.output,
        "cache_read": tokens.cache_read,
        "cache_write": (tokens.cache_write or 0) - kept_for_an_hour,
        "cache_write_1h": kept_for_an_hour,
    }
    return {kind: count for kind, count in counts.items() if count}


class _RateBands(NamedTuple):
    """The rates of a model by the length of the prompt: some models charge more for long ones."""

    starts: tuple[int, ...]
    """The tokens of a prompt beyond which the next rates apply."""
    rates: tuple[Rates, ...]
    """Those up to the first of them, and those beyond each."""


def _select_rates(prices: ModelPrice, prompt_tokens: int) -> Rates:
    input_rate = _select_rate(prices, "input_mtok", prompt_tokens)
    read_rate, write_rate, hour_rate = (
        _select_rate(prices, f"cache_{way}_mtok", prompt_tokens) for way in ("read", "write", "write_1h")
    )
    return Rates(
        input_rate,
        _select_rate(prices, "output_mtok", prompt_tokens),
        # Cache tokens without a price are charged as other input.
        input_rate if read_rate is None else read_rate,
        input_rate if write_rate is None else write_rate,
        hour_rate,
    )


def _select_rate(prices: ModelPrice, name: str, prompt_tokens: int) -> float | None:
    price = getattr(prices, name)
    tiers = getattr(price, "tiers", None)
    if tiers is None:
        return None if price is None else float(price)
    reached = [tier for tier in tiers if prompt_tokens > tier.start]
    return float(max(reached, key=lambda tier: tier.start).price if reached else price.base)


@lru_cache(maxsize=1_024)
def _find_rate_bands(name: str) -> _RateBands | None:
    """Return the rates of a model whose price does not depend on the day, as that of most.

    None for any other model, and for one that is not listed.
    """
    model = _find_model(name)
    if model is None or isinstance(model.prices, list):
        return None
    prices = model.prices
    starts = sorted(
        {tier.start for price in _PRICES for tier in getattr(getattr(prices, price), "tiers", ())}
    )
    shortest_prompts = (0, *(start + 1 for start in starts))
    return _RateBands(tuple(starts), tuple([_select_rates(prices, tokens) for tokens in shortest_prompts]))


@lru_cache(maxsize=1_024)
def _find_model(model: str) -> ModelInfo | None:
    from genai_prices import Usage, calc_price  # noqa: PLC0415  # 0.2 s and 15 MB, only when a price is needed

    for name in dict.fromkeys((model, normalise_model(model))):
        try:
            return calc_price(Usage(), name).model
        except LookupError:
            continue
    return None
