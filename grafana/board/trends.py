"""Trends and regressions: what moved against last week, and who or what moved it."""

from __future__ import annotations

from grafana.board import change
from grafana.board.board import Board, Row
from grafana.board.change import At, difference, relative
from grafana.board.limit import steps
from grafana.board.link import BoardId, Link
from grafana.board.panel import Panel, Query, Unit, bars, limit, lines, table
from grafana.board.query import WEEK, largest, ratio, series, share, total

from stretto.names import Label


def _against(title: str, shows: str, asks: str, unit: Unit, at: At, *also: Query, **rest: object) -> Panel:
    """Return a figure over time with itself a week before as a second line."""
    return lines(title, shows, asks, unit, {"now": at(""), "a week before": at(WEEK)}, *also, width=8, **rest)


def _quantile(name: str, *by: Label) -> At:
    return lambda offset: largest(series(name, stat="p95", offset=offset), *by)


def _speedup(offset: str) -> str:
    sequential = series("parallel_sequential_seconds", offset=offset)
    return f"({ratio(sequential, series('parallel_elapsed_seconds', offset=offset), Label.TASK_TYPE)})"


_ALL = Row(
    "Against last week",
    (
        table(
            "Changed shares",
            "Shares of a whole now and a week ago; the change is in percentage points.",
            "What became better or worse?",
            {change.FIGURE: "Figure"},
            *change.shares(),
            width=12,
        ),
        table(
            "Changed amounts",
            "Amounts now and a week ago; the change is relative to then.",
            "What became more or less?",
            {change.FIGURE: "Figure"},
            *change.amounts(),
            width=12,
        ),
    ),
)

_OVER_TIME = Row(
    "Over time, with the week before",
    (
        _against(
            "Speedup over time",
            "Sequential over elapsed time of all parallel work.",
            "Is parallel work still as fast as it was?",
            Unit.TIMES,
            change.speedup,
        ),
        _against(
            "Success over time",
            "Tasks that succeeded over those whose outcome is known.",
            "Does more fail than last week?",
            Unit.RATIO,
            change.success,
            high=1,
        ),
        _against(
            "Efficiency score over time",
            "The efficiency score, 0 to 100.",
            "Is the whole getting better?",
            Unit.PLAIN,
            change.score,
            *(limit("efficiency_score", severity) for severity in ("warning", "critical")),
            high=100,
        ),
        _against(
            "Time saved against last week",
            "Time saved in the window before each instant.",
            "Is more time saved than last week?",
            Unit.SECONDS,
            change.saved,
            low=None,
        ),
        _against(
            "Average session over time",
            "Mean wall time of sessions that ended.",
            "Do sessions take longer than last week?",
            Unit.SECONDS,
            change.average_session,
        ),
        _against(
            "Cost over time",
            "What model calls cost in the window before each instant.",
            "Does it cost more than last week?",
            Unit.MONEY,
            change.cost,
        ),
    ),
)

