"""The table of exported names: every metric and label, with unit, meaning and the way it is made.

The exporter builds from it; rules, dashboards, docs and tests are checked against it. Nothing is exported
under a name that is not in it. ``measures`` and ``fact_fields`` are the tables of stored names.
"""

from __future__ import annotations

from stretto.names.ended_work_metrics import LIVE
from stretto.names.fanout_metrics import PARALLEL
from stretto.names.headline_metrics import VERDICT
from stretto.names.hub_metrics import HUB_METRICS
from stretto.names.labels import JOB, MAIN, MAIN_AGENT, NONE, OTHER, PREFIX, UNNAMED_AGENT, WINDOWS, Label
from stretto.names.machine_and_running_work_metrics import RESOURCES
from stretto.names.metric import Metric, MetricKind, MetricOrigin
from stretto.names.metrics_of_analysis_results import ANALYSIS_COST, ESTIMATED, FINDINGS
from stretto.names.model_call_cache_and_test_metrics import USAGE
from stretto.names.outcome_duration_and_capture_metrics import OUTCOMES
from stretto.names.quality_metrics import QUALITY
from stretto.names.self_metrics import SELF_METRICS as _SELF
from stretto.names.span_attributes import API_SCOPE, EVALUATION, LABEL_PREFIX, SpanAttribute
from stretto.names.workflow_hours_metrics import WORKFLOWS

DERIVED: tuple[Metric, ...] = (
    *VERDICT,
    *PARALLEL,
    *WORKFLOWS,
    *OUTCOMES,
    *USAGE,
    *QUALITY,
    *RESOURCES,
    *FINDINGS,
)

SELF_METRICS: tuple[Metric, ...] = (*_SELF, *ANALYSIS_COST)

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (*LIVE, *DERIVED, *SELF_METRICS, *HUB_METRICS)
}

DURATION_BUCKETS: tuple[float, ...] = (
    0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600, 7200,
)  # fmt: skip
"""Seconds. 20 and 40 are the alert thresholds of tool time; 7200 is two hours, a long session."""

QUANTILES: dict[str, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
"""Value of the label ``stat`` → its quantile. Prometheus reserves the label ``quantile`` for summaries."""

__all__ = [
    "API_SCOPE", "DERIVED", "DURATION_BUCKETS", "ESTIMATED", "EVALUATION", "HUB_METRICS", "JOB",
    "LABEL_PREFIX", "LIVE", "MAIN", "MAIN_AGENT", "METRICS", "NONE", "OTHER", "PREFIX", "QUANTILES",
    "SELF_METRICS", "UNNAMED_AGENT", "WINDOWS", "Label", "Metric", "MetricKind", "MetricOrigin",
    "SpanAttribute",
]  # fmt: skip
