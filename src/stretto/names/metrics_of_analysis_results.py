"""Metrics of the analyses: what got worse, what is overdue, how experiments stand, and their own cost."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, define_gauge, define_self_gauge

_SUBJECT = (Label.KIND, Label.NAME)

FINDINGS: tuple[Metric, ...] = (
    define_gauge(
        "stretto_regression_ratio",
        "1",
        _SUBJECT,
        "How many times as long, as often or as much as before, while a regression is confirmed.",
    ),
    define_gauge(
        "stretto_regression_low_ratio", "1", _SUBJECT, "Lower end of the 95 % interval of the regression."
    ),
    define_gauge(
        "stretto_regression_high_ratio", "1", _SUBJECT, "Upper end of the 95 % interval of the regression."
    ),
    define_gauge(
        "stretto_regression_since_timestamp_seconds", "unixtime", _SUBJECT, "When the regression began."
    ),
    define_gauge("stretto_open_findings", "1", (Label.ANALYSIS,), "Findings that hold and nobody settled."),
    define_gauge(
        "stretto_overdue_tasks", "1", (), "Running tasks that take longer than 99 % of their kind did."
    ),
    define_gauge(
        "stretto_overdue_tasks_by_chance",
        "1",
        (),
        "Overdue tasks that chance explains among those that run; more are an excess.",
    ),
    define_gauge("stretto_fanouts_running", "1", (), "Parallel executions running now."),
    define_gauge(
        "stretto_running_fanouts_tasks", "1", (), "Tasks of these parallel executions that have begun."
    ),
    define_gauge("stretto_running_fanouts_tasks_over", "1", (), "Those of these tasks that are over."),
    define_gauge(
        "stretto_running_fanouts_progress_ratio",
        "1",
        (),
        "Share of the begun tasks of running parallel executions that are over.",
        "stretto_running_fanouts_tasks_over",
        "stretto_running_fanouts_tasks",
    ),
    define_gauge(
        "stretto_running_fanouts_left_seconds",
        "s",
        (Label.BOUND,),
        "Time until the running parallel executions are over, as finished tasks like theirs took.",
    ),
    define_gauge(
        "stretto_budget_usd", "USD", (Label.PERIOD,), "The budget of the local day or month, if there is one."
    ),
    define_gauge(
        "stretto_budget_spent_usd", "USD", (Label.PERIOD,), "Known cost of the local day or month so far."
    ),
    define_gauge(
        "stretto_budget_forecast_usd",
        "USD",
        (Label.BOUND, Label.PERIOD),
        "Cost at the end of the local day or month, with the range of 80 %.",
    ),
    define_gauge(
        "stretto_recommendation_seconds",
        "s",
        (Label.KIND, Label.STATE),
        "Seconds a session that recommendations promise, or that applied ones brought, by kind.",
    ),
    define_gauge(
        "stretto_recommendation_calibration_ratio",
        "1",
        (),
        "Seconds that applied recommendations brought over those that they promised.",
    ),
    define_gauge(
        "stretto_forecast_coverage_ratio",
        "1",
        (Label.LEVEL,),
        "Share of days whose task lengths came out within the range forecast for them, by the range's level.",
    ),
    define_gauge(
        "stretto_experiment_effect_ratio",
        "1",
        (Label.EXPERIMENT, Label.BOUND),
        "Effect of an experiment's new arm over the usual one, with the bounds of its interval.",
    ),
)

ANALYSIS_COST: tuple[Metric, ...] = (
    define_self_gauge(
        "stretto_analysis_age_seconds", "s", (Label.ANALYSIS,), "Age of the last good answer of an analysis."
    ),
    define_self_gauge(
        "stretto_analysis_duration_seconds",
        "s",
        (Label.ANALYSIS,),
        "Processor time that the last good answer of an analysis took.",
    ),
    define_self_gauge(
        "stretto_analysis_cpu_seconds", "s", (), "Processor time of all analyses since the start."
    ),
)

ESTIMATED = frozenset(
    {
        "stretto_regression_ratio",
        "stretto_regression_low_ratio",
        "stretto_regression_high_ratio",
        "stretto_experiment_effect_ratio",
        "stretto_recommendation_calibration_ratio",
        "stretto_forecast_coverage_ratio",
    }
)
"""Ratios that are estimated from single runs: no sums could give them."""
