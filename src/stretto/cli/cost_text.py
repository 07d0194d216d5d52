"""Format the cost and tokens of model calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stretto.figures.session_spending import Priced, Spending, sum_spending
from stretto.figures.unreported_model_calls import UsageGaps
from stretto.format import quantities
from stretto.model.call_cost_and_usage_types import DOLLAR
from stretto.model.entities import Session
from stretto.names import MAIN_AGENT

MODELS_SHOWN = 5


def format_cost_and_tokens(spent: Spending | None) -> str:
    """Return cost and tokens as text; empty if no source reports model calls."""
    if spent is None:
        return ""
    cost = "cost unknown" if spent.cost is None else _format_cost(spent.cost)
    if spent.cost is not None and not spent.is_cost_complete:
        cost = f"at least {cost}"
    if spent.cost is not None and spent.unpriced:
        cost += f" and {quantities.format_count_with_noun(spent.unpriced, 'call')} without a price"
    if not spent.tokens:
        return cost
    tokens = quantities.format_count_with_noun(sum(spent.tokens.values()), "token")
    return f"{cost}, {tokens}" if spent.is_token_sum_complete else f"{cost}, at least {tokens}"


def format_model_calls(calls: Iterable[Priced], session: Session | None = None) -> list[str]:
    """Return the cost and tokens of a session's model calls, by model and by task, as lines.

    ``session`` is the one that made them: what is known to be missing of it is counted.
    """
    breakdown = sum_spending(calls, None if session is None else UsageGaps(session))
    if not breakdown.total.model_calls:
        return []
    origins = ", ".join(
        f"{quantities.format_count_with_noun(count, 'call')} {name}"
        for name, count in breakdown.total.origins.items()
    )
    kinds = ", ".join(
        f"{name.replace('_', ' ')} {quantities.format_count(n)}" for name, n in breakdown.total.tokens.items()
    )
    calls_text = quantities.format_count_with_noun(breakdown.total.model_calls, "model call")
    if not breakdown.total.is_call_count_complete:
        calls_text = f"at least {calls_text}"
    lines = [
        f"spent {format_cost_and_tokens(breakdown.total)} in {calls_text}"
        + (f" (price: {origins})" if origins else ""),
        *([f"  tokens: {kinds}"] if kinds else []),
        *(f"  not complete: {reason}" for reason in _explain_gaps(breakdown.total)),
        f"  models: {_list_largest(breakdown.by_model)}",
    ]
    if set(breakdown.by_task) != {None}:
        by_task = {task or MAIN_AGENT: part for task, part in breakdown.by_task.items()}
        lines.append(f"  tasks: {_list_largest(by_task)}")
    return [line.replace(quantities.SPACE, " ") for line in [*lines, ""]]


def _explain_gaps(spent: Spending) -> Iterator[str]:
    """Yield why tokens and cost are lower bounds."""
    if spent.silent_tasks:
        tasks = quantities.format_count_with_noun(spent.tasks, "task")
        yield f"{spent.silent_tasks} of {tasks} reported no tokens"
    if spent.incomplete_tasks:
        tasks = quantities.format_count_with_noun(spent.tasks, "task")
        yield f"{spent.incomplete_tasks} of {tasks} did not report all model calls"
    if spent.missing:
        asked = quantities.format_count_with_noun(spent.missing, "turn or tool call", "turns or tool calls")
        yield f"the model calls of {asked} are missing"
    if spent.lower_bounds:
        calls = quantities.format_count_with_noun(spent.model_calls, "call")
        yield f"{spent.lower_bounds} of {calls} reported the use of an unfinished answer only"
    unsplit = spent.cost_lower_bounds - spent.lower_bounds
    if unsplit > 0:
        calls = quantities.format_count_with_noun(unsplit, "call")
        yield f"{calls} did not report which cache writes are kept for an hour, at a higher price"


def _list_largest(parts: dict[str, Spending]) -> str:
    """Return the most expensive parts; equal or unknown costs are ordered by tokens."""
    ranked = sorted(parts.items(), key=lambda item: (-(item[1].cost or 0), -sum(item[1].tokens.values())))
    largest = [f"{name} {format_cost_and_tokens(part)}" for name, part in ranked[:MODELS_SHOWN]]
    rest = len(ranked) - len(largest)
    return "; ".join([*largest, *([f"and {rest} more"] if rest else [])])


def _format_cost(cost: int) -> str:
    """Return billionths of a dollar in dollars: to the cent, below a cent with two digits."""
    dollars = cost / DOLLAR
    return f"${dollars:,.2f}" if not cost or dollars >= 0.01 else f"${dollars:.2g}"  # noqa: PLR2004  # a cent
