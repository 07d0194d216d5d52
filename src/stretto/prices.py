"""Prices: what a model call cost, by configured prices, else as its source says, else by list price.

List prices are those that the package ``genai-prices`` brings along (MIT licence, kept by the authors of
Pydantic); nothing is ever fetched. Finding a model in it takes 0.1 ms and is done once a name; applying its
prices here takes microseconds where the package's own arithmetic takes 0.15 ms a call, and a test holds the
two against each other. The package is loaded with the first call that needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from stretto.clock import SECOND
from stretto.model.entities import ModelCall, Tokens
from stretto.model.model_call_cost import DOLLAR, MOST_DOLLARS, Cost, Origin, get_reported_cost
from stretto.model.model_name import normalise_model
from stretto.model.token_prices import Rates

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

PACKAGE = "genai-prices"
_PARTS = 1_000_000
"""Parts of a billionth of a dollar in which prices of one token are whole numbers."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The cost of model calls. Safe to use from several threads.

    ``configured`` are prices by model, named as the source or as figures name it.
    """

    configured: Mapping[str, Rates]

    def compute_cost(self, call: ModelCall) -> Cost | None:
        """Return what a call cost, or None where that is not known."""
        rates = self.configured.get(call.model or "") or self.configured.get(normalise_model(call.model))
        if rates is not None:
            amount = _applied(rates, call.tokens)
            if amount is not None and amount < MOST_DOLLARS * DOLLAR:
                return Cost(amount, Origin.CONFIGURED)
        said = get_reported_cost(call)
        return said if said is not None else _by_list(call)


def read_list_version() -> str:
    """Return which list prices are in use: other ones may make other costs of the same calls."""
    from importlib import metadata  # noqa: PLC0415  # milliseconds, for who opens the store to write

    return metadata.version(PACKAGE)


def _by_list(call: ModelCall) -> Cost | None:
    if call.model is None or call.start is None or not _used(call.tokens):
        return None
    found = _find(call.model)
    if found is None:
        return None
    prices = found.get_prices(datetime.fromtimestamp(call.start / SECOND, UTC))
    amount = _applied(_rates(prices, call.tokens), call.tokens)
    return None if amount is None or amount >= MOST_DOLLARS * DOLLAR else Cost(amount, Origin.LIST)


def _applied(rates: Rates, tokens: Tokens) -> int | None:
    """Return the cost in billionths of a dollar; None for a kind that was used and has no price, or none."""
    parts = 0
    used = _used(tokens)
    for kind, count in used.items():
        rate = getattr(rates, kind)
        if rate is None:
            return None
        # A dollar per million tokens is 1,000 billionths a token.
        parts += count * round(rate * 1_000 * _PARTS)
    return (parts + _PARTS // 2) // _PARTS if used else None


def _used(tokens: Tokens) -> dict[str, int]:
    counts = {
        "input": tokens.input,
        "output": tokens.output,
        "cache_read": tokens.cache_read,
        "cache_write": tokens.cache_write,
    }
    return {kind: count for kind, count in counts.items() if count}


def _rates(prices: ModelPrice, tokens: Tokens) -> Rates:
    """Return the prices that hold for a call: some models have higher ones for long prompts."""
    prompt = (tokens.input or 0) + (tokens.cache_read or 0) + (tokens.cache_write or 0)
    given = _rate(prices, "input_mtok", prompt)
    read, written = (_rate(prices, f"cache_{way}_mtok", prompt) for way in ("read", "write"))
    return Rates(
        given,
        _rate(prices, "output_mtok", prompt),
        # What has no price of its own is input like any other.
        given if read is None else read,
        given if written is None else written,
    )


def _rate(prices: ModelPrice, name: str, prompt: int) -> float | None:
    price = getattr(prices, name)
    tiers = getattr(price, "tiers", None)
    if tiers is None:
        return None if price is None else float(price)
    above = [tier for tier in tiers if prompt > tier.start]
    return float(max(above, key=lambda tier: tier.start).price if above else price.base)


@lru_cache(maxsize=1_024)
def _find(model: str) -> ModelInfo | None:
    from genai_prices import Usage, calc_price  # noqa: PLC0415  # 0.2 s and 15 MB, where a price is needed

    for name in dict.fromkeys((model, normalise_model(model))):
        try:
            return calc_price(Usage(), name).model
        except LookupError:
            continue
    return None
