"""Each option of an operation changes its answer over a month that has everything operations read."""

from __future__ import annotations

from typing import Any

import pytest

from stretto.operations.medians_of_two_sides import ALONE
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
        "time_horizon": (PATTERN, {"optimization_goals": ["cost"]}, "1_month"),
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


ECHOES = {"months", "growth", "goals", "target_score", "percent_of_effect", "range", "horizon_days"}
"""Parts of answers that repeat an option."""

ON_ALL = "the summary says that these figures are of all"
NAMES_ALL = "a finding of an agent or phase: its sentence names it, and no pattern"
SCORED = "it follows from the dimensions of the score, which are marked"
SPAN = "it is a length of time or an option"
COUNT = "both patterns have as many sessions and parallel executions"

EQUAL: dict[str, dict[str, str]] = {
    "live-metrics": {
        "window": SPAN, "activity": ON_ALL, "verdict": ON_ALL, "efficiency": ON_ALL, "change": ON_ALL,
        "workflow": "no session of either ended in the last hour",
    },
    "dashboard": {
        "activity": ON_ALL, "verdicts": ON_ALL, "efficiency": ON_ALL, "resources": ON_ALL, "change": ON_ALL,
        "predictions": "no task runs",
    },
    "alerts": {"limits": "they are the configuration's", "firing": "an alert is of no pattern"},
    "trends": {"summary": "nothing is seen in as many series of both", "trend_days": SPAN, "quiet": COUNT,
               "regressions": NAMES_ALL},
    "patterns": {"sessions": COUNT, "summary": "it follows from the patterns, which are marked"},
    "comparative": {"sessions": COUNT},
    "regression": {"days_with_runs": COUNT, "sessions": COUNT, "summary": NAMES_ALL, "regressions": NAMES_ALL,
                   "significance_threshold": SPAN},
    "efficiency": {"fanouts": COUNT},
    "throughput": {"hours": SPAN, "sessions": COUNT, "sessions_per_day": COUNT, "before": COUNT,
                   "ratio_to_before": COUNT},
    "resource-efficiency": {
        "machine_cpu_ratio": "it is the machine's",
        "machine": "cores and idle share are the machine's; the disk traffic in it is marked",
        "memory_leaks": "no session is long enough", "figures_window": SPAN, "absent": "of no single session",
    },
    "agent-performance": {"by_work_left_out": "no row is left out", "judged_window": SPAN,
                          "absent": "reasons of parts that no agent has"},
    "bottlenecks": {"sessions": COUNT, "figures_window": SPAN},
    "recommendations": {"sessions": COUNT, "calibration": "it judges advice, of which none was applied"},
    "tune-suggestions": {
        "target_score": SPAN,
        **dict.fromkeys(("current_score", "highest_score", "summary", "feasible", "suggestions",
                         "unknown_parts", "reason"), SCORED),
    },
    "capacity-planning": {"sessions": COUNT, "months": SPAN, "goals": SPAN},
    "predictions": {"days": COUNT, "range": SPAN, "horizon_days": SPAN},
    "execution-analysis": {"sessions": COUNT, "figures_window": SPAN},
    "phase-performance": {"figures_window": SPAN, "changes": NAMES_ALL},
    "parallel-efficiency": {"fanouts": COUNT, "figures_window": SPAN},
}  # fmt: skip
"""Operation → part that is equal for both patterns of the month without a mark → the reason."""


def drop_echoes(value: Any) -> Any:
    """Return a result without the parts that repeat an option."""
    if isinstance(value, dict):
        return {name: drop_echoes(item) for name, item in value.items() if name not in ECHOES}
    return [drop_echoes(item) for item in value] if isinstance(value, list) else value


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
    assert drop_echoes(strip_moment(plain)["result"]) != drop_echoes(strip_moment(changed)["result"])


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_answers_about_a_session(answers: Any, name: str) -> None:
    """The doors' tests ask about everything and about a pattern; here nothing lacks of the newest session."""
    assert answers(name, "last")["status"] == "success"


@pytest.mark.parametrize("name", NAMES)
def test_figures_of_all_patterns_are_marked(answers: Any, name: str) -> None:
    """What an answer about either pattern has alike is named in ``degraded``, or equal for a known reason."""
    first, second = (answers(name, pattern) for pattern in (PATTERN, "hotfix"))
    marked = {part for each in first["degraded"] for part in each["part"].split(", ")}
    alike = {
        part
        for side in ("performance_data", "analysis_results")
        for part, value in first["result"][side].items()
        if value and second["result"][side].get(part) == value
    }
    assert alike - marked == EQUAL.get(name, {}).keys()


def test_an_answer_about_a_session_has_nothing_of_others(answers: Any) -> None:
    """Its disk traffic is that of its own processes, and no agent is ranked by the sessions of others."""
    use = answers("resource-efficiency", "last")["result"]["performance_data"]
    machine = use["machine"]
    for name in ("read", "written"):
        assert machine[f"disk_{name}_bytes"]["value"] == use["session"][f"{name}_bytes"] > 0
    everything, session = (answers("agent-performance", name) for name in (None, "last"))
    ranked = "times as long as the others"
    assert ranked in " ".join(everything["result"]["analysis_results"]["summary"])
    assert ranked not in " ".join(session["result"]["analysis_results"]["summary"])
    assert {"ranking, by_task_type, pairs", "judged"} == {each["part"] for each in session["degraded"]}


@pytest.mark.parametrize(("workflow", "other"), [("d28n7", "d28n6"), ("d28n7", PATTERN), (PATTERN, "d28n7")])
def test_a_session_alone_on_a_side_has_no_interval(answers: Any, workflow: str, other: str) -> None:
    """The reason of a missing significance names no interval where none stands beside it."""
    (pair,) = answers("comparative", workflow, {"compare_against": [other]})["result"]["performance_data"][
        "comparisons"
    ]
    assert {row["absent"]["significance"] for row in pair["measures"]} == {ALONE}
