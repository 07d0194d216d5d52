"""Token prices: parse the ``[prices]`` tables of the configuration into rates by model."""

from __future__ import annotations

from typing import NamedTuple

from stretto.errors import ConfigError, make_unknown_key_error

_MOST_A_MILLION = 1e6
_HINT = "US dollars per million tokens: input, output, cache_read, cache_write, cache_write_1h"


class Rates(NamedTuple):
    """US dollars per million tokens; None for a kind without a price."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    """Of cache writes that are kept for an hour; without it they cost as much as others."""


def parse_rates(tables: object, where: str) -> dict[str, Rates]:
    """Return the rates of the ``[prices]`` tables by model. Raises ConfigError on an unusable value."""
    if not isinstance(tables, dict):
        raise ConfigError("prices must be a table", where=where)
    return {model: _parse_model_rates(model, rates, where) for model, rates in tables.items()}


def _parse_model_rates(model: str, rates: object, where: str) -> Rates:
    if not isinstance(rates, dict):
        raise ConfigError(f"prices.{model} must be a table", where=where, hint=_HINT)
    for kind, rate in rates.items():
        if kind not in Rates._fields:
            raise make_unknown_key_error(f"prices.{model}.{kind}", Rates._fields, where)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= _MOST_A_MILLION:
            raise ConfigError(
                f"prices.{model}.{kind} cannot be used", where=where, cause=f"it is {rate!r}", hint=_HINT
            )
    return Rates(**rates)
