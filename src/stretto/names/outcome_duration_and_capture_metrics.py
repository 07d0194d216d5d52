"""How sessions, phases, tasks and calls ended, how long they took, and whether all of it was seen."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, define_gauge

_T, _A, _P, _TOOL, _O, _W, _STAT = (
    Label.TASK_TYPE,
    Label.AGENT,
    Label.PATTERN,
    Label.TOOL,
    Label.OUTCOME,
    Label.WINDOW,
    Label.STAT,
)

OUTCOMES: tuple[Metric, ...] = (
    define_gauge("stretto_window_tasks", "1", (_T, _O, _W), "Tasks that ended in the window, by outcome."),
    define_gauge(
        "stretto_success_ratio",
        "1",
        (_T, _W),
        "Tasks that succeeded over tasks whose outcome is known.",
        "stretto_window_tasks",
        "stretto_window_tasks",
    ),
    define_gauge(
        "stretto_window_agent_tasks",
        "1",
        (_A, _O, _W),
        "Tasks that ended in the window, by agent and outcome.",
    ),
    define_gauge(
        "stretto_window_failed_tasks",
        "1",
        (Label.PHASE, _A, Label.KIND, _W),
        "Failed and cancelled tasks of sessions that are over, by phase, agent and kind of error.",
    ),
    define_gauge(
        "stretto_agent_error_ratio",
        "1",
        (_A, _W),
        "Tasks of an agent that failed over those whose outcome is known.",
        "stretto_window_agent_tasks",
        "stretto_window_agent_tasks",
    ),
    define_gauge(
        "stretto_window_parallel_tasks", "1", (_O, _W), "Tasks inside parallel executions, by outcome."
    ),
    define_gauge(
        "stretto_window_deliveries",
        "1",
        (_T, Label.DELIVERY, _W),
        "Tasks that are over, by class: delivered, taken as delivered, or wasted.",
    ),
    define_gauge(
        "stretto_window_agent_deliveries",
        "1",
        (_A, Label.DELIVERY, _W),
        "Tasks of an agent that are over, by class.",
    ),
    define_gauge(
        "stretto_window_agent_tokens",
        "1",
        (_A, Label.DELIVERY, _W),
        "Tokens that an agent's tasks of ended sessions used, by class, if known.",
    ),
    define_gauge(
        "stretto_window_agent_cost_usd",
        "USD",
        (_A, Label.DELIVERY, _W),
        "Cost of an agent's tasks of ended sessions, by class, if known.",
    ),
    define_gauge(
        "stretto_window_agent_files_written",
        "1",
        (_A, _W),
        "Files that an agent wrote, each once a session, in sessions that are over.",
    ),
    define_gauge(
        "stretto_window_agent_files_created",
        "1",
        (_A, _W),
        "Those of these files that were new, as far as the calls say so.",
    ),
    define_gauge(
        "stretto_wasted_tasks",
        "1",
        (_T, _A, Label.REASON, _W),
        "Tasks that delivered nothing, by the reason.",
    ),
    define_gauge(
        "stretto_wasted_seconds",
        "s",
        (_T, _A, Label.REASON, _W),
        "Busy time of these tasks, without that of the tasks below them.",
    ),
    define_gauge(
        "stretto_wasted_tokens", "1", (_T, _A, Label.REASON, _W), "Tokens that these tasks used, if known."
    ),
    define_gauge(
        "stretto_wasted_cost_usd", "USD", (_T, _A, Label.REASON, _W), "Cost of these tasks, if known."
    ),
    define_gauge(
        "stretto_waste_ratio",
        "1",
        (_W,),
        "Tasks that were retried, failed or lost over all that are over; cancelled ones are left out.",
        "stretto_window_uncancelled_waste",
        "stretto_window_uncancelled_tasks",
    ),
    define_gauge("stretto_window_uncancelled_waste", "1", (_W,), "Tasks that were retried, failed or lost."),
    define_gauge(
        "stretto_window_uncancelled_tasks", "1", (_W,), "Tasks that are over and were not cancelled."
    ),
    define_gauge(
        "stretto_parallel_failure_ratio",
        "1",
        (_W,),
        "Tasks inside parallel executions that failed over those whose outcome is known.",
        "stretto_window_parallel_tasks",
        "stretto_window_parallel_tasks",
    ),
    define_gauge(
        "stretto_window_tool_calls", "1", (_TOOL, _O, _W), "Tool calls that ended in the window, by outcome."
    ),
    define_gauge(
        "stretto_tool_success_ratio",
        "1",
        (_TOOL, _W),
        "Tool calls that succeeded over those whose outcome is known.",
        "stretto_window_tool_calls",
        "stretto_window_tool_calls",
    ),
    define_gauge(
        "stretto_tool_duration_quantile_seconds",
        "s",
        (_TOOL, _STAT, _W),
        "Execution time of tool calls, within 2 %.",
    ),
    define_gauge(
        "stretto_task_duration_quantile_seconds", "s", (_T, _STAT, _W), "Wall time of tasks, within 2 %."
    ),
    define_gauge(
        "stretto_agent_duration_quantile_seconds",
        "s",
        (_A, _STAT, _W),
        "Wall time of an agent's tasks, within 2 %.",
    ),
    define_gauge(
        "stretto_overhead_quantile_seconds",
        "s",
        (_STAT, _W),
        "Time around a tool call that is neither execution nor a person's: hooks, mostly. Within 2 %.",
    ),
    define_gauge(
        "stretto_capture_completeness_ratio",
        "1",
        (_W,),
        "Tasks and tool calls whose end was seen over all that are over.",
        "stretto_window_ends_seen",
        "stretto_window_ends_expected",
    ),
    define_gauge("stretto_window_ends_seen", "1", (_W,), "Tasks and tool calls whose end was seen."),
    define_gauge(
        "stretto_window_ends_expected",
        "1",
        (_W,),
        "Tasks and tool calls that are over, their end seen or not.",
    ),
    define_gauge(
        "stretto_window_sessions",
        "1",
        (Label.SOURCE, _P, _O, _W),
        "Sessions that ended in the window, by outcome.",
    ),
    define_gauge(
        "stretto_session_duration_quantile_seconds",
        "s",
        (_P, _STAT, _W),
        "Wall time of sessions, within 2 %.",
    ),
    define_gauge(
        "stretto_turn_duration_quantile_seconds",
        "s",
        (_STAT, _W),
        "Wall time from a prompt to the end of the answer, within 2 %.",
    ),
    define_gauge(
        "stretto_window_phases", "1", (Label.PHASE, _O, _W), "Phases that ended in the window, by outcome."
    ),
    define_gauge(
        "stretto_phase_success_ratio",
        "1",
        (Label.PHASE, _W),
        "Phases that succeeded over those whose outcome is known.",
        "stretto_window_phases",
        "stretto_window_phases",
    ),
    define_gauge(
        "stretto_phase_duration_quantile_seconds",
        "s",
        (Label.PHASE, _STAT, _W),
        "Wall time of phases, within 2 %.",
    ),
    define_gauge(
        "stretto_completion_ratio",
        "1",
        (_T, _W),
        "Tasks that ended with success or failure over all that are over.",
        "stretto_window_tasks",
        "stretto_window_tasks",
    ),
    define_gauge(
        "stretto_agent_completion_ratio",
        "1",
        (_A, _W),
        "An agent's tasks that ended with success or failure over all that are over.",
        "stretto_window_agent_tasks",
        "stretto_window_agent_tasks",
    ),
    define_gauge("stretto_window_retries", "1", (_T, _W), "Tasks that repeated a failed task."),
    define_gauge(
        "stretto_window_recoveries", "1", (_T, _W), "Tasks that repeated a failed task and succeeded."
    ),
    define_gauge(
        "stretto_retry_ratio",
        "1",
        (_T, _W),
        "Tasks that repeated a failed task, over all tasks that are over.",
        "stretto_window_retries",
        "stretto_window_tasks",
    ),
    define_gauge(
        "stretto_retry_work_seconds", "s", (_T, _W), "Busy time of tasks that repeated a failed task."
    ),
    define_gauge(
        "stretto_window_messages", "1", (_A, _O, _W), "Messages between agents, by receiver and outcome."
    ),
    define_gauge("stretto_window_messages_sent", "1", (_A, _W), "Messages between agents, by sender."),
    define_gauge(
        "stretto_recovery_quantile_seconds",
        "s",
        (Label.TASK_TYPE, _STAT, _W),
        "Time from a failure to the next success of its task type or agent, within 2 %.",
    ),
    define_gauge(
        "stretto_window_messages_by_kind",
        "1",
        (Label.KIND, _W),
        "Messages between agents and reports of tasks, by kind; unknown kinds are other.",
    ),
    define_gauge(
        "stretto_window_refused_agent_calls",
        "1",
        (_W,),
        "Calls for an agent that were refused or failed, so that no agent ran.",
    ),
    define_gauge(
        "stretto_window_repaired_agent_calls",
        "1",
        (_W,),
        "Refused calls for an agent that a later call for the same work made good.",
    ),
    define_gauge(
        "stretto_message_response_quantile_seconds",
        "s",
        (_STAT, _W),
        "Time from a message to its answer, within 2 %.",
    ),
    define_gauge(
        "stretto_agent_response_quantile_seconds",
        "s",
        (_A, _STAT, _W),
        "Time from a message to an agent until its answer, within 2 %.",
    ),
    define_gauge(
        "stretto_message_response_mean_seconds", "s", (_W,), "Mean time from a message to its answer."
    ),
    define_gauge(
        "stretto_hook_duration_quantile_seconds",
        "s",
        (_STAT, _W),
        "How long an agent waited for its hooks, as the agent itself measured it, within 2 %.",
    ),
    define_gauge(
        "stretto_hook_event_duration_quantile_seconds",
        "s",
        (Label.EVENT, _STAT, _W),
        "The same by hook event, as the client names it.",
    ),
    define_gauge(
        "stretto_hook_command_duration_quantile_seconds",
        "s",
        (Label.COMMAND, _STAT, _W),
        "How long an agent waited for a hook, by its command, where the client times each. Within 2 %.",
    ),
)
