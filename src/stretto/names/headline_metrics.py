"""Metrics of the verdict: the headline of all parallel work, which every surface reads, and its parts."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, define_gauge

_B, _W = Label.BASELINE, Label.WINDOW

VERDICT: tuple[Metric, ...] = (
    define_gauge(
        "stretto_verdict_speedup",
        "1",
        (_B, _W),
        "1 + time saved over elapsed of all parallel executions.",
    ),
    define_gauge(
        "stretto_verdict_improvement_ratio",
        "1",
        (_B, _W),
        "Time saved over sequential time of all parallel executions.",
        "stretto_verdict_saved_seconds",
        "stretto_verdict_sequential_seconds",
    ),
    define_gauge(
        "stretto_verdict_saved_seconds", "s", (_B, _W), "Sequential time less the elapsed time paid for."
    ),
    define_gauge(
        "stretto_verdict_sequential_seconds",
        "s",
        (_B, _W),
        "Time that the delivered tasks of all parallel executions take one after another.",
    ),
    define_gauge(
        "stretto_verdict_paid_seconds",
        "s",
        (_B, _W),
        "Wall time of each parallel execution, summed; below a wasted task only what lies outside of it.",
    ),
    define_gauge(
        "stretto_verdict_elapsed_seconds",
        "s",
        (_B, _W),
        "Wall time of parallel executions; those that overlap in a session count once.",
    ),
    define_gauge("stretto_verdict_fanouts", "1", (_B, _W), "Parallel executions of the headline."),
    define_gauge(
        "stretto_verdict_tasks", "1", (_B, Label.DELIVERY, _W), "Tasks of the headline, by their class."
    ),
    define_gauge(
        "stretto_verdict_work_seconds",
        "s",
        (_B, Label.DELIVERY, _W),
        "Busy time of the tasks of the headline, by their class.",
    ),
    define_gauge(
        "stretto_verdict_part_speedup",
        "1",
        (_B, _W),
        "1 + time saved over elapsed of the parallel executions that have this better baseline.",
    ),
    define_gauge(
        "stretto_verdict_part_own_speedup",
        "1",
        (_B, _W),
        "The same of the same executions by their tasks' own lengths.",
    ),
    define_gauge(
        "stretto_verdict_part_improvement_ratio",
        "1",
        (_B, _W),
        "Time saved over sequential time of the executions that have this better baseline.",
        "stretto_verdict_part_saved_seconds",
        "stretto_verdict_part_sequential_seconds",
    ),
    define_gauge(
        "stretto_verdict_part_saved_seconds",
        "s",
        (_B, _W),
        "Sequential time less the elapsed time paid for, of these executions.",
    ),
    define_gauge(
        "stretto_verdict_part_sequential_seconds",
        "s",
        (_B, _W),
        "Time that their delivered tasks take one after another, by the better baseline.",
    ),
    define_gauge(
        "stretto_verdict_part_own_sequential_seconds",
        "s",
        (_B, _W),
        "Time that their delivered tasks took, summed.",
    ),
    define_gauge(
        "stretto_verdict_part_paid_seconds", "s", (_B, _W), "Wall time of each of these executions, summed."
    ),
    define_gauge(
        "stretto_verdict_part_elapsed_seconds",
        "s",
        (_B, _W),
        "Wall time of these executions; those that overlap in a session count once.",
    ),
    define_gauge(
        "stretto_verdict_part_fanouts", "1", (_B, _W), "Parallel executions that have this better baseline."
    ),
)
