"""Cost: what a model call cost, and how that is known; and what one is found to have used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stretto.model.entities import ModelCall

DOLLAR = 10**9
"""Costs are kept in billionths of a US dollar: sums of them never drift."""

MOST_DOLLARS = 10**6
"""No model call costs as much; what says so must still fit into 64 bits once it is summed."""


class Origin(StrEnum):
    """How a cost is known; the best known is taken, in this order."""

    CONFIGURED = "configured"
    """By the prices that the configuration gives for the model."""
    REPORTED = "said"
    """As the source of the call says."""
    LIST = "list"
    """By the provider's list price on the day of the call."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one model call cost; ``amount`` is in billionths of a US dollar."""

    amount: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class NewUsage:
    """What was found that a model call has used, beyond what was told of it before."""

    model: str
    """By its normal name."""
    at: int
    """The end of the call."""
    tokens: Mapping[str, int]
    """By kind."""
    cost: int
    """Billionths of a US dollar."""
    duration: int | None
    """How long the call took, the first time that this is known."""


Price = Callable[[ModelCall], Cost | None]
"""A call's cost, or None where nobody knows it."""


def get_reported_cost(call: ModelCall) -> Cost | None:
    """Return the cost as the source of the call says it, where it does."""
    return None if call.cost is None else Cost(call.cost, Origin.REPORTED)
