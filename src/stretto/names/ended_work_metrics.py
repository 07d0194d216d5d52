"""Live counters and histograms: OpenTelemetry instruments, which begin at zero with the process."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, define_histogram, define_live_counter

_T, _A, _P, _TOOL = Label.TASK_TYPE, Label.AGENT, Label.PATTERN, Label.TOOL
_O, _B, _M = Label.OUTCOME, Label.BASELINE, Label.MODEL

LIVE: tuple[Metric, ...] = (
    define_live_counter("stretto_sessions_total", "1", (Label.SOURCE, _O), "Sessions that ended."),
    define_live_counter("stretto_tasks_total", "1", (_T, _A, _O), "Tasks that ended."),
    define_live_counter("stretto_tool_calls_total", "1", (_TOOL, _O), "Tool calls that ended."),
    define_live_counter(
        "stretto_analysis_checks_total",
        "1",
        (Label.VERDICT,),
        "Checks that the analyses made, by verdict: silence is told from not looking.",
    ),
    define_live_counter("stretto_fanouts_total", "1", (_P,), "Parallel executions that ended."),
    define_live_counter(
        "stretto_work_seconds_total", "s", (_T,), "Busy time of tasks inside parallel executions, summed."
    ),
    define_live_counter(
        "stretto_elapsed_seconds_total",
        "s",
        (_T,),
        "Wall time of parallel executions, shared among the tasks running.",
    ),
    define_live_counter(
        "stretto_sequential_seconds_total",
        "s",
        (_T, _B),
        "Time that the tasks of parallel executions take one after another.",
    ),
    define_histogram("stretto_session_duration_seconds", (Label.SOURCE,), "Wall time of a session."),
    define_histogram(
        "stretto_turn_duration_seconds", (Label.SOURCE,), "Wall time from a prompt to the end of the answer."
    ),
    define_histogram("stretto_task_duration_seconds", (_T,), "Wall time of a task."),
    define_histogram(
        "stretto_tool_duration_seconds",
        (_TOOL,),
        "Execution time of a tool call, without waiting for permission.",
    ),
    define_live_counter("stretto_tokens_total", "1", (_M, Label.KIND), "Tokens that model calls used."),
    define_live_counter("stretto_cost_usd_total", "USD", (_M,), "Cost of model calls with a known price."),
    define_histogram(
        "stretto_model_duration_seconds", (_M,), "Time from a model call's request to the end of its answer."
    ),
    define_histogram("stretto_phase_duration_seconds", (Label.PHASE,), "Wall time of a phase."),
)
