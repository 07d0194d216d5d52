"""Conclude: facts → entities, missing ends closed by rule. Pure; can be taken again whenever facts or rules change.

An end that never came is closed with outcome ``unknown`` and no duration. What closes what (Claude Code, where an
end does not come after a cancel, a denial, an interrupt or a kill):

- a tool call: its batch has ended, its agent stopped, the user's next prompt, the session's end
- a task: the call that waited for it has ended (that is its end), the host says that it has stopped, a later stop
  of the main agent does not list it as running, the session's end
- a turn: the user's next prompt, the session's end
- a session: its end, or no word for longer than the idle limit (the caller says so by ``lost``)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from stretto.model.delegation import Delegation, match_delegations
from stretto.model.entities import ModelCall, Session, Task, ToolCall, Turn
from stretto.model.event import Channel, Outcome
from stretto.model.facts import DELEGATES, TRUST, WEAK, Facts, Known, number, text

Classify = Callable[[str | None, str | None, str | None], str]
"""(description, agent, command) → task type."""

_HOOK = TRUST[Channel.HOOK]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an agent; an agent that is sent another message runs again."""

    start: int | None
    end: int | None


def conclude(facts: Facts, *, lost: bool, classify: Classify, calls: bool = True) -> Session:
    """Return the session as far as it is known.

    ``lost`` says that nothing was heard for longer than the idle limit. Without ``calls`` the tool calls are left
    out, which makes the cost that of the tasks alone.
    """
    session = facts.session
    closed = lost or session_ended(facts)
    command = _after_time(text(session, "command"))
    tasks = conclude_tasks(facts, closed=closed, classify=classify, command=command)
    turns = _turns(facts, closed=closed)
    end = number(session, "ended") if session_ended(facts) else None
    return Session(
        id=facts.id,
        source=text(session, "source") or "",
        project=_after_time(text(session, "project")),
        pattern=command,
        traceparent=_after_time(text(session, "traceparent")),
        recording=number(session, "recording") == 1,
        start=number(session, "first") or 0,
        end=end,
        last=number(session, "last") or 0,
        outcome=_session_outcome(turns, closed=closed, end=end),
        turns=turns,
        tasks=tasks,
        tool_calls=conclude_calls(facts, tasks, closed=closed) if calls else (),
        model_calls=_model_calls(facts),
    )


def session_ended(facts: Facts) -> bool:
    """Tell whether the session's end was seen and nothing opened it again: sessions can be resumed."""
    ended = number(facts.session, "ended")
    return ended is not None and ended >= (number(facts.session, "opened") or 0)


def conclude_tasks(facts: Facts, *, closed: bool, classify: Classify, command: str | None) -> tuple[Task, ...]:
    """Return the tasks by start: each run of each agent, and each delegating call that no agent is known for."""
    delegations = match_delegations(facts)
    listed_at, listed = _listed_as_running(facts)
    tasks: list[Task] = []
    for agent_id, known in facts.tasks.items():
        call_id = delegations.by_agent.get(agent_id)
        call = delegations.calls.get(call_id) if call_id else None
        runs = _runs(known, call)
        for index, run in enumerate(runs):
            final = index == len(runs) - 1
            start = run.start
            over = closed or (start is not None and start < listed_at and agent_id not in listed)
            tasks.append(
                _task(
                    id=agent_id if index == 0 else f"{agent_id}/{index + 1}",
                    known=known,
                    call=call,
                    run=Run(start, run.end if run.end is not None or not final else _waited_end(call)),
                    outcome=_task_outcome(known, call, run.end, final=final, over=over),
                    classify=classify,
                    command=command,
                )
            )
    for call_id in delegations.without_agent:
        call = delegations.calls[call_id]
        if call.never_ran:
            continue
        tasks.append(
            _task(
                id=call_id,
                known={},
                call=call,
                run=Run(call.start, _waited_end(call)),
                outcome=_task_outcome({}, call, None, final=True, over=closed),
                classify=classify,
                command=command,
            )
        )
    return tuple(sorted(tasks, key=lambda task: (task.start or 0, task.id)))


