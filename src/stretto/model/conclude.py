"""Conclude: facts → entities, missing ends closed by rule. Pure, and taken again whenever facts change.

An end that never came is closed with outcome ``unknown`` and no duration. What closes what (Claude Code,
where an end does not come after a cancel, a denial, an interrupt or a kill):

- a tool call: its batch has ended, its agent stopped, the user's next prompt, the session's end
- a task: the call that waited for it has ended (that is its end) or is over by the rules above, the host says
  that it has stopped, a later stop of the main agent does not list it as running, the session's end
- a turn: the user's next prompt, the session's end
- a session: its end, or no word for longer than the idle limit (the caller says so by ``lost``)

Edges that cannot both be right, because the clock was set between them, give no length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest

from stretto.model.conclude_calls import (
    OUTCOMES,
    is_call_over,
    conclude_calls,
    conclude_model_calls,
    keep_plausible_start,
)
from stretto.model.conclude_leaves import (
    conclude_cache_reports,
    conclude_hooks_run,
    conclude_messages,
    conclude_permissions,
    conclude_phases,
    conclude_processes,
    conclude_samples,
    conclude_scores,
)
from stretto.model.delegation import Delegation, match_delegations
from stretto.model.entities import Session, Task, Turn
from stretto.model.event import LATEST, Channel, Outcome
from stretto.model.facts import RANK, SessionFacts, EntityFacts, find_nearest_task, get_number, get_text
from stretto.model.task_type import OTHER, normalise_name

Classify = Callable[[str | None, str | None, str | None], str]
"""(description, agent, command) → task type."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an agent; an agent that is sent another message, or called again, runs again."""

    start: int | None
    end: int | None


def conclude_session(facts: SessionFacts, *, lost: bool, classify: Classify, calls: bool = True) -> Session:
    """Return the session as far as it is known.

    ``lost`` says that nothing was heard for longer than the idle limit. Without ``calls`` all but turns and
    tasks is left out, which makes the cost that of the tasks alone.
    """
    session = facts.session
    closed = lost or has_session_ended(facts)
    # An orchestrator names its pattern; an agent's session is named by its first command.
    pattern = get_text(session, "pattern") or _after_time(get_text(session, "command"))
    tasks = conclude_tasks(facts, closed=closed, classify=classify, command=pattern)
    turns = _turns(facts, closed=closed)
    end = get_number(session, "ended") if has_session_ended(facts) else None
    return Session(
        id=facts.id,
        source=get_text(session, "source") or "",
        project=_after_time(get_text(session, "project")),
        pattern=pattern,
        traceparent=_after_time(get_text(session, "traceparent")),
        recording=get_number(session, "recording") == 1,
        start=get_number(session, "first") or 0,
        end=end,
        last=get_number(session, "last") or get_number(session, "first") or 0,
        outcome=_session_outcome(get_text(session, "outcome"), turns, closed=closed, end=end),
        turns=turns,
        tasks=tasks,
        tool_calls=conclude_calls(facts, tasks, closed=closed) if calls else (),
        model_calls=conclude_model_calls(facts) if calls else (),
        phases=conclude_phases(facts, closed=closed) if calls else (),
        messages=conclude_messages(facts) if calls else (),
        scores=conclude_scores(facts) if calls else (),
        hooks_run=conclude_hooks_run(facts) if calls else (),
        permissions=conclude_permissions(facts) if calls else (),
        samples=conclude_samples(facts) if calls else (),
        cache_reports=conclude_cache_reports(facts) if calls else (),
        ends=tuple(sorted(int(name[6:]) for name in session if name.startswith("ended@"))),
        processes=conclude_processes(facts),
    )


def has_session_ended(facts: SessionFacts) -> bool:
    """Tell whether the session's end was seen and nothing opened it again: sessions can be resumed."""
    ended = get_number(facts.session, "ended")
    return ended is not None and ended >= (get_number(facts.session, "opened") or 0)


