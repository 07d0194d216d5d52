"""Describe the circumstances of a run: what its session reported, and the machine that its samples show.

Values are few and coarse, so that runs of like circumstances can be compared. What no sample reports is
missing, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stretto.figures.machine_contention import LOW_MEMORY, SATURATED, compute_busy_ratio
from stretto.model.entities import Sample, Session
from stretto.model.run_rows_for_analyses import Covariates
from stretto.names import fact_fields

MACHINE_LOAD = "machine_load"
"""``full`` if nearly all processors of the machine were busy meanwhile, else ``free``."""

MACHINE_MEMORY = "machine_memory"
"""``short`` if the machine had hardly any memory left meanwhile, else ``enough``."""

SHORT_MEMORY = "short"

GIBIBYTE = 1 << 30


def describe_circumstances(session: Session, samples: Sequence[Sample], start: int, end: int) -> Covariates:
    """Return the circumstances of a run from ``start`` to ``end`` (ns); ``samples`` are the session's.

    A machine that the session names itself stays as it is named. Example: ``machine`` is "8 processors,
    16 GiB", ``machine_load`` is "full".
    """
    meanwhile = [each for each in samples if each.start < end and each.start + each.duration > start]
    known = {
        fact_fields.MACHINE: _describe_machine(samples),
        MACHINE_LOAD: _describe_load(meanwhile),
        MACHINE_MEMORY: _describe_memory(meanwhile),
    }
    return {name: value for name, value in known.items() if value} | dict(session.covariates)


def _describe_machine(samples: Iterable[Sample]) -> str | None:
    """Return processors and memory of the machine, as the first complete sample has them."""
    for sample in samples:
        if sample.machine_available and sample.machine_memory and sample.duration:
            processors = max(1, round(sample.machine_available / sample.duration))
            plural = "" if processors == 1 else "s"
            return f"{processors} processor{plural}, {round(sample.machine_memory / GIBIBYTE)} GiB"
    return None


def _describe_load(samples: Iterable[Sample]) -> str | None:
    busy = compute_busy_ratio((sample, 1.0) for sample in samples)
    if busy is None:
        return None
    return "full" if busy >= SATURATED else "free"


def _describe_memory(samples: Iterable[Sample]) -> str | None:
    left = [
        sample.machine_memory_available / sample.machine_memory
        for sample in samples
        if sample.machine_memory and sample.machine_memory_available is not None
    ]
    if not left:
        return None
    return SHORT_MEMORY if min(left) < LOW_MEMORY else "enough"
