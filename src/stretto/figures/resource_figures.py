"""What the agents' processes used of the machine, over a window and at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.tallies import Sums, compute_quantile_figures

NOT_SAMPLED = "no agent's processes were sampled"


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """What the agents' process trees use now. None with a reason where that is not known."""

    cpu: float | None = None
    """Processors in use."""
    memory: int | None = None
    """Bytes resident."""
    machine_memory_available: int | None = None
    sessions: int = 0
    reason: str = "no reading was taken yet"


def compute_resource_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield what the agents' process trees, and the machine while they ran, used in a window."""
    at: Labels = (("window", window),)
    samples = sum(sums.get("agents_cpu_use", {}).values())
    for name, measure, count in (
        ("stretto_window_sampled_seconds", "sampled", None),
        ("stretto_window_agents_cpu_seconds", "agents_cpu", samples),
        ("stretto_window_machine_busy_seconds", "machine_busy", None),
        ("stretto_window_machine_available_seconds", "machine_available", None),
    ):
        yield _sum_seconds(name, at, sums, measure, count)
    available = sums.get("machine_available", {}).get((), 0)
    busy = sums.get("machine_busy", {}).get((), 0)
    yield make_ratio("stretto_machine_cpu_ratio", at, busy, available, samples)
    yield from compute_quantile_figures(at, sums.get("agents_cpu_use", {}), "stretto_agents_cpu_quantile")
    yield from compute_quantile_figures(
        at, sums.get("agents_memory", {}), "stretto_agents_memory_quantile_bytes", unit=1
    )
    for (direction,), count in sorted(sums.get("agents_io_samples", {}).items()):
        amount = sums.get("agents_io", {}).get((direction,), 0)
        yield Figure("stretto_window_agents_io_bytes", (("direction", str(direction)), *at), amount, count)


def compute_current_figures(use: ResourceUse) -> Iterator[Figure]:
    """Yield what the agents' process trees use now."""
    for name, value, count in (
        ("stretto_agents_cpu", use.cpu, use.sessions),
        ("stretto_agents_memory_bytes", use.memory, use.sessions),
        ("stretto_machine_memory_available_bytes", use.machine_memory_available, 1),
    ):
        if value is None:
            yield Figure(name, (), None, 0, use.reason)
        else:
            yield Figure(name, (), value, count)


def _sum_seconds(name: str, at: Labels, sums: Sums, measure: str, count: int | None) -> Figure:
    """Return a sum of nanoseconds in seconds; one that nothing was added to is withheld, unless counted."""
    cells = sums.get(measure, {})
    if not cells and not count:
        return Figure(name, at, None, 0, NOT_SAMPLED)
    return Figure(name, at, cells.get((), 0) / SECOND, count or 1)
