"""Memory over long runs: blocks of the API and sessions of the service leave next to nothing behind."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stretto.clock import read_wall_clock
from stretto.otlp_export.span_sender import NullSender
from stretto.service.service import Service
from tests.soak.__main__ import read_sqlite_memory, trim_memory
from tests.test_service import configured, report, whole_session

MOST_BYTES = 5_000_000

BLOCKS = """
import gc, json, sys
import psutil
import stretto
from tests.soak.__main__ import trim_memory

def run(count):
    for number in range(count // 100):
        with stretto.session("leak", id=f"leak-{number % 50}"):
            for _ in range(99):
                with stretto.task("review", type="review", agent="critic"):
                    pass
        # A queue that is never emptied would fill to its bound: that is no leak.
        stretto.flush()

def measure():
    gc.collect()
    trim_memory()
    return psutil.Process().memory_info().rss

stretto.configure(state=sys.argv[1])
run(20_000)
before = measure()
run(100_000)
print(json.dumps(measure() - before))
"""


@pytest.mark.slow
def test_a_hundred_thousand_blocks_of_the_api_leave_no_memory(tmp_path: Path) -> None:
    """After 20,000 blocks 100,000 more take at most five megabytes."""
    ended = subprocess.run(
        [sys.executable, "-c", BLOCKS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert json.loads(ended.stdout) <= MOST_BYTES


@pytest.mark.slow
def test_two_thousand_sessions_of_the_service_leave_no_memory(tmp_path: Path) -> None:
    """After 1,000 sessions 2,000 more take at most five megabytes, SQLite's bounded caches aside."""
    config = configured(tmp_path)
    service = Service(config, version="1", clock=read_wall_clock, sender=NullSender())

    def run(first: int, count: int) -> None:
        for start in range(first, first + count, 50):
            for number in range(start, start + 50):
                report(config, f"leak-{number:06}", *whole_session(f"leak-{number:06}"))
            service.worker._ingest_journal()  # a round of the worker, without its thread
            service.worker._refresh_snapshot()
            service.expose_metrics("")

    def measure() -> int:
        gc.collect()
        trim_memory()
        return int(psutil.Process().memory_info().rss) - read_sqlite_memory()

    try:
        run(0, 1_000)
        before = measure()
        run(1_000, 2_000)
        assert measure() - before <= MOST_BYTES
    finally:
        service.stop()