_REGRESSIONS = Row(
    "Regressions, worst first",
    (
        table(
            "Task types against last week",
            "Change of time, success and improvement of every task type.",
            "Which kind of work became worse?",
            {Label.TASK_TYPE: "Task type"},
            relative(
                "Time, p95", _quantile("task_duration_quantile_seconds", Label.TASK_TYPE), rise_is_bad=True
            ),
            difference(
                "Success",
                lambda offset: share("window_tasks", "success", Label.TASK_TYPE, offset=offset),
                Unit.RATIO,
            ),
            difference(
                "Improvement",
                lambda offset: ratio(
                    series("time_saved_seconds", offset=offset),
                    series("parallel_sequential_seconds", offset=offset),
                    Label.TASK_TYPE,
                ),
                Unit.RATIO,
            ),
            difference(
                "Quality",
                lambda offset: largest(series("quality_score", offset=offset), Label.TASK_TYPE),
                Unit.PLAIN,
            ),
            width=12,
            links=(Link(BoardId.QUALITY, "This task type", Label.TASK_TYPE),),
        ),
        bars(
            "Speedup against last week",
            "How much speedup rose or fell, relative to what it was a week ago.",
            "Which work gains less from running in parallel than it did?",
            Unit.RATIO,
            f"{_speedup('')} / ({_speedup(WEEK)} > 0) - 1",
            legend="{{task_type}}",
            steps=steps("performance_drop_ratio", low=True, sign=-1),
            low=-1,
            width=12,
            height=9,
            links=(Link(BoardId.PARALLELISM, "This task type", Label.TASK_TYPE),),
        ),
        table(
            "Agents against last week",
            "Change of time, errors and score of every agent.",
            "Which agent became worse?",
            {Label.AGENT: "Agent"},
            relative(
                "Time, p95", _quantile("agent_duration_quantile_seconds", Label.AGENT), rise_is_bad=True
            ),
            difference(
                "Errors",
                lambda offset: share("window_agent_tasks", "failure", Label.AGENT, offset=offset),
                Unit.RATIO,
                rise_is_bad=True,
            ),
            difference(
                "Score", lambda offset: largest(series("agent_score", offset=offset), Label.AGENT), Unit.PLAIN
            ),
            width=12,
            links=(Link(BoardId.AGENTS, "This agent", Label.AGENT),),
        ),
        table(
            "Patterns against last week",
            "Change of session time and efficiency of every pattern.",
            "Which way of working became worse?",
            {Label.PATTERN: "Pattern"},
            relative(
                "Time, p95", _quantile("session_duration_quantile_seconds", Label.PATTERN), rise_is_bad=True
            ),
            difference(
                "Efficiency score",
                lambda offset: largest(series("pattern_efficiency_score", offset=offset), Label.PATTERN),
                Unit.PLAIN,
            ),
            width=12,
            links=(Link(BoardId.PATTERNS, "This pattern", Label.PATTERN),),
        ),
        table(
            "Tools against last week",
            "Change of time and failures of every tool.",
            "Which tool became worse?",
            {Label.TOOL: "Tool"},
            relative("Time, p95", _quantile("tool_duration_quantile_seconds", Label.TOOL), rise_is_bad=True),
            difference(
                "Failures",
                lambda offset: share("window_tool_calls", "failure", Label.TOOL, offset=offset),
                Unit.RATIO,
                rise_is_bad=True,
            ),
            width=12,
            links=(Link(BoardId.TOOLS, "This tool", Label.TOOL),),
        ),
    ),
)

_LONG = Row(
    "The long view",
    (
        lines(
            "Task time by type, p95",
            "Nineteen of twenty tasks of a type took no longer.",
            "Which kind of work creeps upward?",
            Unit.SECONDS,
            {"{{task_type}}": largest(series("task_duration_quantile_seconds", stat="p95"), Label.TASK_TYPE)},
        ),
        lines(
            "Parallel failures",
            "Tasks inside parallel executions that failed over those whose outcome is known.",
            "Does running side by side break more than it used to?",
            Unit.RATIO,
            {"failed": share("window_parallel_tasks", "failure")},
            limit("parallel_failure_ratio", "critical"),
            high=1,
        ),
        lines(
            "Adoption over time",
            "Turns whose tasks ran in parallel over those whose tasks could.",
            "Is parallel work catching on?",
            Unit.RATIO,
            {"adoption": change.adoption()},
            limit("adoption_ratio", "warning"),
            high=1,
        ),
        lines(
            "Sessions by pattern",
            "Sessions that ended in the window before each instant.",
            "What is used more and more, and what is dying out?",
            Unit.COUNT,
            {"{{pattern}}": total(series("window_sessions"), Label.PATTERN)},
            stacked=True,
        ),
    ),
)

TRENDS = Board(
    id=BoardId.TRENDS,
    title="Stretto / Trends and regressions",
    asks="What moved against last week, and who or what moved it?",
    rows=(_ALL, _OVER_TIME, _REGRESSIONS, _LONG),
    since="now-30d",
    window="7d",
    refresh="5m",
)
