"""Measure how evenly a session used its memory and how busy the machine was, for the efficiency score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stretto.figures.machine_contention import compute_busy_ratio
from stretto.model.entities import Sample

FEWEST_SAMPLES = 5
"""Fewest samples of a session that are judged: a peak of fewer is an accident."""


@dataclass(frozen=True, slots=True)
class ResourceEvenness:
    """A session's use, from 0 to 1; None if fewer than ``FEWEST_SAMPLES`` samples reported it."""

    memory_evenness: float | None
    """Mean memory over the time sampled, over its peak."""
    machine_busy_ratio: float | None
    """The busy share of the machine's processors meanwhile, for any process."""


def measure_resource_use(samples: Sequence[Sample]) -> ResourceEvenness:
    """Return the use of a session by its samples.

    Example: five samples of a minute with 2, 2, 3, 3 and 5 GB and a peak of 6 GB have 3 / 6 = 0.5.
    """
    measured = [(sample.memory, sample) for sample in samples if sample.memory is not None]
    seconds = sum(sample.duration for _, sample in measured)
    peak = max((max(memory, sample.memory_peak or 0) for memory, sample in measured), default=0)
    evenness = None
    if len(measured) >= FEWEST_SAMPLES and seconds and peak:
        evenness = sum(memory * sample.duration for memory, sample in measured) / seconds / peak
    machine = [s for s in samples if s.machine_busy is not None and s.machine_available is not None]
    busy = compute_busy_ratio((sample, 1.0) for sample in machine)
    return ResourceEvenness(evenness, busy if len(machine) >= FEWEST_SAMPLES else None)
