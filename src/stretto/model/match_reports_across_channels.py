"""Pairing: match what a channel reported without an id with another channel's report that has one.

Two reports are about the same work if they agree in kind and name and overlap in time. A report without an id
that matches none is dropped only if it lies in the time in which the channel with ids was listening: that
channel would have reported it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from stretto.clock import SECOND
from stretto.model.event import Outcome
from stretto.model.facts import (
    EntityFacts,
    SessionFacts,
    find_enclosing_task,
    get_number,
    get_text,
    split_repeated_calls,
)
from stretto.names import fact_fields
from stretto.names.fact_fields import list_stamped_facts, make_stamped_key

SLACK = 2 * SECOND
"""Nanoseconds by which two channels may differ about an instant: a hook's process may start late."""


TURN_SLACK = 10 * SECOND
"""The same for a prompt: a client prepares for seconds between a prompt's hook and the first span."""


class _Report(NamedTuple):
    """An activity as one channel reported it."""

    start: int
    end: int | None
    key: str
    facts: EntityFacts

    def may_be(self, other: _Report) -> bool:
        """Return whether two reports overlap in time, give or take the slack."""
        ends_before = other.end is not None and other.end + SLACK < self.start
        starts_after = self.end is not None and self.end + SLACK < other.start
        return not ends_before and not starts_after


def merge_entity_facts(target: EntityFacts, other: EntityFacts) -> None:
    """Merge all facts of an entity into those of another."""
    for name, fact in other.items():
        kept = target.get(name)
        if kept is None:
            target[name] = fact
        else:
            target[name] = max(kept, fact) if name in fact_fields.LARGEST else min(kept, fact)


def pair_turns(joined: SessionFacts, of_spans: Iterable[str]) -> None:
    """Merge the turns without a prompt id, outermost spans and prompts by a hook, into those with an id.

    A report is the turn that began closest to it. A prompt that waited in a queue is the only turn that began
    before the next prompt of the hooks. An outermost span inside a prompt's turn without a match is dropped.
    Example: prompts at 0 and 100 s, the last stop at 140 s: an outermost span from 1 to 60 s is the first.
    """
    span_turns = {turn_id for turn_id in of_spans if turn_id in joined.turns}
    unnamed = span_turns | {turn_id for turn_id in joined.turns if turn_id.startswith(fact_fields.STAMP)}
    named = _list_turns(joined, joined.turns.keys() - unnamed)
    if not named:
        unnamed, named = span_turns, _list_turns(joined, joined.turns.keys() - span_turns)
    # Each channel may report each prompt once.
    free = {True: list(named), False: list(named)}
    unmatched: list[_Report] = []
    reports = _list_turns(joined, unnamed) if named else []
    for report in reports:
        candidates = free[report.key in span_turns]
        match = min(
            (each for each in candidates if abs(each.start - report.start) <= TURN_SLACK),
            key=lambda each: (abs(each.start - report.start), each.key),
            default=None,
        )
        if match is not None:
            candidates.remove(match)
            _complete_turn(match.facts, joined.turns.pop(report.key))
        else:
            unmatched.append(report)
    prompts = [report.start for report in reports if report.key not in span_turns]
    for report in unmatched:
        if report.key not in span_turns:
            queued = _find_queued_turn(report.start, prompts, free[False])
            if queued is not None:
                free[False].remove(queued)
                _complete_turn(queued.facts, joined.turns.pop(report.key))
        elif any(
            each.start <= report.start and each.end is not None and report.start < each.end for each in named
        ):
            del joined.turns[report.key]


def _find_queued_turn(prompted: int, prompts: Iterable[int], turns: Iterable[_Report]) -> _Report | None:
    """Return the only one of some turns that began after a prompt and before the next one."""
    later = min((start for start in prompts if start > prompted), default=None)
    queued = [turn for turn in turns if prompted < turn.start and (later is None or turn.start < later)]
    return queued[0] if len(queued) == 1 else None


