"""Conclude: turn a session's facts into entities and close missing ends by rule. Pure; rerun on every change.

An end that never came is closed with outcome ``unknown`` and no duration. These events close an entity
(Claude Code reports no end after a cancel, a denial, an interrupt or a kill):

- a tool call: the end of its batch, a stop of its agent, the user's next prompt, the session's end
- a task: the end of the call that waited for it (which is the task's end), that call being over by the rules
  above, the host's notice, a later stop of the main agent that does not list it as running, the session's end
- a turn: the user's next prompt, the session's end
- a session: its end, the end of its processes, or silence for longer than the idle limit (the caller passes
  ``lost``)

Start and end that cannot both be right, because the clock was set between them, give no duration.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

from stretto.model.agent_run_times import Run, RunTimes, determine_run_times
from stretto.model.client_agents import is_helper, is_warm_up
from stretto.model.conclude_calls import (
    OUTCOMES,
    assign_to_runs,
    conclude_calls,
    conclude_model_calls,
    is_call_over,
    keep_plausible_start,
)
from stretto.model.conclude_delivery import judge_task_deliveries
from stretto.model.conclude_leaves import (
    conclude_cache_reports,
    conclude_hooks_run,
    conclude_host_processes,
    conclude_labels,
    conclude_messages,
    conclude_permissions,
    conclude_phases,
    conclude_samples,
    conclude_scores,
    have_processes_gone,
)
from stretto.model.delegation import AGENT_REPORTING_SOURCES, Delegation, match_delegations
from stretto.model.entities import PATTERN_LABEL, Session, Task, Turn
from stretto.model.event import LATEST, Channel, Outcome
from stretto.model.facts import (
    HEARSAY,
    RANK,
    EntityFacts,
    Fact,
    SessionFacts,
    find_enclosing_task,
    get_number,
    get_text,
    make_permission_key_of_call,
)
from stretto.model.join import join_facts
from stretto.model.person_waits import add_person_waits
from stretto.model.session_outcome import conclude_session_outcome, judge_turn_by_stops
from stretto.model.task_memory import TaskMemory
from stretto.model.task_type import OTHER, to_label_value
from stretto.names import fact_fields
from stretto.names.fact_fields import list_stamped_facts, make_stamped_key, unpack_timed_text

Classify = Callable[[str | None, str | None], str]
"""(description, agent) → task type."""

_PROMPTLESS_SOURCES = frozenset({"droid"})
"""Clients that call no hook for the prompt with which a program starts them (``droid exec``)."""

_STARTING_SOURCES = frozenset({"claude-code", "codex", "copilot-cli", "droid", "gemini-cli", "qwen-code"})
"""Clients whose hooks report the start of every session."""

_Edges = list[tuple[int, Fact]]
"""The starts or the ends of an agent, with their facts."""

_TRANSCRIPT = RANK[Channel.TRANSCRIPT]


def conclude_session(
    facts: SessionFacts,
    *,
    lost: bool,
    classify: Classify,
    calls: bool = True,
    memory: TaskMemory | None = None,
) -> Session:
    """Return the session as far as it is known.

    ``lost`` means that nothing was heard for longer than the idle limit. Without ``calls`` only turns and
    tasks are concluded, so the cost depends on the number of tasks alone. ``memory`` is that of the session's
    last conclusion, without what depends on facts that have changed since.
    """
    memory = memory or TaskMemory()
    facts = join_facts(facts)
    session = facts.session
    closed = is_session_over(facts, lost=lost)
    labels = conclude_labels(facts)
    # A person or an orchestrator names the pattern; else an agent's session takes its first command.
    pattern = (
        dict(labels).get(PATTERN_LABEL)
        or get_text(session, fact_fields.PATTERN)
        or _get_words(session, fact_fields.COMMAND)
    )
    turns = _conclude_turns(facts, closed=closed)
    end = get_number(session, fact_fields.ENDED) if has_session_ended(facts) else None
    tasks = conclude_tasks(facts, closed=closed, classify=classify, memory=memory)
    tasks = add_person_waits(facts, judge_task_deliveries(facts, tasks, turns, end), closed=closed)
    tasks = memory.share_tasks(tasks)
    first, last = get_session_times(facts)
    return Session(
        id=facts.id,
        source=get_text(session, fact_fields.SOURCE) or "",
        project=_get_words(session, fact_fields.PROJECT),
        worktree=_get_words(session, fact_fields.WORKTREE),
        repository=_get_words(session, fact_fields.REPOSITORY),
        pattern=pattern,
        traceparent=_get_words(session, fact_fields.TRACEPARENT),
        recording=get_number(session, fact_fields.RECORDING) == 1,
        start=first,
        end=end,
        last=last,
        outcome=conclude_session_outcome(facts, turns, tasks, closed=closed, end=end),
        turns=turns,
        tasks=tasks,
        tool_calls=conclude_calls(facts, tasks, closed=closed) if calls else (),
        model_calls=assign_to_runs(facts, tasks, conclude_model_calls(facts)) if calls else (),
        phases=conclude_phases(facts, closed=closed) if calls else (),
        messages=conclude_messages(facts) if calls else (),
        scores=conclude_scores(facts) if calls else (),
        hooks_run=conclude_hooks_run(facts) if calls else (),
        permissions=conclude_permissions(facts) if calls else (),
        samples=conclude_samples(facts) if calls else (),
        cache_reports=conclude_cache_reports(facts) if calls else (),
        ends=tuple(sorted(time for time, _ in list_stamped_facts(session, fact_fields.ENDED))),
        processes=conclude_host_processes(facts),
        is_partial=_is_partial(facts),
        opened_by_program=_is_opened_by_program(session) and not turns,
        labels=labels,
        covariates=tuple(
            (name, circumstance)
            for name in fact_fields.COVARIATES
            if (circumstance := _get_words(session, name)) is not None
        ),
    )


def is_session_over(facts: SessionFacts, *, lost: bool) -> bool:
    """Return whether the session is over: by its end, by the end of its processes, or by rule (``lost``)."""
    return lost or has_session_ended(facts) or have_processes_gone(facts)


def is_known_by_telemetry_alone(facts: SessionFacts) -> bool:
    """Return whether neither hooks nor a history have reported anything of a session."""
    rank, _ = facts.session.get(fact_fields.SOURCE, (HEARSAY, ""))
    # Both report who prompted.
    return rank == RANK[Channel.OTLP] and fact_fields.PROMPTED not in facts.session


def get_session_times(facts: SessionFacts) -> tuple[int, int]:
    """Return when a session was first and last heard of (ns); a judgement alone is no sign of life."""
    first = get_number(facts.session, fact_fields.FIRST) or 0
    return first, get_number(facts.session, fact_fields.LAST) or first


def has_session_ended(facts: SessionFacts) -> bool:
    """Return whether the session's end was reported and no later event resumed it.

    An end before the first event of its own is the end of the session that it was copied from.
    """
    ended = get_number(facts.session, fact_fields.ENDED)
    begun = (get_number(facts.session, name) or 0 for name in (fact_fields.OPENED, fact_fields.FORKED))
    return ended is not None and ended >= max(begun)


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
        known = memory.recall_tasks(facts, agent_id, calls) if calls else None
        if known is not None:
            tasks += known
            continue
        starts, ends = (
            list_stamped_facts(task_facts, fact_fields.START),
            list_stamped_facts(task_facts, fact_fields.END),
        )
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
        for index, (run, next_run) in enumerate(zip_longest(runs, runs[1:])):
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
                    call=call,
                    times=determine_run_times(
                        facts, task_facts, run, next_run, call=call, waiting_call=waiting_call
                    ),
                    waiting_call=waiting_call,
                    outcome=_find_noticed_outcome(task_facts, run, next_run)
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
    if any(list_stamped_facts(task_facts, fact_fields.START) for task_facts in facts.tasks.values()):
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
        wrote=_find_written_files(task_facts, times),
        conflicts=_find_conflict(task_facts, times),
        doubt=times.doubt,
        declared_tool_calls=_find_declared_tool_calls(task_facts, waiting_call, times),
        declared_prompt=None if waiting_call is None else waiting_call.task_prompt_tokens,
    )


def _find_declared_tool_calls(
    task_facts: EntityFacts, waiting_call: Delegation | None, times: RunTimes
) -> int | None:
    """Return how many tools a run called, if the answer of its call or the report of its end counted them."""
    counts = [
        int(count)
        for at, (_, count) in list_stamped_facts(task_facts, fact_fields.TASK_TOOL_CALLS)
        if _is_of_run(at, times)
    ]
    if waiting_call is not None and waiting_call.task_tool_calls is not None:
        counts.append(waiting_call.task_tool_calls)
    return max(counts, default=None)


def _find_written_files(task_facts: EntityFacts, times: RunTimes) -> str | None:
    """Return the hashes of the files that a run wrote; other runs of the agent have their own."""
    texts = [
        str(text)
        for at, (_, text) in list_stamped_facts(task_facts, fact_fields.WROTE)
        if _is_of_run(at, times)
    ]
    return " ".join(sorted({hash for text in texts for hash in text.split()})) or None


def _find_conflict(task_facts: EntityFacts, times: RunTimes) -> bool | None:
    flags = [
        flag
        for at, (_, flag) in list_stamped_facts(task_facts, fact_fields.CONFLICT)
        if _is_of_run(at, times)
    ]
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
    earlier = [call for call in calls if call.can_precede(run.start)]
    return earlier[-1] if earlier else (calls[0] if calls else None)


def _get_waited_end(call: Delegation | None) -> int | None:
    return call.end if call is not None and call.waited else None


def _find_noticed_outcome(task_facts: EntityFacts, run: Run, next_run: Run | None) -> Outcome | None:
    """Return the outcome in the host's last notice between the start of a run and that of the next."""
    start = run.start or 0
    until = LATEST if next_run is None else next_run.start or 0
    times = [time for time, _ in list_stamped_facts(task_facts, fact_fields.NOTICE) if start <= time < until]
    if not times:
        return None
    return OUTCOMES[str(get_text(task_facts, make_stamped_key(fact_fields.NOTICE, max(times))))]


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


