"""Describe the machine of a window, and which sessions keep memory that they no longer need, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from stretto.clock import MINUTE
from stretto.errors import StrettoError
from stretto.figures.memory_growth import FEWEST_COMPARED, measure_memory_growth_at_constant_load
from stretto.model.entities import Session
from stretto.model.run_rows_for_analyses import SessionRun
from stretto.names import Label
from stretto.operations.figure_lookup import FigureTable
from stretto.operations.measure_finished_runs import NOT_SAMPLED

MOST_SESSIONS_READ = 10
"""Sessions whose samples are read for their growth of memory: the latest ones that are long enough."""

SHORTEST_READ = FEWEST_COMPARED * MINUTE
"""A shorter session (ns) has too few samples for a verdict."""

NO_DISK_READ = "no sample of its processes has it"

NO_CORE_READ = "cores are read by the service while it runs"


def describe_machine(figures: FigureTable, window: str) -> dict[str, Any]:
    """Return disk traffic of agents and the idle share of the machine in a window, and what its cores did.

    ``core_busy_seconds`` has the busy time of each core since the machine started.
    """
    at: dict[str, str] = {Label.WINDOW: window}
    idle = figures.describe("stretto_machine_cpu_ratio", **at)
    if idle["value"] is not None:
        idle["value"] = 1 - idle["value"]
    cores = figures.list_by("stretto_machine_core_busy_seconds", Label.CORE)
    return {
        **{
            f"disk_{name}_bytes": figures.describe(
                "stretto_window_agents_io_bytes", **at, **{Label.DIRECTION: direction}
            )
            for name, direction in (("read", "read"), ("written", "write"))
        },
        "idle_share": idle,
        "core_busy_seconds": {core: figure["value"] for core, figure in cores.items()} or None,
        "absent": {} if cores else {"core_busy_seconds": NO_CORE_READ},
    }


def describe_session_disk_traffic(use: Mapping[str, Any]) -> dict[str, Any]:
    """Return the disk traffic of a session's processes, from what is known of its resources."""
    traffic: dict[str, dict[str, Any]] = {}
    for name in ("read", "written"):
        value = use[f"{name}_bytes"]
        traffic[f"disk_{name}_bytes"] = {"value": value, "count": use["samples"]}
        if value is None:
            traffic[f"disk_{name}_bytes"]["reason"] = NO_DISK_READ
    return traffic


def list_memory_leaks(
    sessions: Sequence[SessionRun], read_session: Callable[[str], Session | None]
) -> dict[str, Any]:
    """Return the growth of memory of the latest long sessions with samples, the suspected leaks first.

    Growth is in bytes an hour at a constant number of running tasks (``figures.memory_growth``).
    """
    sampled = [run for run in sessions if run.cpu_seconds is not None]
    long = [run for run in sampled if run.end - run.start >= SHORTEST_READ]
    rows = []
    try:
        for run in sorted(long, key=lambda run: (-run.end, run.session))[:MOST_SESSIONS_READ]:
            if (session := read_session(run.session)) is not None:
                growth = measure_memory_growth_at_constant_load(session.samples, session.tasks)
                rows.append({"session": run.session, **asdict(growth)})
    except StrettoError as error:
        return {"sessions": [], "suspected": None, "absent": {"suspected": str(error)}}
    rows.sort(key=lambda row: not row["is_leak_suspected"])
    judged = [row for row in rows if row["is_leak_suspected"] is not None]
    reason = NOT_SAMPLED
    if sampled:
        reason = f"of {len(sampled)} sampled sessions none has half an hour with as many running tasks"
    return {
        "sessions": rows,
        "suspected": sum(row["is_leak_suspected"] for row in judged) if judged else None,
        "absent": {} if judged else {"suspected": reason},
    }
