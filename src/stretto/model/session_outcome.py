"""Session outcome: how a session ended, by its end if that was reported, else by its last turn.

Many clients never report the end of a session, and a file of a session never does. Such a session is over
once it is at rest. If its last turn ended well and no agent was left running, it has succeeded although its
end was not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stretto.model.calls_from_facts import OUTCOMES
from stretto.model.entities import Task, Turn
from stretto.model.event import Outcome
from stretto.model.facts import SessionFacts, get_number, get_text
from stretto.names import fact_fields
from stretto.names.fact_fields import list_stamped_facts

_STOPPING_SOURCES = frozenset({"claude-code"})
"""Clients that report the end of each turn that was not cut off."""


def conclude_session_outcome(
    facts: SessionFacts, turns: Sequence[Turn], tasks: Iterable[Task], *, closed: bool, end: int | None
) -> Outcome:
    """Return a session's outcome; ``end`` is its end, if it was reported.

    Example: a prompt at 0, an answer that is complete at 40 s, then silence: success, end not seen. Without
    the complete answer the turn was cut off, and the outcome is unknown.
    """
    if not closed:
        return Outcome.RUNNING
    reported = get_text(facts.session, fact_fields.OUTCOME)
    if end is not None and reported is not None:
        return OUTCOMES[reported]
    if not turns:
        return Outcome.UNKNOWN if end is None else Outcome.SUCCESS
    last = turns[-1]
    if end is None:
        is_left = last.end is None or any(task.end is None for task in tasks)
        return Outcome.UNKNOWN if is_left and last.outcome is Outcome.SUCCESS else _settle_outcome(last)
    if last.end is None and not _reports_stops(facts, turns):
        return Outcome.SUCCESS
    return _settle_outcome(last)


def judge_turn_by_stops(facts: SessionFacts, stops: Sequence[tuple[int, str]]) -> str:
    """Return the outcome of a turn by its stops, of which the last may not report any.

    Telemetry reports the end of a turn without its outcome. A complete answer before it proves success,
    unless the main agent went on after that answer. Example: an answer is complete at 9 s and the turn ends
    at 10 s: success. With a call of a tool at 9.5 s it is unknown.
    """
    end, outcome = stops[-1]
    if outcome != Outcome.UNKNOWN or len(stops) == 1:
        return outcome
    answered, earlier_outcome = stops[-2]
    went_on = any(
        answered < start <= end
        for entities in (facts.calls, facts.model_calls)
        for entity_facts in entities.values()
        if fact_fields.AGENT_ID not in entity_facts
        and (start := get_number(entity_facts, fact_fields.START)) is not None
    )
    return outcome if went_on else earlier_outcome


def _settle_outcome(turn: Turn) -> Outcome:
    return Outcome.UNKNOWN if turn.outcome is Outcome.RUNNING else turn.outcome


def _reports_stops(facts: SessionFacts, turns: Sequence[Turn]) -> bool:
    """Return whether a turn without an end was cut off: the source reports ends of turns."""
    if get_text(facts.session, fact_fields.SOURCE) in _STOPPING_SOURCES:
        return True
    return bool(list_stamped_facts(facts.session, fact_fields.STOP)) or any(
        turn.end is not None for turn in turns
    )
