"""What the agents use of the machine, and what is going on now."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, gauge

_W, _STAT = Label.WINDOW, Label.STAT

RESOURCES: tuple[Metric, ...] = (
    gauge("stretto_sessions_open", "1", (), "Sessions that have not ended."),
    gauge("stretto_sessions_busy", "1", (), "Open sessions inside a turn or with a running task."),
    gauge("stretto_tasks_running", "1", (), "Tasks running now."),
    gauge("stretto_last_event_timestamp_seconds", "unixtime", (), "When the newest event happened."),
    gauge(
        "stretto_stuck_tasks",
        "1",
        (),
        "Running tasks that nothing was heard of for longer than the limit and that wait for no tool.",
    ),
    gauge(
        "stretto_longest_open_session_seconds",
        "s",
        (),
        "How long the busy session that began first has been open.",
    ),
    gauge("stretto_window_agents_cpu_seconds", "s", (_W,), "Processor time of the agents' process trees."),
    gauge(
        "stretto_window_sampled_seconds",
        "s",
        (_W,),
        "Time during which agents' process trees were sampled, summed over sessions.",
    ),
    gauge(
        "stretto_window_machine_busy_seconds",
        "s",
        (_W,),
        "Processor time that the machine was busy while agents ran.",
    ),
    gauge(
        "stretto_window_machine_available_seconds",
        "s",
        (_W,),
        "Processor time that the machine had while agents ran: cores times time.",
    ),
    gauge(
        "stretto_machine_cpu_ratio",
        "1",
        (_W,),
        "Share of the machine's processors that was busy while agents ran.",
        "stretto_window_machine_busy_seconds",
        "stretto_window_machine_available_seconds",
    ),
    gauge(
        "stretto_agents_cpu_quantile",
        "1",
        (_STAT, _W),
        "Processors in use by one session's process tree, within 2 %.",
    ),
    gauge(
        "stretto_agents_memory_quantile_bytes",
        "By",
        (_STAT, _W),
        "Resident memory of one session's process tree, within 2 %.",
    ),
    gauge(
        "stretto_window_agents_io_bytes",
        "By",
        (Label.DIRECTION, _W),
        "Bytes that agents' process trees read from and wrote to disk.",
    ),
    gauge("stretto_agents_cpu", "1", (), "Processors in use by the agents' process trees now."),
    gauge("stretto_agents_memory_bytes", "By", (), "Resident memory of the agents' process trees now."),
    gauge(
        "stretto_machine_memory_available_bytes", "By", (), "Memory of the machine that is free for use now."
    ),
)
