"""Measure an HTTP hook as its client waits for it: alone, and with fifty agents at work at once.

Each agent keeps its connection and sends a recorded payload five times a second, as a busy one does. The
service is the real one, appending to its journal and taking it in meanwhile. It measures and does not judge:
the exit code says only whether there are figures.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.stack.running import ROOT, running

BUDGET_MS = 5.0
PERIOD_SECONDS = 0.2
REQUESTS = 50
"""Requests of each agent."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that agents waited."""

    agents: int
    requests: int
    p50: float
    p95: float
    p99: float
    longest: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    recording = ROOT / "src" / "stretto" / "demo" / "fanout.jsonl"
    payload = json.dumps(
        json.loads(recording.read_text(encoding="utf-8").splitlines()[2])["payload"]
    ).encode()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), "--no-servers") as service:
        found = [measure(service.stretto, payload, agents) for agents in (1, 50)]
    if options.json:
        print(json.dumps({"budget_ms": BUDGET_MS, "latencies": [asdict(latency) for latency in found]}))
        return 0
    for latency in found:
        share = f"{latency.p50 / BUDGET_MS:.2f} of the budget of {BUDGET_MS:.0f} ms"
        print(
            f"{latency.agents:3} agent(s): median {latency.p50:.2f} ms, p95 {latency.p95:.2f},"
            f" p99 {latency.p99:.2f}, longest {latency.longest:.1f}; {share}"
        )
    return 0


def measure(address: str, payload: bytes, agents: int) -> Latency:
    """Return what a number of agents wait for their hooks, all of them at work at once."""
    waits: list[float] = []
    threads = [
        threading.Thread(target=_agent, args=(address, payload, number / agents * PERIOD_SECONDS, waits))
        for number in range(agents)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(waits, n=100)
    return Latency(agents, len(waits), cuts[49], cuts[94], cuts[98], max(waits))


def _agent(address: str, payload: bytes, late: float, waits: list[float]) -> None:
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.connect()
    time.sleep(late)  # agents do not act in step
    for _ in range(REQUESTS):
        began = time.perf_counter()
        connection.request("POST", "/hooks/claude-code", payload, {"Content-Type": "application/json"})
        connection.getresponse().read()
        took = time.perf_counter() - began
        waits.append(took * 1000)
        time.sleep(max(0.0, PERIOD_SECONDS - took))  # the agent's own work
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
