"""Conclude tasks: each run of each agent, with the call that started it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stretto.model.agent_run_times import Run, RunTimes, determine_run_times
from stretto.model.calls_from_facts import OUTCOMES, is_call_over
from stretto.model.client_internal_agents import is_helper, is_warm_up
from stretto.model.entities import Task
from stretto.model.event import LATEST, Channel, Outcome
from stretto.model.facts import (
    RANK,
    EntityFacts,
    Fact,
    SessionFacts,
    StampedFacts,
    find_enclosing_task,
    get_text,
    make_permission_key_of_call,
)
from stretto.model.match_agents_with_delegating_calls import (
    AGENT_REPORTING_SOURCES,
    Delegation,
    match_delegations,
)
from stretto.model.task_type import OTHER, to_label_value
from stretto.model.unchanged_task_memory import TaskMemory
from stretto.names import fact_fields
from stretto.names.fact_fields import group_stamped_facts, list_stamped_facts, unpack_timed_text

Classify = Callable[[str | None, str | None], str]
"""(description, agent) → task type."""

_Edges = Sequence[tuple[int, Fact]]
"""The starts or the ends of an agent, with their facts."""

_TRANSCRIPT = RANK[Channel.TRANSCRIPT]


def conclude_tasks(
    facts: SessionFacts, *, closed: bool, classify: Classify, memory: TaskMemory | None = None
) -> tuple[Task, ...]:
    """Return the tasks by start: each run of each agent, and each delegating call without a known agent.

    Example: agent ``a`` with start@10, end@20 and start@50 gives task ``a`` [10, 20] and open task ``a/2``.
    """
    memory = memory or TaskMemory()
    delegations = match_delegations(facts, memory.delegations)
    stopped_at, listed_agents = _get_listed_agents(facts)
    tasks: list[Task] = []
    for agent_id, task_facts in facts.tasks.items():
        calls = delegations.by_agent.get(agent_id, ())
        known = memory.recall_tasks(facts, agent_id, calls)
        if known is not None:
            tasks += known
            continue
        stamped = group_stamped_facts(task_facts)
        starts, ends = stamped.get(fact_fields.START, ()), stamped.get(fact_fields.END, ())
        if not starts and not ends and (not calls or agent_id.startswith("/")):
            # The host's notices can also be about background shells, which are no agents. A path in a call's
            # answer is an alias of an agent that has not been heard of.
            continue
        if not calls and (is_warm_up(facts, agent_id) or is_helper(task_facts)):
            continue
        # A transcript also reports an agent of which only the line of the call that started it was read.
        seen = any(rank < _TRANSCRIPT for _, (rank, _) in starts)
        runs = _split_runs(starts, ends, calls[0].start if calls else None)
        previous_call: Delegation | None = None
        first, ended_by_report = len(tasks), True
        for index, run in enumerate(runs):
            next_run = runs[index + 1] if index + 1 < len(runs) else None
            call = _find_call_of_run(run, calls)
            # A call waits for a single run: a message started the runs that follow it.
            waiting_call = None if call is previous_call else call
            previous_call = call
            ended_by_report &= run.end is not None or _get_waited_end(waiting_call) is not None
            is_over = closed or (
                agent_id not in listed_agents and _is_agent_over(facts, run, waiting_call, stopped_at)
            )
            tasks.append(
                _conclude_task(
                    facts,
                    task_id=agent_id if index == 0 else f"{agent_id}/{index + 1}",
                    task_facts=task_facts,
                    stamped=stamped,
                    call=call,
                    times=determine_run_times(
                        facts, stamped, run, next_run, call=call, waiting_call=waiting_call
                    ),
                    waiting_call=waiting_call,
                    outcome=_find_noticed_outcome(stamped, run, next_run)
                    or _conclude_task_outcome(task_facts, waiting_call, run, is_over=is_over),
                    seen=seen,
                    classify=classify,
                )
            )
        if calls and ended_by_report:
            # The rules about missing ends, which look at other entities, have decided nothing here.
            memory.keep_tasks(agent_id, calls, tuple(tasks[first:]))
    for call in delegations.without_agent:
        if not _stands_for_agent(facts, call):
            continue
        run = Run(call.start, None)
        is_over = closed or _is_agent_over(facts, run, call, stopped_at)
        tasks.append(
            _conclude_task(
                facts,
                task_id=call.id,
                task_facts={},
                stamped={},
                call=call,
                times=determine_run_times(facts, {}, run, None, call=call, waiting_call=call),
                waiting_call=call,
                outcome=_conclude_task_outcome({}, call, run, is_over=is_over),
                seen=False,
                classify=classify,
            )
        )
    return tuple(sorted(tasks, key=lambda task: (task.start or 0, task.id)))


def _stands_for_agent(facts: SessionFacts, call: Delegation) -> bool:
    """Return whether a call without a known agent proves by itself that an agent took up its task.

    A call that succeeded does. Otherwise an agent may never have existed: permission was refused or is still
    awaited, or the call named no agent that there is. The call counts then only if its source does not report
    agents at all.
    """
    if call.cancelled:
        return False
    if call.outcome is Outcome.SUCCESS:
        return True
    if get_text(facts.session, fact_fields.SOURCE) in AGENT_REPORTING_SOURCES:
        return False
    if facts.reports_other_agents or any(
        list_stamped_facts(task_facts, fact_fields.START) for task_facts in facts.tasks.values()
    ):
        return False
    call_facts = facts.calls.get(call.id, {})
    asked = (
        call.end is None
        and call.start is not None
        and facts.has_permission_request(make_permission_key_of_call(call_facts), call.start, LATEST)
    )
    return not asked


def _is_agent_over(facts: SessionFacts, run: Run, call: Delegation | None, stopped_at: int) -> bool:
    """Return whether an agent is over that no stop lists as running, although its end was not reported."""
    if run.start is not None and run.start < stopped_at:
        return True
    if call is None or call.end is not None:
        return False
    return is_call_over(facts, facts.calls.get(call.id, {}), call.parent, call.start)


def _conclude_task(
    facts: SessionFacts,
    *,
    task_id: str,
    task_facts: EntityFacts,
    stamped: StampedFacts,
    call: Delegation | None,
    times: RunTimes,
    waiting_call: Delegation | None,
    outcome: Outcome,
    seen: bool,
    classify: Classify,
) -> Task:
    agent = get_text(task_facts, fact_fields.AGENT) or (call.agent if call else None)
    description = (call.description if call else None) or get_text(task_facts, fact_fields.DESCRIPTION)
    declared_type = get_text(task_facts, fact_fields.TYPE)
    task_type = to_label_value(declared_type) or OTHER if declared_type else classify(description, agent)
    delegated_by = (call.id if call else None) or get_text(task_facts, fact_fields.DELEGATED_BY)
    parent = call.parent if call else get_text(task_facts, fact_fields.PARENT)
    return Task(
        id=task_id,
        task_type=task_type,
        agent=agent,
        description=description,
        parent=find_enclosing_task(facts, parent),
        delegated_by=delegated_by or _get_parent_call(facts, task_facts),
        start=times.start,
        end=times.end,
        outcome=outcome,
        phase=get_text(task_facts, fact_fields.PHASE),
        seen=seen,
        wrote=_find_written_files(stamped, times),
        conflicts=_find_conflict(stamped, times),
        doubt=times.doubt,
        declared_tool_calls=_find_declared_tool_calls(stamped, waiting_call, times),
        declared_prompt=None if waiting_call is None else waiting_call.task_prompt_tokens,
    )


def _find_declared_tool_calls(
    stamped: StampedFacts, waiting_call: Delegation | None, times: RunTimes
) -> int | None:
    """Return how many tools a run called, if the answer of its call or the report of its end counted them."""
    answered = None if waiting_call is None else waiting_call.task_tool_calls
    if fact_fields.TASK_TOOL_CALLS not in stamped:
        return answered
    reported = stamped[fact_fields.TASK_TOOL_CALLS]
    counts = [int(count) for at, (_, count) in reported if _is_of_run(at, times)]
    if answered is not None:
        counts.append(answered)
    return max(counts, default=None)


def _find_written_files(stamped: StampedFacts, times: RunTimes) -> str | None:
    """Return the hashes of the files that a run wrote; other runs of the agent have their own."""
    if fact_fields.WROTE not in stamped:
        return None
    texts = [str(text) for at, (_, text) in stamped[fact_fields.WROTE] if _is_of_run(at, times)]
    return " ".join(sorted({hash for text in texts for hash in text.split()})) or None


def _find_conflict(stamped: StampedFacts, times: RunTimes) -> bool | None:
    if fact_fields.CONFLICT not in stamped:
        return None
    flags = [flag for at, (_, flag) in stamped[fact_fields.CONFLICT] if _is_of_run(at, times)]
    return any(flags) if flags else None


def _is_of_run(at: int, times: RunTimes) -> bool:
    return (times.start is None or times.start <= at) and (times.end is None or at <= times.end)


def _get_parent_call(facts: SessionFacts, task_facts: EntityFacts) -> str | None:
    parent = get_text(task_facts, fact_fields.PARENT)
    return parent if parent in facts.calls else None


def _split_runs(starts: _Edges, ends: _Edges, called_at: int | None) -> list[Run]:
    """Return an agent's runs, made from its starts and ends.

    A start during a run and an end outside one are copies (a plugin's hook beside a settings hook), not runs.
    An agent whose start was not reported began when it was called, if that is known.

    Example: starts 10, 11 and ends 20, 21 are one run [10, 20].
    """
    if len(starts) == len(ends) == 1 and starts[0][0] <= ends[0][0]:
        # Nearly every agent runs once.
        return [Run(starts[0][0], ends[0][0])]
    edges = [(time, False) for time in _select_best_ranked(starts)]
    edges += [(time, True) for time in _select_best_ranked(ends)]
    runs: list[Run] = []
    open_since: int | None = None
    for time, is_end in sorted(edges):
        if not is_end and open_since is None:
            open_since = time
        elif is_end and open_since is not None:
            runs.append(Run(open_since, time))
            open_since = None
        elif is_end and not runs:
            runs.append(Run(called_at, time))
    if open_since is not None:
        runs.append(Run(open_since, None))
    return runs or [Run(called_at, None)]


def _select_best_ranked(edges: _Edges) -> list[int]:
    """Return the times of an agent's starts or ends from the best ranked channel that reports any."""
    best_rank = min((rank for _, (rank, _) in edges), default=0)
    return [time for time, (rank, _) in edges if rank == best_rank]


def _find_call_of_run(run: Run, calls: tuple[Delegation, ...]) -> Delegation | None:
    """Return the call that started a run: the latest call before it."""
    if len(calls) < 2:  # noqa: PLR2004  # nothing to choose from
        return calls[0] if calls else None
    earlier = [call for call in calls if call.can_precede(run.start)]
    return earlier[-1] if earlier else calls[0]


def _get_waited_end(call: Delegation | None) -> int | None:
    return call.end if call is not None and call.waited else None


def _find_noticed_outcome(stamped: StampedFacts, run: Run, next_run: Run | None) -> Outcome | None:
    """Return the outcome in the host's last notice between the start of a run and that of the next."""
    if fact_fields.NOTICE not in stamped:
        return None
    start = run.start or 0
    until = LATEST if next_run is None else next_run.start or 0
    notices = [notice for notice in stamped[fact_fields.NOTICE] if start <= notice[0] < until]
    if not notices:
        return None
    _, (_, outcome) = max(notices)
    return OUTCOMES[str(outcome)]


def _conclude_task_outcome(
    task_facts: EntityFacts, call: Delegation | None, run: Run, *, is_over: bool
) -> Outcome:
    if call is not None and call.waited and call.outcome is not None:
        return call.outcome
    if run.end is not None:
        # The end of an agent does not mean success, so the outcome of its call was preferred.
        return OUTCOMES[get_text(task_facts, fact_fields.OUTCOME) or Outcome.UNKNOWN]
    return Outcome.UNKNOWN if is_over or _get_waited_end(call) is not None else Outcome.RUNNING


def _get_listed_agents(facts: SessionFacts) -> tuple[int, frozenset[str]]:
    """Return when the main agent last stopped, and the background tasks that it listed as running then."""
    packed = get_text(facts.session, fact_fields.RUNNING)
    if packed is None:
        return 0, frozenset()
    time, ids = unpack_timed_text(packed)
    return time, frozenset(ids.split(" ")) if ids else frozenset()
