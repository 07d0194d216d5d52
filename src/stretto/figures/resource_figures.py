"""Compute the machine use of the agents' processes, over a window and at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.figures_from_counts import compute_quantile_figures
from stretto.figures.sum_reading import Sums, sum_by, sum_up
from stretto.names import measures
from stretto.names.measures import Dimension

NOT_SAMPLED = "no agent's processes were sampled"


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """The current machine use of the agents' process trees. None if unknown, with a reason."""

    cpu: float | None = None
    """Processors in use."""
    memory: int | None = None
    """Bytes resident."""
    machine_memory_available: int | None = None
    sessions: int = 0
    reason: str = "no reading was taken yet"


def compute_resource_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield the use of the agents' process trees in a window, and that of the machine meanwhile."""
    at: Labels = (("window", window),)
    samples = sum_up(sums, measures.AGENTS_CPU_USE)
    for name, measure, count in (
        ("stretto_window_sampled_seconds", measures.SAMPLED, None),
        ("stretto_window_agents_cpu_seconds", measures.AGENTS_CPU, samples),
        ("stretto_window_machine_busy_seconds", measures.MACHINE_BUSY, None),
        ("stretto_window_machine_available_seconds", measures.MACHINE_AVAILABLE, None),
    ):
        yield _sum_seconds(name, at, sums, measure, count)
    available = sum_up(sums, measures.MACHINE_AVAILABLE)
    busy = sum_up(sums, measures.MACHINE_BUSY)
    yield make_ratio("stretto_machine_cpu_ratio", at, busy, available, samples)
    agents = sum_up(sums, measures.AGENTS_CPU)
    yield make_ratio("stretto_agents_cpu_ratio", at, agents, available, samples)
    yield from compute_quantile_figures(at, sums, measures.AGENTS_CPU_USE, "stretto_agents_cpu_quantile")
    yield from compute_quantile_figures(
        at, sums, measures.AGENTS_MEMORY, "stretto_agents_memory_quantile_bytes", unit=1
    )
    samples_by_direction = sum_by(sums, measures.AGENTS_IO_SAMPLES, Dimension.DIRECTION)
    for direction, count in sorted(samples_by_direction.items()):
        amount = sum_up(sums, measures.AGENTS_IO, direction=direction)
        yield Figure("stretto_window_agents_io_bytes", (("direction", direction), *at), amount, count)


def compute_current_figures(use: ResourceUse) -> Iterator[Figure]:
    """Yield the current use of the agents' process trees."""
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
    """Return a sum of nanoseconds in seconds; an empty sum is withheld, unless samples were counted."""
    if not sums.get(measure) and not count:
        return Figure(name, at, None, 0, NOT_SAMPLED)
    return Figure(name, at, sum_up(sums, measure) / SECOND, count or 1)
