"""The dashboard of change: what is confirmed to have changed, and what differs from last week."""

from __future__ import annotations

from grafana.board import change
from grafana.board.board import FIRING, Board, Row
from grafana.board.change import At, build_difference_column, build_relative_column
from grafana.board.limit import WARNING, make_steps
from grafana.board.link import BoardId, Link, list_sessions
from grafana.board.panel import (
    LIVE,
    Column,
    Panel,
    Query,
    State,
    Unit,
    draw_limit,
    make_bars,
    make_lines,
    make_states,
    make_table,
)
from grafana.board.query import (
    WEEK,
    divide_sums,
    max_by,
    measure_age,
    measure_increase,
    select_series,
    share_outcome,
    sum_by,
)

from stretto.names import Label


def _compare_weeks(
    title: str, shows: str, asks: str, unit: Unit, at: At, *also: Query, **rest: object
) -> Panel:
    """Return a panel of a figure over time, with the week before as a second line."""
    return make_lines(
        title, shows, asks, unit, {"now": at(""), "a week before": at(WEEK)}, *also, width=8, **rest
    )


def _take_p95(name: str, *by: Label) -> At:
    return lambda offset: max_by(select_series(name, stat="p95", offset=offset), *by)


def _compute_speedup(offset: str) -> str:
    sequential = select_series("parallel_sequential_seconds", offset=offset)
    elapsed = select_series("parallel_elapsed_seconds", offset=offset)
    return f"({divide_sums(sequential, elapsed, Label.TASK_TYPE)})"


_SUBJECT = (Label.KIND, Label.NAME)

_WORSE = make_steps("regression_ratio")

_ALL = Row(
    "Against last week",
    (
        make_table(
            "Changed shares",
            "Shares of a whole now and a week ago; the change is in percentage points.",
            "What became better or worse?",
            {change.FIGURE: "Figure"},
            *change.build_share_columns(),
            width=12,
        ),
        make_table(
            "Changed amounts",
            "Amounts now and a week ago; the change is relative to then.",
            "What became more or less?",
            {change.FIGURE: "Figure"},
            *change.build_amount_columns(),
            width=12,
        ),
    ),
)

_CONFIRMED = Row(
    "Confirmed",
    (
        make_table(
            "Regressions",
            "Series that got worse, confirmed by two checks in a row, with the 95 % interval of the change.",
            "What got slower, fails more often or costs more, and since when?",
            {Label.KIND: "What", Label.NAME: "Which"},
            Column("Times as much", max_by(select_series("regression_ratio"), *_SUBJECT), Unit.TIMES, _WORSE),
            Column("At least", max_by(select_series("regression_low_ratio"), *_SUBJECT), Unit.TIMES),
            Column("At most", max_by(select_series("regression_high_ratio"), *_SUBJECT), Unit.TIMES),
            Column(
                "Began ago",
                measure_age(max_by(select_series("regression_since_timestamp_seconds"), *_SUBJECT)),
                Unit.SECONDS,
            ),
            width=16,
        ),
        make_lines(
            "Checks by verdict",
            f"{LIVE}comparisons that the analyses made; over imported history see Changed shares.",
            "Is it quiet because nothing changed, or because nobody looked?",
            Unit.COUNT,
            {"{{verdict}}": sum_by(measure_increase("analysis_checks_total", "1h"), Label.VERDICT)},
            width=8,
            height=9,
            stacked=True,
        ),
    ),
)

_OVER_TIME = Row(
    "Over time, with the week before",
    (
        _compare_weeks(
            "Speedup over time",
            "Sequential over elapsed time of all parallel work.",
            "Is parallel work still as fast as it was?",
            Unit.TIMES,
            change.compute_speedup,
        ),
        _compare_weeks(
            "Success over time",
            "Share of tasks with a known outcome that succeeded.",
            "Does more fail than last week?",
            Unit.RATIO,
            change.compute_success,
            high=1,
        ),
        _compare_weeks(
            "Efficiency score over time",
            "The efficiency score, 0 to 100.",
            "Is the whole getting better?",
            Unit.PLAIN,
            change.compute_score,
            *(draw_limit("efficiency_score", severity) for severity in ("warning", "critical")),
            high=100,
        ),
        _compare_weeks(
            "Time saved against last week",
            "Time saved in the window before each instant.",
            "Is more time saved than last week?",
            Unit.SECONDS,
            change.compute_time_saved,
            low=None,
        ),
        _compare_weeks(
            "Average session over time",
            "Mean wall time of sessions that ended.",
            "Do sessions take longer than last week?",
            Unit.SECONDS,
            change.compute_average_session,
        ),
        _compare_weeks(
            "Cost over time",
            "What model calls cost in the window before each instant.",
            "Does it cost more than last week?",
            Unit.MONEY,
            change.compute_cost,
        ),
    ),
)

