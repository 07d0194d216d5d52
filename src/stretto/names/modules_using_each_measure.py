"""The users of the roll-up measures: the modules that write each measure, and those that read it.

A contract test compares both tables with the code.
"""

from __future__ import annotations

from stretto.names import measures

WRITERS: dict[str, tuple[str, ...]] = {
    "store.contributions.delivery_class_sums": (
        measures.DELIVERIES, measures.WASTED_TASKS, measures.WASTED_TIME,
    ),
    "store.contributions.headline_sums": (
        measures.VERDICT_ELAPSED, measures.VERDICT_FANOUTS, measures.VERDICT_PAID, measures.VERDICT_TASKS,
        measures.VERDICT_WORK,
    ),
    "store.contributions.scores_message_balance_and_phase_coverage": (
        measures.ANSWERS, measures.ANSWER_TIME, measures.PATTERN_PHASES, measures.PHASES_COVERED,
        measures.PHASES_STRETCH, measures.SCORE_COUNT, measures.SCORE_OUTSIDE, measures.SCORE_SUM,
        measures.TALK_MESSAGES, measures.TALK_SHARE,
    ),
    "store.contributions.phases_messages_hooks_and_caches": (
        measures.CACHE_EVICTED_MISSES, measures.CACHE_LOOKUPS, measures.CACHE_LOOKUP_TIME,
        measures.CACHE_REFUSED, measures.CACHE_REMOVALS, measures.CACHE_SAVED, measures.HOOKS_TIME,
        measures.HOOK_EVENT_TIME, measures.HOOK_COMMAND_TIME,
        measures.MESSAGES, measures.MESSAGES_SENT, measures.MESSAGE_TIME, measures.PHASES,
        measures.PHASE_TIME, measures.MESSAGE_KINDS, measures.CONVERSATIONS, measures.CONVERSATION_TIME,
    ),
    "store.contributions.model_calls": (
        measures.CONTEXT_FILL, measures.COST, measures.FIRST_TOKEN_TIME, measures.MODEL_CALLS,
        measures.MODEL_TIME,
        measures.PRICED_CALLS, measures.PROMPT_TOKENS, measures.TOKENS, measures.UNPRICED_CALLS,
    ),
    "store.contributions.usage_coverage": (
        measures.TOOL_CALL_TASKS, measures.TOOL_CALL_TASKS_REPORTED, measures.USAGE_EXPECTED,
        measures.USAGE_REPORTED,
    ),
    "store.contributions.missed_parallelism": (
        measures.OPPORTUNITY, measures.SEQUENTIAL_RUNS,
    ),
    "store.contributions.monitoring_overhead_sums": (
        measures.AGENTS_WORKING, measures.OVERHEAD_KNOWN, measures.OVERHEAD_TIME,
    ),
    "store.contributions.path_and_wall_time": (
        measures.CRITICAL_PATH, measures.CRITICAL_PATH_AGENT, measures.CRITICAL_PATH_TASK_TYPE,
        measures.CRITICAL_PATH_TOOL, measures.SLACK_AGENT, measures.SLACK_AGENT_SESSIONS,
        measures.SLACK_TASK_TYPE, measures.SLACK_TASK_TYPE_SESSIONS, measures.SLACK_TOOL,
        measures.SLACK_TOOL_SESSIONS, measures.WALL, measures.WORKFLOW_ELAPSED,
        measures.WORKFLOW_SESSIONS, measures.WORKFLOW_SHARE,
    ),
    "store.contributions.refused_delegations": (
        measures.REFUSED_DELEGATIONS, measures.REPAIRED_DELEGATIONS,
    ),
    "store.contributions.result_consistency_and_completeness": (
        measures.CHECKED, measures.CHECKED_IN_PHASE, measures.COMPLETE, measures.COMPLETE_TASKS,
        measures.CONSISTENT, measures.AGENT_CALLS,
    ),
    "store.contributions.samples": (
        measures.AGENTS_CPU, measures.AGENTS_CPU_USE, measures.AGENTS_IO,
        measures.AGENTS_IO_SAMPLES, measures.AGENTS_MEMORY, measures.MACHINE_AVAILABLE,
        measures.MACHINE_BUSY, measures.SAMPLED,
        measures.MEMORY_EVENNESS, measures.SAMPLED_SESSIONS, measures.SESSION_MACHINE_USE,
    ),
    "store.contributions.sessions": (
        measures.SESSIONS, measures.SESSION_TIME, measures.TURN_TIME,
    ),
    "store.contributions.speedup_costs": (
        measures.COST_DELIVERED, measures.COST_ELAPSED, measures.COST_FANOUTS, measures.COST_NANO_USD,
        measures.COST_WORK, measures.TOKEN_COUNT, measures.TOKEN_DELIVERED, measures.TOKEN_ELAPSED,
        measures.TOKEN_FANOUTS, measures.TOKEN_WORK, measures.WASTED_COST, measures.WASTED_COST_TASKS,
        measures.WASTED_TOKENS, measures.WASTED_TOKEN_TASKS, measures.AGENT_COST, measures.AGENT_COST_TASKS,
        measures.AGENT_TOKENS, measures.AGENT_TOKEN_TASKS,
    ),
    "store.contributions.task_outcomes_retries_and_delegating_turns": (
        measures.AGENTS_BUSY, measures.AGENTS_CAPACITY, measures.RETRY_ENDS, measures.RETRY_TIME,
        measures.TURNS, measures.WORK_DELIVERED, measures.WORK_ENDS, measures.WORK_TIME,
        measures.PLACED_TASKS, measures.PLACED_TIME, measures.RECOVERY_TIME,
    ),
    "store.contributions.tasks_and_fanouts": (
        measures.AGENT_TIME, measures.CAPACITY, measures.EMPTY_IN_BALANCE, measures.EMPTY_IN_CONCURRENCY,
        measures.ENDS_EXPECTED, measures.ENDS_SEEN, measures.FANOUTS,
        measures.LONGEST_LANE, measures.PARALLEL_DELIVERED, measures.PARALLEL_DELIVERED_WORK,
        measures.PARALLEL_ELAPSED, measures.PARALLEL_OUTCOMES, measures.PARALLEL_TASKS,
        measures.PARALLEL_WORK, measures.PATTERN_DELIVERED, measures.PATTERN_DELIVERED_WORK,
        measures.PATTERN_ELAPSED, measures.PATTERN_TASKS, measures.PATTERN_WORK, measures.TASKS,
        measures.TASK_TIME,
    ),
    "store.contributions.failed_tasks_by_kind": (measures.FAILED_TASKS,),
    "store.contributions.files_by_agent": (
        measures.FILES_WRITTEN, measures.FILES_KNOWN, measures.FILES_CREATED,
    ),
    "store.contributions.tool_calls": (
        measures.CALLS, measures.CALL_TIME, measures.ENDS_EXPECTED, measures.ENDS_SEEN,
        measures.FULL_TEST_RUNS, measures.FULL_TEST_SECONDS, measures.SELECTED_TEST_RUNS,
        measures.SELECTED_TEST_SECONDS,
        measures.OVERHEAD, measures.TESTS, measures.TESTS_COLLECTED, measures.TESTS_SELECTED,
        measures.TESTS_SKIPPED, measures.TEST_PARTS, measures.TEST_PARTS_CACHED,
        measures.TEST_RUNS, measures.TEST_RUN_TIME,
        measures.TEST_SECONDS, measures.TOOL_SECONDS,
    ),
}  # fmt: skip
"""Module → the measures that it adds to."""

