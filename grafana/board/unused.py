"""The metrics that stand on no board, each with its reason; a test finds what is neither here nor there."""

from __future__ import annotations

WORKED_OUT = "worked out again from its ingredients, so that it holds for whatever the variables select"
FOR_OTHER_STRETCHES = "for rates over stretches other than the windows; boards show the windowed figure"

UNUSED: dict[str, str] = {
    **dict.fromkeys(
        (
            "stretto_adoption_ratio",
            "stretto_cache_hit_ratio",
            "stretto_capture_completeness_ratio",
            "stretto_completion_ratio",
            "stretto_improvement_ratio",
            "stretto_machine_cpu_ratio",
            "stretto_parallel_failure_ratio",
            "stretto_speedup_ratio",
            "stretto_test_time_ratio",
        ),
        WORKED_OUT,
    ),
    **dict.fromkeys(
        (
            "stretto_elapsed_seconds_total",
            "stretto_fanouts_total",
            "stretto_sequential_seconds_total",
            "stretto_sessions_total",
            "stretto_work_seconds_total",
        ),
        FOR_OTHER_STRETCHES,
    ),
}
"""Metric → why no panel reads it."""
