"""Hold the medians of two sides against each other: of sessions, of patterns, or of one and the other."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stretto.analysis.two_session_comparison import MEASURE_READERS, measure_seconds_per_task
from stretto.format import quantities
from stretto.model.run_rows_for_analyses import SessionRun
from stretto.operations.measure_finished_runs import keep_reasons

MEASURES: Mapping[str, frozenset[str]] = {
    "time": frozenset(
        {"active_seconds_per_task", "elapsed_seconds", "wall_seconds", "work_seconds", "retries"}
    ),
    "cost": frozenset({"tokens", "dollars"}),
    "resources": frozenset({"cpu_seconds", "memory_peak_bytes"}),
}
"""Metrics of the operation → measures of two sides."""

_READERS = {"active_seconds_per_task": measure_seconds_per_task, **MEASURE_READERS}

_SENTENCES: Mapping[str, tuple[Callable[[float], str], str]] = {
    "active_seconds_per_task": (quantities.format_duration, "of active time per task"),
    "elapsed_seconds": (quantities.format_duration, "of parallel work"),
    "wall_seconds": (quantities.format_duration, "of wall time"),
    "work_seconds": (quantities.format_duration, "of work"),
    "tokens": (lambda value: quantities.format_count(round(value)), "tokens"),
    "dollars": (quantities.format_dollars, "of model cost"),
    "retries": (quantities.format_number, "retries"),
    "cpu_seconds": (quantities.format_duration, "of processor time"),
    "memory_peak_bytes": (quantities.format_bytes, "of memory at the peak"),
}
"""Measure → how a sentence writes it, and of what it is."""

FEWEST_FOR_RANK = 20
"""Fewest sessions among which a session has a rank."""

NO_RANK = "it is not among the latest sessions that are ranked"

ALONE = "n = 1 on one side: a rank is possible, significance is not"

NO_MEASURE = {
    "current": "no session on this side has it",
    "baseline": "no session on this side has it",
    "improvement": "a side is not known, or it is against nothing",
    "significance": ALONE,
}
"""Part of a measure that may be null where a side is a single session → the reason."""

NO_MEASURE_OF_GROUPS = {
    **NO_MEASURE,
    "significance": "a measure alone is not tested: the comparison of active time has an interval",
}
"""The same between groups of sessions, whose active time is compared beside the measures."""


def is_wanted(measure: str, metrics: Sequence[str]) -> bool:
    """Return whether a measure belongs to the metrics, of which ``all`` has every one."""
    return "all" in metrics or any(measure in MEASURES[metric] for metric in metrics)


def compare_with_usual(
    current: Sequence[SessionRun], other: Sequence[SessionRun], metrics: Sequence[str]
) -> dict[str, Any]:
    """Return each wanted measure as the median of both sides, over the sessions where it is known.

    The improvement is the share by which the first median is less than the second.
    """
    is_alone = 1 in {len(current), len(other)}
    reasons = NO_MEASURE if is_alone else NO_MEASURE_OF_GROUPS
    rows = []
    for measure, read in _READERS.items():
        if is_wanted(measure, metrics):
            sides = [[value for run in side if (value := read(run)) is not None] for side in (current, other)]
            mine, usual = (statistics.median(values) if values else None for values in sides)
            row = {
                "measure": measure,
                "current": mine,
                "baseline": usual,
                "improvement": 1 - mine / usual if mine is not None and usual else None,
                "significance": None,
                "sessions": [len(values) for values in sides],
            }
            rows.append({**row, "absent": keep_reasons(row, reasons)})
    return {"measures": rows} | ({"note": ALONE} if is_alone else {})


def describe_medians(first: str, second: str, comparison: Mapping[str, Any]) -> str:
    """Return a comparison in a sentence, by the first measure that is wanted and known of both sides."""
    for row in comparison["measures"]:
        if row["current"] is not None and row["baseline"] is not None:
            write, words = _SENTENCES[row["measure"]]
            own, other = write(row["current"]), write(row["baseline"])
            return f"{first} beside {second}: {own}{quantities.SPACE}{words} against {other}."
    return f"{first} beside {second}: no measure that was asked for is known of both."


def describe_session_among(
    current: SessionRun, others: Sequence[SessionRun], name: str | None, metrics: Sequence[str]
) -> dict[str, Any]:
    """Return a session beside the usual of a pattern, with the share of its sessions that were slower."""
    like = [run for run in others if run.session != current.session]
    return {
        "against": name,
        "of": f"{len(like)} sessions of {name}",
        **compare_with_usual([current], like, metrics),
        **_rank(current, like),
    }


def describe_group_beside(
    sessions: Sequence[SessionRun], single: SessionRun, pattern: str, metrics: Sequence[str]
) -> dict[str, Any]:
    """Return the usual of a pattern beside a session; the rank is that of the session in the pattern."""
    like = [run for run in sessions if run.session != single.session]
    return {
        "against": single.session,
        "of": f"{len(like)} sessions of {pattern}",
        **compare_with_usual(like, [single], metrics),
        **_rank(single, like),
    }


def _rank(single: SessionRun, like: Sequence[SessionRun]) -> dict[str, Any]:
    """Return the share of sessions with more active seconds per task, or why it is not known."""
    pace = measure_seconds_per_task(single)
    paces = [other for run in like if (other := measure_seconds_per_task(run)) is not None]
    if pace is None or len(paces) < FEWEST_FOR_RANK:
        reason = f"{len(paces)} sessions with tasks to rank it among, {FEWEST_FOR_RANK} are needed"
        return {"rank": None, "absent": {"rank": "it has no tasks" if pace is None else reason}}
    return {"rank": sum(other > pace for other in paces) / len(paces), "absent": {}}
