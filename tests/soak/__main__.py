"""A day of fifty agents in simulated time: memory, descriptors, threads, series and log do not grow.

``python -m tests.soak [--hours 24] [--agents 50] [--json]``. The service runs with its HTTP server in this
process, with a clock that is moved on. Agents work through sessions of tasks and calls, four of them send
spans by OTLP, all others hooks; open pages listen to the stream of updates, and each slice of five simulated
minutes is scraped and shown. After each simulated hour the resources are noted. From the hours after the
first six the mean change per hour is told with its 95 % interval (Student's t). The exit code is 1 if an
interval lies wholly above 0.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import ctypes.util
import gc
import json
import math
import random
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev

import psutil

from stretto import journal
from stretto.cli.up import _build_backend
from stretto.clock import HOUR, MINUTE, SECOND
from stretto.config.loading import load_config
from stretto.figures.confidence_intervals import compute_student_t
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.otlp_export.span_sender import NullSender
from stretto.service.service import Service
from stretto.sources.otlp.receive import Signal
from stretto.web.app import create_app
from stretto.web.connection_bounds import ConnectionBounds
from stretto.web.http_server import HttpServer, make_server
from tests.fakes import list_latest
from tests.otlp_requests import JSON, as_json, span, traces

BEGIN = 1_767_600_000 * SECOND
"""Monday 5 January 2026, 08:00 UTC."""

SETTLING_HOURS = 6
"""Hours in which caches and pools fill."""

SLICE = 5 * MINUTE
STREAMS = 6
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The resources after a simulated hour."""

    hour: int
    resident_bytes: int
    """Without SQLite's caches, whose size is bounded and reported by SQLite itself."""
    descriptors: int
    threads: int
    series: int
    log_bytes: int
    """Size of the store's write-ahead log."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The mean change of a resource per hour, with its 95 % interval."""

    resource: str
    mean: float
    low: float
    high: float

    @property
    def grows(self) -> bool:
        """Whether the interval lies wholly above 0."""
        return self.low > 0


def estimate_drift(resource: str, values: list[float]) -> Drift:
    """Return the mean change from value to value. Changes of a level that only wavers cancel out."""
    changes = [after - before for before, after in pairwise(values)]
    mean = fmean(changes)
    reach = compute_student_t(len(changes) - 1) * stdev(changes) / math.sqrt(len(changes))
    return Drift(resource, mean, mean - reach, mean + reach)