READERS: dict[str, tuple[str, ...]] = {
    "cli.top_data": (
        measures.COST, measures.MODEL_CALLS, measures.PRICED_CALLS, measures.TOKENS,
        measures.UNPRICED_CALLS,
        measures.USAGE_EXPECTED, measures.USAGE_REPORTED,
    ),
    "figures.critical_path": (
        measures.CRITICAL_PATH, measures.CRITICAL_PATH_AGENT, measures.CRITICAL_PATH_TASK_TYPE,
        measures.CRITICAL_PATH_TOOL, measures.SESSIONS, measures.SLACK_AGENT,
        measures.SLACK_AGENT_SESSIONS, measures.SLACK_TASK_TYPE, measures.SLACK_TASK_TYPE_SESSIONS,
        measures.SLACK_TOOL, measures.SLACK_TOOL_SESSIONS,
    ),
    "figures.efficiency_tree": (
        measures.CAPACITY, measures.EMPTY_IN_BALANCE, measures.EMPTY_IN_CONCURRENCY, measures.FANOUTS,
        measures.LONGEST_LANE, measures.PATTERN_DELIVERED, measures.PATTERN_DELIVERED_WORK,
        measures.PATTERN_ELAPSED, measures.PATTERN_TASKS, measures.PATTERN_WORK,
    ),
    "figures.expected_and_missed_gains": (
        measures.OPPORTUNITY, measures.SEQUENTIAL_RUNS,
    ),
    "figures.window_gain_verdict": (
        measures.VERDICT_ELAPSED, measures.VERDICT_FANOUTS, measures.VERDICT_PAID, measures.VERDICT_TASKS,
        measures.VERDICT_WORK,
    ),
    "figures.parallel_work_by_week": (
        measures.TASKS,
    ),
    "reports.kpi_targets_met_or_missed": (
        measures.PHASES, measures.SCORE_COUNT, measures.SCORE_SUM, measures.TASKS, measures.TURNS,
    ),
    "reports.make_report": (
        measures.COST, measures.DELIVERIES, measures.PRICED_CALLS,
    ),
    "figures.when_machine_was_used_up": (
        measures.AGENTS_CPU, measures.MACHINE_AVAILABLE, measures.MACHINE_BUSY, measures.SAMPLED,
    ),
    "figures.resource_figures": (
        measures.AGENTS_CPU, measures.AGENTS_CPU_USE, measures.AGENTS_IO,
        measures.AGENTS_IO_SAMPLES, measures.AGENTS_MEMORY, measures.MACHINE_AVAILABLE,
        measures.MACHINE_BUSY, measures.SAMPLED,
    ),
    "findings.efficiency_score_by_day": (
        measures.CALLS, measures.MEMORY_EVENNESS, measures.MODEL_CALLS, measures.PROMPT_TOKENS,
        measures.SAMPLED_SESSIONS, measures.SESSIONS, measures.SESSION_MACHINE_USE, measures.TOKENS,
        measures.WALL,
    ),
    "figures.scores.agent_score": (
        measures.AGENT_CALLS, measures.AGENT_TIME, measures.TASK_TIME, measures.WORK_ENDS,
    ),
    "figures.scores.message_exchange_score": (
        measures.ANSWERS, measures.ANSWER_TIME, measures.MESSAGES, measures.TALK_MESSAGES,
        measures.TALK_SHARE,
    ),
    "figures.scores.efficiency_dimensions": (
        measures.AGENTS_BUSY, measures.AGENTS_CAPACITY, measures.CALLS, measures.CAPACITY,
        measures.CHECKED, measures.PATTERN_PHASES, measures.PATTERN_WORK, measures.PHASES_COVERED,
        measures.MEMORY_EVENNESS, measures.PHASES_STRETCH, measures.RETRY_TIME,
        measures.SAMPLED_SESSIONS, measures.SESSION_MACHINE_USE, measures.WORK_ENDS, measures.WORK_TIME,
    ),
    "figures.scores.quality_score": (
        measures.COMPLETE, measures.COMPLETE_TASKS, measures.CONSISTENT, measures.PLACED_TASKS,
        measures.PLACED_TIME, measures.SCORE_COUNT,
        measures.SCORE_OUTSIDE, measures.SCORE_SUM, measures.WORK_ENDS,
    ),
    "figures.scores.retry_parallel_use_result_fit_and_judgement_figures": (
        measures.CHECKED, measures.CHECKED_IN_PHASE, measures.FANOUTS, measures.RETRY_ENDS,
        measures.RETRY_TIME, measures.SCORE_COUNT, measures.SCORE_OUTSIDE, measures.SCORE_SUM, measures.TURNS,
        measures.WORK_ENDS,
    ),
    "figures.scores.session_kpis": (
        measures.CHECKED, measures.PATTERN_PHASES, measures.RETRY_ENDS, measures.TURNS,
        measures.WORK_ENDS,
    ),
    "figures.scores.sums_by_pattern_type_or_agent": (
        measures.AGENT_CALLS, measures.AGENTS_BUSY, measures.AGENTS_CAPACITY, measures.AGENT_TIME,
        measures.ANSWERS, measures.ANSWER_TIME, measures.CAPACITY, measures.CHECKED,
        measures.COMPLETE, measures.COMPLETE_TASKS, measures.CONSISTENT, measures.FANOUTS,
        measures.LONGEST_LANE, measures.MESSAGES, measures.PARALLEL_DELIVERED,
        measures.PARALLEL_DELIVERED_WORK, measures.PARALLEL_ELAPSED, measures.PARALLEL_TASKS,
        measures.PARALLEL_WORK, measures.PATTERN_PHASES, measures.PATTERN_WORK,
        measures.PHASES_COVERED, measures.PHASES_STRETCH, measures.RETRY_ENDS, measures.RETRY_TIME,
        measures.SCORE_COUNT, measures.SCORE_OUTSIDE, measures.SCORE_SUM,
        measures.TALK_MESSAGES, measures.TALK_SHARE, measures.TURNS,
        measures.WORK_DELIVERED, measures.WORK_ENDS, measures.WORK_TIME,
        measures.PLACED_TASKS, measures.PLACED_TIME,
    ),
    "figures.scores.window_scores": (
        measures.COMPLETE, measures.COMPLETE_TASKS, measures.CONSISTENT, measures.SCORE_COUNT,
        measures.SCORE_OUTSIDE, measures.SCORE_SUM, measures.WORK_ENDS,
        measures.PLACED_TASKS, measures.PLACED_TIME,
    ),
    "figures.speedup_cost": (
        measures.COST_DELIVERED, measures.COST_ELAPSED, measures.COST_FANOUTS, measures.COST_NANO_USD,
        measures.COST_WORK, measures.FANOUTS, measures.TOKEN_COUNT, measures.TOKEN_DELIVERED,
        measures.TOKEN_ELAPSED, measures.TOKEN_FANOUTS, measures.TOKEN_WORK,
    ),
    "figures.messages_between_agents": (measures.CONVERSATIONS, measures.CONVERSATION_TIME),
    "figures.cache_figures_and_faults": (
        measures.CACHE_EVICTED_MISSES, measures.CACHE_LOOKUPS, measures.CACHE_LOOKUP_TIME,
        measures.CACHE_REFUSED, measures.CACHE_REMOVALS, measures.CACHE_SAVED,
    ),
    "figures.model_call_cache_and_test_figures": (
        measures.CALLS, measures.CONTEXT_FILL, measures.COST,
        measures.FIRST_TOKEN_TIME, measures.MODEL_CALLS, measures.MODEL_TIME, measures.PRICED_CALLS,
        measures.PROMPT_TOKENS, measures.TESTS, measures.TESTS_COLLECTED, measures.TESTS_SELECTED,
        measures.TESTS_SKIPPED, measures.TEST_PARTS, measures.TEST_PARTS_CACHED,
        measures.TEST_RUNS, measures.TEST_RUN_TIME,
        measures.TEST_SECONDS, measures.TOKENS, measures.TOOL_SECONDS, measures.UNPRICED_CALLS,
    ),
    "figures.written_and_created_file_counts": (
        measures.FILES_WRITTEN, measures.FILES_KNOWN, measures.FILES_CREATED,
    ),
    "figures.selected_test_gain": (
        measures.FULL_TEST_RUNS, measures.FULL_TEST_SECONDS, measures.SELECTED_TEST_RUNS,
        measures.SELECTED_TEST_SECONDS,
    ),
    "figures.usage_reporting_coverage": (
        measures.TOOL_CALL_TASKS, measures.TOOL_CALL_TASKS_REPORTED, measures.USAGE_EXPECTED,
        measures.USAGE_REPORTED,
    ),
    "figures.parallel_work_against_baselines": (
        measures.PARALLEL_DELIVERED, measures.PARALLEL_DELIVERED_WORK, measures.PARALLEL_ELAPSED,
        measures.PARALLEL_TASKS, measures.PARALLEL_WORK,
    ),
    "figures.waste": (
        measures.AGENT_COST, measures.AGENT_COST_TASKS, measures.AGENT_TOKENS, measures.AGENT_TOKEN_TASKS,
        measures.DELIVERIES, measures.WASTED_COST, measures.WASTED_COST_TASKS, measures.WASTED_TASKS,
        measures.WASTED_TIME, measures.WASTED_TOKENS, measures.WASTED_TOKEN_TASKS,
    ),
    "figures.monitoring_overhead": (
        measures.AGENTS_WORKING, measures.OVERHEAD_KNOWN, measures.OVERHEAD_TIME, measures.SESSIONS,
    ),
    "figures.wall_time_parts": (
        measures.SESSIONS, measures.WALL,
    ),
    "figures.window_work_and_outcome_figures": (
        measures.FAILED_TASKS, measures.MESSAGES_SENT, measures.RECOVERY_TIME,
        measures.AGENT_TIME, measures.ANSWERS, measures.ANSWER_TIME, measures.CALLS, measures.CALL_TIME,
        measures.ENDS_EXPECTED, measures.ENDS_SEEN, measures.HOOKS_TIME,
        measures.HOOK_EVENT_TIME, measures.HOOK_COMMAND_TIME,
        measures.MESSAGES, measures.MESSAGE_TIME, measures.OVERHEAD,
        measures.PARALLEL_OUTCOMES, measures.PHASES, measures.PHASE_TIME,
        measures.SESSIONS, measures.SESSION_TIME, measures.TASKS, measures.TASK_TIME,
        measures.TURN_TIME,
        measures.MESSAGE_KINDS, measures.REFUSED_DELEGATIONS, measures.REPAIRED_DELEGATIONS,
    ),
    "figures.sessions_against_configured_hours": (
        measures.SESSIONS, measures.WORKFLOW_ELAPSED, measures.WORKFLOW_SESSIONS, measures.WORKFLOW_SHARE,
    ),
    "store.derive_missing_measures_of_old_sums": (
        measures.COST_DELIVERED, measures.COST_FANOUTS, measures.DELIVERIES,
        measures.PARALLEL_DELIVERED, measures.PARALLEL_DELIVERED_WORK, measures.PARALLEL_ELAPSED,
        measures.PARALLEL_TASKS, measures.PARALLEL_WORK, measures.PATTERN_DELIVERED,
        measures.PATTERN_DELIVERED_WORK, measures.PATTERN_TASKS, measures.PATTERN_WORK,
        measures.TASKS, measures.TOKEN_DELIVERED, measures.TOKEN_FANOUTS, measures.VERDICT_ELAPSED,
        measures.VERDICT_FANOUTS, measures.VERDICT_PAID, measures.VERDICT_TASKS,
        measures.VERDICT_WORK, measures.WASTED_TASKS, measures.WORK_DELIVERED, measures.WORK_ENDS,
    ),
    "figures.name_budget": (
        measures.CACHE_LOOKUPS, measures.CALLS, measures.CONVERSATIONS, measures.HOOK_COMMAND_TIME,
        measures.HOOK_EVENT_TIME, measures.MESSAGES,
        measures.MODEL_CALLS, measures.PHASES, measures.SCORE_COUNT, measures.SCORE_OUTSIDE,
        measures.SESSIONS, measures.TALK_MESSAGES, measures.TEST_RUNS, measures.VERDICT_FANOUTS,
        measures.VERDICT_TASKS, measures.WORK_ENDS,
    ),
    "summaries.snapshot": (measures.CRITICAL_PATH_AGENT,),
    "summaries.window_figures": (measures.FANOUTS,),
    "summaries.run_statistics_by_kind": (
        measures.CALLS, measures.CALL_TIME, measures.CONVERSATIONS, measures.CONVERSATION_TIME,
        measures.MODEL_CALLS, measures.MODEL_TIME,
    ),
    "summaries.spending_outlook": (measures.COST, measures.UNPRICED_CALLS),
}  # fmt: skip
"""Module → the measures that it reads."""
