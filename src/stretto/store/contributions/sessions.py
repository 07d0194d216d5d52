"""Sums of a session and its turns: outcome and length."""

from __future__ import annotations

from collections import Counter

from stretto.figures.quantile_sketch import find_bucket
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.names import NONE, measures
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_turns_and_session(session: Session) -> Additions:
    """Return the sums of the turns that have ended, and of the session once it is over."""
    added: Additions = Counter()
    for turn in session.turns:
        if turn.end is not None:
            bucket = find_bucket(turn.end - turn.start)
            added[find_slot_number(turn.end), measures.TURN_TIME, (bucket,)] += 1
    if session.outcome is not Outcome.RUNNING:
        pattern = session.pattern or NONE
        slot = find_slot_number(session.end if session.end is not None else session.last)
        added[slot, measures.SESSIONS, (session.source, pattern, session.outcome.value)] += 1
        if session.end is not None:
            bucket = find_bucket(session.end - session.start)
            added[slot, measures.SESSION_TIME, (pattern, bucket)] += 1
    return added