class Soak:
    """The service, its clock and the agents."""

    def __init__(self, folder: Path, agents: int) -> None:
        self.now = BEGIN
        self.config = load_config({}, folder, state=str(folder / "state"))
        self.service = Service(self.config, version="soak", clock=lambda: self.now, sender=NullSender())
        self.backend = _build_backend(self.config, self.service, self.service.list_problems)
        self.service.on_snapshot(self.backend.updates.announce_snapshot)
        self._agents = agents
        self._random = random.Random(1)  # a fixed course, no secret

    def run_hour(self, hour: int, address: str) -> Reading:
        """Let the agents work for an hour, then return the resources."""
        for place in range(HOUR // SLICE):
            begin = BEGIN + hour * HOUR + place * SLICE
            self.now = begin + SLICE
            records = b"".join(
                journal.encode_event(event)
                for agent in range(4, self._agents)
                for event in self._draw_slice(agent, hour, place, begin)
            )
            journal.append_records(journal.get_day_file(self.config.journal, self.now), records)
            for agent in range(4):
                self._send_spans(agent, begin)
            self._wait_until_ingested()
            for path in ("/metrics", "/", "/sessions", "/api/snapshot", f"/sessions/{hour}-{place}-9"):
                with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as answer:
                    answer.read()
        return self.read_resources(hour)

    def read_resources(self, hour: int) -> Reading:
        """Return the resources now, after garbage is collected and free memory is given back."""
        gc.collect()
        trim_memory()
        process = psutil.Process()
        scrape = self.service.expose_metrics("").body
        log = Path(f"{self.config.database}-wal")
        return Reading(
            hour,
            process.memory_info().rss - read_sqlite_memory(),
            process.num_fds(),
            process.num_threads(),
            sum(not line.startswith(b"#") for line in scrape.splitlines()),
            log.stat().st_size if log.exists() else 0,
        )

    def _draw_slice(self, agent: int, hour: int, place: int, begin: int) -> Iterator[Event]:
        """Yield a session of an agent, whole but for every tenth, which stays open for the sweep."""
        session, draw = f"{hour}-{place}-{agent}", self._random
        start = begin + draw.randrange(MINUTE)

        def make(kind: Kind, after: float, **fields: object) -> Event:
            at = start + int(after * SECOND)
            return Event(kind=kind, session=session, time=at, channel=Channel.HOOK, **fields)  # type: ignore[arg-type]  # fields of an event

        pattern = ("review", "release", "fix")[agent % 3]
        yield make(Kind.SESSION_START, 0, attributes={"project": f"p{agent % 5}", "pattern": pattern})
        yield make(Kind.TURN_START, 1, id=f"{session}-t", type="user")
        for number in range(draw.randrange(1, 4)):
            task, name = f"{session}-a{number}", ("critic", "author", "tester")[number]
            yield make(Kind.TASK_START, 2 + number, id=task, name=name)
            for call in range(3):
                same = {"id": f"{task}-{call}", "parent": task, "name": ("Bash", "Read", "Edit")[call]}
                yield make(Kind.TOOL_START, 5 + 10 * call, **same)
                yield make(Kind.TOOL_END, 9 + 10 * call, outcome=Outcome.SUCCESS, **same)
            yield make(Kind.TASK_END, 60 + draw.randrange(60), id=task, name=name, outcome=Outcome.SUCCESS)
        if (agent + place) % 10:
            yield make(Kind.TURN_END, 130, id=f"{session}-t", outcome=Outcome.SUCCESS)
            yield make(Kind.SESSION_END, 131)

    def _send_spans(self, agent: int, begin: int) -> None:
        spans = [span(f"invoke_agent a{number}", agent * 10 + number) for number in range(3)]
        for number, each in enumerate(spans):
            at = begin + (number + 1) * 10 * SECOND
            each.update(startTimeUnixNano=str(at), endTimeUnixNano=str(at + 20 * SECOND))
            each["traceId"] = f"{begin // SECOND:016x}{agent:016x}"
        self.service.intake.receive_otlp(Signal.TRACES, as_json(traces(spans)), JSON, "")

    def _wait_until_ingested(self) -> None:
        """Wait until the store has the whole journal and a snapshot shows it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            sizes = journal.list_file_sizes(self.config.journal)
            snapshot = self.service.snapshot
            behind = any(
                size > self.service.worker.ingested.sizes.get(file, 0) for file, size in sizes.items()
            )
            if not behind and snapshot is not None and snapshot.at == self.now:
                return
            time.sleep(0.02)
        raise TimeoutError(f"not ingested: {self.service.list_problems()}")


@contextmanager
def serve(soak: Soak) -> Iterator[str]:
    """Serve the soak's pages in a thread; yield the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server: HttpServer = make_server(
        create_app(soak.backend), soak.backend.updates, ConnectionBounds(), lambda: None
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield "{}:{}".format(*listener.getsockname())
    finally:
        server.should_exit = True
        thread.join()


def follow_updates(address: str, count: list[int]) -> None:
    """Read a stream of updates as an open page does, until it ends."""
    with urllib.request.urlopen(f"http://{address}/api/events", timeout=PATIENCE) as stream:
        for line in stream:
            count[0] += line.startswith(b"event:")


def read_sqlite_memory() -> int:
    """Return the bytes that SQLite has allocated in this process; 0 if its library cannot be asked."""
    name = ctypes.util.find_library("sqlite3")
    try:
        library = ctypes.CDLL(name)
        library.sqlite3_memory_used.restype = ctypes.c_int64
        return int(library.sqlite3_memory_used())
    except (OSError, AttributeError, TypeError):
        return 0


def trim_memory() -> None:
    """Give free memory back to the system where the C library can: else its pools count as in use."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return


def main() -> int:
    """Run and print; 1 if anything grows."""
    parser = argparse.ArgumentParser(
        prog="make soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=int, default=24, help="simulated hours, more than eight (24)")
    parser.add_argument("--agents", type=int, default=50, help="agents (50)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    readings: list[Reading] = []
    updates = [0]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        soak = Soak(Path(folder), options.agents)
        soak.service.start()
        stack.callback(soak.service.stop)
        address = stack.enter_context(serve(soak))
        for _ in range(STREAMS):
            threading.Thread(target=follow_updates, args=(address, updates), daemon=True).start()
        for hour in range(options.hours):
            readings.append(soak.run_hour(hour, address))
            print(f"hour {hour}: {asdict(readings[-1])}", file=sys.stderr)
        stored = len(list_latest(soak.service, 1)) and soak.service.snapshot
        sessions = stored.activity.sessions if stored else 0
    settled = readings[SETTLING_HOURS - 1 :]
    names = ("resident_bytes", "descriptors", "threads", "series", "log_bytes")
    drifts = [estimate_drift(name, [float(getattr(each, name)) for each in settled]) for name in names]
    if options.json:
        print(json.dumps({"sessions": sessions, "drifts": [asdict(drift) for drift in drifts]}))
    else:
        print(f"{options.hours} h of {options.agents} agents: {sessions:,} sessions, {updates[0]:,} updates")
        for drift in drifts:
            verdict = "GROWS" if drift.grows else "does not grow"
            print(
                f"{drift.resource:>15}: {drift.mean:+14,.1f} an hour"
                f" [{drift.low:+,.1f}, {drift.high:+,.1f}]  {verdict}"
            )
    return int(any(drift.grows for drift in drifts))


if __name__ == "__main__":
    sys.exit(main())
