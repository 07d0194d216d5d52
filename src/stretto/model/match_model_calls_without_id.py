"""Anonymous model calls: match those that a source reports without an id with other reports of them.

Two reports are of the same call if they agree in task, model and tokens and are close in time. A report that
matches none is dropped only if it lies in the time in which a source with ids reported calls of its task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from stretto.clock import SECOND
from stretto.model.facts import EntityFacts, get_number, get_text
from stretto.model.match_reports_across_channels import SLACK, merge_entity_facts
from stretto.model.model_name import normalise_model
from stretto.names import fact_fields

INSTANT = "@"
"""Part of the ids that log events without an id of the call are given; spans have an id of their own."""

_Table = dict[str, EntityFacts]
_Tasks = Mapping[str, str | None]
_Times = tuple[int, int]
"""Start and end (ns)."""


def settle_anonymous_calls(calls: _Table, task_of: _Tasks) -> _Table:
    """Return the model calls without the reports of calls that another report stands for.

    Example: a span from 10 to 12 s and a log event at 12.1 s, both of 100 and 20 tokens and without an id,
    are a single call; a line of the history at 11.9 s with an id and the same tokens is that call too.
    """
    anonymous = [call_id for call_id, call in calls.items() if fact_fields.ANONYMOUS in call]
    if not anonymous:
        return calls
    by_log = {call_id for call_id in anonymous if INSTANT in call_id}
    named = calls.keys() - set(anonymous)
    settled = {call_id: dict(call) for call_id, call in calls.items()}
    spans = [call_id for call_id in anonymous if call_id not in by_log]
    _merge_reports(settled, spans, named, task_of)
    _merge_reports(settled, [each for each in anonymous if each in by_log], named, task_of)
    left_spans = [each for each in spans if each in settled]
    _merge_reports(settled, [each for each in by_log if each in settled], left_spans, task_of)
    heard = _find_heard_times(calls, named, task_of)
    for call_id in [each for each in anonymous if each in settled]:
        times = heard.get(task_of[call_id])
        if times is not None and _are_close(_get_times(calls[call_id]), times):
            del settled[call_id]
    return settled


def _merge_reports(settled: _Table, reports: Iterable[str], others: Iterable[str], task_of: _Tasks) -> None:
    """Merge each report into the closest other report of the same call, each of which takes up one.

    A report without a task is the main agent's, or an agent's: log events of older clients do not name it.
    """
    free: dict[object, set[str]] = {}
    for call_id in others:
        free.setdefault(_make_key(settled[call_id]), set()).add(call_id)
    for call_id in sorted(reports, key=lambda each: (_get_end(settled[each]), each)):
        report, task = settled[call_id], task_of[call_id]
        candidates = free.get(_make_key(report), set())
        matches = [
            each
            for each in candidates
            if (task is None or task_of[each] == task) and _is_same_call(settled[each], report)
        ]
        if not matches:
            continue
        match = min(matches, key=partial(_rank_match, settled, task_of, call_id))
        candidates.remove(match)
        del settled[call_id]
        kept = {
            name: fact
            for name, fact in report.items()
            if name not in fact_fields.TOKENS and name != fact_fields.ANONYMOUS
        }
        if fact_fields.DURATION in settled[match]:
            # The start belongs to the length: a report without a length has only the instant of its end.
            kept.pop(fact_fields.START, None)
        merge_entity_facts(settled[match], kept)


def _rank_match(settled: _Table, task_of: _Tasks, call_id: str, other: str) -> tuple[bool, bool, int, str]:
    """Return how well two reports fit, the smallest best: at the same instant, in the same task, closest."""
    distance = abs(_get_end(settled[other]) - _get_end(settled[call_id]))
    return distance > SAME_INSTANT, task_of[other] != task_of[call_id], distance, other


SAME_INSTANT = SECOND // 20
"""Nanoseconds by which a span and a log event of the same call differ at most, on an idle machine."""


def _make_key(call: EntityFacts) -> object:
    """Return the model and the output tokens of a call, which all reports of it share."""
    return normalise_model(get_text(call, fact_fields.MODEL)), get_number(call, fact_fields.OUTPUT_TOKENS)


def _is_same_call(one: EntityFacts, other: EntityFacts) -> bool:
    known = [
        (get_number(one, name), get_number(other, name))
        for name in fact_fields.TOKENS
        if name in one and name in other
    ]
    are_close = _are_close(_get_times(one), _get_times(other))
    return are_close and bool(known) and all(mine == its for mine, its in known)


def _are_close(one: _Times, other: _Times) -> bool:
    return one[1] + SLACK >= other[0] and other[1] + SLACK >= one[0]


def _find_heard_times(calls: _Table, named: Iterable[str], task_of: _Tasks) -> dict[str | None, _Times]:
    """Return by task from when to when a source with ids reported calls."""
    heard: dict[str | None, _Times] = {}
    for call_id in named:
        start, end = _get_times(calls[call_id])
        first, last = heard.get(task_of[call_id], (start, end))
        heard[task_of[call_id]] = min(first, start), max(last, end)
    return heard


def _get_times(call: EntityFacts) -> _Times:
    start = get_number(call, fact_fields.START) or 0
    return start, start + (get_number(call, fact_fields.DURATION) or 0)


def _get_end(call: EntityFacts) -> int:
    return _get_times(call)[1]
