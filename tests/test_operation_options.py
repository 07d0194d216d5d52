"""Each option of an operation changes its answer over a month that has everything operations read."""

from __future__ import annotations

from typing import Any

import pytest

from stretto.operations.operation_table import OPERATIONS
from tests.operated import PATTERN, OperatedStore, strip_moment

NAMES = tuple(OPERATIONS)

Case = tuple[str | None, dict[str, Any], Any]
"""Workflow, other options, and the value of the option that is held against its default."""

CHANGES: dict[str, dict[str, Case]] = {
    "monitor": {
        "metrics": (None, {}, ["agents"]),
        "alerts": (None, {}, False),
        "dashboard": (None, {}, True),
    },
    "live-metrics": {
        "include_trends": (None, {}, False),
        "time_window": (None, {}, "7d"),
        "detail_level": (None, {}, "full"),
    },
    "dashboard": {"layout": (None, {}, "full"), "include_predictions": (None, {}, False)},
    "alerts": {"time_range": (None, {}, "24h"), "time_window": (None, {}, "24h")},
    "trends": {
        "timeframe": (PATTERN, {}, "7_days"),
        "metrics": (PATTERN, {}, ["resource_usage"]),
        "detect_patterns": (PATTERN, {}, False),
        "include_correlations": (PATTERN, {}, True),
    },
    "patterns": {
        "pattern_types": (None, {}, ["emerging"]),
        "confidence_threshold": (None, {}, 1.0),
        "actionable_only": (None, {}, True),
    },
    "comparative": {
        "compare_against": (PATTERN, {}, ["hotfix"]),
        "metrics": (PATTERN, {}, ["cost"]),
        "statistical_significance": (PATTERN, {}, False),
    },
    "regression": {
        "baseline_date": (None, {}, "2026-01-28"),
        "current_date": (None, {}, "2026-01-19"),
        "significance_threshold": (None, {}, 200.0),
        "auto_investigate": (None, {}, False),
    },
    "efficiency": {
        "dimensions": (None, {}, ["quality"]),
        "include_breakdown": (None, {}, False),
    },
    "throughput": {"time_range": (None, {}, "14_days"), "time_window": (PATTERN, {}, "24h")},
    "resource-efficiency": {"time_range": (None, {}, "14_days"), "time_window": (None, {}, "24h")},
    "agent-performance": {
        "agent_ids": (None, {}, ["worker"]),
        "metrics": (None, {}, ["success_rate"]),
        "time_range": (None, {}, "24h"),
    },
    "bottlenecks": {
        "analysis_depth": (None, {}, "summary"),
        "include_solutions": (None, {}, False),
        "priority_ranking": (None, {}, False),
        "cross_workflow": (None, {}, False),
    },
    "recommendations": {
        "scope": (None, {}, "system"),
        "priority_filter": (None, {}, "high"),
        "implementation_effort": (None, {}, "all"),
        "expected_roi": (None, {}, ">20%"),
    },
    "tune-suggestions": {
        "target_metric": (None, {}, "quality"),
        "current_score": (None, {}, 10.0),
        "target_score": (None, {}, 99.0),
        "constraints": (PATTERN, {}, ["no_code_changes"]),
    },
    "capacity-planning": {
        "time_horizon": (PATTERN, {}, "1_month"),
        "growth_projection": (PATTERN, {}, 100),
        "optimization_goals": (PATTERN, {}, ["efficiency", "cost"]),
        "include_scenarios": (PATTERN, {}, False),
    },
    "predictions": {
        "forecast_horizon": (None, {}, "14_days"),
        "confidence_interval": (None, {}, 0.8),
        "include_scenarios": (None, {}, ["likely"]),
        "factors": (None, {}, ["workload", "resources"]),
    },
    "execution-analysis": {"time_range": (None, {}, "24h"), "time_window": (PATTERN, {}, "24h")},
    "phase-performance": {"time_range": (None, {}, "24h"), "time_window": (PATTERN, {}, "24h")},
    "task-optimization": {"time_range": (None, {}, "24h"), "time_window": (PATTERN, {}, "24h")},
    "parallel-efficiency": {"time_range": (None, {}, "24h"), "time_window": (PATTERN, {}, "14_days")},
}
"""Operation → option → what is asked, with a value other than the default."""

WITHOUT_EFFECT = {
    ("monitor", "frequency"): "the time between two answers",
    ("live-metrics", "refresh_rate"): "the time between two answers",
    ("dashboard", "refresh_rate"): "the time between two answers",
    ("efficiency", "benchmark_against"): "it has a single value",
}
"""The options that leave a single answer as it is, with the reason."""


@pytest.fixture(scope="module")
def answers(varied_month: OperatedStore) -> Any:
    """Return the function that asks an operation over the month."""
    return varied_month.make_runner().run_operation


def list_cases() -> list[Any]:
    """Return each option of the table as a case of a test."""
    return [pytest.param(name, option.name, id=f"{name} {option.name}")
            for name, operation in OPERATIONS.items() for option in operation.options
            if (name, option.name) not in WITHOUT_EFFECT]  # fmt: skip


@pytest.mark.parametrize(("name", "option"), list_cases())
def test_an_option_changes_the_answer(answers: Any, name: str, option: str) -> None:
    """With another value than its default the answer is another; every option of the table is tried."""
    workflow, others, value = CHANGES[name][option]
    plain = answers(name, workflow, others)
    changed = answers(name, workflow, {**others, option: value})
    assert (plain["status"], changed["status"]) == ("success", "success"), changed
    assert strip_moment(plain)["result"] != strip_moment(changed)["result"]


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_answers_about_a_session(answers: Any, name: str) -> None:
    """The doors' tests ask about everything and about a pattern; here nothing lacks of the newest session."""
    assert answers(name, "last")["status"] == "success"
