"""The overview dashboard: verdict, gains, failures and changes."""

from __future__ import annotations

from grafana.board import change
from grafana.board.board import FIRING, STRETTO_ALERTS, Board, Row
from grafana.board.limit import ANY, CRITICAL, GOOD, WARNING, make_steps
from grafana.board.link import BoardId, Link, ServiceLink, list_sessions
from grafana.board.panel import Column, State, Unit, make_bars, make_stat, make_table
from grafana.board.query import (
    max_by,
    measure_age,
    pick_highest,
    pick_lowest,
    select_series,
    share_outcome,
    sum_by,
)

from stretto.names import Label

VERDICT = " or ".join(
    (
        f'3 * max ({FIRING[:-1]},severity="critical"}})',
        f'2 * max ({FIRING[:-1]},severity="warning"}})',
        f"0 * ({sum_by(select_series('window_fanouts'))} > 0) + 1",
        "vector(0)",
    )
)
"""The worst state: 3 a critical alert, 2 a warning, 1 parallel work without an alert, 0 no such work."""

VERDICTS = {
    3: State("Failing", CRITICAL),
    2: State("Look today", WARNING),
    1: State("Working", GOOD),
    0: State("No parallel work", "blue"),
}

LOW = 3
"""Rows of a number, so that the board fits a screen of 1080 lines."""

_VERDICT = Row(
    "Verdict",
    (
        make_stat(
            "Verdict",
            "The most severe firing alert, or whether anything ran in parallel.",
            "Is it working?",
            Unit.PLAIN,
            VERDICT,
            states=VERDICTS,
            high=3,
            links=(Link(BoardId.TRENDS, "Change"), Link(BoardId.ADVICE, "Advice")),
            height=LOW,
        ),
        make_stat(
            "Time saved",
            "Sequential time less elapsed time of all parallel work.",
            "How much time did running in parallel save?",
            Unit.SECONDS,
            change.compute_time_saved(),
            low=None,
            links=(Link(BoardId.PARALLELISM, "Where it was saved"),),
            height=LOW,
        ),
        make_stat(
            "Speedup",
            "Sequential time over elapsed time of all parallel work.",
            "How many times as fast as one after another?",
            Unit.TIMES,
            change.compute_speedup(),
            decimals=2,
            links=(Link(BoardId.PARALLELISM, "By task type"),),
            height=LOW,
        ),
        make_stat(
            "Task success",
            "Share of tasks with a known outcome that succeeded.",
            "Do tasks end well?",
            Unit.RATIO,
            change.compute_success(),
            steps=make_steps("success_ratio", low=True),
            high=1,
            links=(Link(BoardId.AGENTS, "By agent"),),
            height=LOW,
        ),
        make_stat(
            "Efficiency score",
            "Weighted from time, resource, quality and workflow, 0 to 100.",
            "How well is the machine of agents run, all in all?",
            Unit.PLAIN,
            change.compute_score(),
            steps=make_steps("efficiency_score", low=True),
            high=100,
            decimals=0,
            absent="withheld",
            links=(Link(BoardId.QUALITY, "Its parts"),),
            height=LOW,
        ),
        make_stat(
            "Alerts firing",
            "Warnings and critical alerts that fire now; good news is not counted.",
            "Does something ask for attention?",
            Unit.COUNT,
            f'count ({FIRING[:-1]},severity=~"warning|critical"}}) or vector(0)',
            steps=ANY,
            height=LOW,
        ),
    ),
)