def _list_turns(joined: SessionFacts, turn_ids: Iterable[str]) -> list[_Report]:
    reports = [
        _Report(start, get_number(turn, fact_fields.STOPPED), turn_id, turn)
        for turn_id in turn_ids
        if (start := get_number(turn := joined.turns[turn_id], fact_fields.START)) is not None
    ]
    return sorted(reports, key=lambda report: (report.start, report.key))


def _complete_turn(turn: EntityFacts, other: EntityFacts) -> None:
    """Give the facts of another report of a turn to it, where it has none."""
    for name, fact in other.items():
        turn.setdefault(name, fact)


def pair_tasks(joined: SessionFacts, without_id: Iterable[str]) -> dict[str, str]:
    """Return span tasks that a channel with agent ids reports too, each with the agent's id.

    They share the call that started them, or the agent's name and the time.
    """
    span_tasks = [task_id for task_id in without_id if task_id in joined.tasks]
    known = {task_id: task for task_id, task in joined.tasks.items() if task_id not in span_tasks}
    if not span_tasks or not known:
        return {}
    by_call = {
        call: task_id for task_id, task in known.items() if (call := get_text(task, fact_fields.DELEGATED_BY))
    }
    pairs: dict[str, str] = {}
    reports = _list_task_reports(joined, span_tasks)
    for report in reports:
        task_id = by_call.get(get_text(report.facts, fact_fields.DELEGATED_BY) or "")
        if task_id is not None and task_id not in pairs.values():
            pairs[report.key] = task_id
    free = [report for report in _list_task_reports(joined, known) if report.key not in set(pairs.values())]
    for report in reports:
        if report.key in pairs:
            continue
        agent = get_text(report.facts, fact_fields.AGENT)
        match = _find_closest(
            report, [each for each in free if get_text(each.facts, fact_fields.AGENT) == agent]
        )
        if match is not None:
            pairs[report.key] = match.key
            free.remove(match)
    return pairs


def _list_task_reports(joined: SessionFacts, task_ids: Iterable[str]) -> list[_Report]:
    reports = []
    for task_id in task_ids:
        task = joined.tasks[task_id]
        starts = [time for time, _ in list_stamped_facts(task, fact_fields.START)]
        ends = [time for time, _ in list_stamped_facts(task, fact_fields.END)]
        if starts:
            reports.append(_Report(min(starts), max(ends, default=None), task_id, task))
    return sorted(reports, key=lambda report: (report.start, report.key))


def _find_closest(report: _Report, candidates: list[_Report]) -> _Report | None:
    """Return the candidate with the closest start among those that may be the same."""
    fitting = [each for each in candidates if report.may_be(each)]
    return min(fitting, key=lambda each: (abs(each.start - report.start), each.key), default=None)


def pair_calls_without_ids(joined: SessionFacts) -> None:
    """Merge calls without an id into calls with an id; drop those that the other channel must have reported.

    Example: hooks report ``bash`` at 3.1 to 5.2 s without an id, spans report ``bash`` call_7 at 3.0 to 5.0
    s. It is call_7. A second ``bash`` at 4 s that no span reports is dropped, a third at 90 s, after the last
    span, stays.
    """
    unnamed = {key for key in joined.unnamed_calls if key in joined.calls}
    named = _list_named_calls(joined, unnamed)
    if not unnamed or not named:
        return
    first, last = min(report.start for report in named), max(report.end or report.start for report in named)
    by_tool: dict[str | None, list[_Report]] = {}
    for report in named:
        by_tool.setdefault(get_text(report.facts, fact_fields.TOOL), []).append(report)
    for report in sorted(_split_unnamed_calls(joined, unnamed), key=lambda each: (each.start, each.key)):
        candidates = by_tool.get(get_text(report.facts, fact_fields.TOOL), [])
        match = _find_closest(report, [each for each in candidates if _ended_alike(each, report)])
        if match is not None:
            candidates.remove(match)
            merge_entity_facts(match.facts, report.facts)
        if match is not None or first - SLACK <= report.start <= last + SLACK:
            _remove_report(joined, report)


def _ended_alike(one: _Report, other: _Report) -> bool:
    """Return whether two reports agree on how a call ended, as far as both know."""
    outcomes = {get_text(report.facts, fact_fields.OUTCOME) for report in (one, other)}
    return len(outcomes - {None, Outcome.UNKNOWN}) <= 1


