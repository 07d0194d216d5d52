"""Metrics of parallel executions: their gain, the losses by cause, and the price."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, define_gauge

_T, _A, _P, _TOOL, _B, _W = (
    Label.TASK_TYPE,
    Label.AGENT,
    Label.PATTERN,
    Label.TOOL,
    Label.BASELINE,
    Label.WINDOW,
)

PARALLEL: tuple[Metric, ...] = (
    define_gauge(
        "stretto_speedup_ratio",
        "1",
        (_T, _B, _W),
        "Sequential time of the delivered parallel tasks over elapsed time of all.",
        "stretto_parallel_sequential_seconds",
        "stretto_parallel_elapsed_seconds",
    ),
    define_gauge(
        "stretto_improvement_ratio",
        "1",
        (_T, _B, _W),
        "Time saved over sequential time of parallel tasks; below 0 if parallel was slower.",
        "stretto_time_saved_seconds",
        "stretto_parallel_sequential_seconds",
    ),
    define_gauge(
        "stretto_time_saved_seconds",
        "s",
        (_T, _B, _W),
        "Sequential time less elapsed time of parallel tasks.",
    ),
    define_gauge(
        "stretto_parallel_sequential_seconds",
        "s",
        (_T, _B, _W),
        "Time that the delivered parallel tasks take one after another.",
    ),
    define_gauge(
        "stretto_parallel_elapsed_seconds",
        "s",
        (_T, _B, _W),
        "Wall time of parallel tasks, shared among those running.",
    ),
    define_gauge("stretto_parallel_work_seconds", "s", (_T, _B, _W), "Busy time of parallel tasks, summed."),
    define_gauge(
        "stretto_parallel_delivered_work_seconds",
        "s",
        (_T, _B, _W),
        "Busy time of parallel tasks that were delivered or taken as delivered, summed.",
    ),
    define_gauge(
        "stretto_parallel_delivered_tasks",
        "1",
        (_T, _B, _W),
        "Parallel tasks that were delivered or taken as delivered: sequential time is theirs.",
    ),
    define_gauge(
        "stretto_parallel_tasks",
        "1",
        (_T, _B, _W),
        "Tasks inside parallel executions that the figures are made of.",
    ),
    define_gauge(
        "stretto_improvement_target_ratio", "1", (_T,), "Improvement asked of a task type by configuration."
    ),
    define_gauge("stretto_window_fanouts", "1", (_P, _W), "Parallel executions that ended in the window."),
    define_gauge(
        "stretto_parallel_efficiency_ratio",
        "1",
        (_P, _W),
        "Delivered work over width times elapsed: load balance times concurrency times delivery.",
        "stretto_pattern_delivered_work_seconds",
        "stretto_pattern_capacity_seconds",
    ),
    define_gauge(
        "stretto_load_balance_ratio",
        "1",
        (_P, _W),
        "Mean lane busy time over the longest lane's.",
        "stretto_pattern_work_seconds",
        "stretto_pattern_longest_lane_seconds",
    ),
    define_gauge(
        "stretto_concurrency_ratio",
        "1",
        (_P, _W),
        "Longest lane's busy time over elapsed: below 1 by late starts and hand-overs.",
        "stretto_pattern_longest_lane_seconds",
        "stretto_pattern_capacity_seconds",
    ),
    define_gauge(
        "stretto_pattern_work_seconds", "s", (_P, _W), "Busy time of the tasks of parallel executions."
    ),
    define_gauge(
        "stretto_delivery_ratio",
        "1",
        (_P, _W),
        "Delivered work of parallel executions over their work: below 1 by wasted tasks.",
        "stretto_pattern_delivered_work_seconds",
        "stretto_pattern_work_seconds",
    ),
    define_gauge(
        "stretto_pattern_delivered_work_seconds",
        "s",
        (_P, _W),
        "Busy time of the tasks of parallel executions that were delivered or taken as delivered.",
    ),
    define_gauge("stretto_pattern_tasks", "1", (_P, _W), "Tasks of parallel executions."),
    define_gauge(
        "stretto_pattern_delivered_tasks",
        "1",
        (_P, _W),
        "Tasks of parallel executions that were delivered or taken as delivered.",
    ),
    define_gauge(
        "stretto_pattern_capacity_seconds",
        "s",
        (_P, _W),
        "Width times elapsed, summed over parallel executions.",
    ),
    define_gauge(
        "stretto_pattern_longest_lane_seconds",
        "s",
        (_P, _W),
        "Width times the longest lane's busy time, summed.",
    ),
    define_gauge(
        "stretto_pattern_elapsed_seconds", "s", (_P, _W), "Wall time of parallel executions, summed."
    ),
    define_gauge(
        "stretto_pattern_speedup",
        "1",
        (_P, _W),
        "1 + time saved over elapsed of a pattern's parallel executions, by their tasks' own lengths.",
    ),
    define_gauge(
        "stretto_pattern_saved_seconds",
        "s",
        (_P, _W),
        "Time that a pattern's parallel executions saved, by their tasks' own lengths; below 0 if they lost.",
    ),
    define_gauge(
        "stretto_pattern_parallel_cost_usd",
        "USD",
        (_P, _W),
        "Cost of the tasks of a pattern's parallel executions.",
    ),
    define_gauge(
        "stretto_efficiency_lost_seconds",
        "s",
        (_P, Label.FACTOR, _W),
        "Lane time lost by parallel executions, by the factor of efficiency that lost it (delivery: waste).",
    ),
    define_gauge(
        "stretto_expected_saved_seconds",
        "s",
        (_T, _B, _W),
        "Time that parallel tasks would have saved at their target.",
    ),
    define_gauge(
        "stretto_contention_ratio",
        "1",
        (_T, _W),
        "Time of delivered tasks in parallel over their time alone, if that was measured.",
        "stretto_parallel_delivered_work_seconds",
        "stretto_parallel_sequential_seconds",
    ),
    define_gauge(
        "stretto_opportunity_seconds",
        "s",
        (_P, _W),
        "Time that runs of tasks one after another would have saved side by side, at most.",
    ),
    define_gauge(
        "stretto_best_speedup",
        "1",
        (_P,),
        "Highest work over elapsed of an execution whose tasks all reported success.",
    ),
    define_gauge(
        "stretto_best_speedup_timestamp_seconds",
        "unixtime",
        (_P,),
        "When the parallel execution with the highest speedup ended.",
    ),
    define_gauge("stretto_parallel_tokens", "1", (_W,), "Tokens used by the tasks of parallel executions."),
    define_gauge("stretto_parallel_cost_usd", "USD", (_W,), "Cost of the tasks of parallel executions."),
    define_gauge(
        "stretto_saved_second_tokens", "1", (_W,), "Tokens of parallel tasks over the seconds they saved."
    ),
    define_gauge(
        "stretto_saved_second_cost_usd", "USD", (_W,), "Cost of parallel tasks over the seconds they saved."
    ),
    define_gauge(
        "stretto_critical_path_seconds",
        "s",
        (_W,),
        "Length of the critical paths of sessions that ended, summed.",
    ),
    define_gauge(
        "stretto_critical_path_agent_seconds",
        "s",
        (_A, _W),
        "Part of the critical paths that an agent's own work was.",
    ),
    define_gauge(
        "stretto_critical_path_task_type_seconds",
        "s",
        (_T, _W),
        "Part of the critical paths that tasks of a type were.",
    ),
    define_gauge(
        "stretto_critical_path_tool_seconds", "s", (_TOOL, _W), "Part of the critical paths that a tool was."
    ),
    define_gauge(
        "stretto_slack_agent_seconds",
        "s",
        (_A, _W),
        "Least slack of an agent in a session, the mean over sessions.",
    ),
    define_gauge(
        "stretto_slack_task_type_seconds",
        "s",
        (_T, _W),
        "Least slack of a task type in a session, the mean over sessions.",
    ),
    define_gauge(
        "stretto_slack_tool_seconds",
        "s",
        (_TOOL, _W),
        "Least slack of a tool in a session, the mean over sessions.",
    ),
    define_gauge(
        "stretto_session_wall_seconds",
        "s",
        (Label.PART, _W),
        "Wall time of sessions that ended, each instant in exactly one part.",
    ),
    define_gauge(
        "stretto_window_overhead_part_seconds",
        "s",
        (Label.PART, _W),
        "What watching sessions that ended cost: hooks of main agents and of others, Python API, service.",
    ),
    define_gauge(
        "stretto_window_overhead_known_seconds",
        "s",
        (Label.PART, _W),
        "The agents' own time of the sessions in which a part of this cost is known.",
    ),
    define_gauge(
        "stretto_window_overhead_seconds",
        "s",
        (_W,),
        "What watching sessions that ended cost: the sum of the parts that are known.",
    ),
    define_gauge(
        "stretto_window_agents_working_seconds",
        "s",
        (_W,),
        "The agents' own time in sessions that ended: when each was at work itself, summed over agents.",
    ),
    define_gauge(
        "stretto_overhead_ratio",
        "1",
        (_W,),
        "Cost of watching, hooks, Python API and service, as a share of the agents' own time.",
        "stretto_window_overhead_seconds",
        "stretto_window_agents_working_seconds",
    ),
)
