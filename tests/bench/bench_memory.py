"""Measure the resident memory of a running service while OTLP spans arrive.

Run ``python -m tests.bench.bench_memory [--spans N] [--floor MB] [--json]``. Spans of Claude Code and of an
instrumented framework, half of each, are posted in requests of 512 to a real service without servers. Its
resident memory is read from the system at the most it was while spans arrived, and once all are in the store.
With ``--floor`` the exit code is 1 above so many megabytes in the end; the budget is 150.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from tests.bench.bench_otlp import BATCH, PROTOBUF, request
from tests.stack.running import Running, running

SPANS = 100_000
BUDGET_BYTES = 150 * 1024 * 1024
SETTLED_SECONDS = 4.0
"""Without new events in the snapshot for so long, everything is in the store."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes of a service."""

    spans: int
    at_first: int
    at_most: int
    """Of the readings after each request."""
    in_the_end: int
    """Once every span is in the store and the figures are made."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--spans", type=int, default=SPANS, help=f"spans to send ({SPANS})")
    parser.add_argument("--floor", type=float, default=None, help="fail above so many megabytes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), "--no-servers") as service:
        found = measure_memory(service, options.spans)
    if options.json:
        print(json.dumps({"budget_bytes": BUDGET_BYTES, **asdict(found)}))
    else:
        first, most, end, budget = (
            size / 2**20 for size in (found.at_first, found.at_most, found.in_the_end, BUDGET_BYTES)
        )
        print(
            f"resident memory: {first:.0f} MB at first, {most:.0f} MB at most,"
            f" {end:.0f} MB after {found.spans:,} spans (budget {budget:.0f})"
        )
    return int(options.floor is not None and found.in_the_end > options.floor * 2**20)


def measure_memory(service: Running, spans: int) -> Memory:
    """Post so many spans and return the service's memory."""
    process = psutil.Process(service.process.pid)
    at_first = at_most = process.memory_info().rss
    requests = -(-spans // BATCH)
    for number in range(requests):
        body = request(number, number % 2 == 1, 0).SerializeToString()
        sent = urllib.request.Request(f"http://{service.stretto}/v1/traces", body, {"Content-Type": PROTOBUF})
        with urllib.request.urlopen(sent, timeout=60) as answer:
            answer.read()
        at_most = max(at_most, process.memory_info().rss)
    before = 0
    while (stored := count_stored_events(service)) != before or not stored:
        before = stored
        time.sleep(SETTLED_SECONDS)
        at_most = max(at_most, process.memory_info().rss)
    end = process.memory_info().rss
    return Memory(requests * BATCH, at_first, max(at_most, end), end)


def count_stored_events(service: Running) -> int:
    """Return the events that the last snapshot counts."""
    return int(service.get("/api/snapshot")["events"])


if __name__ == "__main__":
    sys.exit(main())
