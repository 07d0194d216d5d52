"""Calls: facts → tool calls and model calls. What closes one without an end stands in ``conclude``."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from stretto.clock import DAY
from stretto.model.entities import ModelCall, Task, TestRun, Tokens, ToolCall
from stretto.model.event import Channel, Outcome
from stretto.model.facts import (
    DELEGATES,
    LARGEST,
    TOKENS,
    TRUST,
    Facts,
    Known,
    about_of,
    nearest_task,
    number,
    occurrences,
    text,
)

LONGEST = 30 * DAY
"""Nanoseconds. Nothing that an agent does takes longer: what seems to was timed by two different clocks."""

OUTCOMES = {outcome.value: outcome for outcome in Outcome}

_HOOK = TRUST[Channel.HOOK]


def conclude_calls(
    facts: Facts,
    tasks: tuple[Task, ...],
    *,
    closed: bool,
    concluded: Mapping[str, Sequence[ToolCall]] = MappingProxyType({}),
) -> tuple[ToolCall, ...]:
    """Return the tool calls by start, each in the run of the agent that it fell into.

    ``concluded`` are those that need not be concluded again (``conclude_call``), by key: only whose task they
    belong to may have changed since.
    """
    run_of = runs_by_agent(facts, tasks)
    calls: list[ToolCall] = []
    for key, known in facts.calls.items():
        agent_id = nearest_task(facts, text(known, "agent_id"))
        for call in concluded.get(key) or conclude_call(facts, key, closed=closed):
            task = None if agent_id is None else run_of(agent_id, call.start or call.end or 0)
            calls.append(call if task == call.task else replace(call, task=task))
    return tuple(sorted(calls, key=lambda call: (call.start or call.end or 0, call.id)))


def conclude_call(facts: Facts, call_id: str, *, closed: bool) -> tuple[ToolCall, ...]:
    """Return one tool call, or all that share its key; their task is the agent, whichever run of it."""
    behind = occurrences(call_id, facts.calls[call_id])
    return tuple([_concluded(facts, one_id, known, closed=closed) for one_id, known in behind])


def _concluded(facts: Facts, call_id: str, known: Known, *, closed: bool) -> ToolCall:
    start, end, duration = number(known, "start"), number(known, "end"), number(known, "duration")
    task, tool = nearest_task(facts, text(known, "agent_id")), text(known, "tool")
    overhead = None
    if end is None:
        over = closed or call_is_over(facts, known, task, start)
        outcome = Outcome.UNKNOWN if over else Outcome.RUNNING
    else:
        outcome = OUTCOMES[text(known, "outcome") or "unknown"]
        start = matching(start, end)
        if start is not None and duration is None:
            duration = end - start
        elif start is not None and duration is not None:
            overhead = _overhead(facts, known, end - start - duration)
        elif duration is not None:
            start = end - duration
    return ToolCall(
        call_id, tool, task, start, end, duration, overhead, outcome, text(known, "wrote"), _tests(known)
    )


def _tests(known: Known) -> TestRun | None:
    framework = text(known, "test_framework")
    if framework is None:
        return None
    return TestRun(framework, number(known, "tests_passed"), number(known, "tests_failed"))


def matching(start: int | None, end: int | None) -> int | None:
    """Return the start, or None where it was not told by the clock that told the end."""
    if start is None or end is None or 0 <= end - start <= LONGEST:
        return start
    return None


def runs_by_agent(facts: Facts, tasks: tuple[Task, ...]) -> Callable[[str, int], str]:
    """Return what tells an agent's run at an instant: (agent id, time) → task id."""
    starts: dict[str, list[int]] = {}
    for task in tasks:
        agent_id = task.id if task.id in facts.tasks else task.id.rpartition("/")[0]
        starts.setdefault(agent_id, []).append(task.start or 0)

    again = {agent_id: begun for agent_id, begun in starts.items() if len(begun) > 1}

    def run_of(agent_id: str, time: int) -> str:
        index = bisect_right(again[agent_id], time) if agent_id in again else 1
        return agent_id if index < 2 else f"{agent_id}/{index}"  # noqa: PLR2004  # the second run

    return run_of


def _overhead(facts: Facts, known: Known, around: int) -> int | None:
    """Return the time around an execution if all of it was told by hooks and none of it can be a person's."""
    (told, start), (told_end, end), (told_duration, _) = known["start"], known["end"], known["duration"]
    if not told == told_end == told_duration == _HOOK or text(known, "tool") in DELEGATES:
        return None
    if facts.permissions and facts.was_asked(about_of(known), int(start), int(end)):
        return None
    return max(0, around)


def call_is_over(facts: Facts, known: Known, agent_id: str | None, start: int | None) -> bool:
    """Tell whether a call without an end is over, by what closes one."""
    if "batched" in known:
        return True
    if start is None:
        return False
    if agent_id is None:
        closers = (number(facts.session, "stopped"), number(facts.session, "prompted"))
        return any(at is not None and at > start for at in closers)
    marks = facts.tasks.get(agent_id, {})
    return any(name.startswith("end@") and int(name[4:]) > start for name in marks)


def conclude_model_calls(facts: Facts, ids: Iterable[str] | None = None) -> tuple[ModelCall, ...]:
    """Return the model calls by start, each told once whichever of its ids a source knows it by.

    Of some alone, where ``ids`` holds all that are linked with each other by their requests and none of the
    session's is anonymous.

    One whose source knows no id of it cannot be told from another source's word on it: it counts only in
    tasks of which nothing else tells model calls.
    """
    known_calls = facts.model_calls if ids is None else {id: facts.model_calls[id] for id in ids}
    told = _told_once(known_calls)
    task_of = {call_id: nearest_task(facts, text(known, "agent_id")) for call_id, known in told.items()}
    named = {task_of[call_id] for call_id, known in told.items() if "anonymous" not in known}
    calls = [
        ModelCall(
            id=call_id,
            model=text(known, "model"),
            task=task_of[call_id],
            start=number(known, "start"),
            duration=number(known, "duration"),
            outcome=OUTCOMES[text(known, "outcome") or "unknown"],
            tokens=Tokens(*(number(known, name) for name in TOKENS)),
            cost=number(known, "cost"),
            first_token=number(known, "first_token"),
        )
        for call_id, known in told.items()
        if "anonymous" not in known or task_of[call_id] not in named
    ]
    return tuple(sorted(calls, key=lambda call: (call.start or 0, call.id)))


def _told_once(calls: dict[str, Known]) -> dict[str, Known]:
    """Return model calls with those named by a request merged into those named by its response."""
    responses: dict[str, str] = {}
    for call_id in sorted(calls):
        request = text(calls[call_id], "request")
        # What is itself named by a response is never a request: a chain or ring of words merges nothing.
        if request in calls and request != call_id and text(calls[request], "request") in (None, request):
            responses.setdefault(request, call_id)
    merged = {call_id: dict(known) for call_id, known in calls.items()}
    for request, response in responses.items():
        for name, fact in merged.pop(request).items():
            pick = max if name in LARGEST else min
            merged[response][name] = pick(fact, merged[response].get(name, fact))
    return merged
