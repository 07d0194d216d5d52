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
    DELEGATING_TOOLS,
    LARGEST,
    TOKENS,
    RANK,
    SessionFacts,
    EntityFacts,
    get_permission_key,
    find_nearest_task,
    get_number,
    split_repeated_calls,
    get_text,
)

LONGEST_ACTIVITY = 30 * DAY
"""Nanoseconds. Nothing that an agent does takes longer: what seems to was timed by two different clocks."""

OUTCOMES = {outcome.value: outcome for outcome in Outcome}

_HOOK = RANK[Channel.HOOK]


def conclude_calls(
    facts: SessionFacts,
    tasks: tuple[Task, ...],
    *,
    closed: bool,
    concluded: Mapping[str, Sequence[ToolCall]] = MappingProxyType({}),
) -> tuple[ToolCall, ...]:
    """Return the tool calls by start, each in the run of the agent that it fell into.

    ``concluded`` are those that need not be concluded again (``conclude_call``), by key: only whose task they
    belong to may have changed since.
    """
    run_of = index_runs_by_agent(facts, tasks)
    calls: list[ToolCall] = []
    for key, known in facts.calls.items():
        agent_id = find_nearest_task(facts, get_text(known, "agent_id"))
        for call in concluded.get(key) or conclude_call(facts, key, closed=closed):
            task = None if agent_id is None else run_of(agent_id, call.start or call.end or 0)
            calls.append(call if task == call.task else replace(call, task=task))
    return tuple(sorted(calls, key=lambda call: (call.start or call.end or 0, call.id)))


def conclude_call(facts: SessionFacts, call_id: str, *, closed: bool) -> tuple[ToolCall, ...]:
    """Return one tool call, or all that share its key; their task is the agent, whichever run of it."""
    behind = split_repeated_calls(call_id, facts.calls[call_id])
    return tuple([_concluded(facts, one_id, known, closed=closed) for one_id, known in behind])


def _concluded(facts: SessionFacts, call_id: str, known: EntityFacts, *, closed: bool) -> ToolCall:
    start, end, duration = get_number(known, "start"), get_number(known, "end"), get_number(known, "duration")
    task, tool = find_nearest_task(facts, get_text(known, "agent_id")), get_text(known, "tool")
    overhead = None
    if end is None:
        over = closed or is_call_over(facts, known, task, start)
        outcome = Outcome.UNKNOWN if over else Outcome.RUNNING
    else:
        outcome = OUTCOMES[get_text(known, "outcome") or "unknown"]
        start = keep_plausible_start(start, end)
        if start is not None and duration is None:
            duration = end - start
        elif start is not None and duration is not None:
            overhead = _overhead(facts, known, end - start - duration)
        elif duration is not None:
            start = end - duration
    return ToolCall(
        call_id, tool, task, start, end, duration, overhead, outcome, get_text(known, "wrote"), _tests(known)
    )


def _tests(known: EntityFacts) -> TestRun | None:
    framework = get_text(known, "test_framework")
    if framework is None:
        return None
    return TestRun(framework, get_number(known, "tests_passed"), get_number(known, "tests_failed"))


def keep_plausible_start(start: int | None, end: int | None) -> int | None:
    """Return the start, or None where it was not told by the clock that told the end."""
    if start is None or end is None or 0 <= end - start <= LONGEST_ACTIVITY:
        return start
    return None


def index_runs_by_agent(facts: SessionFacts, tasks: tuple[Task, ...]) -> Callable[[str, int], str]:
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


def _overhead(facts: SessionFacts, known: EntityFacts, around: int) -> int | None:
    """Return the time around an execution if all of it was told by hooks and none of it can be a person's."""
    (told, start), (told_end, end), (told_duration, _) = known["start"], known["end"], known["duration"]
    if not told == told_end == told_duration == _HOOK or get_text(known, "tool") in DELEGATING_TOOLS:
        return None
    if facts.permissions and facts.has_permission_request(get_permission_key(known), int(start), int(end)):
        return None
    return max(0, around)


def is_call_over(facts: SessionFacts, known: EntityFacts, agent_id: str | None, start: int | None) -> bool:
    """Tell whether a call without an end is over, by what closes one."""
    if "batched" in known:
        return True
    if start is None:
        return False
    if agent_id is None:
        closers = (get_number(facts.session, "stopped"), get_number(facts.session, "prompted"))
        return any(at is not None and at > start for at in closers)
    marks = facts.tasks.get(agent_id, {})
    return any(name.startswith("end@") and int(name[4:]) > start for name in marks)


def conclude_model_calls(facts: SessionFacts, ids: Iterable[str] | None = None) -> tuple[ModelCall, ...]:
    """Return the model calls by start, each told once whichever of its ids a source knows it by.

    Of some alone, where ``ids`` holds all that are linked with each other by their requests and none of the
    session's is anonymous.

    One whose source knows no id of it cannot be told from another source's word on it: it counts only in
    tasks of which nothing else tells model calls.
    """
    known_calls = facts.model_calls if ids is None else {id: facts.model_calls[id] for id in ids}
    told = _told_once(known_calls)
    task_of = {call_id: find_nearest_task(facts, get_text(known, "agent_id")) for call_id, known in told.items()}
    named = {task_of[call_id] for call_id, known in told.items() if "anonymous" not in known}
    calls = [
        ModelCall(
            id=call_id,
            model=get_text(known, "model"),
            task=task_of[call_id],
            start=get_number(known, "start"),
            duration=get_number(known, "duration"),
            outcome=OUTCOMES[get_text(known, "outcome") or "unknown"],
            tokens=Tokens(*(get_number(known, name) for name in TOKENS)),
            cost=get_number(known, "cost"),
            first_token=get_number(known, "first_token"),
        )
        for call_id, known in told.items()
        if "anonymous" not in known or task_of[call_id] not in named
    ]
    return tuple(sorted(calls, key=lambda call: (call.start or 0, call.id)))


def _told_once(calls: dict[str, EntityFacts]) -> dict[str, EntityFacts]:
    """Return model calls with those named by a request merged into those named by its response."""
    responses: dict[str, str] = {}
    for call_id in sorted(calls):
        request = get_text(calls[call_id], "request")
        # What is itself named by a response is never a request: a chain or ring of words merges nothing.
        if request in calls and request != call_id and get_text(calls[request], "request") in (None, request):
            responses.setdefault(request, call_id)
    merged = {call_id: dict(known) for call_id, known in calls.items()}
    for request, response in responses.items():
        for name, fact in merged.pop(request).items():
            pick = max if name in LARGEST else min
            merged[response][name] = pick(fact, merged[response].get(name, fact))
    return merged
