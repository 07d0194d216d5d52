"""Sums of who could report tokens and tool calls, and who did: of sessions that are over."""

from __future__ import annotations

from collections import Counter

from stretto.figures.unreported_tool_calls import ToolCallGaps
from stretto.names import measures
from stretto.store.contributions.contribution import SessionContext, find_counted_slot
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_usage_coverage(context: SessionContext) -> Additions:
    """Return how many calls and tasks could report tokens, and how many reported all; nothing before the end.

    Example: two calls and two tasks whose own files are gone add 4 that could, and 2 that did.
    """
    added: Additions = Counter()
    for at, has_reported in context.usage_reports:
        added[find_slot_number(at), measures.USAGE_EXPECTED, ()] += 1
        if has_reported:
            added[find_slot_number(at), measures.USAGE_REPORTED, ()] += 1
    return added


def count_tasks_with_all_tool_calls(context: SessionContext) -> Additions:
    """Return how many tasks are over, and of how many all tool calls are known; nothing before the end.

    Example: a task with 18 tool calls by the client's count, of which 3 were seen, is not known whole.
    """
    added: Additions = Counter()
    if not context.over:
        return added
    gaps = ToolCallGaps(context.whole)
    partial = {task.id for task in gaps.partial_tasks}
    for task in gaps.over:
        slot = find_counted_slot(task)
        if slot is None:
            continue
        added[slot, measures.TOOL_CALL_TASKS, ()] += 1
        if task.id not in partial:
            added[slot, measures.TOOL_CALL_TASKS_REPORTED, ()] += 1
    return added


def compute_usage_coverage(context: SessionContext) -> float | None:
    """Return the share of calls and tasks that reported all tokens; None if none could, or before the end."""
    reports = [has_reported for _, has_reported in context.usage_reports]
    return sum(reports) / len(reports) if reports else None
