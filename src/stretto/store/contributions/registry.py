"""The list of contributions: all that a session adds to the sums beside its tool calls and model calls.

Those are counted by themselves, because a session has many of them and few change in a batch.
"""

from __future__ import annotations

from stretto.names.fact_fields import EntityKind
from stretto.store.contributions.contribution import Contribution, SessionAspect
from stretto.store.contributions.delivery_class_sums import list_delivery_parts
from stretto.store.contributions.failed_tasks_by_kind import add_up_failed_tasks
from stretto.store.contributions.files_by_agent import add_up_written_files
from stretto.store.contributions.headline_sums import list_headline_parts
from stretto.store.contributions.missed_parallelism import list_sequential_parts
from stretto.store.contributions.monitoring_overhead_sums import add_up_overhead
from stretto.store.contributions.path_and_wall_time import add_up_whole_session
from stretto.store.contributions.phases_messages_hooks_and_caches import (
    add_up_cache_reports,
    add_up_conversations,
    add_up_hook_runs,
    add_up_messages,
    add_up_phases,
)
from stretto.store.contributions.refused_delegations import add_up_refused_delegations
from stretto.store.contributions.result_consistency_and_completeness import (
    add_up_fanout_checks_and_known_ends,
)
from stretto.store.contributions.samples import add_up_samples
from stretto.store.contributions.scores_message_balance_and_phase_coverage import (
    add_up_messages_by_receiver,
    add_up_phase_outcomes_and_gaps,
    add_up_scores,
)
from stretto.store.contributions.sessions import add_up_turns_and_session
from stretto.store.contributions.speedup_costs import add_up_cost_of_fanouts_and_waste
from stretto.store.contributions.task_outcomes_retries_and_delegating_turns import (
    list_delegating_turn_parts,
    list_outcome_parts,
    list_recovery_parts,
)
from stretto.store.contributions.tasks_and_fanouts import list_task_and_fanout_parts
from stretto.store.contributions.usage_coverage import add_up_usage_coverage, count_tasks_with_all_tool_calls

SUMS_VERSION = 24
"""The version of the sums. Raise it with every change of the amounts that anything adds."""

# The names are stored with the version, so that a store made by another list is made anew.
CONTRIBUTIONS: dict[str, Contribution] = {
    "tasks": Contribution.of_parts({SessionAspect.TASKS, SessionAspect.PATTERN}, list_task_and_fanout_parts),
    "deliveries": Contribution.of_parts({SessionAspect.TASKS}, list_delivery_parts),
    "headline": Contribution.of_parts({SessionAspect.TASKS, SessionAspect.PATTERN}, list_headline_parts),
    "opportunity": Contribution.of_parts({SessionAspect.TASKS, SessionAspect.PATTERN}, list_sequential_parts),
    "price": Contribution(frozenset({SessionAspect.WHOLE}), add_up_cost_of_fanouts_and_waste),
    "coverage": Contribution(frozenset({SessionAspect.WHOLE}), add_up_usage_coverage),
    "call coverage": Contribution(frozenset({SessionAspect.WHOLE}), count_tasks_with_all_tool_calls),
    "session": Contribution(
        frozenset({SessionAspect.TURNS, SessionAspect.WHOLE}),
        lambda context: add_up_turns_and_session(context.session),
    ),
    "phases": Contribution(frozenset({EntityKind.PHASE, SessionAspect.WHOLE}), add_up_phases),
    "messages": Contribution(frozenset({EntityKind.MESSAGE}), add_up_messages),
    "conversations": Contribution(
        frozenset({EntityKind.MESSAGE, SessionAspect.PATTERN}), add_up_conversations
    ),
    "hooks": Contribution(frozenset({EntityKind.HOOKS}), add_up_hook_runs),
    "caches": Contribution(frozenset({EntityKind.CACHE}), add_up_cache_reports),
    "whole": Contribution(frozenset({SessionAspect.WHOLE}), add_up_whole_session),
    "overhead": Contribution(frozenset({SessionAspect.WHOLE}), add_up_overhead),
    "work": Contribution.of_parts({SessionAspect.TASKS, SessionAspect.PATTERN}, list_outcome_parts),
    # A failure may be made good by any later task of its type or agent.
    "recoveries": Contribution.of_parts({SessionAspect.TASKS}, list_recovery_parts, is_of_tasks=False),
    "turns": Contribution.of_parts(
        {SessionAspect.TASKS, SessionAspect.TURNS, SessionAspect.PATTERN, SessionAspect.WHOLE},
        list_delegating_turn_parts,
        is_of_tasks=False,
    ),
    "refusals": Contribution(frozenset({SessionAspect.WHOLE}), add_up_refused_delegations),
    "checks": Contribution(frozenset({SessionAspect.WHOLE}), add_up_fanout_checks_and_known_ends),
    "scores": Contribution(
        frozenset(
            {
                EntityKind.SCORE,
                EntityKind.TURN,
                EntityKind.TASK,
                EntityKind.CALL,
                EntityKind.MODEL,
                SessionAspect.TASKS,
                SessionAspect.PATTERN,
            }
        ),
        add_up_scores,
    ),
    "talk": Contribution(frozenset({EntityKind.MESSAGE}), add_up_messages_by_receiver),
    "handover": Contribution(
        frozenset({EntityKind.PHASE, SessionAspect.PATTERN, SessionAspect.WHOLE}),
        add_up_phase_outcomes_and_gaps,
    ),
    "failures": Contribution(frozenset({SessionAspect.WHOLE}), add_up_failed_tasks),
    "files": Contribution(frozenset({SessionAspect.WHOLE}), add_up_written_files),
    "samples": Contribution(frozenset({EntityKind.SAMPLE}), add_up_samples),
}

NOT_SCORED = frozenset(
    {
        "deliveries",
        "headline",
        "opportunity",
        "price",
        "coverage",
        "call coverage",
        "hooks",
        "caches",
        "refusals",
        "files",
    }
)
"""The contributions that no score or KPI of a session reads: those of windows alone."""


def get_sums_version() -> str:
    """Return a text that changes when contributions change: sums made under another text are made anew."""
    return f"{SUMS_VERSION} {' '.join(CONTRIBUTIONS)}"
