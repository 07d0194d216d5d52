"""What is counted as it happens: OpenTelemetry instruments, which begin at zero with the process."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, counter, histogram

_T, _A, _P, _TOOL = Label.TASK_TYPE, Label.AGENT, Label.PATTERN, Label.TOOL
_O, _B, _M = Label.OUTCOME, Label.BASELINE, Label.MODEL

LIVE: tuple[Metric, ...] = (
    counter("stretto_sessions_total", "1", (Label.SOURCE, _O), "Sessions that ended."),
    counter("stretto_tasks_total", "1", (_T, _A, _O), "Tasks that ended."),
    counter("stretto_tool_calls_total", "1", (_TOOL, _O), "Tool calls that ended."),
    counter("stretto_fanouts_total", "1", (_P,), "Parallel executions that ended."),
    counter(
        "stretto_work_seconds_total", "s", (_T,), "Busy time of tasks inside parallel executions, summed."
    ),
    counter(
        "stretto_elapsed_seconds_total",
        "s",
        (_T,),
        "Wall time of parallel executions, shared among the tasks running.",
    ),
    counter(
        "stretto_sequential_seconds_total",
        "s",
        (_T, _B),
        "What the tasks of parallel executions take one after another.",
    ),
    histogram("stretto_session_duration_seconds", (Label.SOURCE,), "Wall time of a session."),
    histogram(
        "stretto_turn_duration_seconds", (Label.SOURCE,), "Wall time from a prompt to the end of the answer."
    ),
    histogram("stretto_task_duration_seconds", (_T,), "Wall time of a task."),
    histogram(
        "stretto_tool_duration_seconds",
        (_TOOL,),
        "Execution time of a tool call, without waiting for permission.",
    ),
    counter("stretto_tokens_total", "1", (_M, Label.KIND), "Tokens that model calls used."),
    counter("stretto_cost_usd_total", "USD", (_M,), "What model calls cost, where the price is known."),
    histogram(
        "stretto_model_duration_seconds", (_M,), "Time from a model call's request to the end of its answer."
    ),
    histogram("stretto_phase_duration_seconds", (Label.PHASE,), "Wall time of a phase."),
)
