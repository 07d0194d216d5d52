"""The dashboard of agents: outcomes, times and scores of each agent, and their messages."""

from __future__ import annotations

from grafana.board.board import Board, Row
from grafana.board.limit import INFO, make_steps
from grafana.board.link import BoardId, Link, list_sessions
from grafana.board.panel import LIVE, Column, Unit, draw_limit, make_bars, make_lines, make_stat, make_table
from grafana.board.query import (
    KNOWN,
    divide_sums,
    max_by,
    measure_increase,
    pick_highest,
    select_series,
    share_completed,
    share_outcome,
    sum_by,
)

from stretto.names import Label

_BY_TYPE = (Label.AGENT, Label.TASK_TYPE)

_ALL = Row(
    "All agents",
    (
        make_stat(
            "Agents at work",
            "Agents with tasks that ended in the window.",
            "How many agents were used?",
            Unit.COUNT,
            f"count (sum by (agent) ({select_series('window_agent_tasks')}) > 0)",
        ),
        make_stat(
            "Tasks of agents",
            "Tasks that ended in the window.",
            "How much did they do?",
            Unit.COUNT,
            sum_by(select_series("window_agent_tasks")),
        ),
        make_stat(
            "Errors of agents",
            "Share of tasks with a known outcome that failed.",
            "How often do agents fail?",
            Unit.RATIO,
            share_outcome("window_agent_tasks", "failure"),
            steps=make_steps("agent_error_ratio"),
            high=1,
        ),
        make_stat(
            "Completion of agents",
            "Tasks that ended with success or failure over all that are over.",
            "How much is cancelled or lost?",
            Unit.RATIO,
            share_completed("window_agent_tasks"),
            high=1,
        ),
        make_stat(
            "In parallel",
            "Tasks inside parallel executions over all tasks, and agents with such tasks over all agents.",
            "How much of their work do agents do side by side?",
            Unit.RATIO,
            {
                "tasks": divide_sums(
                    select_series("window_agent_parallel_tasks"), select_series("window_agent_tasks")
                ),
                "agents": divide_sums(
                    select_series("window_parallel_agents"), select_series("window_agents")
                ),
            },
            high=1,
            links=(Link(BoardId.QUALITY, "Adoption"),),
        ),
        make_stat(
            "Collaboration score",
            "Balance, response and success of messages between agents, 0 to 100.",
            "Do agents work together well?",
            Unit.PLAIN,
            max_by(select_series("collaboration_score")),
            high=100,
            decimals=0,
            absent="withheld",
        ),
    ),
)

_EACH = Row(
    "Each agent",
    (
        make_table(
            "Agents",
            "The key figures of every agent.",
            "Which agent needs attention?",
            {Label.AGENT: "Agent"},
            Column("Tasks", sum_by(select_series("window_agent_tasks"), Label.AGENT), Unit.COUNT),
            Column("Score", max_by(select_series("agent_score"), Label.AGENT), Unit.PLAIN, high=100),
            Column("At least", max_by(select_series("agent_score_low"), Label.AGENT), Unit.PLAIN, high=100),
            Column("At most", max_by(select_series("agent_score_high"), Label.AGENT), Unit.PLAIN, high=100),
            Column(
                "Errors",
                max_by(select_series("agent_error_ratio"), Label.AGENT),
                Unit.RATIO,
                make_steps("agent_error_ratio"),
                high=1,
            ),
            Column(
                "Completion", max_by(select_series("agent_completion_ratio"), Label.AGENT), Unit.RATIO, high=1
            ),
            Column(
                "Time, median",
                max_by(select_series("agent_duration_quantile_seconds", stat="p50"), Label.AGENT),
                Unit.SECONDS,
            ),
            Column(
                "Time, p95",
                max_by(select_series("agent_duration_quantile_seconds", stat="p95"), Label.AGENT),
                Unit.SECONDS,
            ),
            Column(
                "In parallel", max_by(select_series("agent_parallel_ratio"), Label.AGENT), Unit.RATIO, high=1
            ),
            Column(
                "Collaboration",
                max_by(select_series("agent_collaboration_score"), Label.AGENT),
                Unit.PLAIN,
                high=100,
            ),
            Column(
                "On the critical path",
                sum_by(select_series("critical_path_agent_seconds"), Label.AGENT),
                Unit.SECONDS,
            ),
            Column("Slack", max_by(select_series("slack_agent_seconds"), Label.AGENT), Unit.SECONDS),
            Column("Tokens", sum_by(select_series("window_agent_tokens"), Label.AGENT), Unit.COUNT),
            Column("Cost", sum_by(select_series("window_agent_cost_usd"), Label.AGENT), Unit.MONEY),
            Column(
                "Files written", sum_by(select_series("window_agent_files_written"), Label.AGENT), Unit.COUNT
            ),
            Column(
                "Files created", sum_by(select_series("window_agent_files_created"), Label.AGENT), Unit.COUNT
            ),
            Column("Messages sent", sum_by(select_series("window_messages_sent"), Label.AGENT), Unit.COUNT),
            Column("Quality", max_by(select_series("agent_quality_score"), Label.AGENT), Unit.PLAIN, high=10),
            Column(
                "Answers, median",
                max_by(select_series("agent_response_quantile_seconds", stat="p50"), Label.AGENT),
                Unit.SECONDS,
            ),
            links=(Link(BoardId.AGENTS, "This agent only", Label.AGENT), list_sessions(Label.AGENT)),
        ),
        make_lines(
            "Agent scores",
            "Weighted from completion, quality, collaboration, errors and response, 0 to 100.",
            "Is an agent getting better or worse?",
            Unit.PLAIN,
            {"{{agent}}": max_by(select_series("agent_score"), Label.AGENT)},
            high=100,
        ),
        make_lines(
            "Errors by agent",
            "Share of tasks with a known outcome that failed.",
            "Which agent fails too often, and since when?",
            Unit.RATIO,
            {"{{agent}}": share_outcome("window_agent_tasks", "failure", Label.AGENT)},
            draw_limit("agent_error_ratio", "critical"),
            high=1,
        ),
        make_lines(
            "Time by agent, p95",
            "Nineteen of twenty tasks of an agent took no longer.",
            "Which agent became slower?",
            Unit.SECONDS,
            {"{{agent}}": max_by(select_series("agent_duration_quantile_seconds", stat="p95"), Label.AGENT)},
        ),
        make_bars(
            "Critical path by agent",
            "Part of the critical paths that an agent's own work was.",
            "Whose work do sessions wait for?",
            Unit.SECONDS,
            pick_highest(12, sum_by(select_series("critical_path_agent_seconds"), Label.AGENT)),
            legend="{{agent}}",
            steps=make_steps("bottleneck_seconds", of=INFO),
            width=12,
        ),
    ),
)

