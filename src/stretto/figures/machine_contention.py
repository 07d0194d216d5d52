"""Measure how much of the machine a session used, and detect whether its parallel tasks slowed each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.expected_and_missed_gains import measure_slowdown
from stretto.figures.fanouts import Fanout, SequentialTime
from stretto.figures.quantile_sketch import pick_quantile
from stretto.model.entities import Sample

SATURATED = 0.90
"""Share of busy processors at and above which tasks wait for each other."""

LOW_MEMORY = 0.10
"""Share of free memory below which the machine begins to swap or to kill processes."""

SLOWED = 1.10
"""Slowdown from which on tasks count as hindering each other: 1.1 times their length alone."""

COVERED = 0.5
"""Share of a fan-out's elapsed time that samples must cover for a verdict."""


@dataclass(frozen=True, slots=True)
class SessionMachineUse:
    """Machine use of a session's process tree while it was sampled. None if no sample reports the value."""

    samples: int
    sampled_seconds: float
    cpu_seconds: float | None
    cpu_mean: float | None
    """Mean processors in use over the sampled time."""
    cpu_peak: float | None
    """Most processors in use between two readings."""
    cpu_p50: float | None
    cpu_p95: float | None
    memory_mean_bytes: float | None
    memory_peak_bytes: int | None
    memory_p50_bytes: int | None
    memory_p95_bytes: int | None
    read_bytes: int | None
    written_bytes: int | None
    machine_cpu_ratio: float | None
    """Share of the machine's processors that was busy meanwhile, for any process."""
    agents_cpu_ratio: float | None
    """Share of the machine's processors that the session's processes used."""
    machine_memory_available_bytes: int | None
    """Least memory available on the machine."""
    cpu_target: tuple[float, float]
    cpu_standing: str | None
    """The machine's busy share compared with the target: ``below``, ``within`` or ``above``."""


@dataclass(frozen=True, slots=True)
class FanoutContention:
    """Whether the tasks of a fan-out slowed each other; None if unknown, with the reason."""

    contended: bool | None
    reason: str
    machine_cpu_ratio: float | None = None
    machine_memory_available_ratio: float | None = None
    slowdown: float | None = None
    """Length of the tasks over their length in sequential runs."""


def measure_session_machine_use(
    samples: Sequence[Sample], target: tuple[float, float]
) -> SessionMachineUse | None:
    """Return the machine use of a session, or None if it was not sampled.

    ``target`` is the range of good use: least and largest busy share of the machine's processors.
    """
    # Example: samples of 1 GB for 60 s and 3 GB for 30 s have a mean memory of 1.67 GB.
    if not samples:
        return None
    uses = sorted(use for sample in samples if (use := sample.cpu_use) is not None)
    cpu = _sum_reported(samples, lambda sample: sample.cpu)
    cpu_time = sum(sample.duration for sample in samples if sample.cpu is not None)
    memories = sorted(sample.memory for sample in samples if sample.memory is not None)
    memory_and_length = [(sample.memory, sample.duration) for sample in samples if sample.memory is not None]
    total_length = sum(duration for _, duration in memory_and_length)
    busy = compute_busy_ratio((sample, 1.0) for sample in samples)
    peaks = [sample.cpu_peak for sample in samples if sample.cpu_peak is not None]
    memory_peaks = [sample.memory_peak for sample in samples if sample.memory_peak is not None]
    free = [s.machine_memory_available for s in samples if s.machine_memory_available is not None]
    return SessionMachineUse(
        samples=len(samples),
        sampled_seconds=sum(sample.duration for sample in samples) / SECOND,
        cpu_seconds=None if cpu is None else cpu / SECOND,
        cpu_mean=None if cpu is None or not cpu_time else cpu / cpu_time,
        cpu_peak=max(peaks) / SECOND if peaks else None,
        cpu_p50=_scale_quantile(uses, 0.5, SECOND),
        cpu_p95=_scale_quantile(uses, 0.95, SECOND),
        memory_mean_bytes=sum(memory * duration for memory, duration in memory_and_length) / total_length
        if total_length
        else None,
        memory_peak_bytes=max(memory_peaks, default=None),
        memory_p50_bytes=pick_quantile(memories, 0.5),
        memory_p95_bytes=pick_quantile(memories, 0.95),
        read_bytes=_sum_reported(samples, lambda sample: sample.read),
        written_bytes=_sum_reported(samples, lambda sample: sample.written),
        machine_cpu_ratio=busy,
        agents_cpu_ratio=_compute_agents_share(samples),
        machine_memory_available_bytes=min(free, default=None),
        cpu_target=target,
        cpu_standing=None if busy is None else _compare_with_target(busy, target),
    )


