"""Sum the tokens and cost of a session's model calls, by model and by task, with the origin of each cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from stretto.model.entities import ModelCall
from stretto.model.model_call_cost import Cost
from stretto.model.model_name import normalise_model

Priced = tuple[ModelCall, Cost | None]


@dataclass(slots=True)
class Spending:
    """Sums of model calls. A value that no call reports is absent, never 0."""

    model_calls: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    """By kind; only kinds that some call reports."""
    cost: int | None = None
    """Billionths of a US dollar, for the calls with a known cost."""
    origins: dict[str, int] = field(default_factory=dict)
    """Origin of the cost → number of calls."""
    unpriced: int = 0
    """Calls that used tokens but have no known cost; ``cost`` does not include them."""

    def add_call(self, call: ModelCall, cost: Cost | None) -> None:
        """Add a model call."""
        self.model_calls += 1
        reported = {kind: count for kind, count in call.tokens.to_counts().items() if count is not None}
        for kind, count in reported.items():
            self.tokens[kind] = self.tokens.get(kind, 0) + count
        if cost is not None:
            self.cost = (self.cost or 0) + cost.amount
            self.origins[cost.origin.value] = self.origins.get(cost.origin.value, 0) + 1
        elif any(reported.values()):
            self.unpriced += 1


@dataclass(frozen=True, slots=True)
class SessionSpending:
    """The use of a session's model calls, in all and by model and task. The parts sum to the whole."""

    total: Spending
    by_model: dict[str, Spending]
    by_task: dict[str | None, Spending]
    """By the task's id; None is the main agent."""


def sum_spending(calls: Iterable[Priced]) -> SessionSpending:
    """Return the summed use and cost of model calls."""
    spending = SessionSpending(Spending(), {}, {})
    for call, cost in calls:
        by_model = spending.by_model.setdefault(normalise_model(call.model), Spending())
        by_task = spending.by_task.setdefault(call.task, Spending())
        for part in (spending.total, by_model, by_task):
            part.add_call(call, cost)
    return spending
