"""The machine as a whole: how busy its processors were, how much memory is left."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from stretto.clock import SECOND


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine at one instant; what the system does not tell is None."""

    busy: int | None
    """Nanoseconds of processor time since the boot in which a processor did something."""
    available: int | None
    """Nanoseconds of processor time since the boot: cores times time."""
    memory: int | None
    """Bytes there are."""
    memory_available: int | None
    """Bytes that can be given to a process without another having to give them up."""


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
    # A guest's time stands in its host's user time already.
    parts = {name: value for name, value in times._asdict().items() if not name.startswith("guest")}
    total = sum(parts.values())
    idle = parts.get("idle", 0.0) + parts.get("iowait", 0.0)
    if total <= 0:
        return None, None
    return round((total - idle) * SECOND), round(total * SECOND)
