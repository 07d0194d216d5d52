"""Cost of a model call with the origin of its price, and the usage that a new report adds to a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stretto.model.entities import ModelCall

DOLLAR = 10**9
"""Costs are integers in billionths of a US dollar, so sums never drift."""

MOST_DOLLARS = 10**6
"""A higher cost of a model call is implausible and dropped, so that sums fit into 64 bits."""


class CostOrigin(StrEnum):
    """The origin of a cost; the first of these that is available is used."""

    CONFIGURED = "configured"
    """Computed from the configured prices of the model."""
    REPORTED = "said"
    """Reported by the source of the call."""
    LIST = "list"
    """Computed from the provider's list price on the day of the call."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a model call; ``amount`` is in billionths of a US dollar."""

    amount: int
    origin: CostOrigin
    is_lower_bound: bool = False
    """Whether the call cost at least this much: its answer was unfinished, or its source does not report how
    long cache writes are kept."""


@dataclass(frozen=True, slots=True)
class NewUsage:
    """Usage of a model call beyond the usage reported before; live counters add it up."""

    model: str
    """The normalised model name."""
    at: int
    """The end of the call."""
    tokens: Mapping[str, int]
    """By kind."""
    cost: int
    """Billionths of a US dollar."""
    duration: int | None
    """The call's duration, when it becomes known; None otherwise."""


Price = Callable[[ModelCall], Cost | None]
"""Returns a call's cost, or None if it is unknown."""


def get_reported_cost(call: ModelCall) -> Cost | None:
    """Return the cost that the call's source reported, or None."""
    return None if call.cost is None else Cost(call.cost, CostOrigin.REPORTED)