def _list_named_calls(joined: SessionFacts, unnamed: set[str]) -> list[_Report]:
    return [
        _Report(start, get_number(call, fact_fields.END), call_id, call)
        for call_id, call in joined.calls.items()
        if call_id not in unnamed and (start := get_number(call, fact_fields.START)) is not None
    ]


def _split_unnamed_calls(joined: SessionFacts, unnamed: set[str]) -> list[_Report]:
    reports = []
    for key in unnamed:
        for _, call in split_repeated_calls(key, joined.calls[key]):
            start, end = get_number(call, fact_fields.START), get_number(call, fact_fields.END)
            at = start if start is not None else end
            if at is not None:
                reports.append(_Report(at, end, key, call))
    return reports


def _remove_report(joined: SessionFacts, report: _Report) -> None:
    """Remove the start and the end of a call from the facts that it shares with others of its key."""
    call = joined.calls[report.key]
    for edge in (fact_fields.START, fact_fields.END):
        time = get_number(report.facts, edge)
        if time is not None:
            call.pop(make_stamped_key(edge, time), None)
            for name in fact_fields.TEST_COUNTS:
                call.pop(make_stamped_key(name, time), None)
    if fact_fields.STAMP not in "".join(call):
        del joined.calls[report.key]


def pair_model_calls(joined: SessionFacts, of_spans: Iterable[str]) -> None:
    """Merge the model calls of spans into the same calls that another channel reports under its own ids.

    They belong to the same task, read the same tokens, and overlap in time. A channel that does not know the
    cache counts it as input: 1123 tokens are 123 of input and 1000 read from the cache. An agent asks the
    model one request after another, so the first fitting call is the same. Example: requests at 22 and 23 s
    by spans, at 20.5 and 23 s by the history, are two.
    """
    unnamed = {call_id for call_id in of_spans if call_id in joined.model_calls}
    named = _list_model_calls(joined, joined.model_calls.keys() - unnamed)
    if not unnamed or not named:
        return
    for report in _list_model_calls(joined, unnamed):
        task = find_enclosing_task(joined, get_text(report.facts, fact_fields.AGENT_ID))
        match = next(
            (
                each
                for each in named
                if report.may_be(each)
                and _has_same_input(each.facts, report.facts)
                and task in {None, find_enclosing_task(joined, get_text(each.facts, fact_fields.AGENT_ID))}
            ),
            None,
        )
        if match is not None:
            named.remove(match)
            merge_model_call(match.facts, joined.model_calls.pop(report.key))


def merge_model_call(call: EntityFacts, other: EntityFacts) -> None:
    """Merge another report of a model call; tokens are those of the report that knows the cache."""
    tokens = (
        call if fact_fields.CACHE_READ_TOKENS in call or fact_fields.CACHE_READ_TOKENS not in other else other
    )
    kept = {name: tokens[name] for name in fact_fields.TOKENS if name in tokens}
    merge_entity_facts(call, {name: fact for name, fact in other.items() if name not in fact_fields.TOKENS})
    for name in fact_fields.TOKENS:
        call.pop(name, None)
    call.update(kept)


def _list_model_calls(joined: SessionFacts, call_ids: Iterable[str]) -> list[_Report]:
    reports = []
    for call_id in call_ids:
        call = joined.model_calls[call_id]
        start = get_number(call, fact_fields.START)
        if start is not None:
            reports.append(
                _Report(start, start + (get_number(call, fact_fields.DURATION) or 0), call_id, call)
            )
    return sorted(reports, key=lambda report: (report.start, report.key))


def _has_same_input(one: EntityFacts, other: EntityFacts) -> bool:
    inputs = [
        {tokens, tokens + (get_number(call, fact_fields.CACHE_READ_TOKENS) or 0)}
        for call in (one, other)
        if (tokens := get_number(call, fact_fields.INPUT_TOKENS)) is not None
    ]
    return len(inputs) == 2 and not inputs[0].isdisjoint(inputs[1])  # noqa: PLR2004  # both know them
