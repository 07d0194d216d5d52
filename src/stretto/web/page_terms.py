"""Define the page's terms; exported figures use the help text of the table of names."""

from __future__ import annotations

from stretto.names import METRICS, PREFIX

_FROM_TABLE = (
    "speedup_ratio",
    "improvement_ratio",
    "time_saved_seconds",
    "parallel_efficiency_ratio",
    "load_balance_ratio",
    "concurrency_ratio",
    "delivery_ratio",
    "success_ratio",
    "completion_ratio",
    "retry_ratio",
    "agent_completion_ratio",
    "agent_error_ratio",
    "agent_score",
    "quality_score",
    "pattern_quality_score",
    "pattern_speedup",
    "pattern_saved_seconds",
    "pattern_parallel_cost_usd",
    "efficiency_score",
    "contention_ratio",
    "critical_path_agent_seconds",
    "critical_path_tool_seconds",
    "capture_completeness_ratio",
    "overhead_ratio",
)

DEFINITIONS: dict[str, str] = {
    **{name: METRICS[PREFIX + name].help for name in _FROM_TABLE},
    **{
        name: METRICS[f"{PREFIX}{name}_ratio"].help
        for name in ("completion", "success", "retry", "phase_success", "integration_success", "adoption")
    },
    "parallel": "A parallel execution: two or more tasks of one parent whose times overlap.",
    "session_speedup": (
        "Delivered work of its parallel executions over the time they took: the most that working side by"
        " side can have saved. The session's page has the comparison with a baseline."
    ),
    "session_delivered": "Tasks that are over and were not wasted, of all its tasks.",
    "session_finding": (
        "What held it up most, compared with its like, and the findings that name it as a run to look at."
    ),
    "session_conflict": (
        "Two sessions conflict where both wrote the same file while both were open: one of them may have"
        " worked on what the other was changing."
    ),
    "machine_limit": (
        "Processors are used up where 90 % of them or more were busy over a slot of time; memory where less"
        " than 10 % of it was free at some moment while a task ran."
    ),
    "session_cost": "What its model calls cost, as far as their tokens are known.",
    "one_after_another": "Time that the tasks take one after another, according to the baseline.",
    "together": "Time in which at least one of the tasks ran.",
    "work": "Busy time of the tasks, summed.",
    "width": "Most tasks at once.",
    "capacity": "Width times elapsed: the time available in all lanes.",
    "target": "Improvement expected of the task type, by configuration.",
    "median": "Half of the tasks took this long or less; within 2 %.",
    "p95": "95 of 100 tasks took this long or less; within 2 %.",
    "median_call": "Half of the calls took this long or less; within 2 %.",
    "p95_call": "95 of 100 calls took this long or less; within 2 %.",
    "first_token": "Median time from the request to the first token, where a source reports it.",
    "baseline": (
        "recorded: sequential runs pinned for the pattern. measured: sequential runs of the same pattern and"
        " task types. set: a length per task type, by hand. configured: hours per task type. work: the tasks'"
        " own lengths added up. The best available is taken, in this order; they are never added together."
    ),
    "window": "A window begins on a full five minutes (an hour or less) or on a full hour (the longer ones).",
    "rejects": "Input that could not be read. It stays in the journal; 'stretto doctor' shows its place.",
    "critical_path": (
        "The chain of work that decided when the session ended, walked back from the last finish. Only"
        " faster work on this path makes the session shorter."
    ),
    "slack": "How much longer it could have taken without delaying the end, all else being equal.",
    "share": "Its share of the critical path.",
    "faster": "Elapsed time recomputed with this task taking a fifth less.",
    "workflow": (
        "The hours configured for this pattern, credited by the share of its delivered tasks, over the"
        " session's wall time without idle time and waits for a person. No parallel speed-up contains it."
    ),
    "wall_time": "Each instant of the session is in exactly one part. The parts sum to its elapsed time.",
    "parallel_part": "Two or more tasks ran.",
    "single": "One task ran.",
    "main_tools": "A tool call of the main agent executed.",
    "model": "A model call of the main agent was under way.",
    "hooks": "The main agent waited for its hooks.",
    "waiting_agents": "The main agent only waited for agents, and an agent of unknown length ran.",
    "waiting_nothing": "The main agent only waited for agents while none ran.",
    "waiting": "For a person: for leave to use a tool, or between two turns until the next prompt.",
    "idle": "In no turn: before the first, after the last, or while the session was closed.",
    "unknown": "In a turn, but no source reports the work of the main agent.",
    "lost_load_balance": "Lane time lost while one lane had more to do than the others.",
    "lost_concurrency": "Lane time lost to late starts, hand-overs and waiting for one another.",
    "lost_delivery": "Time of tasks that delivered nothing, and of the lanes that were empty after them.",
    "delivered_work": "Busy time of the tasks that were delivered, summed.",
    "synthesis": "From the last task's end to the turn's end: the main agent put the results together.",
    "tokens_input": "Tokens sent, except those read from or written to the provider's cache.",
    "tokens_output": "Tokens the model answered with.",
    "tokens_cache_read": "Tokens read from the provider's cache.",
    "tokens_cache_write": "Tokens written to the provider's cache.",
    "cost": "Cost of the calls with a known price: reported by the source, configured, or from a price list.",
    "recovery": "Failed tasks whose retry succeeded.",
    "efficiency_parts": "0.30 time, 0.30 resource, 0.25 quality, 0.15 workflow, unless configured otherwise.",
    "conflicts": "Tasks that wrote the same file, or that a program declared to conflict.",
    "overall_quality_parts": "The mean of its task types, by tasks. Scores of session and phases count too.",
    "collaboration_parts": "Balance, response and success of the messages between agents.",
    "cpu_mean": "Processors that the session's processes kept busy, over the time sampled.",
    "machine_busy": "Share of the machine's processors that was busy in that time, with any process.",
    "memory_growth": "Growth while as many tasks run; a leak is suspected beyond 10 % in each third of it.",
    "contention": "Whether the tasks slowed each other down, judged by machine load and task lengths.",
    "trend": "Seconds saved against the best baseline of the day; days of UTC.",
    "change": "The last seven days and the seven before, compared with the same kind of baseline.",
    "bottleneck": "The agent with the largest share of the critical paths of the window's sessions.",
    "alerting": "A test alert arrives every five minutes; without it, no other alert would arrive either.",
}
"""Term → definition."""

PARTS = {
    "parallel": ("Parallel tasks", "parallel_part"),
    "single": ("One task", "single"),
    "main_tools": ("Main agent's tools", "main_tools"),
    "model": ("Model", "model"),
    "hooks": ("Hooks", "hooks"),
    "agents": ("Waiting for agents", "waiting_agents"),
    "nothing": ("Waiting on nothing", "waiting_nothing"),
    "waiting": ("Waiting for a person", "waiting"),
    "idle": ("Idle", "idle"),
    "unknown": ("Not known", "unknown"),
}
"""Part of a session's wall time → its title, and its term in ``DEFINITIONS``."""

ABSENT = {
    "beginning": "Beginning of the session",
    "fanouts": "Parallel executions",
    "tasks.seconds": "Times of tasks",
    "tool_calls.seconds": "Times of tool calls",
    "end": "End of the session",
    "model_calls": "Model calls",
    "critical_path": "Critical path",
    "workflow": "Whole workflow",
    "resources": "Use of the machine",
}
"""Key of an absent figure in a session summary → its title."""
