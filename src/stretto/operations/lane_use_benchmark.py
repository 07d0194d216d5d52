"""How well lanes were used beside the three weeks before: of a week with an interval, of a session a rank."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from stretto.clock import DAY
from stretto.figures.confidence_intervals import compute_difference_bounds
from stretto.format import quantities
from stretto.operations.measure_finished_runs import keep_reasons, measure_session_efficiency
from stretto.operations.medians_of_two_sides import FEWEST_FOR_RANK
from stretto.operations.operation_context import OperationCall, RunSelection

WEEK = 7 * DAY
THREE_WEEKS = 21 * DAY
BENCHMARK_TIME = WEEK + THREE_WEEKS
"""A week (ns) and the three before."""

FEWEST_SESSIONS = 5
"""Sessions with parallel work on each side from which the difference has an interval."""


def compare_week_with_earlier_weeks(call: OperationCall, runs: RunSelection) -> dict[str, Any]:
    """Return the efficiency of parallel work of a week against the three weeks before, by session.

    ``low`` and ``high`` are the 95 % interval of the difference of both means (Welch).
    A session stands beside the sessions of its pattern in the three weeks before its end instead.
    """
    if call.workflow.session is not None:
        return _rank_session_among_earlier_weeks(call, runs)
    by_session = measure_session_efficiency(runs.fanouts)
    middle = call.now - WEEK
    known = [(run.end, by_session[run.session]) for run in runs.sessions if run.session in by_session]
    recent = [share for end, share in known if end >= middle]
    before = [share for end, share in known if end < middle]
    found: dict[str, Any] = {
        "against": "historical_average",
        "sessions": len(recent),
        "sessions_before": len(before),
        "efficiency": statistics.fmean(recent) if recent else None,
        "efficiency_before": statistics.fmean(before) if before else None,
        "difference": None,
        "low": None,
        "high": None,
    }
    if min(len(recent), len(before)) >= FEWEST_SESSIONS:
        low, high = compute_difference_bounds(before, recent)
        found |= {"difference": (low + high) / 2, "low": low, "high": high}
    few = (
        f"{len(recent)} sessions with parallel work in seven days and {len(before)} in the three weeks"
        f" before, {FEWEST_SESSIONS} of each are needed"
    )
    reasons = dict.fromkeys(("difference", "low", "high"), few)
    reasons["efficiency"] = "no session with parallel work ended in seven days"
    reasons["efficiency_before"] = "no session with parallel work ended in the three weeks before"
    return {**found, "absent": keep_reasons(found, reasons)}


def _rank_session_among_earlier_weeks(call: OperationCall, runs: RunSelection) -> dict[str, Any]:
    """Return the efficiency of a session, and its rank in its pattern's three weeks before its end.

    The rank is the share of those sessions that used their lanes less. A session alone has no interval.
    """
    id = call.workflow.session
    end = max((run.end for run in runs.sessions), default=call.now)
    known = call.read_pattern_runs(call.now - end + THREE_WEEKS)
    by_session = measure_session_efficiency(known.fanouts)
    before = [
        by_session[run.session]
        for run in known.sessions
        if run.session != id and end - THREE_WEEKS <= run.end < end and run.session in by_session
    ]
    share = measure_session_efficiency(runs.fanouts).get(id or "")
    average = statistics.fmean(before) if before else None
    found: dict[str, Any] = {
        "against": "historical_average",
        "sessions": 0 if share is None else 1,
        "sessions_before": len(before),
        "efficiency": share,
        "efficiency_before": average,
        "difference": None if share is None or average is None else share - average,
        "low": None,
        "high": None,
        "rank": sum(each < share for each in before) / len(before)
        if share is not None and len(before) >= FEWEST_FOR_RANK
        else None,
    }
    alone = "the session's parallel work has not finished, or it has none"
    none_before = "no session of its pattern with parallel work ended in the three weeks before it"
    reasons = dict.fromkeys(("low", "high"), "n = 1: a rank is possible, an interval is not")
    reasons |= dict.fromkeys(("efficiency", "difference", "rank"), alone) if share is None else {}
    reasons["efficiency_before"] = none_before
    reasons.setdefault("difference", none_before)
    reasons.setdefault(
        "rank", f"{len(before)} sessions of its pattern before it, {FEWEST_FOR_RANK} are needed"
    )
    return {**found, "absent": keep_reasons(found, reasons)}


def describe_lane_use_benchmark(benchmark: Mapping[str, Any]) -> list[str]:
    """Return the benchmark of a week or session as sentences; none without enough sessions."""
    if benchmark.get("rank") is not None:
        value, rank, average = (
            quantities.format_percent(benchmark[key]) for key in ("efficiency", "rank", "efficiency_before")
        )
        sentence = (
            f"Lanes were used to {value}, more than in {rank} of the {benchmark['sessions_before']} sessions"
            f" of its pattern in the three weeks before ({average} on average)."
        )
        return [sentence]
    low, high = benchmark["low"], benchmark["high"]
    if low is None or high is None:
        return []
    word = "more than" if low > 0 else "less than" if high < 0 else "no different from"
    value, average = (
        quantities.format_percent(benchmark[key]) for key in ("efficiency", "efficiency_before")
    )
    sentence = (
        f"Lanes were used to {value}, {word} the three weeks before ({average});"
        f" the difference is {100 * low:+.0f} to {100 * high:+.0f} points."
    )
    return [sentence]