_REGRESSIONS = Row(
    "Regressions, worst first",
    (
        make_table(
            "Task types against last week",
            "Change of time, success and improvement of every task type.",
            "Which kind of work became worse?",
            {Label.TASK_TYPE: "Task type"},
            build_relative_column(
                "Time, p95", _take_p95("task_duration_quantile_seconds", Label.TASK_TYPE), rise_is_bad=True
            ),
            build_difference_column(
                "Success",
                lambda offset: share_outcome("window_tasks", "success", Label.TASK_TYPE, offset=offset),
                Unit.RATIO,
            ),
            build_difference_column(
                "Improvement",
                lambda offset: divide_sums(
                    select_series("time_saved_seconds", offset=offset),
                    select_series("parallel_sequential_seconds", offset=offset),
                    Label.TASK_TYPE,
                ),
                Unit.RATIO,
            ),
            build_difference_column(
                "Quality",
                lambda offset: max_by(select_series("quality_score", offset=offset), Label.TASK_TYPE),
                Unit.PLAIN,
            ),
            width=12,
            links=(Link(BoardId.QUALITY, "This task type", Label.TASK_TYPE),),
        ),
        make_bars(
            "Speedup against last week",
            "How much speedup rose or fell, relative to what it was a week ago.",
            "Which work gains less from running in parallel than it did?",
            Unit.RATIO,
            f"{_compute_speedup('')} / ({_compute_speedup(WEEK)} > 0) - 1",
            legend="{{task_type}}",
            low=-1,
            width=12,
            height=9,
            links=(Link(BoardId.PARALLELISM, "This task type", Label.TASK_TYPE),),
        ),
        make_table(
            "Agents against last week",
            "Change of time, errors and score of every agent.",
            "Which agent became worse?",
            {Label.AGENT: "Agent"},
            build_relative_column(
                "Time, p95", _take_p95("agent_duration_quantile_seconds", Label.AGENT), rise_is_bad=True
            ),
            build_difference_column(
                "Errors",
                lambda offset: share_outcome("window_agent_tasks", "failure", Label.AGENT, offset=offset),
                Unit.RATIO,
                rise_is_bad=True,
            ),
            build_difference_column(
                "Score",
                lambda offset: max_by(select_series("agent_score", offset=offset), Label.AGENT),
                Unit.PLAIN,
            ),
            width=12,
            links=(Link(BoardId.AGENTS, "This agent", Label.AGENT),),
        ),
        make_table(
            "Patterns against last week",
            "Change of session time and efficiency of every pattern.",
            "Which way of working became worse?",
            {Label.PATTERN: "Pattern"},
            build_relative_column(
                "Time, p95", _take_p95("session_duration_quantile_seconds", Label.PATTERN), rise_is_bad=True
            ),
            build_difference_column(
                "Efficiency score",
                lambda offset: max_by(
                    select_series("pattern_efficiency_score", offset=offset), Label.PATTERN
                ),
                Unit.PLAIN,
            ),
            width=12,
            links=(Link(BoardId.PATTERNS, "This pattern", Label.PATTERN), list_sessions(Label.PATTERN)),
        ),
        make_table(
            "Tools against last week",
            "Change of time and failures of every tool.",
            "Which tool became worse?",
            {Label.TOOL: "Tool"},
            build_relative_column(
                "Time, p95", _take_p95("tool_duration_quantile_seconds", Label.TOOL), rise_is_bad=True
            ),
            build_difference_column(
                "Failures",
                lambda offset: share_outcome("window_tool_calls", "failure", Label.TOOL, offset=offset),
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
        make_states(
            "Alerts over time",
            "When which alert fired.",
            "Is this new, or does it come and go?",
            f"max by (alertname) ({FIRING})",
            {1: State("firing", WARNING)},
            legend="{{alertname}}",
            height=8,
            high=1,
        ),
        make_lines(
            "Task time by type, p95",
            "Nineteen of twenty tasks of a type took no longer.",
            "Which kind of work creeps upward?",
            Unit.SECONDS,
            {
                "{{task_type}}": max_by(
                    select_series("task_duration_quantile_seconds", stat="p95"), Label.TASK_TYPE
                )
            },
        ),
        make_lines(
            "Parallel failures",
            "Share of tasks inside parallel executions with a known outcome that failed.",
            "Does running side by side break more than it used to?",
            Unit.RATIO,
            {"failed": share_outcome("window_parallel_tasks", "failure")},
            draw_limit("parallel_failure_ratio", "critical"),
            high=1,
        ),
        make_lines(
            "Adoption over time",
            "Share of turns with two or more tasks whose tasks ran in parallel.",
            "Is parallel work catching on?",
            Unit.RATIO,
            {"adoption": change.compute_adoption()},
            draw_limit("adoption_ratio", "warning"),
            high=1,
        ),
        make_lines(
            "Sessions by pattern",
            "Sessions that ended in the window before each instant.",
            "What is used more and more, and what is dying out?",
            Unit.COUNT,
            {"{{pattern}}": sum_by(select_series("window_sessions"), Label.PATTERN)},
            stacked=True,
        ),
    ),
)

TRENDS = Board(
    id=BoardId.TRENDS,
    title="Stretto / Change",
    asks="What changed for certain, what moved against last week, and who or what moved it?",
    rows=(_CONFIRMED, _ALL, _OVER_TIME, _REGRESSIONS, _LONG),
    since="now-30d",
    window="7d",
    refresh="5m",
)
