"""Read the machine as a whole: its processors, each core, waits for disks, memory and network."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from stretto.clock import SECOND


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine at an instant; values that the system does not report are None."""

    busy: int | None
    """Nanoseconds of busy processor time since boot, over all cores."""
    available: int | None
    """Nanoseconds of processor time since boot, busy or idle: number of cores times elapsed time."""
    memory: int | None
    """Bytes of memory in total."""
    memory_available: int | None
    """Bytes that a process can get without taking memory from another process."""
    waiting: int | None = None
    """Nanoseconds since boot in which a core idled while something waited for a disk; Linux counts it."""
    cores: tuple[int, ...] = ()
    """Nanoseconds of busy time since boot by core."""
    received: int | None = None
    """Bytes that came in since boot, over all networks but the machine's own loopback."""
    sent: int | None = None


def read() -> Machine:
    """Return the machine as it is now."""
    cores = _read_cores()
    received, sent = _read_network()
    times = [busy for busy, _, _ in cores]
    waits = [waiting for _, _, waiting in cores if waiting is not None]
    total, free = _read_memory()
    return Machine(
        busy=sum(times) if cores else None,
        available=sum(available for _, available, _ in cores) if cores else None,
        memory=total,
        memory_available=free,
        waiting=sum(waits) if waits else None,
        cores=tuple(times),
        received=received,
        sent=sent,
    )


_UNREADABLE = (psutil.Error, OSError, NotImplementedError, RuntimeError)


def _read_cores() -> list[tuple[int, int, int | None]]:
    """Return busy, available and waiting time (ns) of each core; nothing if the system counts only zeros."""
    try:
        by_core = psutil.cpu_times(percpu=True)
    except _UNREADABLE:
        return []
    found = []
    for times in by_core:
        # The host's user time already includes the time of virtual guests.
        parts = {name: value for name, value in times._asdict().items() if not name.startswith("guest")}
        total, waiting = sum(parts.values()), parts.get("iowait")
        idle = parts.get("idle", 0.0) + (waiting or 0.0)
        found.append(
            (
                round((total - idle) * SECOND),
                round(total * SECOND),
                None if waiting is None else round(waiting * SECOND),
            )
        )
    return found if any(available for _, available, _ in found) else []


def _read_memory() -> tuple[int | None, int | None]:
    try:
        memory = psutil.virtual_memory()
    except _UNREADABLE:
        return None, None
    return memory.total, memory.available


def _read_network() -> tuple[int | None, int | None]:
    try:
        by_interface = psutil.net_io_counters(pernic=True)
    except _UNREADABLE:
        return None, None
    outside = [counts for name, counts in by_interface.items() if not name.startswith("lo")]
    if not outside:
        return None, None
    return sum(each.bytes_recv for each in outside), sum(each.bytes_sent for each in outside)
