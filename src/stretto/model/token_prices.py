"""Rates: what a model's tokens cost, and the ``[prices]`` tables of the configuration that say so."""

from __future__ import annotations

from typing import NamedTuple

from stretto.errors import ConfigError, unknown_key

_MOST_A_MILLION = 1e6
_HINT = "US dollars per million tokens: input, output, cache_read, cache_write"


class Rates(NamedTuple):
    """US dollars per million tokens; None where there is no price for a kind."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None


def parse_rates(given: object, where: str) -> dict[str, Rates]:
    """Return the rates of the ``[prices]`` tables by model. Raises ConfigError on what cannot be used."""
    if not isinstance(given, dict):
        raise ConfigError("prices must be a table", where=where)
    return {model: _rates(model, rates, where) for model, rates in given.items()}


def _rates(model: str, given: object, where: str) -> Rates:
    if not isinstance(given, dict):
        raise ConfigError(f"prices.{model} must be a table", where=where, hint=_HINT)
    for kind, rate in given.items():
        if kind not in Rates._fields:
            raise unknown_key(f"prices.{model}.{kind}", Rates._fields, where)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= _MOST_A_MILLION:
            raise ConfigError(
                f"prices.{model}.{kind} cannot be used", where=where, cause=f"it is {rate!r}", hint=_HINT
            )
    return Rates(**given)
