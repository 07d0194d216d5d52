"""The table of parts: all that a session adds to the sums beside its tool calls.

Tool calls are counted one by one, because a session has many of them and few change in a batch.
"""

from __future__ import annotations

from stretto.store.contributions.contribution import Aspect, Part
from stretto.store.contributions.judgements import of_handover, of_scores, of_talk
from stretto.store.contributions.leaves import of_cache_reports, of_hooks_run, of_messages, of_phases
from stretto.store.contributions.opportunity import of_sequential_runs
from stretto.store.contributions.path_and_wall_time import of_whole
from stretto.store.contributions.result_checks import of_checks
from stretto.store.contributions.samples import of_samples
from stretto.store.contributions.sessions import of_session
from stretto.store.contributions.speedup_costs import of_price
from stretto.store.contributions.task_outcomes import of_work
from stretto.store.contributions.tasks import of_tasks

COUNTING = 1
"""The version of what is counted: raised with every change of what anything adds to the sums."""

PARTS: dict[str, Part] = {
    "tasks": Part(
        frozenset({Aspect.TASKS, Aspect.PATTERN}),
        lambda settling: of_tasks(settling.session, settling.fanouts),
    ),
    "opportunity": Part(frozenset({Aspect.TASKS, Aspect.PATTERN}), of_sequential_runs),
    "price": Part(frozenset({Aspect.WHOLE}), of_price),
    "session": Part(frozenset({Aspect.TURNS, Aspect.WHOLE}), lambda settling: of_session(settling.session)),
    "phases": Part(frozenset({"phase", Aspect.WHOLE}), of_phases),
    "messages": Part(frozenset({"message"}), of_messages),
    "hooks": Part(frozenset({"hooks"}), of_hooks_run),
    "caches": Part(frozenset({"cache"}), of_cache_reports),
    "whole": Part(frozenset({Aspect.WHOLE}), of_whole),
    "work": Part(frozenset({Aspect.TASKS, Aspect.TURNS, Aspect.PATTERN, Aspect.WHOLE}), of_work),
    "checks": Part(frozenset({Aspect.WHOLE}), of_checks),
    "scores": Part(
        frozenset({"score", "turn", "task", "call", "model", Aspect.TASKS, Aspect.PATTERN}), of_scores
    ),
    "talk": Part(frozenset({"message"}), of_talk),
    "handover": Part(frozenset({"phase", Aspect.PATTERN, Aspect.WHOLE}), of_handover),
    "samples": Part(frozenset({"sample"}), of_samples),
}


def counting() -> str:
    """Return a text that changes with what is counted: sums that were made under another are made anew."""
    return f"{COUNTING} {' '.join(PARTS)}"