_TYPES = Row(
    "By task type",
    (
        make_table(
            "Agents by task type",
            f"{LIVE}tasks that ended within the board's time range; over imported history see Agents.",
            "Which agent does which work, and which should not?",
            {Label.AGENT: "Agent", Label.TASK_TYPE: "Task type"},
            Column("Tasks", sum_by(measure_increase("tasks_total"), *_BY_TYPE), Unit.COUNT),
            Column(
                "Failed",
                f"{sum_by(measure_increase('tasks_total', outcome='failure'), *_BY_TYPE)}"
                f" / ({sum_by(measure_increase('tasks_total', outcome=f'~{KNOWN}'), *_BY_TYPE)} > 0)",
                Unit.RATIO,
                make_steps("agent_error_ratio"),
                high=1,
            ),
            width=12,
            links=(Link(BoardId.QUALITY, "Quality of this type", Label.TASK_TYPE),),
        ),
        make_bars(
            "Quality of their work",
            "Quality of tasks by type, 0 to 10.",
            "Is the work any good?",
            Unit.PLAIN,
            max_by(select_series("quality_score"), Label.TASK_TYPE),
            legend="{{task_type}}",
            steps=make_steps("quality_score", low=True),
            width=12,
            height=9,
            high=10,
            links=(Link(BoardId.QUALITY, "Quality of this type", Label.TASK_TYPE),),
        ),
    ),
)

_TOGETHER = Row(
    "Working together",
    (
        make_bars(
            "Collaboration by agent",
            "How well an agent answered messages, 0 to 100.",
            "Who keeps others waiting?",
            Unit.PLAIN,
            max_by(select_series("agent_collaboration_score"), Label.AGENT),
            legend="{{agent}}",
            high=100,
        ),
        make_bars(
            "Messages received",
            "Messages between agents in the window, by receiver.",
            "Who is asked most?",
            Unit.COUNT,
            pick_highest(12, sum_by(select_series("window_messages"), Label.AGENT)),
            legend="{{agent}}",
        ),
        make_bars(
            "Messages by outcome",
            "Messages between agents in the window, by how they ended.",
            "Do messages reach their end?",
            Unit.COUNT,
            sum_by(select_series("window_messages"), Label.OUTCOME),
            legend="{{outcome}}",
        ),
        make_lines(
            "Response time",
            "Time from a message to its answer: mean, median, p95 and p99.",
            "How long do agents wait for each other?",
            Unit.SECONDS,
            {
                "{{stat}}": max_by(select_series("message_response_quantile_seconds"), Label.STAT),
                "mean": max_by(select_series("message_response_mean_seconds")),
            },
            draw_limit("collaboration_seconds", "warning"),
        ),
        make_lines(
            "Messages by kind",
            "Messages between agents and reports of tasks, by kind.",
            "Do agents ask, hand over, or wait?",
            Unit.COUNT,
            {"{{kind}}": sum_by(select_series("window_messages_by_kind"), Label.KIND)},
        ),
        make_lines(
            "Calls for agents that were refused",
            "Calls that no agent took up, and those that a later call made good.",
            "Do orders for agents fail?",
            Unit.COUNT,
            {
                "refused": sum_by(select_series("window_refused_agent_calls")),
                "repaired": sum_by(select_series("window_repaired_agent_calls")),
            },
        ),
        make_lines(
            "Collaboration over time",
            "The collaboration score, 0 to 100.",
            "Is working together getting better?",
            Unit.PLAIN,
            {
                "score": max_by(select_series("collaboration_score")),
                "at least": max_by(select_series("collaboration_score_low")),
                "at most": max_by(select_series("collaboration_score_high")),
            },
            high=100,
        ),
    ),
)

AGENTS = Board(
    id=BoardId.AGENTS,
    title="Stretto / Agents",
    asks="How does each agent do, at which work, and how do agents work together?",
    rows=(_ALL, _EACH, _TYPES, _TOGETHER),
)
