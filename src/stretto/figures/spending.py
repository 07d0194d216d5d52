"""Spending: what one session's model calls used and cost, by model and by task, and how the cost is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from stretto.model.entities import ModelCall
from stretto.model.model_call_cost import Cost
from stretto.model.model_name import normalise_model

Priced = tuple[ModelCall, Cost | None]


@dataclass(slots=True)
class Spending:
    """Model calls summed. What no call tells is absent, never 0."""

    model_calls: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    """By kind; only the kinds that some call tells."""
    cost: int | None = None
    """Billionths of a US dollar, of the calls whose cost is known."""
    origins: dict[str, int] = field(default_factory=dict)
    """How the costs are known → calls."""
    unpriced: int = 0
    """Calls that used tokens and whose cost is not known: the cost is without theirs."""

    def add_call(self, call: ModelCall, cost: Cost | None) -> None:
        """Add one call."""
        self.model_calls += 1
        told = {kind: count for kind, count in call.tokens.to_counts().items() if count is not None}
        for kind, count in told.items():
            self.tokens[kind] = self.tokens.get(kind, 0) + count
        if cost is not None:
            self.cost = (self.cost or 0) + cost.amount
            self.origins[cost.origin.value] = self.origins.get(cost.origin.value, 0) + 1
        elif any(told.values()):
            self.unpriced += 1


@dataclass(frozen=True, slots=True)
class SessionSpending:
    """What a session's model calls used, whole and in parts. Each kind of parts sums to the whole."""

    whole: Spending
    by_model: dict[str, Spending]
    by_task: dict[str | None, Spending]
    """By the task's id; None is the main agent."""


def sum_spending(calls: Iterable[Priced]) -> SessionSpending:
    """Return what model calls used and cost."""
    found = SessionSpending(Spending(), {}, {})
    for call, cost in calls:
        by_model = found.by_model.setdefault(normalise_model(call.model), Spending())
        by_task = found.by_task.setdefault(call.task, Spending())
        for part in (found.whole, by_model, by_task):
            part.add_call(call, cost)
    return found
