"""Conclude calls: turn facts into tool and model calls (open ones by the rules of ``conclude_session``)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from stretto.clock import DAY
from stretto.model.entities import ModelCall, Task, TestRun, Tokens, ToolCall
from stretto.model.event import Channel, Outcome
from stretto.model.facts import (
    DELEGATING_TOOLS,
    RANK,
    EntityFacts,
    SessionFacts,
    find_enclosing_task,
    get_number,
    get_text,
    make_permission_key_of_call,
    split_repeated_calls,
)
from stretto.model.match_model_calls_without_id import settle_anonymous_calls
from stretto.names import fact_fields
from stretto.names.fact_fields import list_stamped_facts

LONGEST_ACTIVITY = 30 * DAY
"""Nanoseconds. A longer duration of anything an agent does was measured with two different clocks."""

OUTCOMES = {outcome.value: outcome for outcome in Outcome}

NOT_STARTED = "not_started"
"""The status of a call that the client refused before it ran: the model asked for it, nothing happened."""

_TOKENS = (*fact_fields.TOKENS, fact_fields.CACHE_WRITE_1H_TOKENS)

_HOOK = RANK[Channel.HOOK]
_TRANSCRIPT = RANK[Channel.TRANSCRIPT]


def conclude_calls(
    facts: SessionFacts,
    tasks: tuple[Task, ...],
    *,
    closed: bool,
    concluded: Mapping[str, Sequence[ToolCall]] = MappingProxyType({}),
) -> tuple[ToolCall, ...]:
    """Return the tool calls by start, each assigned to the agent's run during which it happened.

    ``concluded`` holds results of ``conclude_calls_under_key`` by key that are still valid except for
    their task.
    """
    find_run = index_runs_by_agent(facts, tasks)
    calls: list[ToolCall] = []
    for key, call_facts in facts.calls.items():
        # A field has values of one type, and every call of a session is asked.
        agent_id: Any = call_facts[fact_fields.AGENT_ID][1] if fact_fields.AGENT_ID in call_facts else None
        if agent_id is not None and agent_id not in facts.tasks:
            agent_id = find_enclosing_task(facts, agent_id)
        for call in concluded.get(key) or conclude_calls_under_key(facts, key, closed=closed):
            task = None if agent_id is None else find_run(agent_id, call.start or call.end or 0)
            calls.append(call if task == call.task else replace(call, task=task))
    return tuple(sorted(calls, key=_order_call))


def _order_call(call: ToolCall) -> tuple[int, str]:
    return call.start or call.end or 0, call.id


def conclude_calls_under_key(facts: SessionFacts, call_id: str, *, closed: bool) -> tuple[ToolCall, ...]:
    """Return the tool calls under a key, usually a single call; none for a refused call.

    Their task is the agent, not yet its run.
    """
    call_facts = facts.calls[call_id]
    if fact_fields.STATUS in call_facts and get_text(call_facts, fact_fields.STATUS) == NOT_STARTED:
        return ()
    # Nearly every call has an id of its own, and so no stamped fields.
    if fact_fields.STAMP not in "".join(call_facts):
        return (_conclude_tool_call(facts, call_id, call_facts, closed=closed),)
    calls = split_repeated_calls(call_id, call_facts)
    return tuple([_conclude_tool_call(facts, id, facts_of_it, closed=closed) for id, facts_of_it in calls])


def _conclude_tool_call(
    facts: SessionFacts, call_id: str, call_facts: EntityFacts, *, closed: bool
) -> ToolCall:
    """Return a tool call; a missing start or duration is computed from the other two times.

    Example: start 100, end 180 and a measured duration of 60 leave an overhead of 20.
    """
    # A session has many calls: look-ups without a function save a third. A field has values of one type.
    known: Mapping[str, tuple[int, Any]] = call_facts
    start = known[fact_fields.START][1] if fact_fields.START in known else None
    end = known[fact_fields.END][1] if fact_fields.END in known else None
    duration = known[fact_fields.DURATION][1] if fact_fields.DURATION in known else None
    task = known[fact_fields.AGENT_ID][1] if fact_fields.AGENT_ID in known else None
    tool = known[fact_fields.TOOL][1] if fact_fields.TOOL in known else None
    outcome = OUTCOMES[known[fact_fields.OUTCOME][1]] if fact_fields.OUTCOME in known else Outcome.UNKNOWN
    if task is not None and task not in facts.tasks:
        task = find_enclosing_task(facts, task)
    overhead = None
    if start is None and end is None:
        # Only the end of its batch was reported, as of a call whose input the client rejected.
        end = get_number(call_facts, fact_fields.BATCHED)
    if end is None:
        over = closed or is_call_over(facts, call_facts, task, start)
        # The result of a denied call stands in the end of its batch, and nobody reports its end.
        outcome = outcome if over else Outcome.RUNNING
    elif start is not None and (start := keep_plausible_start(start, end)) is not None:
        if duration is None:
            duration = end - start
        elif known[fact_fields.START][0] == _HOOK:
            overhead = _compute_overhead(facts, call_facts, tool, end - start - duration)
    elif duration is not None:
        start = end - duration
    return ToolCall(
        call_id,
        tool,
        task,
        start,
        end,
        duration,
        overhead,
        outcome,
        known[fact_fields.WROTE][1] if fact_fields.WROTE in known else None,
        _conclude_test_run(call_facts) if fact_fields.TEST_FRAMEWORK in call_facts else None,
        get_number(call_facts, fact_fields.NEW_FILES) if fact_fields.NEW_FILES in call_facts else None,
    )


def _conclude_test_run(call_facts: EntityFacts) -> TestRun | None:
    framework = get_text(call_facts, fact_fields.TEST_FRAMEWORK)
    if framework is None:
        return None
    return TestRun(framework, *(get_number(call_facts, name) for name in fact_fields.TEST_COUNTS))


def keep_plausible_start(start: int | None, end: int | None) -> int | None:
    """Return the start, or None if start and end cannot come from the same clock."""
    if start is None or end is None or 0 <= end - start <= LONGEST_ACTIVITY:
        return start
    return None


def index_runs_by_agent(facts: SessionFacts, tasks: tuple[Task, ...]) -> Callable[[str, int], str]:
    """Return a function (agent id, time) → task id that finds the agent's run at an instant.

    Example: with runs from 10 and 50, agent ``a`` at 30 is task ``a`` and at 60 task ``a/2``.
    """
    starts_by_agent: dict[str, list[int]] = {}
    for task in tasks:
        agent_id = task.id if task.id in facts.tasks else task.id.rpartition("/")[0]
        starts_by_agent.setdefault(agent_id, []).append(task.start or 0)

    repeated = {agent_id: starts for agent_id, starts in starts_by_agent.items() if len(starts) > 1}

    def find_run(agent_id: str, time: int) -> str:
        index = bisect_right(repeated[agent_id], time) if agent_id in repeated else 1
        return agent_id if index < 2 else f"{agent_id}/{index}"  # noqa: PLR2004  # the second run

    return find_run


def _compute_overhead(
    facts: SessionFacts, call_facts: EntityFacts, tool: str | None, surplus: int
) -> int | None:
    """Return the time around an execution whose start a hook reported.

    None unless hooks timed all of it and no person was asked.
    """
    if tool in DELEGATING_TOOLS:
        return None
    _, start = call_facts[fact_fields.START]
    end_rank, end = call_facts[fact_fields.END]
    if not end_rank == call_facts[fact_fields.DURATION][0] == _HOOK:
        return None
    if facts.permissions and facts.has_permission_request(
        make_permission_key_of_call(call_facts), int(start), int(end)
    ):
        return None
    return max(0, surplus)


def is_call_over(
    facts: SessionFacts, call_facts: EntityFacts, agent_id: str | None, start: int | None
) -> bool:
    """Return whether a call without an end is over, by the rules of ``conclude_session``."""
    if fact_fields.BATCHED in call_facts:
        return True
    if start is None:
        return False
    if agent_id is None:
        closers = (
            get_number(facts.session, fact_fields.STOPPED),
            get_number(facts.session, fact_fields.PROMPTED),
        )
        return any(time is not None and time > start for time in closers)
    agent_ends = list_stamped_facts(facts.tasks.get(agent_id, {}), fact_fields.END)
    return any(time > start for time, _ in agent_ends)


def conclude_model_calls(facts: SessionFacts, ids: Iterable[str] | None = None) -> tuple[ModelCall, ...]:
    """Return the model calls by start, each once although sources may know it by different ids.

    ``ids`` restricts the result. It must then contain every call that is linked with another of them by a
    request id, and the session must have no anonymous calls.

    A call that a source reports without any id is matched with other reports of it by task, model, tokens and
    time (``match_model_calls_without_id``).
    """
    selected = facts.model_calls if ids is None else {id: facts.model_calls[id] for id in ids}
    merged = _merge_requests_into_responses(selected)
    task_of = {
        call_id: find_enclosing_task(facts, get_text(call_facts, fact_fields.AGENT_ID))
        for call_id, call_facts in merged.items()
    }
    merged = settle_anonymous_calls(merged, task_of)
    _complete_last_requests(facts, merged, task_of)
    calls = [
        ModelCall(
            id=call_id,
            model=get_text(call_facts, fact_fields.MODEL),
            task=task_of[call_id],
            start=get_number(call_facts, fact_fields.START),
            duration=get_number(call_facts, fact_fields.DURATION),
            outcome=OUTCOMES[get_text(call_facts, fact_fields.OUTCOME) or Outcome.UNKNOWN],
            tokens=Tokens(*[get_number(call_facts, name) for name in _TOKENS]),
            cost=get_number(call_facts, fact_fields.COST),
            first_token=get_number(call_facts, fact_fields.FIRST_TOKEN),
            is_lower_bound=_is_lower_bound(call_facts),
        )
        for call_id, call_facts in merged.items()
    ]
    return tuple(sorted(calls, key=lambda call: (call.start or 0, call.id)))


def assign_to_runs(
    facts: SessionFacts, tasks: tuple[Task, ...], calls: Iterable[ModelCall]
) -> tuple[ModelCall, ...]:
    """Return model calls with the agent's run during which each happened as their task."""
    find_run = index_runs_by_agent(facts, tasks)
    assigned = []
    for call in calls:
        run = None if call.task is None else find_run(call.task, call.start or 0)
        assigned.append(call if run == call.task else replace(call, task=run))
    return tuple(assigned)