_NOW = Row(
    "Now",
    (
        make_stat(
            "Active sessions",
            "Sessions that have not ended, those inside a turn, tasks and parallel executions that run.",
            "What is going on?",
            Unit.COUNT,
            {
                "open": max_by(select_series("sessions_open")),
                "busy": max_by(select_series("sessions_busy")),
                "tasks": max_by(select_series("tasks_running")),
                "parallel": max_by(select_series("fanouts_running")),
            },
            width=6,
            height=LOW,
        ),
        make_stat(
            "Stuck tasks",
            "Running tasks without an event for longer than the limit.",
            "Does something hang?",
            Unit.COUNT,
            max_by(select_series("stuck_tasks")),
            steps=make_steps("stuck_tasks"),
            width=3,
            height=LOW,
        ),
        make_stat(
            "Longest open session",
            "How long the busy session that began first has been open.",
            "Does a session run away?",
            Unit.SECONDS,
            max_by(select_series("longest_open_session_seconds")),
            steps=make_steps("session_seconds"),
            width=4,
            height=LOW,
        ),
        make_stat(
            "Completed in 24 h",
            "Sessions and tasks that ended in the last 24 hours, whatever the window.",
            "How much was done today?",
            Unit.COUNT,
            {
                "sessions": sum_by(select_series("window_sessions", window="24h")),
                "tasks": sum_by(select_series("window_tasks", window="24h")),
            },
            width=4,
            height=LOW,
        ),
        make_stat(
            "Average session",
            "Wall time of all sessions that ended, over their number; no pattern or source narrows it.",
            "How long does a session take?",
            Unit.SECONDS,
            change.compute_average_session(),
            width=4,
            links=(Link(BoardId.PATTERNS, "By pattern"),),
            height=LOW,
        ),
        make_stat(
            "Newest event",
            "How long ago the newest event happened.",
            "Is there anything to see right now?",
            Unit.SECONDS,
            measure_age(max_by(select_series("last_event_timestamp_seconds"))),
            width=3,
            links=(Link(BoardId.ITSELF, "Capture"),),
            height=LOW,
        ),
    ),
)

_FAILING = Row(
    "What is failing",
    (
        make_table(
            "Alerts",
            "Alerts that fire or are about to, with what they are about.",
            "What needs looking at first?",
            {
                "alertname": "Alert",
                "severity": "Severity",
                "alertstate": "State",
                Label.TASK_TYPE: "Task type",
                Label.AGENT: "Agent",
                Label.TOOL: "Tool",
            },
            Column(
                "Count",
                "count by (alertname, severity, alertstate, task_type, agent, tool)"
                f" (ALERTS{{{STRETTO_ALERTS}}})",
                Unit.COUNT,
            ),
            width=9,
            height=6,
            links=(ServiceLink("/runbook/", "Runbook", "Alert"),),
        ),
        make_bars(
            "Least successful task types",
            "Share of tasks with a known outcome that succeeded, worst first.",
            "Which kind of work fails?",
            Unit.RATIO,
            pick_lowest(8, share_outcome("window_tasks", "success", Label.TASK_TYPE)),
            legend="{{task_type}}",
            steps=make_steps("success_ratio", low=True),
            high=1,
            width=5,
            height=6,
            links=(Link(BoardId.QUALITY, "Quality of this type", Label.TASK_TYPE),),
        ),
        make_bars(
            "Failing agents",
            "Share of tasks with a known outcome that failed, worst first.",
            "Which agent fails?",
            Unit.RATIO,
            pick_highest(8, share_outcome("window_agent_tasks", "failure", Label.AGENT)),
            legend="{{agent}}",
            steps=make_steps("agent_error_ratio"),
            high=1,
            width=5,
            height=6,
            links=(Link(BoardId.AGENTS, "This agent", Label.AGENT), list_sessions(Label.AGENT)),
        ),
        make_bars(
            "Failing tools",
            "Share of calls with a known outcome that failed, worst first.",
            "Which tool fails?",
            Unit.RATIO,
            pick_highest(8, share_outcome("window_tool_calls", "failure", Label.TOOL)),
            legend="{{tool}}",
            high=1,
            width=5,
            height=6,
            links=(Link(BoardId.TOOLS, "This tool", Label.TOOL),),
        ),
    ),
)

_CHANGED = Row(
    "What changed since last week",
    (
        make_table(
            "Shares against last week",
            "Shares of a whole now and a week ago; the change is in percentage points.",
            "What became better or worse?",
            {change.FIGURE: "Figure"},
            *change.build_share_columns(),
            width=12,
            height=8,
        ),
        make_table(
            "Amounts against last week",
            "Amounts now and a week ago; the change is relative to then.",
            "What became more or less?",
            {change.FIGURE: "Figure"},
            *change.build_amount_columns(),
            width=12,
            height=8,
        ),
    ),
)

OVERVIEW = Board(
    id=BoardId.OVERVIEW,
    title="Stretto / Overview",
    asks="Is it working, how much time is saved, what fails and what changed since last week?",
    rows=(_VERDICT, _NOW, _FAILING, _CHANGED),
)