def conclude_tasks(
    facts: SessionFacts, *, closed: bool, classify: Classify, command: str | None
) -> tuple[Task, ...]:
    """Return the tasks by start: each run of each agent, and each delegating call without a known agent."""
    delegations = match_delegations(facts)
    listed_at, listed = _listed_as_running(facts)
    tasks: list[Task] = []
    for agent_id, known in facts.tasks.items():
        calls = delegations.by_agent.get(agent_id, ())
        if not calls and not _was_seen(known):
            continue
        runs = _runs(known, calls[0].start if calls else None)
        before: Delegation | None = None
        for index, (run, following) in enumerate(zip_longest(runs, runs[1:])):
            call = _call_of(run, calls)
            # A call waits for one run: those that follow it were started by a message.
            own = None if call is before else call
            before = call
            over = closed or (agent_id not in listed and _agent_is_over(facts, run, own, listed_at))
            tasks.append(
                _task(
                    facts,
                    task_id=agent_id if index == 0 else f"{agent_id}/{index + 1}",
                    known=known,
                    call=call,
                    run=Run(run.start, _waited_end(own) if run.end is None else run.end),
                    outcome=_noticed(known, run, following) or _task_outcome(known, own, run, over=over),
                    classify=classify,
                    command=command,
                )
            )
    for call in delegations.without_agent:
        if call.cancelled:
            continue
        run = Run(call.start, None)
        over = closed or _agent_is_over(facts, run, call, listed_at)
        tasks.append(
            _task(
                facts,
                task_id=call.id,
                known={},
                call=call,
                run=Run(call.start, _waited_end(call)),
                outcome=_task_outcome({}, call, run, over=over),
                classify=classify,
                command=command,
            )
        )
    return tuple(sorted(tasks, key=lambda task: (task.start or 0, task.id)))


def _agent_is_over(facts: SessionFacts, run: Run, call: Delegation | None, listed_at: int) -> bool:
    """Tell whether an agent that no stop lists as running is over, though no end of it was seen."""
    if run.start is not None and run.start < listed_at:
        return True
    if call is None or call.end is not None:
        return False
    return is_call_over(facts, facts.calls.get(call.id, {}), call.parent, call.start)


def _task(
    facts: SessionFacts,
    *,
    task_id: str,
    known: EntityFacts,
    call: Delegation | None,
    run: Run,
    outcome: Outcome,
    classify: Classify,
    command: str | None,
) -> Task:
    agent = get_text(known, "agent") or (call.agent if call else None)
    description = (call.description if call else None) or get_text(known, "description")
    said = get_text(known, "type")
    return Task(
        id=task_id,
        task_type=(normalise_name(said) or OTHER) if said else classify(description, agent, command),
        agent=agent,
        description=description,
        parent=find_nearest_task(facts, call.parent if call else get_text(known, "parent")),
        delegated_by=(call.id if call else None) or get_text(known, "delegated_by") or _calling(facts, known),
        start=keep_plausible_start(run.start, run.end),
        end=run.end,
        outcome=outcome,
        phase=get_text(known, "phase"),
        # A transcript also tells of an agent where only the line of the call that started it was read.
        seen=any(
            trust < RANK[Channel.TRANSCRIPT]
            for name, (trust, _) in known.items()
            if name.startswith("start@")
        ),
    )


def _was_seen(known: EntityFacts) -> bool:
    """Tell whether an agent itself was seen; the host also notifies of background shells, which are none."""
    return any(name.startswith(("start@", "end@")) for name in known)


def _calling(facts: SessionFacts, known: EntityFacts) -> str | None:
    parent = get_text(known, "parent")
    return parent if parent in facts.calls else None


def _runs(known: EntityFacts, called: int | None) -> list[Run]:
    """Split an agent's marks into runs.

    A start while a run is open and an end while none is are copies (a plugin's hook beside a settings hook),
    not runs. An agent whose start was never seen began when it was called, where that is known.
    """
    marks = [(time, False) for time in _best(known, "start@")] + [
        (time, True) for time in _best(known, "end@")
    ]
    runs: list[Run] = []
    open_since: int | None = None
    for time, is_end in sorted(marks):
        if not is_end and open_since is None:
            open_since = time
        elif is_end and open_since is not None:
            runs.append(Run(open_since, time))
            open_since = None
        elif is_end and not runs:
            runs.append(Run(called, time))
    if open_since is not None:
        runs.append(Run(open_since, None))
    return runs or [Run(called, None)]


