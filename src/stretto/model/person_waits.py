"""Person waits: when agents waited for a person's decision, which is no time of work.

A wait is known from the request for permission to the execution of its call, or to the denial; telemetry
measures it whole. While an agent waits for another agent that waits for a person, it waits for the person
too, unless yet another of its agents works.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from stretto.clock import SECOND
from stretto.model.calls_from_facts import conclude_calls_under_key, index_runs_by_agent
from stretto.model.entities import PermissionRequest, Task, ToolCall
from stretto.model.event import Channel
from stretto.model.facts import RANK, Fact, SessionFacts, find_enclosing_task, get_number, get_text
from stretto.model.interval import Interval, merge_intervals, subtract_intervals
from stretto.model.permission_waits import AskedCall, index_asked_calls_by_id
from stretto.names import fact_fields
from stretto.names.fact_fields import make_stamped_key

SLACK = 2 * SECOND
"""Nanoseconds within which two channels report the same request."""

_HOOK = RANK[Channel.HOOK]


@dataclass(slots=True)
class _Waits:
    """The waits of a task."""

    known: list[Interval] = field(default_factory=list)
    is_open: bool = False
    """Whether a wait has an unknown end."""


def add_person_waits(facts: SessionFacts, tasks: Sequence[Task], *, closed: bool) -> tuple[Task, ...]:
    """Return the tasks with the waits for a person in them; most sessions have none.

    Example: an agent runs from 0 to 100 s, asks at 10 s, and the call executes from 70 to 75 s: it waited
    from 10 to 70 s, and its length is 40 s.
    """
    if not facts.permission_times:
        return tuple(tasks)
    waits = _find_waits(facts, tasks, closed=closed)
    _pass_waits_up(facts, tasks, waits)
    return tuple(_with_waits(task, waits[task.id]) if task.id in waits else task for task in tasks)


def _find_waits(facts: SessionFacts, tasks: Sequence[Task], *, closed: bool) -> dict[str, _Waits]:
    find_run = index_runs_by_agent(facts, tuple(tasks))
    waits: dict[str, _Waits] = {}
    for permission_key, times in facts.permission_times.items():
        agent_id, _, tool = permission_key.partition("|")
        agent = find_enclosing_task(facts, agent_id or None)
        if agent is None:
            continue
        calls = [
            call
            for call_id, _ in facts.iterate_calls_for(permission_key)
            for call in conclude_calls_under_key(facts, call_id, closed=closed)
        ]
        reports = {time: facts.permissions[make_stamped_key(permission_key, time)] for time in times}
        requests = [PermissionRequest(time, agent, tool or None) for time in times]
        found = _find_waits_of_tool(facts, index_asked_calls_by_id(requests, calls), calls, reports)
        for wait in found.known:
            waits.setdefault(find_run(agent, wait.start), _Waits()).known.append(wait)
        for time in found.unknown:
            waits.setdefault(find_run(agent, time), _Waits()).is_open = True
    return waits


class _ToolWaits(NamedTuple):
    """The waits of an agent for the permission to use a tool."""

    known: list[Interval]
    unknown: list[int]
    """The starts of the waits of which no end is known."""


def _find_waits_of_tool(
    facts: SessionFacts,
    asked: Mapping[str, AskedCall],
    calls: Iterable[ToolCall],
    reports: Mapping[int, Fact],
) -> _ToolWaits:
    """Return the waits behind an agent's requests for a tool; ``reports`` are their facts by time."""
    ends = {call.id: call.end for call in calls}
    known = [request.wait for request in asked.values() if request.wait is not None]
    known += [Interval(time, int(end)) for time, (_, end) in reports.items() if int(end) > time]
    open_since = {request.time for request in asked.values() if request.wait is None}
    for call_id, request in asked.items():
        end = ends[call_id]
        if request.wait is None and end is not None and _is_denied(facts, call_id):
            known.append(Interval(request.time, end))
    # Telemetry reports a request once more after the decision: only a hook's request may be without a call.
    matched = {request.time for request in asked.values()}
    open_since |= {time for time, (rank, _) in reports.items() if rank == _HOOK and time not in matched}
    unknown = [
        time
        for time in sorted(open_since)
        if not any(wait.start - SLACK <= time <= wait.end + SLACK for wait in known)
    ]
    return _ToolWaits(known, unknown)


def _is_denied(facts: SessionFacts, call_id: str) -> bool:
    return get_text(facts.calls.get(call_id, {}), fact_fields.STATUS) == "denied"


def _pass_waits_up(facts: SessionFacts, tasks: Sequence[Task], waits: dict[str, _Waits]) -> None:
    """Add the waits of inner tasks to the tasks that waited for them, inner before outer."""
    inner_tasks: dict[str, list[Task]] = {}
    for task in tasks:
        if task.parent is not None and task.interval is not None:
            inner_tasks.setdefault(task.parent, []).append(task)
    passed: set[str] = set()

    def pass_up(task: Task) -> None:
        if task.id in passed:
            return  # also ends the walk of a ring, which contradictory events can make
        passed.add(task.id)
        awaited = [inner for inner in inner_tasks.get(task.id, ()) if _is_awaited(facts, inner, task)]
        for inner in awaited:
            pass_up(inner)
        inherited = [wait for inner in awaited if inner.id in waits for wait in waits[inner.id].known]
        if inherited:
            active = [part for inner in awaited for part in _subtract_waits(inner, waits)]
            parts = [part for wait in inherited for part in subtract_intervals(wait, active)]
            waits.setdefault(task.id, _Waits()).known.extend(parts)

    if any(task.parent is not None for task in tasks):
        for task in tasks:
            pass_up(task)


def _is_awaited(facts: SessionFacts, inner: Task, outer: Task) -> bool:
    """Return whether an outer task's call for an inner task lasted as long as that task."""
    if inner.end is None or (outer.end is not None and inner.end > outer.end):
        return False
    call_end = get_number(facts.calls.get(inner.delegated_by or "", {}), fact_fields.END)
    return call_end is None or call_end + SLACK >= inner.end


def _subtract_waits(task: Task, waits: Mapping[str, _Waits]) -> Sequence[Interval]:
    interval = task.interval
    if interval is None:
        return ()
    return subtract_intervals(interval, waits[task.id].known if task.id in waits else ())


def _with_waits(task: Task, waits: _Waits) -> Task:
    if task.start is None:
        return replace(task, has_open_wait=waits.is_open)
    end = task.end if task.end is not None else max((wait.end for wait in waits.known), default=task.start)
    known = merge_intervals(waits.known, Interval(task.start, end))
    return replace(task, waits=tuple(known), has_open_wait=waits.is_open)
