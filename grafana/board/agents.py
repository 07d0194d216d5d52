"""Agents: how each one does, at what, and how they work together."""

from __future__ import annotations

from grafana.board.board import Board, Row
from grafana.board.limit import INFO, steps
from grafana.board.link import BoardId, Link
from grafana.board.panel import Column, Unit, bars, limit, lines, stat, table
from grafana.board.query import KNOWN, completion, increase, largest, most, ratio, series, share, total

from stretto.names import Label

_BY_TYPE = (Label.AGENT, Label.TASK_TYPE)

_ALL = Row(
    "All agents",
    (
        stat(
            "Agents at work",
            "Agents with tasks that ended in the window.",
            "How many agents were used?",
            Unit.COUNT,
            f"count (sum by (agent) ({series('window_agent_tasks')}) > 0)",
        ),
        stat(
            "Tasks of agents",
            "Tasks that ended in the window.",
            "How much did they do?",
            Unit.COUNT,
            total(series("window_agent_tasks")),
        ),
        stat(
            "Errors of agents",
            "Tasks that failed over those whose outcome is known.",
            "How often do agents fail?",
            Unit.RATIO,
            share("window_agent_tasks", "failure"),
            steps=steps("agent_error_ratio"),
            high=1,
        ),
        stat(
            "Completion of agents",
            "Tasks that ended with success or failure over all that are over.",
            "How much is broken off or never heard of again?",
            Unit.RATIO,
            completion("window_agent_tasks"),
            high=1,
        ),
        stat(
            "In parallel",
            "Tasks inside parallel executions over all tasks.",
            "How much of their work do agents do side by side?",
            Unit.RATIO,
            ratio(series("window_agent_parallel_tasks"), series("window_agent_tasks")),
            high=1,
            links=(Link(BoardId.QUALITY, "Adoption"),),
        ),
        stat(
            "Collaboration score",
            "Balance, response and success of messages between agents, 0 to 100.",
            "Do agents work together well?",
            Unit.PLAIN,
            largest(series("collaboration_score")),
            high=100,
            decimals=0,
            absent="withheld",
        ),
    ),
)

_EACH = Row(
    "Each agent",
    (
        table(
            "Agents",
            "The key figures of every agent.",
            "Which agent needs attention?",
            {Label.AGENT: "Agent"},
            Column("Tasks", total(series("window_agent_tasks"), Label.AGENT), Unit.COUNT),
            Column("Score", largest(series("agent_score"), Label.AGENT), Unit.PLAIN, high=100),
            Column(
                "Errors",
                largest(series("agent_error_ratio"), Label.AGENT),
                Unit.RATIO,
                steps("agent_error_ratio"),
                high=1,
            ),
            Column("Completion", largest(series("agent_completion_ratio"), Label.AGENT), Unit.RATIO, high=1),
            Column(
                "Time, median",
                largest(series("agent_duration_quantile_seconds", stat="p50"), Label.AGENT),
                Unit.SECONDS,
            ),
            Column(
                "Time, p95",
                largest(series("agent_duration_quantile_seconds", stat="p95"), Label.AGENT),
                Unit.SECONDS,
            ),
            Column("In parallel", largest(series("agent_parallel_ratio"), Label.AGENT), Unit.RATIO, high=1),
            Column(
                "Collaboration",
                largest(series("agent_collaboration_score"), Label.AGENT),
                Unit.PLAIN,
                high=100,
            ),
            Column(
                "On the critical path",
                total(series("critical_path_agent_seconds"), Label.AGENT),
                Unit.SECONDS,
            ),
            Column("Slack", largest(series("slack_agent_seconds"), Label.AGENT), Unit.SECONDS),
            links=(Link(BoardId.AGENTS, "This agent only", Label.AGENT),),
        ),
        lines(
            "Agent scores",
            "Weighted from completion, quality, collaboration, errors and response, 0 to 100.",
            "Is an agent getting better or worse?",
            Unit.PLAIN,
            {"{{agent}}": largest(series("agent_score"), Label.AGENT)},
            high=100,
        ),
        lines(
            "Errors by agent",
            "Tasks that failed over those whose outcome is known.",
            "Which agent fails too often, and since when?",
            Unit.RATIO,
            {"{{agent}}": share("window_agent_tasks", "failure", Label.AGENT)},
            limit("agent_error_ratio", "critical"),
            high=1,
        ),
        lines(
            "Time by agent, p95",
            "Nineteen of twenty tasks of an agent took no longer.",
            "Which agent became slower?",
            Unit.SECONDS,
            {"{{agent}}": largest(series("agent_duration_quantile_seconds", stat="p95"), Label.AGENT)},
        ),
        bars(
            "Critical path by agent",
            "Part of the critical paths that an agent's own work was.",
            "Whose work do sessions wait for?",
            Unit.SECONDS,
            most(12, total(series("critical_path_agent_seconds"), Label.AGENT)),
            legend="{{agent}}",
            steps=steps("bottleneck_seconds", of=INFO),
            width=12,
        ),
    ),
)

_TYPES = Row(
    "By task type",
    (
        table(
            "Agents by task type",
            "Tasks that ended within the board's time range, counted live since the service started.",
            "Which agent does which work, and which should not?",
            {Label.AGENT: "Agent", Label.TASK_TYPE: "Task type"},
            Column("Tasks", total(increase("tasks_total"), *_BY_TYPE), Unit.COUNT),
            Column(
                "Failed",
                f"{total(increase('tasks_total', outcome='failure'), *_BY_TYPE)}"
                f" / ({total(increase('tasks_total', outcome=f'~{KNOWN}'), *_BY_TYPE)} > 0)",
                Unit.RATIO,
                steps("agent_error_ratio"),
                high=1,
            ),
            width=12,
            links=(Link(BoardId.QUALITY, "Quality of this type", Label.TASK_TYPE),),
        ),
        bars(
            "Quality of their work",
            "Quality of tasks by type, 0 to 10.",
            "Is the work any good?",
            Unit.PLAIN,
            largest(series("quality_score"), Label.TASK_TYPE),
            legend="{{task_type}}",
            steps=steps("quality_score", low=True),
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
        bars(
            "Collaboration by agent",
            "How well an agent answered messages, 0 to 100.",
            "Who keeps others waiting?",
            Unit.PLAIN,
            largest(series("agent_collaboration_score"), Label.AGENT),
            legend="{{agent}}",
            high=100,
        ),
        bars(
            "Messages received",
            "Messages between agents in the window, by receiver.",
            "Who is asked most?",
            Unit.COUNT,
            most(12, total(series("window_messages"), Label.AGENT)),
            legend="{{agent}}",
        ),
        bars(
            "Messages by outcome",
            "Messages between agents in the window, by how they ended.",
            "Do messages reach their end?",
            Unit.COUNT,
            total(series("window_messages"), Label.OUTCOME),
            legend="{{outcome}}",
        ),
        lines(
            "Response time",
            "Time from a message to its answer: median, p95 and p99.",
            "How long does one agent wait for another?",
            Unit.SECONDS,
            {"{{stat}}": largest(series("message_response_quantile_seconds"), Label.STAT)},
            limit("collaboration_seconds", "warning"),
        ),
        lines(
            "Collaboration over time",
            "The collaboration score, 0 to 100.",
            "Is working together getting better?",
            Unit.PLAIN,
            {"score": largest(series("collaboration_score"))},
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
