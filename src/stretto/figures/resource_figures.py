"""Compute the machine use of the agents' processes, over a window and at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.outcome_and_quantile_figures import compute_quantile_figures
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_up
from stretto.names import measures
from stretto.names.measures import Dimension

NOT_SAMPLED = "no agent's processes were sampled"

MOST_CORES = 64
"""Cores that are kept apart: each is a series."""


@dataclass(frozen=True, slots=True)
class MachineUse:
    """The machine at the last reading; None if the system does not report it."""

    cpu: float | None = None
    """Processors that were busy since the reading before."""
    memory_available: int | None = None
    waiting: int | None = None
    """Nanoseconds since boot in which a core was idle while something waited for a disk."""
    cores: tuple[int, ...] = ()
    """Nanoseconds of busy time since boot by core."""
    received: int | None = None
    """Bytes since boot."""
    sent: int | None = None


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """The current machine use of the agents' process trees. None if unknown, with a reason."""

    cpu: float | None = None
    """Processors in use."""
    memory: int | None = None
    """Bytes resident."""
    machine: MachineUse = field(default_factory=MachineUse)
    sessions: int = 0
    reason: str = "no reading was taken yet"
    """Why nothing is known of the agents' processes."""
    machine_reason: str = "no reading was taken yet"
    """Why a value of the machine is not known."""


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
    """Yield the current use of the agents' process trees, and of the machine."""
    now = use.machine
    waiting = None if now.waiting is None else now.waiting / SECOND
    for name, labels, value, count, reason in (
        ("stretto_agents_cpu", (), use.cpu, use.sessions, use.reason),
        ("stretto_agents_memory_bytes", (), use.memory, use.sessions, use.reason),
        ("stretto_machine_memory_available_bytes", (), now.memory_available, 1, use.machine_reason),
        ("stretto_machine_cpu", (), now.cpu, 1, use.machine_reason),
        ("stretto_machine_waiting_seconds", (), waiting, 1, use.machine_reason),
        *(
            ("stretto_machine_core_busy_seconds", (("core", str(number)),), busy / SECOND, 1, "")
            for number, busy in enumerate(now.cores[:MOST_CORES])
        ),
        ("stretto_machine_network_bytes", _RECEIVED, now.received, 1, use.machine_reason),
        ("stretto_machine_network_bytes", _SENT, now.sent, 1, use.machine_reason),
    ):
        if value is None:
            yield Figure(name, labels, None, 0, reason)
        else:
            yield Figure(name, labels, value, count)


_RECEIVED: Labels = (("direction", "received"),)
_SENT: Labels = (("direction", "sent"),)


def _sum_seconds(name: str, at: Labels, sums: Sums, measure: str, count: int | None) -> Figure:
    """Return a sum of nanoseconds in seconds; an empty sum is withheld, unless samples were counted."""
    if not sums.get(measure) and not count:
        return Figure(name, at, None, 0, NOT_SAMPLED)
    return Figure(name, at, sum_up(sums, measure) / SECOND, count or 1)
