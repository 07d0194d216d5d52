"""Measure an HTTP hook as its client waits for it, beside a bare Starlette echo in the same run.

Each agent keeps its connection and sends a recorded payload five times a second, as a busy one does. The
service is the real one, appending to its journal and ingesting meanwhile; the echo is a Starlette route that
reads the body and returns it, served by the same uvicorn. Both are measured in turns: one agent at rest, one
agent beside four busy processes, and fifty agents at once. The exit code is 1 if the median at rest is beyond
the limit, which leaves room for a shared machine; beside busy processes the scheduler decides more.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.ports import find_free_port
from tests.stack.running import ROOT, running

BUDGET = 2.0
"""Most times the echo's median."""
LIMIT = 4.0
"""Times the echo's median at rest beyond which the bench fails: twice the budget."""
PERIOD_SECONDS = 0.2
TURNS = 3
HOOK = "/hooks/claude-code"

ECHO = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
async def echo(request):
    return Response(await request.body())
app = Starlette(routes=[Route("/hooks/claude-code", echo, methods=["POST"])])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", access_log=False)
"""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that agents waited."""

    stage: str
    server: str
    requests: int
    p50: float
    p99: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--requests", type=int, default=20, help="requests of each agent in a turn")
    options = parser.parse_args()
    recording = ROOT / "src" / "stretto" / "demo" / "fanout.jsonl"
    lines = recording.read_text(encoding="utf-8").splitlines()
    payload = json.dumps(json.loads(lines[2])["payload"]).encode()
    found: list[Latency] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), "--no-servers") as service,
        run_echo() as echo,
    ):
        servers = {"stretto": service.stretto, "echo": echo}
        found += measure("at rest", servers, payload, agents=1, requests=options.requests)
        with run_busy_processes(4):
            found += measure("under load", servers, payload, agents=1, requests=options.requests)
        found += measure("50 agents", servers, payload, agents=50, requests=options.requests // 4)
    ratios = compute_ratios(found)
    if options.json:
        document = {"budget": BUDGET, "latencies": [asdict(latency) for latency in found], "ratios": ratios}
        print(json.dumps(document))
    else:
        for latency in found:
            print(
                f"{latency.stage:>10} {latency.server:>8}:"
                f" median {latency.p50:6.2f} ms, p99 {latency.p99:7.2f}"
            )
        for stage, ratio in ratios.items():
            print(f"{stage:>10}: {ratio:.2f} × the echo's median; the budget is {BUDGET:.0f} ×")
    return int(ratios["at rest"] > LIMIT)


def compute_ratios(found: list[Latency]) -> dict[str, float]:
    """Return the hook's median over the echo's by stage."""
    medians = {(latency.stage, latency.server): latency.p50 for latency in found}
    stages = dict.fromkeys(latency.stage for latency in found)
    return {stage: round(medians[stage, "stretto"] / medians[stage, "echo"], 2) for stage in stages}


def measure(
    stage: str, servers: dict[str, str], payload: bytes, *, agents: int, requests: int
) -> Iterator[Latency]:
    """Yield what a number of agents wait at each server, the servers in turns."""
    waits: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(TURNS):
        for name, address in servers.items():
            threads = [
                threading.Thread(
                    target=send_hooks,
                    args=(address, payload, requests, number / agents * PERIOD_SECONDS, waits[name]),
                )
                for number in range(agents)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    for name, measured in waits.items():
        cuts = statistics.quantiles(measured, n=100)
        yield Latency(stage, name, len(measured), cuts[49], cuts[98])


def send_hooks(address: str, payload: bytes, requests: int, late: float, waits: list[float]) -> None:
    """Send hooks as an agent does, and add the milliseconds of each answer."""
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.connect()
    time.sleep(late)  # agents do not act in step
    for _ in range(requests):
        began = time.perf_counter()
        connection.request("POST", HOOK, payload, {"Content-Type": "application/json"})
        connection.getresponse().read()
        took = time.perf_counter() - began
        waits.append(took * 1000)
        time.sleep(max(0.0, PERIOD_SECONDS - took))  # the agent's work
    connection.close()


@contextmanager
def run_echo() -> Iterator[str]:
    """Run the bare echo in a process; yield its address."""
    port = find_free_port()
    # A session of its own, as the service has: Linux shares processors out by session.
    process = subprocess.Popen([sys.executable, "-c", ECHO, str(port)], start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                http.client.HTTPConnection("127.0.0.1", port, timeout=5).connect()
                break
            except OSError:
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def run_busy_processes(count: int) -> Iterator[None]:
    """Keep processors busy by so many processes until the block ends."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
