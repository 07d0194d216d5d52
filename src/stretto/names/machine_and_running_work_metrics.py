"""Metrics of the machine's resources, and of the sessions and tasks that run now."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, define_gauge

_W, _STAT = Label.WINDOW, Label.STAT

RESOURCES: tuple[Metric, ...] = (
    define_gauge("stretto_sessions_open", "1", (), "Sessions that have not ended."),
    define_gauge("stretto_sessions_busy", "1", (), "Open sessions inside a turn or with a running task."),
    define_gauge("stretto_tasks_running", "1", (), "Tasks running now."),
    define_gauge("stretto_last_event_timestamp_seconds", "unixtime", (), "When the newest event happened."),
    define_gauge(
        "stretto_stuck_tasks",
        "1",
        (),
        "Running tasks without events for longer than the limit that wait for no tool.",
    ),
    define_gauge(
        "stretto_longest_open_session_seconds",
        "s",
        (),
        "How long the busy session that began first has been open.",
    ),
    define_gauge(
        "stretto_window_agents_cpu_seconds", "s", (_W,), "Processor time of the agents' process trees."
    ),
    define_gauge(
        "stretto_window_sampled_seconds",
        "s",
        (_W,),
        "Time during which agents' process trees were sampled, summed over sessions.",
    ),
    define_gauge(
        "stretto_window_machine_busy_seconds",
        "s",
        (_W,),
        "Processor time that the machine was busy while agents ran.",
    ),
    define_gauge(
        "stretto_window_machine_available_seconds",
        "s",
        (_W,),
        "Processor time that the machine had while agents ran: cores times time.",
    ),
    define_gauge(
        "stretto_agents_cpu_ratio",
        "1",
        (_W,),
        "Share of the machine's processor time that the agents' processes used while they ran.",
        "stretto_window_agents_cpu_seconds",
        "stretto_window_machine_available_seconds",
    ),
    define_gauge(
        "stretto_machine_cpu_ratio",
        "1",
        (_W,),
        "Share of the machine's processors that was busy while agents ran.",
        "stretto_window_machine_busy_seconds",
        "stretto_window_machine_available_seconds",
    ),
    define_gauge(
        "stretto_agents_cpu_quantile",
        "1",
        (_STAT, _W),
        "Processors in use by one session's process tree, within 2 %.",
    ),
    define_gauge(
        "stretto_agents_memory_quantile_bytes",
        "By",
        (_STAT, _W),
        "Resident memory of one session's process tree, within 2 %.",
    ),
    define_gauge(
        "stretto_window_agents_io_bytes",
        "By",
        (Label.DIRECTION, _W),
        "Bytes that agents' process trees read from and wrote to disk.",
    ),
    define_gauge("stretto_agents_cpu", "1", (), "Processors in use by the agents' process trees now."),
    define_gauge(
        "stretto_agents_memory_bytes", "By", (), "Resident memory of the agents' process trees now."
    ),
    define_gauge(
        "stretto_machine_memory_available_bytes", "By", (), "Memory of the machine that is free for use now."
    ),
    define_gauge("stretto_machine_cpu", "1", (), "Processors of the machine that are busy now."),
    define_gauge(
        "stretto_machine_core_busy_seconds",
        "s",
        (Label.CORE,),
        "Busy time of each of the first 64 cores since the machine started; its rate is the core's load.",
    ),
    define_gauge(
        "stretto_machine_waiting_seconds",
        "s",
        (),
        "Processor time since the machine started that was idle while something waited for a disk.",
    ),
    define_gauge(
        "stretto_machine_network_bytes",
        "By",
        (Label.DIRECTION,),
        "Bytes that the machine received and sent since it started, without those to itself.",
    ),
)
