"""The dashboard of advice: what is open, what is overdue, how experiments stand, and what looking costs."""

from __future__ import annotations

from grafana.board.board import Board, Row
from grafana.board.limit import INFO, make_steps
from grafana.board.link import BoardId, Link, ServiceLink, list_sessions
from grafana.board.panel import Column, Query, Unit, make_bars, make_lines, make_stat, make_table
from grafana.board.query import RATE, divide_sums, max_by, select_series, sum_by

from stretto.names import Label

_FINDINGS = (ServiceLink("/findings", "All findings"),)

_NOW = Row(
    "Now",
    (
        make_stat(
            "Open findings",
            "Findings that hold now and that nobody has accepted or rejected.",
            "Is there anything to decide?",
            Unit.COUNT,
            f"{sum_by(select_series('open_findings'))} or vector(0)",
            links=_FINDINGS,
        ),
        make_stat(
            "Overdue tasks",
            "Running tasks that take longer than 99 % of their kind did.",
            "Is a task late right now?",
            Unit.COUNT,
            sum_by(select_series("overdue_tasks")),
        ),
        make_bars(
            "Findings by analysis",
            "Open findings of each analysis.",
            "What are they about?",
            Unit.COUNT,
            sum_by(select_series("open_findings"), Label.ANALYSIS),
            legend="{{analysis}}",
            width=16,
            height=5,
            links=_FINDINGS,
        ),
    ),
)

WASTED = ("wasted_tasks", "wasted_seconds", "wasted_tokens", "wasted_cost_usd")

_WASTE = Row(
    "What was wasted, and what could be saved",
    (
        make_stat(
            "Share wasted",
            "Tasks that were retried, failed or lost over all that are over; cancelled ones are left out.",
            "How much of what was started delivers nothing?",
            Unit.RATIO,
            divide_sums(select_series("window_uncancelled_waste"), select_series("window_uncancelled_tasks")),
            steps=make_steps("waste_ratio"),
            high=1,
        ),
        make_bars(
            "Classes of tasks",
            "Tasks that are over: delivered, taken as delivered without a reported outcome, or wasted.",
            "Of how much is the outcome known?",
            Unit.COUNT,
            sum_by(select_series("window_deliveries"), Label.DELIVERY),
            legend="{{delivery}}",
        ),
        make_bars(
            "Time wasted",
            "Busy time of the tasks that delivered nothing, by the reason.",
            "What wastes the most time?",
            Unit.SECONDS,
            sum_by(select_series("wasted_seconds"), Label.REASON),
            legend="{{reason}}",
        ),
        make_table(
            "Waste by task type",
            "Tasks that delivered nothing, with their time, tokens and money as far as reported.",
            "Which work is done for nothing, and what does it cost?",
            {Label.TASK_TYPE: "Task type"},
            *(
                Column(title, sum_by(select_series(name), Label.TASK_TYPE), unit)
                for title, name, unit in zip(
                    ("Tasks", "Time", "Tokens", "Cost"),
                    WASTED,
                    (Unit.COUNT, Unit.SECONDS, Unit.COUNT, Unit.MONEY),
                    strict=True,
                )
            ),
            width=12,
        ),
        make_table(
            "Waste by agent",
            "Tasks of an agent by class, and what they used where sources report it.",
            "Whose work is done for nothing, and what did it cost?",
            {Label.AGENT: "Agent", Label.DELIVERY: "Class"},
            *(
                Column(title, sum_by(select_series(name), Label.AGENT, Label.DELIVERY), unit)
                for title, name, unit in (
                    ("Tasks", "window_agent_deliveries", Unit.COUNT),
                    ("Tokens", "window_agent_tokens", Unit.COUNT),
                    ("Cost", "window_agent_cost_usd", Unit.MONEY),
                )
            ),
            width=12,
            links=(list_sessions(Label.AGENT),),
        ),
        make_bars(
            "Time still to be saved",
            "Most time that tasks run one after another could have saved in parallel.",
            "Where is parallel work still missing?",
            Unit.SECONDS,
            sum_by(select_series("opportunity_seconds"), Label.PATTERN),
            legend="{{pattern}}",
            steps=make_steps("opportunity_seconds", of=INFO),
            width=12,
            links=(Link(BoardId.PATTERNS, "This pattern", Label.PATTERN), list_sessions(Label.PATTERN)),
        ),
        make_lines(
            "Price over time",
            "Cost of parallel tasks over the seconds they saved.",
            "Does a saved second become dearer?",
            Unit.MONEY,
            {"USD per second": max_by(select_series("saved_second_cost_usd"))},
        ),
    ),
)