def find_model_calls_completed_by_delegations(facts: SessionFacts, call_ids: Iterable[str]) -> set[str]:
    """Return the model calls whose use the answers of delegating calls may complete."""
    answers = [facts.calls.get(call_id, {}) for call_id in call_ids]
    agents = {
        get_text(answer, fact_fields.TASK) for answer in answers if fact_fields.TASK_OUTPUT_TOKENS in answer
    } - {None}
    if not agents:
        return set()
    return {
        id
        for id, call_facts in facts.model_calls.items()
        if get_text(call_facts, fact_fields.AGENT_ID) in agents and _is_lower_bound(call_facts)
    }


def _complete_last_requests(
    facts: SessionFacts, calls: Mapping[str, EntityFacts], task_of: Mapping[str, str | None]
) -> None:
    """Complete the use of unfinished answers by what delegating calls reported of an agent's last request.

    Some clients write no more than the stream's first use into a transcript, and the whole use of an agent's
    last request into the answer of the call that started it. They are the same request if they sent as many
    tokens. Example: a call that sent 1,100 tokens and answered 1 so far, and an answer of the agent that
    names 1,100 and 78: the call answered 78 tokens.
    """
    unfinished = [id for id, call_facts in calls.items() if _is_lower_bound(call_facts)]
    if not unfinished:
        return
    outputs: dict[tuple[str | None, int | None], int] = {}
    for call_id in facts.delegating:
        answer = facts.calls[call_id]
        output = get_number(answer, fact_fields.TASK_OUTPUT_TOKENS)
        if output is not None:
            request = (
                get_text(answer, fact_fields.TASK),
                get_number(answer, fact_fields.TASK_PROMPT_TOKENS),
            )
            outputs[request] = max(output, outputs.get(request, 0))
    for id in unfinished if outputs else ():
        call_facts = calls[id]
        output = outputs.get((task_of[id], _sum_prompt(call_facts)))
        if output is not None and output >= (get_number(call_facts, fact_fields.OUTPUT_TOKENS) or 0):
            call_facts[fact_fields.OUTPUT_TOKENS] = (_TRANSCRIPT, output)
            call_facts[fact_fields.COMPLETE] = (_TRANSCRIPT, 1)


