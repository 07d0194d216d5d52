"""A month that looks like real use, made from the table of names: dashboards need every metric at once.

Counts and seconds fit together as the figures' definitions ask (what succeeded is part of what ended, work is
less than capacity), so that a panel that divides the wrong way round leaves its range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product

from stretto.exporter.openmetrics_history import generate_openmetrics
from stretto.figures.figure import Figure, Labels
from stretto.names import (
    DURATION_BUCKETS,
    METRICS,
    PREFIX,
    QUANTILES,
    WINDOWS,
    Label,
    Metric,
    MetricKind,
    MetricOrigin,
)

HOUR = 3_600
DAY = 24 * HOUR

VALUES: dict[Label, tuple[str, ...]] = {
    Label.TASK_TYPE: ("architecture", "tests"),
    Label.AGENT: ("architect", "tester"),
    Label.TOOL: ("Bash", "Read"),
    Label.PATTERN: ("release", "none"),
    Label.OUTCOME: ("success", "failure", "cancelled", "unknown"),
    Label.BASELINE: ("measured", "work"),
    Label.WINDOW: tuple(WINDOWS),
    Label.STAT: tuple(QUANTILES),
    Label.SOURCE: ("claude-code", "codex"),
    Label.FACTOR: ("load_balance", "concurrency"),
    Label.PHASE: ("setup", "implementation"),
    Label.MODEL: ("large", "small"),
    Label.KIND: ("input", "output", "cache_read", "cache_write"),
    Label.CACHE: ("prompts",),
    Label.RESULT: ("hit", "miss", "passed", "failed"),
    Label.FRAMEWORK: ("pytest",),
    Label.SCORE: ("code_quality", "satisfaction", "security_findings", "synthesis"),
    Label.DIMENSION: ("time", "resource", "quality", "workflow"),
    Label.DIRECTION: ("read", "write"),
    Label.CORE: ("0", "1"),
    Label.EVENT: ("PreToolUse", "Stop"),
    Label.COMMAND: ("stretto", "ruff"),
    Label.REASON: ("torn",),
    Label.DELIVERY: ("delivered", "taken", "wasted"),
    Label.SCOPE: ("prefect",),
    Label.GROUP: ("snapshot",),
    Label.VERSION: ("1.0.0",),
    Label.LEVEL: ("0.80", "0.95"),
    Label.FEATURE: ("tests",),
    Label.TEAM: ("payments",),
    Label.INSTANCE_ID: ("9f3c",),
    Label.RULES: ("a1b2",),
    Label.LABEL: ("tool",),
    Label.NAME: ("release/tests",),
    Label.ANALYSIS: ("changes", "holdups"),
    Label.PERIOD: ("day", "month"),
    Label.STATE: ("open", "applied", "realised"),
    Label.VERDICT: ("regression", "no_evidence"),
    Label.EXPERIMENT: ("cache",),
    Label.BOUND: ("effect", "low", "high"),
    Label.PART: ("parallel", "single", "waiting"),
}

BY_OUTCOME = {"success": 40.0, "failure": 4.0, "cancelled": 1.0, "unknown": 1.0}
BY_RESULT = {"hit": 80.0, "miss": 20.0, "passed": 95.0, "failed": 5.0}
BY_STAT = {"p50": 0.4, "p95": 1.0, "p99": 1.5}

BASE: dict[str, float] = {
    "parallel_sequential_seconds": 900, "parallel_elapsed_seconds": 300, "time_saved_seconds": 600,
    "expected_saved_seconds": 540, "parallel_work_seconds": 800, "pattern_capacity_seconds": 1000,
    "pattern_longest_lane_seconds": 800, "pattern_work_seconds": 640, "pattern_elapsed_seconds": 350,
    "speedup_ratio": 3, "contention_ratio": 1.2, "best_speedup": 3.5, "critical_path_seconds": 2000,
    "session_wall_seconds": 1000, "window_retries": 6, "window_recoveries": 4,
    "window_fanouts_checked": 20, "window_fanouts_integrated": 18, "window_conflicts": 1,
    "window_eligible_turns": 30, "window_parallel_turns": 20, "window_agent_parallel_tasks": 20,
    "window_cache_read_tokens": 70_000, "window_prompt_tokens": 100_000, "window_tokens": 50_000,
    "window_machine_busy_seconds": 500, "window_machine_available_seconds": 900,
    "window_agents_cpu_seconds": 700, "window_sampled_seconds": 1000, "window_test_seconds": 50,
    "window_tool_seconds": 400, "window_ends_seen": 98, "window_ends_expected": 100,
    "window_score_points": 42, "window_overhead_seconds": 20,
    "window_agents_working_seconds": 900, "window_overhead_part_seconds": 5,
    "window_overhead_known_seconds": 900,
    "window_scores": 10, "score_mean": 4.2, "quality_score": 8, "quality_part_score": 8,
    "quality_score_low": 7.5, "quality_score_high": 8.5,
    "agent_quality_score": 8, "pattern_quality_score": 8, "quality_current": 8, "window_scores_off_scale": 1,
    "series": 400, "series_budget": 5000, "collector_success": 1, "build_info": 1, "stuck_tasks": 0,
    "identity_info": 1,
    "collector_duration_seconds": 0.01, "snapshot_duration_seconds": 0.02,
    "ingest_lag_seconds": 0.1, "tool_duration_quantile_seconds": 30, "agents_cpu": 1.5,
    "agents_cpu_quantile": 1.5, "saved_second_cost_usd": 0.01, "retry_ratio": 0.05,
    "context_fill_quantile": 0.3, "window_test_parts_cached": 12,
}  # fmt: skip
"""What a metric is about, where its kind does not say enough. Names are without their prefix."""

GROWTH = {"machine_core_busy_seconds": 0.4, "machine_waiting_seconds": 0.05, "machine_network_bytes": 5e4,
          "sampler_cpu_seconds": 0.004}  # fmt: skip
"""What grows since the machine started, by how much a second. Names are without their prefix."""


def figures(at: float, made: MetricOrigin) -> Iterator[Figure]:
    """Yield a figure for every series of the gauges of one making, as of ``at`` (seconds)."""
    for metric in METRICS.values():
        if metric.made is made and metric.kind is MetricKind.GAUGE:
            for labels in _label_sets(metric):
                yield Figure(metric.name, labels, _value(metric, dict(labels), at), 1)


def month(until: float, every: float) -> Iterator[str]:
    """Yield the OpenMetrics lines of the windowed figures of 30 days, as ``stretto backfill`` writes them."""
    instants = [until - 30 * DAY + step * every for step in range(int(30 * DAY / every))]
    yield from generate_openmetrics(
        ((int(at) * 1_000_000_000, list(figures(at, MetricOrigin.DERIVED))) for at in instants),
        "127.0.0.1:9464",
    )


def exposition(at: float, since: float) -> str:
    """Return the text of a scrape: all gauges, and counters and histograms that grew since ``since``."""
    lines = [
        _sample(f.name, f.labels, f.value or 0)
        for f in (*figures(at, MetricOrigin.DERIVED), *figures(at, MetricOrigin.SELF))
    ]
    for metric in METRICS.values():
        if metric.kind is MetricKind.COUNTER:
            lines += [
                _sample(metric.name, labels, (1 + _share(dict(labels))) * (at - since))
                for labels in _label_sets(metric)
            ]
        elif metric.kind is MetricKind.HISTOGRAM:
            for labels in _label_sets(metric):
                lines += _histogram(metric.name, labels, at - since)
    return "\n".join(lines) + "\n"


def _label_sets(metric: Metric) -> Iterable[Labels]:
    names = [label.value for label in metric.labels]
    for values in product(*(VALUES[label] for label in metric.labels)):
        yield tuple(zip(names, values, strict=True))


def _value(metric: Metric, labels: dict[str, str], at: float) -> float:
    name = metric.name.removeprefix(PREFIX)
    if metric.unit == "unixtime":
        return at - 60
    if name in GROWTH:
        return GROWTH[name] * at
    if name in BASE:
        base = BASE[name]
    elif name.endswith("_ratio"):
        return 0.8
    elif name.endswith("_score"):
        base = 80
    else:
        base = {"s": 90.0, "By": 5e7, "USD": 2.5}.get(metric.unit, 20.0)
    if name.endswith(("_ratio", "_info")) or name in {"collector_success", "series_budget"}:
        return base
    # The same wave for all keeps every ratio of two sums as it is.
    return base * _share(labels) * (1 + 0.1 * math.sin(at / DAY))


def _share(labels: dict[str, str]) -> float:
    share = BY_OUTCOME[labels["outcome"]] / 10 if "outcome" in labels else 1.0
    share *= BY_RESULT[labels["result"]] / 100 if "result" in labels else 1.0
    return share * BY_STAT.get(labels.get("stat", ""), 1.0)


def _histogram(name: str, labels: Labels, grown: float) -> Iterator[str]:
    for place, bound in enumerate((*DURATION_BUCKETS, math.inf), 1):
        told = "+Inf" if math.isinf(bound) else f"{bound:g}"
        yield _sample(f"{name}_bucket", (*labels, ("le", told)), place * grown)
    yield _sample(f"{name}_count", labels, (len(DURATION_BUCKETS) + 1) * grown)
    yield _sample(f"{name}_sum", labels, 100 * grown)


def _sample(name: str, labels: Labels, value: float) -> str:
    told = ",".join(f'{label}="{value}"' for label, value in labels)
    return f"{name}{{{told}}} {value!r}"
