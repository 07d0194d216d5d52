"""What a session that is over, and its turns, add to the sums."""

from __future__ import annotations

from collections import Counter

from stretto.figures.quantile_sketch import find_bucket
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.names import NONE
from stretto.store.rollup import Additions, slot_of


def of_session(session: Session) -> Additions:
    """Return what the session adds: its outcome and length once it is over, its turns as they end."""
    added: Additions = Counter()
    for turn in session.turns:
        if turn.end is not None:
            added[slot_of(turn.end), "turn_time", (find_bucket(turn.end - turn.start),)] += 1
    if session.outcome is not Outcome.RUNNING:
        pattern = session.pattern or NONE
        slot = slot_of(session.end if session.end is not None else session.last)
        added[slot, "sessions", (session.source, pattern, session.outcome.value)] += 1
        if session.end is not None:
            added[slot, "session_time", (pattern, find_bucket(session.end - session.start))] += 1
    return added
