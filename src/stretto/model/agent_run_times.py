"""Run times: when an agent's run began and ended, by the best evidence of all channels.

A client that measures its agents reports how long each run took. That length replaces the time between two
hooks: a hook's process starts 0.05 to 0.55 s after the event that it reports. The end stays where it was
reported, and the start is the end less the length, even if no channel reported a start. A start from
telemetry or from a program is exact and stays too.
"""

from __future__ import annotations

import msgspec

from stretto.clock import SECOND
from stretto.model.calls_from_facts import keep_plausible_start
from stretto.model.event import LATEST, Channel
from stretto.model.facts import RANK, SessionFacts, StampedFacts
from stretto.model.match_agents_with_delegating_calls import Delegation
from stretto.names import fact_fields

HOOK_DOUBT = SECOND // 2
"""Nanoseconds by which an interval between two hooks may be wrong at either edge."""

NOTICE_DELAY = SECOND // 10
"""Nanoseconds that the length in a notice may exceed the run's: the host counts until it makes the notice."""

_REPORTED_BEFORE_END = 2 * SECOND
"""Nanoseconds by which another channel may have reported a run's length before the run's end."""

_HOOK = RANK[Channel.HOOK]


class Run(msgspec.Struct, frozen=True, gc=False):
    """A run of an agent; an agent that receives another message, or is called again, runs again."""

    start: int | None
    end: int | None


class RunTimes(msgspec.Struct, frozen=True, gc=False):
    """The start and the end of a run; None if unknown."""

    start: int | None
    end: int | None
    doubt: int
    """Nanoseconds by which either edge may be wrong."""


def determine_run_times(
    facts: SessionFacts,
    stamped: StampedFacts,
    run: Run,
    next_run: Run | None,
    *,
    call: Delegation | None,
    waiting_call: Delegation | None,
) -> RunTimes:
    """Return the times of a run. ``call`` started it; ``waiting_call`` is that call, if it may have waited.

    Example: hooks at 10.4 and 20.1 s, a measured length of 10.0 s and a call at 10.2 s give [10.2, 20.1]: the
    run cannot have begun before its call.
    """
    end = run.end
    if end is None and waiting_call is not None and waiting_call.waited:
        end = waiting_call.end
    length = None if waiting_call is None else waiting_call.task_duration
    reported = run.start
    if not length and fact_fields.DURATION in stamped:
        length = _find_length(stamped, run, next_run)
        if _confirms_edges(length, reported, end):
            return RunTimes(reported, end, 0)
        measured = _find_measured_run(stamped, reported, next_run)
        if measured is not None:
            return measured
    if end is None or not length or _has_exact_start(stamped):
        doubt = HOOK_DOUBT if _is_timed_by_hooks(facts, stamped, call) else 0
        return RunTimes(keep_plausible_start(reported, end), end, doubt)
    start = end - length
    if call is not None and call.start is not None and call.start < end:
        start = max(start, call.start)
    return RunTimes(keep_plausible_start(start, end), end, 0)


def _find_length(stamped: StampedFacts, run: Run, next_run: Run | None) -> int | None:
    """Return the length that a channel reported at a run's end, or later but before the next run."""
    end, lengths = run.end, stamped[fact_fields.DURATION]
    if end is None:
        return None
    earliest = end - _REPORTED_BEFORE_END
    until = LATEST if next_run is None or next_run.start is None else next_run.start
    reported = [(fact, time) for time, fact in lengths if earliest <= time < until]
    if not reported:
        return None
    (_, length), _ = min(reported, key=lambda report: (report[0][0], abs(report[1] - end)))
    return length if isinstance(length, int) else None


def _find_measured_run(stamped: StampedFacts, reported: int | None, next_run: Run | None) -> RunTimes | None:
    """Return the run as a channel measured it whose end is later than the best ranked channel's.

    Example: hooks report 10.05 to 18 s, since they run before the client is done; the history ends the run at
    20 s with a length of 10 s. It is [10, 20].
    """
    if reported is None:
        return None
    until = LATEST if next_run is None or next_run.start is None else next_run.start
    for time, (_, length) in stamped[fact_fields.DURATION]:
        is_end = any(at == time for at, _ in stamped.get(fact_fields.END, ()))
        if (
            is_end
            and isinstance(length, int)
            and abs(time - length - reported) <= HOOK_DOUBT
            and time < until
        ):
            return RunTimes(time - length, time, 0)
    return None


def _confirms_edges(length: int | None, start: int | None, end: int | None) -> bool:
    if length is None or start is None or end is None:
        return False
    return abs(end - start - length) <= NOTICE_DELAY


def _has_exact_start(stamped: StampedFacts) -> bool:
    return any(rank < _HOOK for _, (rank, _) in stamped.get(fact_fields.START, ()))


def _is_timed_by_hooks(facts: SessionFacts, stamped: StampedFacts, call: Delegation | None) -> bool:
    edges = [*stamped.get(fact_fields.START, ()), *stamped.get(fact_fields.END, ())]
    ranks = [rank for _, (rank, _) in edges]
    if call is not None and (not ranks or call.end is not None):
        call_facts = facts.calls.get(call.id, {})
        ranks += [call_facts[edge][0] for edge in (fact_fields.START, fact_fields.END) if edge in call_facts]
    return min(ranks, default=0) == _HOOK
