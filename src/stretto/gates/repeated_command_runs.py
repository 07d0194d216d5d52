"""Run commands again and again, in turn, and measure what each run uses.

Time is that of the clock; processor time, memory and disk are what the system counts for the process and the
children that it waited for (getrusage(2)). A program that wraps its work with Stretto's API is measured by
component too: each run writes to a journal by itself, which is read and removed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from stretto.gates.benchmark_measurements import MeasurementError, Measurements

BLOCK = 512
"""Bytes of a block that getrusage(2) counts."""

RSS_UNIT = 1 if sys.platform == "darwin" else 1024

ReadComponents = Callable[[Path], Mapping[str, float]]
"""Returns the seconds by component that a run's state folder holds."""


@dataclass(frozen=True, slots=True)
class CommandRun:
    """What one run of a command used."""

    seconds: float
    cpu_seconds: float
    memory_bytes: int
    """The largest resident memory of a process."""
    read_bytes: int
    written_bytes: int
    components: Mapping[str, float] = field(default_factory=dict)
    """Component → seconds of all its blocks together."""

    def list_amounts(self) -> Iterator[tuple[str, float]]:
        """Yield each amount with its name; disk only if it was used."""
        yield "time", self.seconds
        yield "cpu", self.cpu_seconds
        yield "memory", float(self.memory_bytes)
        for name, size in (("read", self.read_bytes), ("written", self.written_bytes)):
            if size:
                yield name, float(size)
        for name, seconds in self.components.items():
            yield f"component {name}", seconds


def run_interleaved(
    commands: Sequence[Sequence[str]],
    count: int,
    *,
    warm_up: int,
    environ: Mapping[str, str],
    read_components: ReadComponents,
    random: Random,
) -> list[list[CommandRun]]:
    """Return the runs of each command, taken in turn and in a random order each time.

    So a machine that slows down meanwhile slows all of them. Raises MeasurementError if a run fails.
    """
    runs: list[list[CommandRun]] = [[] for _ in commands]
    for turn in range(warm_up + count):
        for index in random.sample(range(len(commands)), len(commands)):
            run = run_command(commands[index], environ, read_components)
            if turn >= warm_up:
                runs[index].append(run)
    return runs


def run_command(
    command: Sequence[str], environ: Mapping[str, str], read_components: ReadComponents
) -> CommandRun:
    """Run a command once. Raises MeasurementError if it cannot be run or fails."""
    with TemporaryDirectory(prefix="stretto-profile-") as folder:
        seconds, status, cpu, memory, read, written = _start_and_wait(
            command, {**environ, "STRETTO_STATE": folder}
        )
        code = os.waitstatus_to_exitcode(int(status))
        if code:
            raise MeasurementError(
                "the command failed, so its runs say nothing about its speed",
                where=" ".join(command),
                cause=f"exit code {code}",
            )
        components = read_components(Path(folder))
    return CommandRun(
        seconds, cpu, int(memory) * RSS_UNIT, int(read) * BLOCK, int(written) * BLOCK, components
    )


def _start_and_wait(command: Sequence[str], environ: Mapping[str, str]) -> list[float]:
    """Return seconds, exit status, processor seconds, memory, and blocks read and written.

    A small process starts the command: Linux counts as a command's memory at least that of the process which
    started it, and this one has loaded much more.
    """
    reader, writer = os.pipe()
    with open(reader, encoding="utf-8") as report:  # noqa: PTH123  # a descriptor
        try:
            subprocess.run(  # noqa: S603  # the user's command
                [sys.executable, "-I", "-S", "-c", _STARTER, str(writer), *command],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(writer,),
                check=False,
            )
        finally:
            os.close(writer)
        text = report.read()
    if not text or text.startswith("!"):
        cause = text[1:] or "it could not be watched"
        raise MeasurementError("the command cannot be run", where=command[0], cause=cause)
    return [float(number) for number in text.split()]


_STARTER = """
import posix, sys, time
report = int(sys.argv[1])
posix.set_inheritable(report, False)
begun = time.perf_counter()
try:
    child = posix.posix_spawnp(sys.argv[2], sys.argv[2:], posix.environ)
except OSError as error:
    posix.write(report, ("!" + str(error)).encode())
else:
    _, status, used = posix.wait4(child, 0)
    seconds = time.perf_counter() - begun
    cpu = used.ru_utime + used.ru_stime
    numbers = (seconds, status, cpu, used.ru_maxrss, used.ru_inblock, used.ru_oublock)
    posix.write(report, " ".join(map(repr, numbers)).encode())
"""


def to_measurements(runs: Sequence[CommandRun]) -> Measurements:
    """Return the amounts by name. An amount that some runs lack is left out: its runs are not alike."""
    amounts: dict[str, list[float]] = {}
    for run in runs:
        for name, amount in run.list_amounts():
            amounts.setdefault(name, []).append(max(amount, 1e-9))
    complete = {name: tuple(values) for name, values in amounts.items() if len(values) == len(runs)}
    return Measurements(complete, source="profile")