_EXPERIMENTS = Row(
    "Experiments and overdue tasks over time",
    (
        make_lines(
            "Effect of experiments",
            "The new arm over the usual one; below 1 it is less.",
            "Is the new way better, and how sure is that?",
            Unit.TIMES,
            {
                "{{experiment}} {{bound}}": max_by(
                    select_series("experiment_effect_ratio"), Label.EXPERIMENT, Label.BOUND
                )
            },
            Query("vector(1)", "no effect", "blue"),
        ),
        make_lines(
            "Overdue tasks over time",
            "Running tasks beyond the 99 % of their kind; one of a hundred is one by chance.",
            "Are more tasks late than chance explains?",
            Unit.COUNT,
            {
                "overdue": sum_by(select_series("overdue_tasks")),
                "by chance": sum_by(select_series("overdue_tasks_by_chance")),
            },
        ),
    ),
)

_ADVICE = Row(
    "Recommendations",
    (
        make_bars(
            "Promised and realised",
            "Seconds a session that recommendations promise, by decision; realised ones were measured.",
            "What is worth doing first, and what did it bring?",
            Unit.SECONDS,
            sum_by(select_series("recommendation_seconds"), Label.KIND, Label.STATE),
            legend="{{kind}} {{state}}",
            width=16,
        ),
        make_stat(
            "Promises kept",
            "Seconds that applied recommendations brought over those that they promised.",
            "Can the promises be trusted?",
            Unit.RATIO,
            max_by(select_series("recommendation_calibration_ratio")),
            width=8,
            height=8,
        ),
        make_lines(
            "Ranges kept",
            "Share of days whose task lengths came out within the range forecast for them, over four weeks.",
            "Can the forecasts be trusted?",
            Unit.RATIO,
            {"ranges of {{level}}": max_by(select_series("forecast_coverage_ratio"), Label.LEVEL)},
        ),
    ),
)

_SPENDING = Row(
    "Spending",
    (
        make_lines(
            "Spent of the budget",
            "Known cost of the day and the month so far, with their budgets; only while a budget is set.",
            "How much is gone?",
            Unit.MONEY,
            {
                "spent this {{period}}, at least": max_by(select_series("budget_spent_usd"), Label.PERIOD),
                "budget of the {{period}}": max_by(select_series("budget_usd"), Label.PERIOD),
            },
        ),
        make_lines(
            "Forecast of spending",
            "Cost at the end of the day and the month, with the range of 80 %.",
            "Will the budget last?",
            Unit.MONEY,
            {"{{period}} {{bound}}": max_by(select_series("budget_forecast_usd"), Label.PERIOD, Label.BOUND)},
        ),
    ),
)

_COST = Row(
    "The cost of looking",
    (
        make_bars(
            "Age of the answers",
            "Time since the last good answer of each analysis.",
            "Is what I see of now?",
            Unit.SECONDS,
            max_by(select_series("analysis_age_seconds"), Label.ANALYSIS),
            legend="{{analysis}}",
            steps=make_steps("analysis_age_seconds"),
        ),
        make_bars(
            "Time by analysis",
            "Processor time of the last good answer of each analysis.",
            "Which analysis costs the most?",
            Unit.SECONDS,
            max_by(select_series("analysis_duration_seconds"), Label.ANALYSIS),
            legend="{{analysis}}",
        ),
        make_lines(
            "Share of a processor",
            "Processor time of all analyses per second.",
            "What does looking cost the machine?",
            Unit.RATIO,
            f"sum (rate({select_series('analysis_cpu_seconds')}[{RATE}]))",
            width=8,
        ),
    ),
)

ADVICE = Board(
    id=BoardId.ADVICE,
    title="Stretto / Advice",
    asks="What should be decided, what is late, and did what was tried help?",
    rows=(_NOW, _ADVICE, _WASTE, _EXPERIMENTS, _SPENDING, _COST),
    since="now-7d",
    window="7d",
    refresh="1m",
)
