"""List the metrics that no dashboard shows, each with its reason."""

from __future__ import annotations

COMPUTED = "computed from its ingredients, so that it is right for any choice of variables"
OTHER_SCALES = (
    "each score has a scale of its own, so no axis fits all: 'stretto trends', 'stretto agent-performance'"
    " and the agent's page list them"
)
INGREDIENT = "an ingredient: saved is sequential less paid"
FOR_OTHER_PERIODS = "for rates over periods other than the windows; boards show the windowed figure"

UNUSED: dict[str, str] = {
    **dict.fromkeys(
        ("stretto_feature_enabled", "stretto_grpc_attempts", "stretto_unread_items"),
        "about the set-up: a sentence on the page and in doctor says what to do",
    ),
    **dict.fromkeys(
        ("stretto_ship_lag_seconds", "stretto_ship_pending", "stretto_ship_rejected"),
        "only of machines with a hub: a sentence on the page and in doctor says what to do",
    ),
    **dict.fromkeys(
        (
            "stretto_hub_lag_seconds_total",
            "stretto_hub_received_bytes_total",
            "stretto_hub_received_documents_total",
            "stretto_hub_refused_documents_total",
            "stretto_hub_skewed_documents_total",
            "stretto_hub_stored_documents_total",
        ),
        "of a team's hub, where no machine's service is: an alert of the fleet's rules reads the refusals",
    ),
    **dict.fromkeys(
        (
            "stretto_running_fanouts_left_seconds",
            "stretto_running_fanouts_progress_ratio",
            "stretto_running_fanouts_tasks",
            "stretto_running_fanouts_tasks_over",
        ),
        "of the very moment: the page of parallel executions says it of each, the overview how many run",
    ),
    "stretto_window_failed_tasks": (
        "the page of agents and stretto phase-performance list it; the boards show how many fail, and where"
    ),
    "stretto_identity_info": "about the machine: read by the rules of teams, not by boards of one machine",
    **dict.fromkeys(
        (
            "stretto_adoption_ratio",
            "stretto_cache_hit_ratio",
            "stretto_capture_completeness_ratio",
            "stretto_completion_ratio",
            "stretto_improvement_ratio",
            "stretto_agents_cpu_ratio",
            "stretto_machine_cpu_ratio",
            "stretto_overhead_ratio",
            "stretto_parallel_agents_ratio",
            "stretto_parallel_delivered_work_seconds",
            "stretto_parallel_failure_ratio",
            "stretto_pattern_adoption_ratio",
            "stretto_speedup_ratio",
            "stretto_test_cache_ratio",
            "stretto_test_selection_ratio",
            "stretto_test_selection_saved_ratio",
            "stretto_test_time_ratio",
            "stretto_tool_call_coverage_ratio",
            "stretto_usage_coverage_ratio",
            "stretto_verdict_improvement_ratio",
            "stretto_verdict_part_improvement_ratio",
            "stretto_verdict_part_own_speedup",
            "stretto_verdict_part_speedup",
            "stretto_verdict_speedup",
            "stretto_waste_ratio",
            "stretto_workflow_delivery_ratio",
            "stretto_workflow_improvement_ratio",
            "stretto_workflow_speedup_ratio",
        ),
        COMPUTED,
    ),
    "stretto_verdict_paid_seconds": INGREDIENT,
    "stretto_window_test_selection_seconds": "an ingredient: full seconds less those saved",
    **dict.fromkeys(
        (
            "stretto_score_agent_mean",
            "stretto_score_current",
            "stretto_score_rate_per_day",
            "stretto_score_volatility",
        ),
        OTHER_SCALES,
    ),
    **dict.fromkeys(
        (
            "stretto_elapsed_seconds_total",
            "stretto_fanouts_total",
            "stretto_sequential_seconds_total",
            "stretto_sessions_total",
            "stretto_work_seconds_total",
        ),
        FOR_OTHER_PERIODS,
    ),
}
"""Metric → why no panel reads it."""