def conclude_calls(facts: Facts, tasks: tuple[Task, ...], *, closed: bool) -> tuple[ToolCall, ...]:
    """Return the tool calls by start."""
    run_of = _runs_by_agent(tasks)
    calls = [conclude_call(facts, id, closed=closed, run_of=run_of) for id in facts.calls]
    return tuple(sorted(calls, key=lambda call: (call.start or call.end or 0, call.id)))


def conclude_call(
    facts: Facts, id: str, *, closed: bool, run_of: Callable[[str, int], str] | None = None
) -> ToolCall:
    """Return one tool call; its task is the agent's id, or by ``run_of`` the run it fell into."""
    known = facts.calls[id]
    start, end = number(known, "start"), number(known, "end")
    duration = number(known, "duration")
    agent_id = text(known, "agent_id")
    if end is None:
        over = closed or _call_is_over(facts, known, agent_id, start)
        outcome = Outcome.UNKNOWN if over else Outcome.RUNNING
    else:
        outcome = Outcome(text(known, "outcome") or Outcome.UNKNOWN)
    overhead = _overhead(facts, known, agent_id)
    if duration is None and start is not None and end is not None:
        duration = max(0, end - start)
    elif duration is not None and start is None and end is not None:
        start = end - duration
    task = agent_id
    if agent_id is not None and run_of is not None:
        task = run_of(agent_id, start or end or 0)
    return ToolCall(id, text(known, "tool"), task, start, end, duration, overhead, outcome)


def _runs_by_agent(tasks: tuple[Task, ...]) -> Callable[[str, int], str]:
    starts: dict[str, list[int]] = {}
    for task in tasks:
        starts.setdefault(task.id.partition("/")[0], []).append(task.start or 0)

    def run_of(agent_id: str, time: int) -> str:
        index = max(1, bisect_right(starts.get(agent_id, []), time))
        return agent_id if index == 1 else f"{agent_id}/{index}"

    return run_of


def _overhead(facts: Facts, known: Known, agent_id: str | None) -> int | None:
    edges = [known.get(name) for name in ("start", "end", "duration")]
    if any(fact is None or fact[0] != _HOOK for fact in edges) or text(known, "tool") in DELEGATES:
        return None
    start, end, duration = (number(known, name) or 0 for name in ("start", "end", "duration"))
    about = f"{agent_id or ''}|{text(known, 'tool') or ''}"
    if any(fact[1] == about and start <= int(at[1:]) <= end for at, fact in facts.permissions.items()):
        return None
    return max(0, end - start - duration)


def _call_is_over(facts: Facts, known: Known, agent_id: str | None, start: int | None) -> bool:
    if "batched" in known:
        return True
    if start is None:
        return False
    if agent_id is None:
        closers = (number(facts.session, "stopped"), number(facts.session, "prompted"))
        return any(at is not None and at > start for at in closers)
    marks = facts.tasks.get(agent_id, {})
    return any(name.startswith("end@") and int(name[4:]) > start for name in marks)


def _task(
    *,
    id: str,
    known: Known,
    call: Delegation | None,
    run: Run,
    outcome: Outcome,
    classify: Classify,
    command: str | None,
) -> Task:
    agent = text(known, "agent") or (call.agent if call else None)
    description = call.description if call else None
    return Task(
        id=id,
        task_type=text(known, "type") or classify(description, agent, command),
        agent=agent,
        description=description,
        parent=call.parent if call else None,
        delegated_by=(call.id if call else None) or text(known, "delegated_by"),
        start=run.start,
        end=run.end,
        outcome=outcome,
    )


