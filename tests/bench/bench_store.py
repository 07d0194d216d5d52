"""Measure ingest, snapshot, scrape and memory against the budgets, as the store grows to a chosen size.

Run it as ``python tests/bench/bench_store.py [--size CALLS] [--floor X] [--json]``. Synthetic sessions (100
tool calls each, five tasks in one fan-out, one begun every minute: a million calls a week) go through journal
files as a hook would write them. At 10,000 calls and at each ten times as many, up to the size, everything is
measured: what must not grow with history is seen side by side. Ingest is told in events per second of CPU
time beside a reference that was measured in the same run: the bare decoding of each line and one row per
event, which a store cannot do without. A second process then opens the store as the service does, right after
its last session, and tells snapshot, scrape and its resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import psutil

from stretto import journal
from stretto.clock import SECOND
from stretto.config.loading import load_config
from stretto.exporter.ended_work_counters import LiveMetrics
from stretto.exporter.scrape import FigureCollector, create_empty_registry, encode_metrics
from stretto.store import database
from stretto.store.database import open_writer
from stretto.store.ingest import Ingest
from stretto.summaries import snapshot

CALLS = 100
"""Tool calls of a synthetic session; five of them delegate."""

TASKS = 5
TOGETHER = 8
"""Sessions that write at the same time, line by line in turn."""

BEGIN = 1_763_000_000 * SECOND
EVERY = 60 * SECOND
"""From the start of one session to that of the next."""
LASTS = 102 * SECOND
"""How long a session is."""
SMALLEST = 10_000
"""Tool calls stored when everything is measured for the first time."""

PART = 50
"""Sessions, about 10,700 events, that ingest and reference take in turn; fewer in a smaller store."""

PARTS = 7
"""Turns of one measurement, of which the middle one counts: what else the machine does falls on both."""

TARGET_OF_REFERENCE = 0.20
"""Of decoding and one row an event."""

BUDGET_BYTES_AN_EVENT = 60
BUDGET_SCRAPE_SECONDS = 0.05
BUDGET_BYTES = 150 * 1024 * 1024

TOOLS = ("Bash", "Read", "Edit", "Grep", "Write")
TYPES = ("architecture review", "draft the PRD", "test strategy", "security audit", "write the docs")


def session_lines(number: int) -> Iterator[bytes]:
    """Yield the journal records of one synthetic session, oldest first."""
    session = f"{(number * 0x9E3779B97F4A7C15) % (1 << 64):016x}-bench"
    at = BEGIN + EVERY * number

    def line(kind: str, after: float, rest: str) -> bytes:
        return (
            f'\n{{"version":1,"kind":"{kind}","session":"{session}","time":{at + int(after * SECOND)},'
            f'"source":"claude-code","channel":"hook"{rest}}}\n'
        ).encode()

    turn, about = f',"id":"turn-{number}"', '"agent":"general-purpose"'
    yield line("session.start", 0, ',"attributes":{"reason":"startup","project":"bench"}')
    yield line("turn.start", 1, turn + ',"type":"user","attributes":{"prompt_length":40,"command":"release"}')
    lines: list[tuple[float, bytes]] = []
    for task in range(TASKS):
        call, agent = f"toolu_{number}_{task}", f"a{number:x}t{task}"
        start, end = 2 + task * 0.1, 60.0 + 10 * task
        named = f',"id":"{call}","name":"Agent"'
        order = f',"attributes":{{{about},"description":"{TYPES[task]}"}}'
        answer = f',"outcome":"success","attributes":{{"task":"{agent}","status":"completed"}}'
        lines += [
            (start, line("tool.start", start, named + order)),
            (start + 0.05, line("task.start", start + 0.05, f',"id":"{agent}","name":"general-purpose"')),
            (end, line("task.end", end, f',"id":"{agent}","name":"general-purpose","outcome":"success"')),
            (
                end + 0.02,
                line("tool.end", end + 0.02, named + f',"duration":{int((end - start) * SECOND)}' + answer),
            ),
        ]
        for index in range(CALLS // TASKS - 1):
            began = start + 0.2 + index * (end - start - 1) / (CALLS // TASKS)
            length = 0.05 + (number * 31 + index * 17 + task) % 97 / 100
            tool = TOOLS[(index + task) % len(TOOLS)]
            same = f',"id":"{call}_{index}","parent":"{agent}","name":"{tool}"'
            outcome = "failure" if (number + index) % 29 == 0 else "success"
            done = same + f',"duration":{int(length * SECOND)},"outcome":"{outcome}"'
            lines += [
                (began, line("tool.start", began, same)),
                (began + length + 0.01, line("tool.end", began + length + 0.01, done)),
            ]
    yield from (text for _, text in sorted(lines))
    yield line("turn.end", 101, turn + ',"outcome":"success","attributes":{"running":[]}')
    yield line("session.end", 102, ',"attributes":{"reason":"other"}')


def write_journal(folder: Path, file: str, numbers: range) -> None:
    """Write the sessions to one journal file, ``TOGETHER`` of them at a time."""
    with (folder / file).open("wb") as target:
        for first in range(numbers.start, numbers.stop, TOGETHER):
            running = [session_lines(n) for n in range(first, min(first + TOGETHER, numbers.stop))]
            while running:
                for lines in list(running):
                    text = next(lines, None)
                    if text is None:
                        running.remove(lines)
                    else:
                        target.write(text)


def taken_in(ingest: Ingest, folder: Path) -> tuple[int, float]:
    """Take in all that is new in the journal; return its events and the CPU seconds it took."""
    started = time.process_time()
    events = sum(taken.events for taken in ingest.catch_up(folder))
    return events, time.process_time() - started


def reference(path: Path, scratch: Path) -> tuple[int, float]:
    """Decode each line and insert one row an event, a transaction a chunk: the least that a store can do.

    Returns the events and the CPU seconds they took.
    """
    decode = msgspec.json.Decoder().decode
    connection = sqlite3.connect(scratch, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE event (session TEXT, id TEXT, kind TEXT, time INTEGER, line BLOB)")
    events = 0
    started = time.process_time()
    with path.open("rb") as lines:
        while chunk := lines.readlines(journal.CHUNK):
            connection.execute("BEGIN")
            for line in chunk:
                if line != b"\n":
                    told = decode(line)
                    row = (told["session"], told.get("id"), told["kind"], told["time"], line)
                    connection.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?)", row)
                    events += 1
            connection.execute("COMMIT")
    seconds = time.process_time() - started
    connection.close()
    scratch.unlink()
    return events, seconds


@dataclass(slots=True)
class Bench:
    """A store that grows, and what was measured on the way."""

    folder: Path
    ingest: Ingest
    written: int = 0

    @property
    def journals(self) -> Path:
        """The journal's folder."""
        return self.folder / "journal"

    @property
    def now(self) -> int:
        """When the last session written ends, in nanoseconds."""
        return BEGIN + EVERY * (self.written - 1) + LASTS

    def write(self, upto: int) -> Path:
        """Write the sessions up to a number to a journal file of their own."""
        file = f"{self.written:08}.jsonl"
        write_journal(self.journals, file, range(self.written, upto))
        self.written = upto
        return self.journals / file

    def grow(self, upto: int) -> None:
        """Bring the store to so many sessions, unmeasured."""
        while self.written < upto:
            self.write(min(self.written + 500, upto))
            taken_in(self.ingest, self.journals)

    def measure(self, upto: int) -> dict[str, float]:
        """Bring the store to so many sessions, the last of them measured, in turn with the reference."""
        part = min(PART, (upto - self.written) // PARTS)
        self.grow(upto - PARTS * part)
        rates: list[float] = []
        references: list[float] = []
        for _ in range(PARTS):
            path = self.write(self.written + part)
            for found, (events, seconds) in (
                (references, reference(path, self.folder / "reference.db")),
                (rates, taken_in(self.ingest, self.journals)),
            ):
                found.append(events / seconds)
        ratios = [rate / against for rate, against in zip(rates, references, strict=True)]
        return {
            "events_per_second": round(median(rates)),
            "events_per_second_best": round(max(rates)),
            "of_reference": round(median(ratios), 2),
            "reference_events_per_second": round(median(references)),
        }


def measured(folder: Path, size: int) -> dict[str, Any]:
    """Grow a store to ``size`` tool calls, measure on the way, then open it anew as the service does."""
    (folder / "journal").mkdir()
    settled = load_config({}, folder, state=str(folder))
    connection = open_writer(settled.database)
    ingest = Ingest(
        connection,
        settled.task_types.classify,
        idle_limit=settled.idle_minutes * 60,
        price=settled.prices.compute_cost,
    )
    bench = Bench(folder, ingest)
    stages = []
    for calls in sizes(size):
        rate = bench.measure(calls // CALLS)
        told = subprocess.run(
            [sys.executable, __file__, "--probe", str(folder), "--now", str(bench.now)],
            check=True,
            capture_output=True,
        ).stdout
        stages.append(
            {
                **json.loads(told),
                "ingest": rate,
                "ingest_peak_resident_bytes": peak_resident(),
                "store_bytes": database.get_store_size(settled.database),
                "store_bytes_an_event": measure_bytes_an_event(connection, folder / "vacuumed.db"),
                "journal_bytes": sum(journal.list_file_sizes(settled.journal).values()),
            }
        )
    connection.close()
    return {
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cpus": os.cpu_count(),
        },
        "budget": {
            "of_reference": TARGET_OF_REFERENCE,
            "store_bytes_an_event": BUDGET_BYTES_AN_EVENT,
            "scrape_seconds": BUDGET_SCRAPE_SECONDS,
            "resident_bytes": BUDGET_BYTES,
        },
        "stages": stages,
    }


def measure_bytes_an_event(connection: sqlite3.Connection, scratch: Path) -> float:
    """Return the bytes of the store an event, as a copy without free pages has them."""
    connection.execute("VACUUM INTO ?", (str(scratch),))
    size = scratch.stat().st_size
    scratch.unlink()
    return float(size / connection.execute("SELECT SUM(events) FROM journal").fetchone()[0])


def sizes(size: int) -> list[int]:
    """Return the numbers of calls at which everything is measured, up to the given one."""
    found = []
    calls = SMALLEST
    while calls < size:
        found.append(calls)
        calls *= 10
    return [*found, size]


def probe(folder: Path, now: int) -> dict[str, float]:
    """Open the store as the service does, take a snapshot, scrape; return CPU seconds and resident bytes."""
    settled = load_config({}, folder, state=str(folder))
    source = create_empty_registry()
    live = LiveMetrics(source, since=now, version="bench")
    connection = open_writer(settled.database)
    calls = connection.execute("SELECT SUM(tool_calls) FROM sessions").fetchone()[0]
    snapshots, scrapes = [], []
    for _ in range(9):
        started = time.process_time()
        taken = snapshot.take_snapshot(connection, now, settled.task_types, settled.hours)
        snapshots.append(time.process_time() - started)
    source.register(FigureCollector({"snapshot": lambda: taken.figures}, settled.series_budget))
    for _ in range(20):
        started = time.process_time()
        body = encode_metrics(source, "text/plain").body
        scrapes.append(time.process_time() - started)
    memory = psutil.Process().memory_info().rss
    live.close()
    connection.close()
    return {
        "calls_stored": calls,
        "snapshot_seconds": median(snapshots),
        "scrape_seconds": median(scrapes),
        "series": sum(not line.startswith(b"#") for line in body.splitlines()),
        "resident_bytes": memory,
    }


def peak_resident() -> int:
    """Return the most memory that this process has held, in bytes; 0 where the system does not tell."""
    try:
        import resource  # noqa: PLC0415  # there is none on Windows
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def table(found: dict[str, Any]) -> str:
    """Return the figures for people, the budgets below them."""
    mega = 1024 * 1024
    columns: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
        ("calls stored", lambda stage: f"{stage['calls_stored']:,}"),
        ("events/s", lambda stage: f"{stage['ingest']['events_per_second']:,}"),
        ("best", lambda stage: f"{stage['ingest']['events_per_second_best']:,}"),
        ("of reference", lambda stage: f"{stage['ingest']['of_reference']:.2f}"),
        ("snapshot ms", lambda stage: f"{stage['snapshot_seconds'] * 1000:.1f}"),
        ("scrape ms", lambda stage: f"{stage['scrape_seconds'] * 1000:.1f}"),
        ("series", lambda stage: f"{stage['series']:,}"),
        ("resident MB", lambda stage: f"{stage['resident_bytes'] / mega:.0f}"),
        ("ingest peak MB", lambda stage: f"{stage['ingest_peak_resident_bytes'] / mega:.0f}"),
        ("store MB", lambda stage: f"{stage['store_bytes'] / mega:.0f}"),
        ("B an event", lambda stage: f"{stage['store_bytes_an_event']:.0f}"),
        ("journal MB", lambda stage: f"{stage['journal_bytes'] / mega:.0f}"),
    )
    lines = [
        f"CPU time; {found['machine']['cpus']} CPUs, shared; of reference: decoding and one row an event",
        "  ".join(f"{name:>12}" for name, _ in columns),
    ]
    lines += ["  ".join(f"{told(stage):>12}" for _, told in columns) for stage in found["stages"]]
    lines.append(
        f"target: {TARGET_OF_REFERENCE:.2f} of reference; budget: {BUDGET_BYTES_AN_EVENT} bytes an event"
        f" after a vacuum, scrape {BUDGET_SCRAPE_SECONDS * 1000:.0f} ms,"
        f" resident {BUDGET_BYTES / mega:.0f} MB"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure and print; with a floor the exit code is 1 below it, or above the bytes of an event."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=1_000_000, help="tool calls to store (1000000)")
    parser.add_argument("--floor", type=float, default=None, help="fail below so much of the reference")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--probe", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--now", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        print(json.dumps(probe(options.probe, options.now)))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), options.size)
    print(json.dumps(found, indent=2) if options.json else table(found))
    last = found["stages"][-1]
    if options.floor is not None and (
        last["ingest"]["of_reference"] < options.floor or last["store_bytes_an_event"] > BUDGET_BYTES_AN_EVENT
    ):
        sys.exit(1)


if __name__ == "__main__":
    main()
