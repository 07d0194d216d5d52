"""Sum the tokens and cost of a session's model calls, by model and by task, with the origin of each cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stretto.figures.unreported_model_calls import UsageGaps
from stretto.model.call_cost_and_usage_types import Cost
from stretto.model.entities import ModelCall
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
    lower_bounds: int = 0
    """Calls of which only an unfinished answer was seen: they used at least these tokens."""
    cost_lower_bounds: int = 0
    """Calls that cost at least what is added: see ``Cost.is_lower_bound``."""
    tasks: int = 0
    """Tasks that are over and could have reported tokens."""
    silent_tasks: int = 0
    """Those of them of which no model call is known: ``tokens`` and ``cost`` do not include them."""
    incomplete_tasks: int = 0
    """Those of them that are known to miss some of their model calls, but not all."""
    missing: int = 0
    """Turns and tool calls whose model call is known to be missing."""
    unpriced: int = 0
    """Calls that used tokens but have no known cost; ``cost`` does not include them."""

    expected: int = 0
    """Calls and tasks of a window that could have reported tokens, where they are counted together."""
    unreported: int = 0
    """Those of them that did not."""

    @property
    def is_call_count_complete(self) -> bool:
        """Whether no model call is known to be missing."""
        return not self._gaps

    @property
    def is_token_sum_complete(self) -> bool:
        """Whether everything that could report tokens did; else they are a lower bound."""
        return not (self.lower_bounds or self._gaps)

    @property
    def is_cost_complete(self) -> bool:
        """Whether the cost is not a lower bound."""
        return self.is_token_sum_complete and not (self.cost_lower_bounds or self.unpriced)

    @property
    def coverage(self) -> float | None:
        """The share of the calls and tasks that reported their tokens; None if there are none."""
        expected = self.expected or self.model_calls + self.tasks + self.missing
        return (expected - self.lower_bounds - self._gaps) / expected if expected else None

    @property
    def _gaps(self) -> int:
        return self.silent_tasks + self.incomplete_tasks + self.missing + self.unreported

    def add_call(self, call: ModelCall, cost: Cost | None) -> None:
        """Add a model call."""
        self.add_use(call, count_reported_tokens(call), cost)

    def add_use(self, call: ModelCall, reported: Mapping[str, int], cost: Cost | None) -> None:
        """Add a model call of which these tokens were reported."""
        self.model_calls += 1
        tokens = self.tokens
        for kind, count in reported.items():
            tokens[kind] = tokens.get(kind, 0) + count
        self.lower_bounds += call.is_lower_bound
        if cost is not None:
            self.cost_lower_bounds += cost.is_lower_bound
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


def count_reported_tokens(call: ModelCall) -> dict[str, int]:
    """Return the tokens of a model call by kind, without the kinds that were not reported."""
    return {kind: count for kind, count in call.tokens.to_counts().items() if count is not None}


def sum_spending(calls: Iterable[Priced], gaps: UsageGaps | None = None) -> SessionSpending:
    """Return the summed use and cost of model calls; of a whole session also what is known to be missing.

    ``gaps`` are those of the whole session.
    """
    spending = SessionSpending(Spending(), {}, {})
    for call, cost in calls:
        model = normalise_model(call.model)
        by_model, by_task = spending.by_model.get(model), spending.by_task.get(call.task)
        if by_model is None:
            by_model = spending.by_model[model] = Spending()
        if by_task is None:
            by_task = spending.by_task[call.task] = Spending()
        reported = count_reported_tokens(call)
        for part in (spending.total, by_model, by_task):
            part.add_use(call, reported, cost)
    if gaps is not None and spending.total.model_calls:
        spending.total.tasks = len(gaps.over)
        spending.total.silent_tasks = len(gaps.silent_tasks)
        spending.total.incomplete_tasks = len(gaps.incomplete_tasks)
        spending.total.missing = len(gaps.turns) + len(gaps.unasked_calls)
        for id in gaps.incomplete_tasks:
            spending.by_task[id].incomplete_tasks = 1
    return spending