def _runs(known: Known, call: Delegation | None) -> list[Run]:
    """Split an agent's marks into runs.

    A start while a run is open and an end while none is are copies (a plugin's hook beside a settings hook), not
    runs. An agent whose start was never seen began when it was delegated, where that is known.
    """
    marks = sorted(
        (fact[1], name.startswith("end@"))
        for name, fact in known.items()
        if name.startswith(("start@", "end@")) and isinstance(fact[1], int)
    )
    runs: list[Run] = []
    open_since: int | None = None
    for time, is_end in marks:
        if not is_end and open_since is None:
            open_since = time
        elif is_end and open_since is not None:
            runs.append(Run(open_since, time))
            open_since = None
        elif is_end and not runs:
            runs.append(Run(call.start if call else None, time))
    if open_since is not None:
        runs.append(Run(open_since, None))
    return runs or [Run(call.start if call else None, None)]


def _waited_end(call: Delegation | None) -> int | None:
    return call.end if call is not None and call.waited else None


def _task_outcome(known: Known, call: Delegation | None, end: int | None, *, final: bool, over: bool) -> Outcome:
    if not final:
        return Outcome.SUCCESS if end is not None else Outcome.UNKNOWN
    said = known.get("outcome")
    if said is not None and said[0] < WEAK:
        return Outcome(str(said[1]))
    if call is not None and call.waited and call.outcome is not None:
        return call.outcome
    if said is not None:
        return Outcome(str(said[1]))
    if end is not None or over:
        return Outcome.UNKNOWN
    return Outcome.RUNNING


def _listed_as_running(facts: Facts) -> tuple[int, frozenset[str]]:
    """Return when the main agent last stopped, and the background tasks it then said were running."""
    said = text(facts.session, "running")
    if said is None:
        return 0, frozenset()
    time, *ids = said.split(" ")
    return int(time), frozenset(ids)


def _turns(facts: Facts, *, closed: bool) -> tuple[Turn, ...]:
    stops = sorted((int(name[5:]), str(fact[1])) for name, fact in facts.session.items() if name.startswith("stop@"))
    started = sorted(
        (number(known, "start") or 0, id) for id, known in facts.turns.items() if number(known, "start") is not None
    )
    turns = []
    for index, (start, id) in enumerate(started):
        known = facts.turns[id]
        following = started[index + 1][0] if index + 1 < len(started) else None
        end, outcome = number(known, "stopped"), text(known, "outcome")
        if end is None:
            # Clients before prompt ids: the last stop before the next prompt is this turn's.
            own = [stop for stop in stops if stop[0] >= start and (following is None or stop[0] < following)]
            end, outcome = own[-1] if own else (None, None)
        if end is None:
            prompted = number(facts.session, "prompted") or 0
            outcome = Outcome.UNKNOWN if closed or prompted > start else Outcome.RUNNING
        turns.append(
            Turn(id, text(known, "origin") or "user", start, end, Outcome(outcome or Outcome.UNKNOWN))
        )
    return tuple(turns)


def _model_calls(facts: Facts) -> tuple[ModelCall, ...]:
    calls = [
        ModelCall(
            id=id,
            model=text(known, "model"),
            task=text(known, "agent_id"),
            start=number(known, "start"),
            duration=number(known, "duration"),
            outcome=Outcome(text(known, "outcome") or Outcome.UNKNOWN),
        )
        for id, known in facts.model_calls.items()
    ]
    return tuple(sorted(calls, key=lambda call: (call.start or 0, call.id)))


def _session_outcome(turns: tuple[Turn, ...], *, closed: bool, end: int | None) -> Outcome:
    if not closed:
        return Outcome.RUNNING
    if end is None:
        return Outcome.UNKNOWN
    failed = bool(turns) and turns[-1].outcome is Outcome.FAILURE
    return Outcome.FAILURE if failed else Outcome.SUCCESS


def _after_time(said: str | None) -> str | None:
    return said.partition(" ")[2] if said else None
