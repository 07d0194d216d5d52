"""The service under sessions without end: descriptors, threads and memory do not grow with their number."""

from __future__ import annotations

import gc
import time
import tracemalloc
from pathlib import Path

import psutil
import pytest

from stretto.service.service import Service
from stretto.sources import redact
from tests.shown.scale import choose_scale
from tests.test_service import configured, report, started, until, whole_session

pytestmark = pytest.mark.shown

MOST_PER_SESSION = 1_000
"""Bytes of Python's memory that a session may leave for a while: its id waits in queues, with 200 or so.

The facts of this session take 2,900: keeping them would show.
"""


def run_sessions(service: Service, first: int, count: int) -> None:
    """Report sessions by hooks, ask every surface, and wait until all of them are in the store."""
    for number in range(first, first + count):
        report(service.config, f"soak-{number:06}", *whole_session(f"soak-{number:06}"))
        if number % 50 == 0:
            service.expose_metrics("")
            service.summarise_trends()
            service.list_problems()
    last = f"soak-{first + count - 1:06}"
    service.worker.wake()
    assert until(lambda: service.summarise_session(last) is not None)


def measure() -> tuple[int, int, int]:
    """Return open descriptors, threads and bytes of Python's memory, without a cache that has a bound."""
    redact._forget_texts()
    gc.collect()
    process = psutil.Process()
    return process.num_fds(), process.num_threads(), tracemalloc.get_traced_memory()[0]


def measure_at_rest(most: int) -> tuple[int, int, int]:
    """Return a measurement with at most so much memory, or the last of a minute.

    A snapshot that is being computed takes memory for a moment; what has leaked never comes back.
    """
    measured = measure()
    for _ in range(240):
        if measured[2] <= most:
            break
        time.sleep(0.25)
        measured = measure()
    return measured


def test_nothing_grows_with_the_number_of_sessions(tmp_path: Path) -> None:
    """After a first hundred sessions many more take no descriptor, no thread and few bytes each."""
    more = choose_scale(200, 1_000)
    with started(configured(tmp_path)) as service:
        tracemalloc.start()
        try:
            run_sessions(service, 0, 100)
            time.sleep(2)
            before = measure()
            run_sessions(service, 100, more)
            after = measure_at_rest(before[2] + more * MOST_PER_SESSION)
        finally:
            tracemalloc.stop()
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 1
    assert after[2] - before[2] <= more * MOST_PER_SESSION
