"""Read the machine as a whole: how busy its processors were, and how much memory is available."""

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


def read() -> Machine:
    """Return the machine as it is now."""
    busy, available = _read_processors()
    try:
        memory = psutil.virtual_memory()
    except (psutil.Error, OSError, NotImplementedError, RuntimeError):
        return Machine(busy, available, None, None)
    return Machine(busy, available, memory.total, memory.available)


def _read_processors() -> tuple[int | None, int | None]:
    try:
        times = psutil.cpu_times()
    except (psutil.Error, OSError, NotImplementedError, RuntimeError):
        return None, None
    # The host's user time already includes the time of virtual guests.
    parts = {name: value for name, value in times._asdict().items() if not name.startswith("guest")}
    total = sum(parts.values())
    idle = parts.get("idle", 0.0) + parts.get("iowait", 0.0)
    if total <= 0:
        return None, None
    return round((total - idle) * SECOND), round(total * SECOND)
