"""Measure synthesis: how long the main agent puts together the results of its agents."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from stretto.figures.fanouts import Fanout
from stretto.model.entities import Session


def measure_synthesis_time(session: Session, fanout: Fanout) -> int | None:
    """Return the time from the end of the last task of a turn to the turn's end (ns).

    None if the fan-out is a task's, if another task of the main agent ends after it in the turn, or if the
    end of the turn is unknown. The session is the turn of an orchestrator, which has none.

    Example: tasks end at 40 and 60 s, the turn at 75 s: 15 s.
    """
    return make_synthesis_meter(session)(fanout)


def make_synthesis_meter(session: Session) -> Callable[[Fanout], int | None]:
    """Return ``measure_synthesis_time`` for the fan-outs of a session, which looks at its tasks once."""
    ends = sorted(task.end for task in session.tasks if task.parent is None and task.end is not None)

    def measure(fanout: Fanout) -> int | None:
        end = _find_frame_end(session, fanout.end) if fanout.parent is None else None
        if end is None:
            return None
        place = bisect_right(ends, end)
        last = ends[place - 1] if place else fanout.end
        return end - fanout.end if last <= fanout.end else None

    return measure


def _find_frame_end(session: Session, time: int) -> int | None:
    """Return the end of the turn, or of the session without turns, in which an instant lies."""
    if not session.turns:
        return session.end if session.end is not None and session.end >= time else None
    return next(
        (turn.end for turn in session.turns if turn.end is not None and turn.start <= time <= turn.end), None
    )