def _conclude_turns(facts: SessionFacts, *, closed: bool) -> tuple[Turn, ...]:
    """Return the turns by start.

    Clients before prompt ids report stops without a turn id: the last stop before the next prompt is used.
    Example: prompts at 10 and 50 and stops at 20, 30 and 60 are the turns [10, 30] and [50, 60].
    """
    stops = sorted((time, str(fact[1])) for time, fact in list_stamped_facts(facts.session, fact_fields.STOP))
    started_turns = sorted(
        (start, turn_id)
        for turn_id, turn_facts in facts.turns.items()
        if (start := get_number(turn_facts, fact_fields.START)) is not None
    )
    turns = []
    for index, (start, turn_id) in enumerate(started_turns):
        turn_facts = facts.turns[turn_id]
        next_start = started_turns[index + 1][0] if index + 1 < len(started_turns) else None
        end, outcome = get_number(turn_facts, fact_fields.STOPPED), get_text(turn_facts, fact_fields.OUTCOME)
        if end is None:
            own_stops = [
                stop for stop in stops if stop[0] >= start and (next_start is None or stop[0] < next_start)
            ]
            end, outcome = (
                (own_stops[-1][0], judge_turn_by_stops(facts, own_stops)) if own_stops else (None, None)
            )
        if end is None:
            prompted = get_number(facts.session, fact_fields.PROMPTED) or 0
            outcome = Outcome.UNKNOWN if closed or prompted > start else Outcome.RUNNING
        elif keep_plausible_start(start, end) is None:
            end = None
        origin = get_text(turn_facts, fact_fields.ORIGIN) or "user"
        turns.append(Turn(turn_id, origin, start, end, OUTCOMES[outcome or Outcome.UNKNOWN]))
    if not turns and stops and get_text(facts.session, fact_fields.SOURCE) in _PROMPTLESS_SOURCES:
        # The program began with its prompt.
        start, end = get_number(facts.session, fact_fields.FIRST) or stops[0][0], stops[-1][0]
        outcome = judge_turn_by_stops(facts, stops)
        turns.append(Turn(f"@{start}", "user", start, end, OUTCOMES[outcome]))
    # A stop that carries its turn's duration is the only report of that turn if it contains no prompt.
    for stop, _ in stops:
        asked = get_number(facts.session, make_stamped_key(fact_fields.ASKED, stop))
        if asked is not None and not any(asked <= start <= stop for start, _ in started_turns):
            own_stops = [each for each in stops if asked <= each[0] <= stop]
            outcome = judge_turn_by_stops(facts, own_stops)
            turns.append(Turn(f"@{asked}", "user", asked, stop, OUTCOMES[outcome]))
    return tuple(sorted(turns, key=lambda turn: (turn.start, turn.id)))


def _is_partial(facts: SessionFacts) -> bool:
    """Return whether the hooks of a client that reports a session's start have not reported it."""
    session = facts.session
    if fact_fields.BEGUN in session or get_text(session, fact_fields.SOURCE) not in _STARTING_SOURCES:
        return False
    ranks = {fact[0] for turn in facts.turns.values() if (fact := turn.get(fact_fields.START))}
    return RANK[Channel.HOOK] in ranks and RANK[Channel.TRANSCRIPT] not in ranks


def _is_opened_by_program(session: EntityFacts) -> bool:
    rank, _ = session.get(fact_fields.SOURCE, (HEARSAY, ""))
    return fact_fields.OPENED in session and rank == RANK[Channel.API]


def _get_words(session: EntityFacts, name: str) -> str | None:
    """Return the words of a timed text, or None if the field is absent."""
    packed = get_text(session, name)
    return unpack_timed_text(packed)[1] if packed else None
