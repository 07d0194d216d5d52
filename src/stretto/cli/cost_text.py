"""What model calls used and cost, in words."""

from __future__ import annotations

from collections.abc import Iterable

from stretto.figures.spending import Priced, Spending, sum_spending
from stretto.format import quantities
from stretto.model.model_call_cost import DOLLAR

MODELS_SHOWN = 5
MAIN = "main agent"


def format_spending(spent: Spending | None) -> str:
    """Return cost and tokens in words; empty where no source tells of model calls."""
    if spent is None:
        return ""
    cost = "cost unknown" if spent.cost is None else _format_cost(spent.cost)
    if spent.cost is not None and spent.unpriced:
        cost += f" and {quantities.format_count_of(spent.unpriced, 'call')} without a price"
    tokens = f", {quantities.format_count_of(sum(spent.tokens.values()), 'token')}" if spent.tokens else ""
    return cost + tokens


def format_model_calls(calls: Iterable[Priced]) -> list[str]:
    """Return what a session's model calls used and cost, by model and by task; nothing without any."""
    found = sum_spending(calls)
    if not found.whole.model_calls:
        return []
    origins = ", ".join(
        f"{quantities.format_count_of(count, 'call')} {name}" for name, count in found.whole.origins.items()
    )
    kinds = ", ".join(
        f"{name.replace('_', ' ')} {quantities.format_count(n)}" for name, n in found.whole.tokens.items()
    )
    lines = [
        f"spent {format_spending(found.whole)} in {quantities.format_count_of(found.whole.model_calls, 'model call')}"
        + (f" (price: {origins})" if origins else ""),
        *([f"  tokens: {kinds}"] if kinds else []),
        f"  models: {_list_largest(found.by_model)}",
    ]
    if set(found.by_task) != {None}:
        lines.append(
            f"  tasks: {_list_largest({task or MAIN: part for task, part in found.by_task.items()})}"
        )
    return [line.replace(quantities.SPACE, " ") for line in [*lines, ""]]


def _list_largest(parts: dict[str, Spending]) -> str:
    """Return the dearest parts; of equal cost, or where none is known, those of most tokens first."""
    ranked = sorted(parts.items(), key=lambda item: (-(item[1].cost or 0), -sum(item[1].tokens.values())))
    told = [f"{name} {format_spending(part)}" for name, part in ranked[:MODELS_SHOWN]]
    rest = len(ranked) - len(told)
    return "; ".join([*told, *([f"and {rest} more"] if rest else [])])


def _format_cost(cost: int) -> str:
    """Return billionths of a dollar in dollars: cents, and below one cent what there is."""
    dollars = cost / DOLLAR
    return f"${dollars:,.2f}" if not cost or dollars >= 0.01 else f"${dollars:.2g}"  # noqa: PLR2004  # a cent
