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

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from stretto.model.calls_from_facts import (
    OUTCOMES,
    assign_to_runs,
    conclude_calls,
    conclude_model_calls,
    keep_plausible_start,
)
from stretto.model.conclude_tasks import Classify, conclude_tasks
from stretto.model.delivered_and_wasted_tasks import judge_task_deliveries
from stretto.model.entities import PATTERN_LABEL, Session, ToolCall, Turn
from stretto.model.event import Channel, Outcome
from stretto.model.facts import HEARSAY, RANK, EntityFacts, SessionFacts, get_number, get_text
from stretto.model.join_channel_reports import join_facts
from stretto.model.person_waits import add_person_waits
from stretto.model.phases_messages_and_scores_from_facts import (
    conclude_cache_reports,
    conclude_hooks_run,
    conclude_host_processes,
    conclude_labels,
    conclude_messages,
    conclude_permissions,
    conclude_phases,
    conclude_samples,
    conclude_scores,
    is_silent_since_processes_ended,
)
from stretto.model.session_outcome import conclude_session_outcome, judge_turn_by_stops
from stretto.model.unchanged_task_memory import TaskMemory
from stretto.names import fact_fields
from stretto.names.fact_fields import list_stamped_facts, make_stamped_key, unpack_timed_text

_PROMPTLESS_SOURCES = frozenset({"droid"})
"""Clients that call no hook for the prompt with which a program starts them (``droid exec``)."""

_STARTING_SOURCES = frozenset({"claude-code", "codex", "copilot-cli", "droid", "gemini-cli", "qwen-code"})
"""Clients whose hooks report the start of every session."""


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
    concluded = Session(
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
        tool_calls=(),
        model_calls=(),
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
    if not calls:
        return concluded
    return add_reported_entities(add_calls(concluded, facts, closed=closed), facts, closed=closed)


def add_calls(
    session: Session,
    facts: SessionFacts,
    *,
    closed: bool,
    concluded: Mapping[str, Sequence[ToolCall]] = MappingProxyType({}),
) -> Session:
    """Return a session with its calls, permissions and hooks, concluded from its joined facts.

    ``concluded`` are the tool calls that are concluded already, in the form of ``conclude_calls``.
    """
    return replace(
        session,
        tool_calls=conclude_calls(facts, session.tasks, closed=closed, concluded=concluded),
        model_calls=assign_to_runs(facts, session.tasks, conclude_model_calls(facts)),
        permissions=conclude_permissions(facts),
        hooks_run=conclude_hooks_run(facts),
    )


def add_reported_entities(session: Session, facts: SessionFacts, *, closed: bool) -> Session:
    """Return a session with its phases, messages, scores, samples and caches, from its joined facts."""
    return replace(
        session,
        phases=conclude_phases(facts, closed=closed),
        messages=conclude_messages(facts),
        scores=conclude_scores(facts),
        samples=conclude_samples(facts),
        cache_reports=conclude_cache_reports(facts),
    )


def is_session_over(facts: SessionFacts, *, lost: bool) -> bool:
    """Return whether the session is over: by its end, by the end of its processes, or by rule (``lost``)."""
    return lost or has_session_ended(facts) or is_silent_since_processes_ended(facts)


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