def _sum_prompt(call_facts: EntityFacts) -> int:
    names = (fact_fields.INPUT_TOKENS, fact_fields.CACHE_READ_TOKENS, fact_fields.CACHE_WRITE_TOKENS)
    return sum(get_number(call_facts, name) or 0 for name in names)


def _is_lower_bound(call_facts: EntityFacts) -> bool:
    """Return whether only transcripts reported a call, and none of their lines had the end of the answer."""
    rank, _ = call_facts.get(fact_fields.START, (_TRANSCRIPT, 0))
    return rank == _TRANSCRIPT and get_number(call_facts, fact_fields.COMPLETE) == 0


def _merge_requests_into_responses(calls: dict[str, EntityFacts]) -> dict[str, EntityFacts]:
    """Return model calls with those keyed by a request merged into those keyed by its response."""
    responses: dict[str, str] = {}
    for call_id in sorted(calls):
        request = get_text(calls[call_id], fact_fields.REQUEST)
        if request not in calls or request == call_id:
            continue
        # A call that names a request of its own is a response: chains and rings of names merge nothing.
        if get_text(calls[request], fact_fields.REQUEST) in (None, request):
            responses.setdefault(request, call_id)
    merged = dict(calls)
    for response in responses.values():
        merged[response] = dict(calls[response])
    for request, response in responses.items():
        for name, fact in merged.pop(request).items():
            pick = max if name in fact_fields.LARGEST else min
            merged[response][name] = pick(fact, merged[response].get(name, fact))
    return merged
