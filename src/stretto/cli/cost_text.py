"""Format the cost and tokens of model calls."""

from __future__ import annotations

from collections.abc import Iterable

from stretto.figures.spending import Priced, Spending, sum_spending
from stretto.format import quantities
from stretto.model.model_call_cost import DOLLAR

MODELS_SHOWN = 5
MAIN = "main agent"


def format_spending(spent: Spending | None) -> str:
    """Return cost and tokens as text; empty if no source reports model calls."""
    if spent is None:
        return ""
    cost = "cost unknown" if spent.cost is None else _format_cost(spent.cost)
    if spent.cost is not None and spent.unpriced:
        cost += f" and {quantities.format_count_of(spent.unpriced, 'call')} without a price"
    tokens = f", {quantities.format_count_of(sum(spent.tokens.values()), 'token')}" if spent.tokens else ""
    return cost + tokens


def format_model_calls(calls: Iterable[Priced]) -> list[str]:
    """Return the cost and tokens of a session's model calls, by model and by task, as lines."""
    breakdown = sum_spending(calls)
    if not breakdown.total.model_calls:
        return []
    origins = ", ".join(
        f"{quantities.format_count_of(count, 'call')} {name}"
        for name, count in breakdown.total.origins.items()
    )
    kinds = ", ".join(
        f"{name.replace('_', ' ')} {quantities.format_count(n)}" for name, n in breakdown.total.tokens.items()
    )
    calls_text = quantities.format_count_of(breakdown.total.model_calls, "model call")
    lines = [
        f"spent {format_spending(breakdown.total)} in {calls_text}"
        + (f" (price: {origins})" if origins else ""),
        *([f"  tokens: {kinds}"] if kinds else []),
        f"  models: {_list_largest(breakdown.by_model)}",
    ]
    if set(breakdown.by_task) != {None}:
        lines.append(
            f"  tasks: {_list_largest({task or MAIN: part for task, part in breakdown.by_task.items()})}"
        )
    return [line.replace(quantities.SPACE, " ") for line in [*lines, ""]]


def _list_largest(parts: dict[str, Spending]) -> str:
    """Return the most expensive parts; equal or unknown costs are ordered by tokens."""
    ranked = sorted(parts.items(), key=lambda item: (-(item[1].cost or 0), -sum(item[1].tokens.values())))
    largest = [f"{name} {format_spending(part)}" for name, part in ranked[:MODELS_SHOWN]]
    rest = len(ranked) - len(largest)
    return "; ".join([*largest, *([f"and {rest} more"] if rest else [])])


def _format_cost(cost: int) -> str:
    """Return billionths of a dollar in dollars: to the cent, below a cent with two digits."""
    dollars = cost / DOLLAR
    return f"${dollars:,.2f}" if not cost or dollars >= 0.01 else f"${dollars:.2g}"  # noqa: PLR2004  # a cent
