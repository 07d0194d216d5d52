"""Measurements of benchmarks: several runs of named tests, with the machine that they ran on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from stretto.errors import StrettoError

FORMAT = 1
"""The version of a baseline's file."""

SPINS = 200_000
ROUNDS = 7


class MeasurementError(StrettoError):
    """A report or a baseline cannot be used."""


@dataclass(frozen=True, slots=True)
class BenchMachine:
    """What times depend on beside the program."""

    name: str
    """Processor, number of processors, system: times of another name are not compared."""
    reference_seconds: float | None = None
    """How long the reference loop took there; None if it was not run."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """Runs by test: the value of a test in a run is the median of its rounds there, in seconds."""

    runs: Mapping[str, tuple[float, ...]]
    machine: BenchMachine | None = None
    source: str = ""
    """The format that they were read from."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How often each test ran in all, if that differs between tests (task types of sessions)."""

    def merge(self, other: Measurements) -> Measurements:
        """Return the runs of both. Raises MeasurementError if they are of two machines."""
        if self.machine and other.machine and self.machine.name != other.machine.name:
            raise MeasurementError(
                "the reports are of two machines",
                cause=f"{self.machine.name} and {other.machine.name}",
                hint="compare runs of each machine by themselves",
            )
        names = [*dict.fromkeys([*self.runs, *other.runs])]
        counts = {name: self.counts.get(name, 0) + other.counts.get(name, 0) for name in names}
        return Measurements(
            {name: self.runs.get(name, ()) + other.runs.get(name, ()) for name in names},
            self.machine or other.machine,
            self.source or other.source,
            {name: count for name, count in counts.items() if count},
        )


def merge_all(measurements: Iterable[Measurements]) -> Measurements:
    """Return the runs of several reports together."""
    merged = Measurements({})
    for each in measurements:
        merged = merged.merge(each)
    return merged


def describe_machine() -> str:
    """Return the name of this machine for comparisons: processor, number of processors, system."""
    model = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    model = line.partition(":")[2].strip()
                    break
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} processors, {platform.system()}"


def time_reference_loop() -> float:
    """Return the processor seconds of a fixed loop, the median of ROUNDS: a yardstick between machines."""
    times = []
    for _ in range(ROUNDS):
        begun, total, table = process_time(), 0, dict.fromkeys(range(64), 1)
        for number in range(SPINS):
            total += table[number & 63] * number % 7
        times.append(process_time() - begun)
    return median(times)


def to_document(measurements: Measurements) -> dict[str, Any]:
    """Return measurements as JSON."""
    machine = measurements.machine
    return {
        "format": FORMAT,
        "source": measurements.source,
        "machine": None if machine is None else machine.name,
        "reference_seconds": None if machine is None else machine.reference_seconds,
        "counts": dict(measurements.counts),
        "runs": {name: list(values) for name, values in measurements.runs.items()},
    }


def from_document(document: Any, where: str) -> Measurements:
    """Return measurements from JSON. Raises MeasurementError if it is not a baseline of ours."""
    try:
        if document["format"] != FORMAT:
            raise MeasurementError(
                f"the baseline is of format {document['format']}, this program reads {FORMAT}",
                where=where,
                hint="save it again with this version",
            )
        name, reference = document["machine"], document["reference_seconds"]
        return Measurements(
            {
                str(test): tuple(check_seconds(value, where) for value in values)
                for test, values in document["runs"].items()
            },
            None
            if name is None
            else BenchMachine(str(name), None if reference is None else float(reference)),
            str(document["source"]),
            {str(test): int(count) for test, count in document["counts"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MeasurementError(
            "this is not a baseline", where=where, cause=f"{type(error).__name__}: {error}",
            hint="save one with: stretto gate NEW --save NAME",
        ) from error  # fmt: skip


def write_baseline(path: Path, measurements: Measurements) -> None:
    """Write a baseline's file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(to_document(measurements), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(path)


def check_seconds(value: Any, where: str) -> float:
    """Return a time as a float. Raises MeasurementError unless it is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise MeasurementError("a time is not a number of seconds", where=where, cause=f"it is {value!r}")
    # A test below the clock's resolution counts as one nanosecond, so that it has a logarithm.
    return max(float(value), 1e-9)
