"""Sums of who could report tokens and who did: the model calls and tasks of sessions that are over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from stretto.figures.missing_usage import find_turns_without_usage
from stretto.model.conclude_calls import index_runs_by_agent
from stretto.model.event import Outcome
from stretto.names import measures
from stretto.store.contributions.contribution import SessionContext, get_counted_time
from stretto.store.rollup import Additions, find_slot_number


def add_up_usage_coverage(context: SessionContext) -> Additions:
    """Return how many calls and tasks could report tokens, and how many reported all; nothing before the end.

    A task reported its tokens if a model call of it is known; a call, unless only an unfinished answer was
    seen. A turn with tool calls and without any model call could, and did not.
    Example: two calls and two tasks whose own files are gone add 4 that could, and 2 that did.
    """
    added: Additions = Counter()
    for at, has_reported in _iterate_reports(context):
        added[find_slot_number(at), measures.USAGE_EXPECTED, ()] += 1
        if has_reported:
            added[find_slot_number(at), measures.USAGE_REPORTED, ()] += 1
    return added


def compute_usage_coverage(context: SessionContext) -> float | None:
    """Return the share of calls and tasks that reported all tokens; None if none could, or before the end."""
    reports = [has_reported for _, has_reported in _iterate_reports(context)]
    return sum(reports) / len(reports) if reports else None


def _iterate_reports(context: SessionContext) -> Iterator[tuple[int, bool]]:
    """Yield the time (ns) of each call and task that could report tokens, and whether it reported all."""
    if not context.over:
        return
    find_run = index_runs_by_agent(context.facts, context.session.tasks)
    reporting: set[str] = set()
    for call in context.whole.model_calls:
        if call.start is None:
            continue
        yield call.start + (call.duration or 0), not call.is_lower_bound
        if call.task is not None:
            reporting.add(find_run(call.task, call.start))
    for task in context.session.tasks:
        at = get_counted_time(task)
        if at is None or task.outcome is Outcome.RUNNING:
            continue
        yield at, task.id in reporting
    # Of other turns the model calls themselves are counted; these are known to be missing.
    for turn in find_turns_without_usage(context.whole):
        yield turn.end or turn.start, False