def _best(known: EntityFacts, edge: str) -> list[int]:
    """Return the times of one kind of edge by the best trusted source that tells any."""
    told = [fact for name, fact in known.items() if name.startswith(edge)]
    best = min((trust for trust, _ in told), default=0)
    return [time for trust, time in told if trust == best and isinstance(time, int)]


def _call_of(run: Run, calls: tuple[Delegation, ...]) -> Delegation | None:
    """Return the call that a run came of: the newest one before it."""
    before = [call for call in calls if call.precedes(run.start)]
    return before[-1] if before else (calls[0] if calls else None)


def _waited_end(call: Delegation | None) -> int | None:
    return call.end if call is not None and call.waited else None


def _noticed(known: EntityFacts, run: Run, following: Run | None) -> Outcome | None:
    """Return what the host said of a run: its last notice before the next run began."""
    start = run.start or 0
    until = LATEST if following is None else following.start or 0
    said = {int(name[7:]): fact[1] for name, fact in known.items() if name.startswith("notice@")}
    own = [time for time in said if start <= time < until]
    return OUTCOMES[str(said[max(own)])] if own else None


def _task_outcome(known: EntityFacts, call: Delegation | None, run: Run, *, over: bool) -> Outcome:
    if call is not None and call.waited and call.outcome is not None:
        return call.outcome
    if run.end is not None:
        # That an agent stopped does not say that it succeeded, so the call's word went first.
        return OUTCOMES[get_text(known, "outcome") or "unknown"]
    return Outcome.UNKNOWN if over or _waited_end(call) is not None else Outcome.RUNNING


def _listed_as_running(facts: SessionFacts) -> tuple[int, frozenset[str]]:
    """Return when the main agent last stopped, and the background tasks it then said were running."""
    said = get_text(facts.session, "running")
    if said is None:
        return 0, frozenset()
    time, *ids = said.split(" ")
    return int(time), frozenset(ids)


def _turns(facts: SessionFacts, *, closed: bool) -> tuple[Turn, ...]:
    stops = sorted(
        (int(name[5:]), str(fact[1])) for name, fact in facts.session.items() if name.startswith("stop@")
    )
    started = sorted(
        (start, turn_id)
        for turn_id, known in facts.turns.items()
        if (start := get_number(known, "start")) is not None
    )
    turns = []
    for index, (start, turn_id) in enumerate(started):
        known = facts.turns[turn_id]
        following = started[index + 1][0] if index + 1 < len(started) else None
        end, outcome = get_number(known, "stopped"), get_text(known, "outcome")
        if end is None:
            # Clients before prompt ids: the last stop before the next prompt is this turn's.
            own = [stop for stop in stops if stop[0] >= start and (following is None or stop[0] < following)]
            end, outcome = own[-1] if own else (None, None)
        if end is None:
            prompted = get_number(facts.session, "prompted") or 0
            outcome = Outcome.UNKNOWN if closed or prompted > start else Outcome.RUNNING
        elif keep_plausible_start(start, end) is None:
            end = None
        origin = get_text(known, "origin") or "user"
        turns.append(Turn(turn_id, origin, start, end, OUTCOMES[outcome or "unknown"]))
    # A stop that says how long its turn was, with no prompt in it, is all that is known of that turn.
    for stop, outcome in stops:
        asked = get_number(facts.session, f"asked@{stop}")
        if asked is not None and not any(asked <= start <= stop for start, _ in started):
            turns.append(Turn(f"@{asked}", "user", asked, stop, OUTCOMES[outcome]))
    return tuple(sorted(turns, key=lambda turn: (turn.start, turn.id)))


def _session_outcome(said: str | None, turns: tuple[Turn, ...], *, closed: bool, end: int | None) -> Outcome:
    if not closed:
        return Outcome.RUNNING
    if end is None:
        return Outcome.UNKNOWN
    if said is not None:
        return OUTCOMES[said]
    failed = bool(turns) and turns[-1].outcome is Outcome.FAILURE
    return Outcome.FAILURE if failed else Outcome.SUCCESS


def _after_time(said: str | None) -> str | None:
    return said.partition(" ")[2] if said else None
