"""What sampling the agents' processes costs: processor time of a round over the interval, in one core.

Run ``python tests/bench/bench_resources.py [--rounds N] [--json]``. Twenty process trees of ten processes are
started and left to wait; then the sampler of the service reads them again and again. What a round takes grows
with the processes of the whole machine, because each has to be asked for its parent. It measures and does not
judge: the exit code says only whether there are figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import psutil

from stretto.clock import SECOND, read_wall_clock
from stretto.config.settings_table import DEFAULT_INTERVAL_SECONDS
from stretto.hook.client.client import identify_process
from stretto.model.entities import HostProcesses
from stretto.model.event import Event
from stretto.resources.sampler import Sampler, WatchedSession

BUDGET = 0.01
"""Most of one core that sampling may take at the default interval."""
TREES = 20
PER_TREE = 10

_PARENT = """
import subprocess, sys
children = [subprocess.Popen(["sleep", "3600"]) for _ in range(int(sys.argv[1]))]
print("ready", flush=True)
sys.stdin.read()
for child in children:
    child.kill()
    child.wait()
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a round of sampling costs."""

    processes: int
    """In the trees that are sampled."""
    machine_processes: int
    round_median_ms: float
    round_worst_ms: float
    first_ms: float
    interval_seconds: int
    core_ratio: float
    """Processor time of the median round over the interval."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=40, help="readings that are measured (40)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with trees() as roots:
        cost = measure(roots, options.rounds)
    if options.json:
        print(json.dumps({"budget": BUDGET, "rounds": options.rounds, **asdict(cost)}, indent=2))
        return
    print(f"{cost.processes} processes in {TREES} trees, {cost.machine_processes} on the machine")
    print(
        f"a round: median {cost.round_median_ms:.1f} ms, worst {cost.round_worst_ms:.1f} ms of processor time"
    )
    print(f"the first round: {cost.first_ms:.1f} ms")
    print(f"budget: every {cost.interval_seconds} s: {cost.core_ratio:.4f} of one core, at most {BUDGET:.4f}")


@contextmanager
def trees() -> Iterator[list[int]]:
    """Start the trees and end them again; gives the pids of their roots."""
    words = [sys.executable, "-I", "-S", "-c", _PARENT, str(PER_TREE - 1)]
    started = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(TREES)]
    try:
        for root in started:
            assert root.stdout is not None
            root.stdout.readline()
        yield [root.pid for root in started]
    finally:
        for root in started:
            root.communicate()


def measure(roots: list[int], rounds: int) -> Cost:
    """Return what a reading of the trees costs."""
    told = read_wall_clock()
    watched = [
        WatchedSession(f"s{pid}", told, HostProcesses(told, (identify_process(pid),))) for pid in roots
    ]
    ticks = iter(range(0, SECOND * 1_000_000, DEFAULT_INTERVAL_SECONDS * SECOND))
    sampler = Sampler(clock=read_wall_clock, ticking=lambda: next(ticks))
    took: list[float] = []
    samples: list[Event] = []
    for _ in range(rounds + 1):
        before = time.thread_time()
        samples += sampler.take_reading(watched)
        took.append(time.thread_time() - before)
    found = sum(len(psutil.Process(pid).children()) + 1 for pid in roots)
    if found != TREES * PER_TREE or sampler.use.sessions != TREES or not samples:
        raise SystemExit(f"{found} processes, {len(samples)} samples: the figures would mean nothing")
    first, *later = took
    median = statistics.median(later)
    return Cost(
        processes=found,
        machine_processes=len(psutil.pids()),
        round_median_ms=1000 * median,
        round_worst_ms=1000 * max(later),
        first_ms=1000 * first,
        interval_seconds=DEFAULT_INTERVAL_SECONDS,
        core_ratio=median / DEFAULT_INTERVAL_SECONDS,
    )


if __name__ == "__main__":
    main()
