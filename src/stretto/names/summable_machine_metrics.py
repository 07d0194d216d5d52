"""The series that a machine of a fleet exports: sums that may be added to those of other machines.

Names from outside (agents, tools, patterns, models, projects) are summed away, so the number of series is the
same for every machine, and no machine folds other names than its neighbour does.
"""

from __future__ import annotations

from collections.abc import Mapping

from stretto.names.labels import Label

FLEET_PROFILE = "fleet"
"""The value of the parameter ``profile`` with which ``/metrics`` answers these series alone."""

FLEET_WINDOWS = ("24h", "7d")

_BY_BASELINE = (Label.BASELINE, Label.WINDOW)
_BY_OUTCOME = (Label.OUTCOME, Label.WINDOW)
_IN_ALL = (Label.WINDOW,)

FLEET_GAUGES: Mapping[str, tuple[Label, ...]] = {
    "stretto_identity_info": (Label.TEAM, Label.INSTANCE_ID, Label.VERSION, Label.RULES),
    "stretto_build_info": (Label.VERSION,),
    "stretto_verdict_sequential_seconds": _BY_BASELINE,
    "stretto_verdict_elapsed_seconds": _BY_BASELINE,
    "stretto_verdict_saved_seconds": _BY_BASELINE,
    "stretto_verdict_fanouts": _BY_BASELINE,
    "stretto_parallel_sequential_seconds": _BY_BASELINE,
    "stretto_parallel_elapsed_seconds": _BY_BASELINE,
    "stretto_pattern_work_seconds": _IN_ALL,
    "stretto_pattern_delivered_work_seconds": _IN_ALL,
    "stretto_pattern_capacity_seconds": _IN_ALL,
    "stretto_pattern_longest_lane_seconds": _IN_ALL,
    "stretto_pattern_elapsed_seconds": _IN_ALL,
    "stretto_window_fanouts": _IN_ALL,
    "stretto_opportunity_seconds": _IN_ALL,
    "stretto_parallel_tokens": _IN_ALL,
    "stretto_parallel_cost_usd": _IN_ALL,
    "stretto_critical_path_seconds": _IN_ALL,
    "stretto_session_wall_seconds": (Label.PART, Label.WINDOW),
    "stretto_window_sessions": _BY_OUTCOME,
    "stretto_window_tasks": _BY_OUTCOME,
    "stretto_window_parallel_tasks": _BY_OUTCOME,
    "stretto_window_deliveries": (Label.DELIVERY, Label.WINDOW),
    "stretto_wasted_seconds": (Label.REASON, Label.WINDOW),
    "stretto_wasted_tokens": _IN_ALL,
    "stretto_wasted_cost_usd": _IN_ALL,
    "stretto_window_tool_calls": _BY_OUTCOME,
    "stretto_window_model_calls": _BY_OUTCOME,
    "stretto_window_retries": _IN_ALL,
    "stretto_window_recoveries": _IN_ALL,
    "stretto_window_fanouts_checked": _IN_ALL,
    "stretto_window_fanouts_integrated": _IN_ALL,
    "stretto_window_conflicts": _IN_ALL,
    "stretto_window_eligible_turns": _IN_ALL,
    "stretto_window_parallel_turns": _IN_ALL,
    "stretto_window_tokens": (Label.KIND, Label.WINDOW),
    "stretto_window_prompt_tokens": _IN_ALL,
    "stretto_window_cache_read_tokens": _IN_ALL,
    "stretto_window_cost_usd": _IN_ALL,
    "stretto_window_unpriced_model_calls": _IN_ALL,
    "stretto_window_usage_expected": _IN_ALL,
    "stretto_window_usage_reported": _IN_ALL,
    "stretto_window_ends_expected": _IN_ALL,
    "stretto_window_ends_seen": _IN_ALL,
    "stretto_window_agents_cpu_seconds": _IN_ALL,
    "stretto_window_sampled_seconds": _IN_ALL,
    "stretto_window_machine_busy_seconds": _IN_ALL,
    "stretto_window_machine_available_seconds": _IN_ALL,
    "stretto_window_test_seconds": _IN_ALL,
    "stretto_window_tool_seconds": _IN_ALL,
}  # fmt: skip
"""Gauge → the labels that it keeps. Others are summed away; windows beside FLEET_WINDOWS are left out."""

FLEET_HISTOGRAMS = (
    "stretto_session_duration_seconds",
    "stretto_turn_duration_seconds",
    "stretto_task_duration_seconds",
    "stretto_model_duration_seconds",
)
"""Live histograms, exported without labels: the quantiles of a fleet come from the sums of their buckets."""

MOST_FLEET_SERIES = 300
"""Series of a machine with any number of names."""
