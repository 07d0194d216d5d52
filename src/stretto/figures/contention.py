"""What one session used of the machine, and whether its parallel tasks stood in each other's way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.fanouts import Fanout, SequentialTime
from stretto.figures.gains import measure_slowdown
from stretto.model.entities import Sample

SATURATED = 0.90
"""The share of the machine's processors from which on tasks wait for each other."""

LOW_MEMORY = 0.10
"""The share of the machine's memory below which it begins to swap or to end processes."""

SLOWED = 1.10
"""How many times as long as alone tasks take that hinder each other, beyond what they vary by anyway."""

COVERED = 0.5
"""The share of a fan-out that samples must cover to say anything about it."""


@dataclass(frozen=True, slots=True)
class SessionUse:
    """What a session's process tree used while it was sampled. None where no sample told."""

    samples: int
    sampled_seconds: float
    cpu_seconds: float | None
    cpu_mean: float | None
    """Processors in use, over the time sampled."""
    cpu_peak: float | None
    """Processors in use between the two readings that found the most."""
    cpu_p50: float | None
    cpu_p95: float | None
    memory_mean_bytes: float | None
    memory_peak_bytes: int | None
    memory_p50_bytes: int | None
    memory_p95_bytes: int | None
    read_bytes: int | None
    written_bytes: int | None
    machine_cpu_ratio: float | None
    """Share of the machine's processors that was busy meanwhile, whoever kept them busy."""
    machine_memory_available_bytes: int | None
    """The least memory that was free for use."""
    cpu_target: tuple[float, float]
    cpu_standing: str | None
    """The machine's share against the target: ``below``, ``within`` or ``above``."""


@dataclass(frozen=True, slots=True)
class Contention:
    """Whether the tasks of a fan-out stood in each other's way; None with the reason where nothing tells."""

    contended: bool | None
    reason: str
    machine_cpu_ratio: float | None = None
    machine_memory_available_ratio: float | None = None
    slowdown: float | None = None
    """How many times as long as in measured runs of their own the tasks took."""


def measure_session_use(samples: Sequence[Sample], target: tuple[float, float]) -> SessionUse | None:
    """Return what a session used, or None where it was not sampled.

    ``target`` is the least and the largest share of the machine's processors that is well used.
    """
    if not samples:
        return None
    uses = sorted(use for sample in samples if (use := sample.cpu_use) is not None)
    cpu = _sum_reported(samples, lambda sample: sample.cpu)
    cpu_time = sum(sample.duration for sample in samples if sample.cpu is not None)
    memories = sorted(sample.memory for sample in samples if sample.memory is not None)
    weighed = [(sample.memory, sample.duration) for sample in samples if sample.memory is not None]
    lasted = sum(duration for _, duration in weighed)
    busy = compute_busy_ratio((sample, 1.0) for sample in samples)
    peaks = [sample.cpu_peak for sample in samples if sample.cpu_peak is not None]
    memory_peaks = [sample.memory_peak for sample in samples if sample.memory_peak is not None]
    free = [s.machine_memory_available for s in samples if s.machine_memory_available is not None]
    return SessionUse(
        samples=len(samples),
        sampled_seconds=sum(sample.duration for sample in samples) / SECOND,
        cpu_seconds=None if cpu is None else cpu / SECOND,
        cpu_mean=None if cpu is None or not cpu_time else cpu / cpu_time,
        cpu_peak=max(peaks) / SECOND if peaks else None,
        cpu_p50=_scale_quantile(uses, 0.5, SECOND),
        cpu_p95=_scale_quantile(uses, 0.95, SECOND),
        memory_mean_bytes=sum(m * d for m, d in weighed) / lasted if lasted else None,
        memory_peak_bytes=max(memory_peaks, default=None),
        memory_p50_bytes=_pick_quantile(memories, 0.5),
        memory_p95_bytes=_pick_quantile(memories, 0.95),
        read_bytes=_sum_reported(samples, lambda sample: sample.read),
        written_bytes=_sum_reported(samples, lambda sample: sample.written),
        machine_cpu_ratio=busy,
        machine_memory_available_bytes=min(free, default=None),
        cpu_target=target,
        cpu_standing=None if busy is None else _compare_with_target(busy, target),
    )


def compute_busy_ratio(weighed: Iterable[tuple[Sample, float]]) -> float | None:
    """Return the share of the machine's processors that was busy, of samples each by the part that counts."""
    busy = available = 0.0
    for sample, part in weighed:
        if sample.machine_busy is not None and sample.machine_available is not None:
            busy += sample.machine_busy * part
            available += sample.machine_available * part
    return busy / available if available else None


def detect_contention(fanout: Fanout, held_against: SequentialTime, samples: Iterable[Sample]) -> Contention:
    """Return whether the tasks of a fan-out stood in each other's way, as far as the machine tells.

    They did where the machine was used up while they ran, unless measured runs of their own show that they
    were no slower for it. A sample counts with the part of it that the fan-out covers.
    """
    weighed = [(sample, part) for sample in samples if (part := _get_overlap_share(sample, fanout)) > 0]
    covered = sum(sample.duration * part for sample, part in weighed)
    slowed = measure_slowdown(fanout, held_against)
    if covered < COVERED * fanout.elapsed:
        return Contention(None, "the machine was not sampled while it ran", slowdown=slowed)
    busy = compute_busy_ratio(weighed)
    free = min(
        (
            sample.machine_memory_available / sample.machine_memory
            for sample, _ in weighed
            if sample.machine_memory_available is not None and sample.machine_memory
        ),
        default=None,
    )
    if busy is None and free is None:
        return Contention(None, "the system does not tell how busy the machine is", slowdown=slowed)
    said = []
    if busy is not None and busy >= SATURATED:
        said.append(f"{busy:.0%} of the machine's processors were busy")
    if free is not None and free < LOW_MEMORY:
        said.append(f"only {free:.0%} of the machine's memory was free")
    contended = bool(said) and (slowed is None or slowed >= SLOWED)
    if not said:
        said.append("the machine had processors and memory to spare")
    if slowed is not None:
        said.append(f"its tasks took {slowed:.2f} times as long as one after another")
    return Contention(contended, "; ".join(said), busy, free, slowed)


def _compare_with_target(busy: float, target: tuple[float, float]) -> str:
    low, high = target
    return "below" if busy < low else "above" if busy > high else "within"


def _get_overlap_share(sample: Sample, fanout: Fanout) -> float:
    """Return which part of a sample's stretch lies inside the fan-out."""
    if not sample.duration:
        return 0.0
    shared = min(sample.start + sample.duration, fanout.end) - max(sample.start, fanout.start)
    return max(0, shared) / sample.duration


def _sum_reported(samples: Iterable[Sample], of: Callable[[Sample], int | None]) -> int | None:
    """Return the sum of what samples tell, or None where none does."""
    amounts = [amount for sample in samples if (amount := of(sample)) is not None]
    return sum(amounts) if amounts else None


def _pick_quantile(values: Sequence[int], q: float) -> int | None:
    """Return the q-quantile of sorted values, the lower one where it falls between two."""
    return values[int(q * (len(values) - 1))] if values else None


def _scale_quantile(values: Sequence[int], q: float, unit: float) -> float | None:
    found = _pick_quantile(values, q)
    return None if found is None else found / unit