def _compute_agents_share(samples: Iterable[Sample]) -> float | None:
    pairs = [
        (sample.cpu, sample.machine_available)
        for sample in samples
        if sample.cpu is not None and sample.machine_available is not None
    ]
    available = sum(total for _, total in pairs)
    return sum(used for used, _ in pairs) / available if available else None


def compute_busy_ratio(weighted_samples: Iterable[tuple[Sample, float]]) -> float | None:
    """Return the busy share of the machine's processors over samples, each with its weight from 0 to 1."""
    busy = available = 0.0
    for sample, part in weighted_samples:
        if sample.machine_busy is not None and sample.machine_available is not None:
            busy += sample.machine_busy * part
            available += sample.machine_available * part
    return busy / available if available else None


def detect_contention(
    fanout: Fanout, sequential: SequentialTime, samples: Iterable[Sample]
) -> FanoutContention:
    """Return whether the tasks of a fan-out slowed each other.

    They did if the machine was saturated while they ran, unless sequential runs show that they were not
    slower. Each sample is weighted by the share of it that the fan-out covers. Example: a fan-out from 10 s
    to 20 s gives a sample from 5 s to 15 s the weight 0.5.
    """
    weighted_samples = [
        (sample, part) for sample in samples if (part := _get_overlap_share(sample, fanout)) > 0
    ]
    sampled = sum(sample.duration * part for sample, part in weighted_samples)
    slowdown = measure_slowdown(fanout, sequential)
    if sampled < COVERED * fanout.elapsed:
        return FanoutContention(None, "the machine was not sampled while it ran", slowdown=slowdown)
    busy = compute_busy_ratio(weighted_samples)
    free = min(
        (
            sample.machine_memory_available / sample.machine_memory
            for sample, _ in weighted_samples
            if sample.machine_memory_available is not None and sample.machine_memory
        ),
        default=None,
    )
    if busy is None and free is None:
        return FanoutContention(None, "the system does not report how busy the machine is", slowdown=slowdown)
    reasons = []
    if busy is not None and busy >= SATURATED:
        reasons.append(f"{busy:.0%} of the machine's processors were busy")
    if free is not None and free < LOW_MEMORY:
        reasons.append(f"only {free:.0%} of the machine's memory was free")
    contended = bool(reasons) and (slowdown is None or slowdown >= SLOWED)
    if not reasons:
        reasons.append("the machine had processors and memory to spare")
    if slowdown is not None:
        reasons.append(f"its tasks took {slowdown:.2f} times as long as one after another")
    return FanoutContention(contended, "; ".join(reasons), busy, free, slowdown)


def _compare_with_target(busy: float, target: tuple[float, float]) -> str:
    low, high = target
    return "below" if busy < low else "above" if busy > high else "within"


def _get_overlap_share(sample: Sample, fanout: Fanout) -> float:
    """Return the share of a sample's time that lies inside the fan-out."""
    if not sample.duration:
        return 0.0
    overlap = min(sample.start + sample.duration, fanout.end) - max(sample.start, fanout.start)
    return max(0, overlap) / sample.duration


def _sum_reported(samples: Iterable[Sample], read_amount: Callable[[Sample], int | None]) -> int | None:
    """Return the sum of the reported sample values, or None if no sample reports any."""
    amounts = [amount for sample in samples if (amount := read_amount(sample)) is not None]
    return sum(amounts) if amounts else None


def _scale_quantile(values: Sequence[int], q: float, unit: float) -> float | None:
    value = pick_quantile(values, q)
    return None if value is None else value / unit
