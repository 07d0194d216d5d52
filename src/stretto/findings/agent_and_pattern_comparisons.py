"""The analyses of groups: agents at the same work, and patterns against their past and each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import TYPE_CHECKING, Any

from stretto.clock import DAY
from stretto.findings.analysis_input_and_answer import AnalysisAnswer, AnalysisInput
from stretto.model.run_rows_for_analyses import SessionRun

if TYPE_CHECKING:
    from stretto.analysis.session_group_comparison import GroupComparison

AGENT_DAYS = 28
"""Days whose tasks agents are compared by."""

RECENT_DAYS = 7
"""Days of a pattern that are compared with those before."""

MOST_PATTERNS = 8
"""Patterns that are compared with each other: those with the most sessions."""

MOST_TYPES = 20


def compare_agents(given: AnalysisInput) -> AnalysisAnswer:
    """Answer which agents are faster or slower at the same types of tasks, and which work well together."""
    from stretto.analysis.agent_effects import find_agent_pairs_with_shorter_sessions, rank_agents  # noqa: PLC0415  # loads scipy

    since = given.instant - AGENT_DAYS * DAY
    tasks = [task for task in given.tasks if task.start >= since]
    sessions = [run for run in given.sessions if run.end >= since]
    types = sorted({task.type for task in tasks})[:MOST_TYPES]
    overall = rank_agents(tasks)
    by_type = {type_: effects for type_ in types if (effects := rank_agents(tasks, type_))}
    pairs = find_agent_pairs_with_shorter_sessions(sessions, given.tasks_by_session)
    return AnalysisAnswer(
        (),
        extra={
            "days": AGENT_DAYS,
            "overall": [asdict(effect) for effect in overall],
            "by_type": {type_: [asdict(effect) for effect in effects] for type_, effects in by_type.items()},
            "pairs": [asdict(pair) for pair in pairs],
        },
    )


def compare_patterns_and_their_past(given: AnalysisInput) -> AnalysisAnswer:
    """Answer how each pattern fares against its past and the other patterns, and when it was best."""
    from stretto.analysis.fastest_three_days_in_a_row import find_best_three_days  # noqa: PLC0415  # loads scipy
    from stretto.analysis.session_group_comparison import compare_groups  # noqa: PLC0415  # likewise

    since = given.instant - RECENT_DAYS * DAY
    by_size = sorted(given.sessions_by_pattern.items(), key=lambda item: (-len(item[1]), item[0]))
    patterns: dict[str, Any] = {}
    for pattern, runs in by_size:
        before, recent = split_at(runs, since)
        patterns[pattern] = {
            "sessions": len(runs),
            "recent": describe_groups(compare_groups(before, recent)),
            "best_period": asdict(best := find_best_three_days(runs)) | {"reproducible": best.reproducible},
        }
    pairs = [
        {"pattern": first, "other": second, **describe_groups(compare_groups(others, runs))}
        for (first, runs), (second, others) in combinations(by_size[:MOST_PATTERNS], 2)
    ]
    return AnalysisAnswer((), extra={"patterns": patterns, "pairs": pairs})


def split_at(runs: Sequence[SessionRun], time: int) -> tuple[list[SessionRun], list[SessionRun]]:
    """Return the sessions that ended before a time (ns), and the others."""
    return [run for run in runs if run.end < time], [run for run in runs if run.end >= time]


def describe_groups(groups: GroupComparison) -> dict[str, Any]:
    """Return a comparison of groups as JSON; the effect is second / first."""
    return {
        "verdict": groups.verdict.value,
        "elapsed": None if groups.elapsed is None else asdict(groups.elapsed),
        "success": None if groups.success is None else asdict(groups.success),
        "days": list(groups.days),
        "reason": groups.reason,
    }
