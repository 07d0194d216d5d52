"""Metrics of whole workflows: the hours configured for a pattern, beside the time of its sessions."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, define_gauge

_P, _W = Label.PATTERN, Label.WINDOW

WORKFLOWS: tuple[Metric, ...] = (
    define_gauge(
        "stretto_workflow_sessions",
        "1",
        (_P, _W),
        "Sessions of a workflow with configured hours that ended in the window and had a task.",
    ),
    define_gauge(
        "stretto_workflow_configured_seconds", "s", (_P, _W), "The workflow's configured hours, per session."
    ),
    define_gauge(
        "stretto_workflow_credited_seconds",
        "s",
        (_P, _W),
        "Configured hours times delivered tasks over tasks, session by session; retried tasks do not count.",
    ),
    define_gauge(
        "stretto_workflow_elapsed_seconds",
        "s",
        (_P, _W),
        "Wall time of these sessions without idle time and waits for a person.",
    ),
    define_gauge(
        "stretto_workflow_saved_seconds",
        "s",
        (_P, _W),
        "Credited hours less elapsed time; apart from the time saved by parallel executions.",
    ),
    define_gauge(
        "stretto_workflow_delivery_ratio",
        "1",
        (_P, _W),
        "Credited over configured hours.",
        "stretto_workflow_credited_seconds",
        "stretto_workflow_configured_seconds",
    ),
    define_gauge(
        "stretto_workflow_speedup_ratio",
        "1",
        (_P, _W),
        "Credited hours over elapsed time of whole sessions; no part of any parallel speedup.",
        "stretto_workflow_credited_seconds",
        "stretto_workflow_elapsed_seconds",
    ),
    define_gauge(
        "stretto_workflow_improvement_ratio",
        "1",
        (_P, _W),
        "Time saved over credited hours; below 0 if the sessions took longer.",
        "stretto_workflow_saved_seconds",
        "stretto_workflow_credited_seconds",
    ),
)
