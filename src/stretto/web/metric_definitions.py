"""Definitions: what the page's words mean, where figures are exported in the words of the table of names."""

from __future__ import annotations

from stretto.names import METRICS, PREFIX

_FROM_TABLE = (
    "speedup_ratio",
    "improvement_ratio",
    "time_saved_seconds",
    "parallel_efficiency_ratio",
    "load_balance_ratio",
    "concurrency_ratio",
    "success_ratio",
    "completion_ratio",
    "retry_ratio",
    "agent_completion_ratio",
    "agent_error_ratio",
    "agent_score",
    "quality_score",
    "efficiency_score",
    "contention_ratio",
    "critical_path_agent_seconds",
    "capture_completeness_ratio",
)

DEFINITIONS: dict[str, str] = {
    **{name: METRICS[PREFIX + name].help for name in _FROM_TABLE},
    **{
        name: METRICS[f"{PREFIX}{name}_ratio"].help
        for name in ("completion", "success", "retry", "phase_success", "integration_success", "adoption")
    },
    "parallel": "A parallel execution: two or more tasks of one parent whose times overlap.",
    "one_after_another": "What the tasks take one after another; the baseline says where that comes from.",
    "together": "Time in which at least one of the tasks ran.",
    "work": "Busy time of the tasks, summed.",
    "width": "Most tasks at once.",
    "capacity": "Width times elapsed: the time that all lanes together had.",
    "target": "Improvement asked of the task type by configuration.",
    "median": "Half of the tasks took this long or less; within 2 %.",
    "p95": "95 of 100 tasks took this long or less; within 2 %.",
    "baseline": (
        "recorded: sequential runs pinned for the pattern. measured: sequential runs of the same pattern and"
        " task types. set: a length per task type, by hand. configured: hours per task type. work: the tasks'"
        " own lengths added up. The best available is taken, in this order; they are never added together."
    ),
    "window": "A window begins on a full five minutes (last hour) or on a full hour (the longer ones).",
    "rejects": "Input that could not be read. It stays in the journal; 'stretto doctor' shows where.",
    "critical_path": (
        "The chain of work that decided when the end came, walked back from the last finish. Only what is on"
        " it makes the session shorter."
    ),
    "slack": "How much longer it could have taken, all else as it was, before the end had come later.",
    "share": "Its part of the critical path.",
    "faster": "Elapsed time worked out again with this task taking a fifth less.",
    "wall_time": "Each instant of the session belongs to exactly one part; they sum to its elapsed time.",
    "parallel_part": "Two or more tasks ran.",
    "single": "One task ran.",
    "main_tools": "A tool call of the main agent executed.",
    "model": "A model call of the main agent was under way.",
    "hooks": "The main agent waited for its hooks.",
    "waiting": "For a person: for leave to use a tool, or between two turns until the next prompt.",
    "idle": "In no turn: before the first, after the last, or while the session was closed.",
    "unknown": "In a turn, and no source tells what the main agent did.",
    "lost_load_balance": "Lane time lost while one lane had more to do than the others.",
    "lost_concurrency": "Lane time lost to late starts, hand-overs and waiting for one another.",
    "tokens_input": "Tokens sent, without what was read from or written to the provider's cache.",
    "tokens_output": "Tokens the model answered with.",
    "tokens_cache_read": "Tokens read from the provider's cache.",
    "tokens_cache_write": "Tokens written to the provider's cache.",
    "cost": "What the calls cost whose price is known: said by the source, configured, or from a list.",
    "recovery": "Failures after which a task that tried again succeeded.",
    "efficiency_parts": "0.30 time, 0.30 resource, 0.25 quality, 0.15 workflow, unless configured otherwise.",
    "collaboration_parts": "Balance, response and success of the messages between agents.",
    "cpu_mean": "Processors that the session's processes kept busy, over the time sampled.",
    "machine_cpu": "Share of the machine's processors that was busy meanwhile, whoever kept them busy.",
    "contention": "Whether the tasks slowed each other down, by the machine's use and their lengths alone.",
    "trend": "Seconds saved against the best baseline of the day; days of UTC.",
    "change": "The last seven days beside the seven before, held against the same kind of baseline.",
    "bottleneck": "The agent with the largest part of the critical paths of the window's sessions.",
    "alerting": "An alert that fires always is told every five minutes; where it falls silent, so do all.",
}
"""Word → what it means."""

PARTS = {
    "parallel": ("Parallel tasks", "parallel_part"),
    "single": ("One task", "single"),
    "main_tools": ("Main agent's tools", "main_tools"),
    "model": ("Model", "model"),
    "hooks": ("Hooks", "hooks"),
    "waiting": ("Waiting for a person", "waiting"),
    "idle": ("Idle", "idle"),
    "unknown": ("Not known", "unknown"),
}
"""Part of a session's wall time → what a person calls it, and the word that defines it."""

ABSENT = {
    "fanouts": "Parallel executions",
    "tasks.seconds": "Times of tasks",
    "tool_calls.seconds": "Times of tool calls",
    "end": "End of the session",
    "model_calls": "Model calls",
    "critical_path": "Critical path",
    "resources": "Use of the machine",
}
"""What an insight calls an absent figure → what a person calls it."""
