"""The table of the 21 operations: what each answers, its options, and how little data suffices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.names import WINDOWS
from stretto.operations import (
    advice_and_forecast_answers,
    agent_answers,
    alert_answers,
    efficiency_answers,
    history_answers,
    live_answers,
    session_run_phase_and_task_answers,
    workflow_against_others_and_past,
)
from stretto.operations.operation import Operation, OperationAnswer, OperationGroup, OperationOption
from stretto.operations.operation_context import OperationCall
from stretto.operations.option_kinds import (
    CalendarDay,
    Choice,
    Choices,
    LeastShare,
    Names,
    Number,
    OptionKind,
    Switch,
    TimeSpan,
)

RHYTHM = TimeSpan(SECOND, HOUR)
PAST = TimeSpan(MINUTE, 365 * DAY)

WHEN_SESSIONS_LACK = ("execution-analysis", "live-metrics", "dashboard")
WHEN_DAYS_LACK = ("throughput", "live-metrics", "dashboard")
"""Operations that answer from less, the nearest first."""

Answer = Callable[[OperationCall], OperationAnswer]


def _take(name: str, kind: OptionKind, default: Any, text: str) -> OperationOption:
    return OperationOption(name, kind, default, text)


def _switch(name: str, default: bool, text: str) -> OperationOption:  # the value of the option
    return OperationOption(name, Switch(), default, text)


def _take_all(name: str, words: tuple[str, ...], text: str) -> OperationOption:
    """Return an option that chooses some words, and all of them where nothing is chosen."""
    return OperationOption(name, Choices(words), [*words], text)


def _list_spans(usual: str = "7_days") -> tuple[OperationOption, ...]:
    """Return the options of operations for which the command names none: a time span under either name."""
    text = f"how far to look back ({usual})"
    span, same = _take("time_range", PAST, None, text), _take("time_window", PAST, None, f"the same: {text}")
    return span, replace(same, instead_of=span.name)


DIMENSIONS = ("time", "resource", "quality", "workflow")

_ROWS: tuple[Operation, ...] = (
    Operation(
        "monitor",
        OperationGroup.REAL_TIME,
        "watch execution, resources and agents of now",
        "none",
        live_answers.answer_monitor,
        (
            _take_all("metrics", ("execution", "resources", "agents"), "what to show"),
            _take("frequency", RHYTHM, "5s", "time between two answers of a stream"),
            _switch("alerts", True, "with what is beyond its limit"),
            _switch("dashboard", False, "with verdicts and the latest sessions"),
        ),
        ("live-metrics", "dashboard"),
        rhythm="frequency",
    ),
    Operation(
        "live-metrics",
        OperationGroup.REAL_TIME,
        "read the figures of the last hour, day or week",
        "none",
        live_answers.answer_live_metrics,
        (
            _switch("include_trends", True, "with the change since last week"),
            _take("time_window", Choice(tuple(WINDOWS)), "1h", "the window of the figures"),
            _take(
                "detail_level", Choice(("summary", "full")), "summary", "full has every figure of the window"
            ),
            _take("refresh_rate", RHYTHM, "5s", "time between two answers of a stream"),
        ),
        ("dashboard", "alerts"),
        rhythm="refresh_rate",
    ),
    Operation(
        "dashboard",
        OperationGroup.REAL_TIME,
        "see the state at a glance: verdicts, scores, sessions, findings",
        "none",
        live_answers.answer_dashboard,
        (
            _take("layout", Choice(("compact", "full")), "compact", "how many rows to show"),
            _take("refresh_rate", RHYTHM, "10s", "time between two answers of a stream"),
            _switch("include_predictions", True, "with the time that running tasks still take"),
        ),
        ("live-metrics", "alerts"),
        rhythm="refresh_rate",
    ),
    Operation(
        "alerts",
        OperationGroup.REAL_TIME,
        "list what is beyond its limit, and what Alertmanager sent",
        "none",
        alert_answers.answer_alerts,
        _list_spans("30_days"),
        ("dashboard", "live-metrics"),
    ),
    Operation(
        "trends",
        OperationGroup.HISTORY,
        "see which way lengths, failures and spending go, and which hours differ",
        "14 days with runs",
        history_answers.answer_trends,
        (
            _take(
                "timeframe",
                TimeSpan(DAY, 154 * DAY),
                "30_days",
                "days to list; a trend is that of 30 days, or of 90",
            ),
            _take_all(
                "metrics", ("efficiency", "execution_time", "resource_usage"), "which trends to look for"
            ),
            _switch("detect_patterns", True, "with slow hours and weekdays, and how sessions live"),
            _switch("include_correlations", False, "with daily quantities that go together"),
        ),
        WHEN_DAYS_LACK,
    ),
    Operation(
        "patterns",
        OperationGroup.HISTORY,
        "find circumstances that go with success, failure or speed",
        "100 sessions with tasks",
        history_answers.answer_circumstances_of_outcomes,
        (
            _take_all(
                "pattern_types",
                ("success", "failure", "emerging"),
                "emerging ones are not confirmed by later sessions yet",
            ),
            _take("confidence_threshold", Number(0, 1), 0.7, "least value of 1 - p, adjusted for all checks"),
            _switch("actionable_only", False, "only circumstances that a person can choose"),
        ),
        WHEN_SESSIONS_LACK,
    ),
    Operation(
        "comparative",
        OperationGroup.HISTORY,
        "hold a session or pattern against others, its like and its past",
        "1 finished session; 20 for a rank",
        workflow_against_others_and_past.answer_comparative,
        (
            _take("compare_against", Names(), ["baseline"], "sessions, patterns, or baseline: the usual"),
            _take(
                "metrics", Choices(("all", "time", "cost", "resources")), ["all"], "which measures to show"
            ),
            _switch(
                "statistical_significance",
                True,
                "with intervals, where there is more than a run on each side",
            ),
        ),
        WHEN_SESSIONS_LACK,
    ),
    Operation(
        "regression",
        OperationGroup.HISTORY,
        "find what got worse or better, since when, by how much and why",
        "15 days with runs",
        history_answers.answer_regression,
        (
            _take("baseline_date", CalendarDay(), None, "only changes since this day"),
            _take("current_date", CalendarDay(), None, "as it was known at the end of this day (today)"),
            _take(
                "significance_threshold",
                Number(0, 1_000),
                5.0,
                "least size of a change in per cent; it is no p value",
            ),
            _switch("auto_investigate", True, "with what holds the sessions of the last day up"),
        ),
        WHEN_DAYS_LACK,
    ),
    Operation(
        "efficiency",
        OperationGroup.EFFICIENCY,
        "score time, resources, quality and workflow, and say which way the score goes",
        "5 parallel executions in seven days; 1 of a session",
        efficiency_answers.answer_efficiency,
        (
            _take_all("dimensions", DIMENSIONS, "the dimensions of the score to show"),
            _take(
                "benchmark_against",
                Choice(("historical_average",)),
                "historical_average",
                "the three weeks before",
            ),
            _switch("include_breakdown", True, "with the parts of each dimension"),
        ),
        WHEN_SESSIONS_LACK,
    ),
    Operation(
        "throughput",
        OperationGroup.EFFICIENCY,
        "count tasks an hour, sessions a day and seconds saved a day",
        "1 hour since the first session",
        efficiency_answers.answer_throughput,
        _list_spans(),
    ),
    Operation(
        "resource-efficiency",
        OperationGroup.EFFICIENCY,
        "price a delivered task and a saved second: processors, memory, tokens, money",
        "5 samples of a session, or 5 sampled sessions",
        efficiency_answers.answer_resource_efficiency,
        _list_spans(),
        WHEN_DAYS_LACK,
    ),
    Operation(
        "agent-performance",
        OperationGroup.EFFICIENCY,
        "compare agents by length, success and cost at the same work",
        "5 tasks with a named agent",
        agent_answers.answer_agent_performance,
        (
            _take("agent_ids", Names(), None, "only these agents (all)"),
            _take_all("metrics", ("response_time", "success_rate", "efficiency"), "what to compare"),
            _take("time_range", PAST, "7_days", "how far to look back"),
        ),
        WHEN_SESSIONS_LACK,
    ),
    Operation(
        "bottlenecks",
        OperationGroup.EFFICIENCY,
        "rank what holds sessions up, with causes and what removing it gives",
        "5 sessions with tasks; 1 session by name",
        efficiency_answers.answer_bottlenecks,
        (
            _take(
                "analysis_depth",
                Choice(("summary", "detailed")),
                "detailed",
                "detailed has wall time and phases",
            ),
            _switch("include_solutions", True, "with what would follow from removing each"),
            _switch("priority_ranking", True, "the most expensive first"),
            _switch(
                "cross_workflow", True, "also how much tasks slow each other side by side, over all patterns"
            ),
        ),
        WHEN_SESSIONS_LACK,
    ),
    Operation(
        "recommendations",
        OperationGroup.OPTIMISATION,
        "say what to do first, what it brings, and what earlier advice brought",
        "5 sessions with tasks in four weeks",
        advice_and_forecast_answers.answer_recommendations,
        (
            _take(
                "scope",
                Choice(("workflow", "system", "workflow_and_system")),
                "workflow_and_system",
                "system is the machine and the pool of agents",
            ),
            _take("priority_filter", Choice(("high", "high_medium", "all")), "all", "least priority"),
            _take("implementation_effort", Choice(("low", "low_medium", "all")), "low_medium", "most work"),
            _take("expected_roi", LeastShare(), ">5%", "share of the sessions' time that it brings at least"),
        ),
        WHEN_SESSIONS_LACK,
    ),
    Operation(
        "tune-suggestions",
        OperationGroup.OPTIMISATION,
        "tell which parts of the score can give the points that miss",
        "5 sessions with tasks in four weeks",
        advice_and_forecast_answers.answer_tune_suggestions,
        (
            _take(
                "target_metric",
                Choice(("overall_efficiency", *DIMENSIONS)),
                "overall_efficiency",
                "the score, or a dimension of it",
            ),
            _take("current_score", Number(0, 100), None, "the score that you know; it is checked, not used"),
            _take("target_score", Number(0, 100), 90.0, "the score to reach"),
            _take(
                "constraints",
                Choices(("no_breaking_changes", "no_code_changes")),
                None,
                "both leave out advice that changes code",
            ),
        ),
        ("efficiency", "live-metrics", "dashboard"),
    ),
    Operation(
        "capacity-planning",
        OperationGroup.OPTIMISATION,
        "plan how many agents side by side pay, also once work has grown",
        "5 sessions with tasks of a pattern",
        advice_and_forecast_answers.answer_capacity_planning,
        (
            _take(
                "time_horizon",
                TimeSpan(DAY, 365 * DAY),
                "3_months",
                "until when the growth comes, evenly; the goal `cost` has what the work costs until then",
            ),
            _take("growth_projection", Number(0, 1_000), 0, "growth of the work in per cent"),
            _take("optimization_goals", Choices(("efficiency", "cost")), ["efficiency"], "what to weigh"),
            _switch("include_scenarios", True, "with the time at every width"),
        ),
        WHEN_DAYS_LACK,
    ),
    Operation(
        "predictions",
        OperationGroup.OPTIMISATION,
        "forecast the next days with ranges, and when running tasks end",
        "28 days with runs",
        advice_and_forecast_answers.answer_predictions,
        (
            _take("forecast_horizon", TimeSpan(DAY, 30 * DAY), "7_days", "days to forecast"),
            _take("confidence_interval", Number(0.5, 0.99), 0.95, "the nearer of the ranges of 80 and 95 %"),
            _take(
                "include_scenarios",
                Choices(("best_case", "worst_case", "likely")),
                ["best_case", "worst_case", "likely"],
                "the 10, 90 and 50 % of paths",
            ),
            _take(
                "factors",
                Choices(("workload", "resources", "external")),
                ["workload"],
                "what to show beside; nothing external is known",
            ),
        ),
        WHEN_DAYS_LACK,
    ),
    Operation(
        "execution-analysis",
        OperationGroup.WORKFLOW,
        "see where wall time went, and the fastest and slowest tasks",
        "1 session",
        session_run_phase_and_task_answers.answer_session_run_analysis,
        _list_spans(),
    ),
    Operation(
        "phase-performance",
        OperationGroup.WORKFLOW,
        "compare phases by length and success, efficiency for a session; see what fails",
        "1 session",
        session_run_phase_and_task_answers.answer_phase_performance,
        _list_spans(),
    ),
    Operation(
        "task-optimization",
        OperationGroup.WORKFLOW,
        "find tasks that cost most, calls too small, and what faster ones give",
        "1 finished task",
        session_run_phase_and_task_answers.answer_task_optimization,
        _list_spans(),
    ),
    Operation(
        "parallel-efficiency",
        OperationGroup.WORKFLOW,
        "measure how well parallel work uses its lanes",
        "5 parallel executions in the time asked for, a week at most; 1 of a session",
        session_run_phase_and_task_answers.answer_parallel_efficiency,
        _list_spans(),
        WHEN_SESSIONS_LACK,
    ),
)

OPERATIONS: Mapping[str, Operation] = {operation.name: operation for operation in _ROWS}
"""Name → operation, in the order of the groups."""
