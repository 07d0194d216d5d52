"""Measure a report of a week beside the snapshot of the same store: CPU time of each, and their ratio.

Run it as ``python -m tests.bench.bench_report [--tasks N] [--json]``. The store has a week of sessions, each
with five tasks in one parallel execution and no tool calls; the default is 100,000 tasks. Each side is
computed several times in turn, and the middle counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from stretto import journal
from stretto.clock import DAY, SECOND
from stretto.config.loading import load_config
from stretto.reports.html_report import print_html
from stretto.reports.make_report import ReportRules, make_report
from stretto.reports.report_period import parse_period
from stretto.store.database import open_reader, open_writer
from stretto.store.ingest import Ingest
from stretto.summaries.snapshot import take_snapshot

TASKS = 100_000
TOGETHER = 5
BEGIN = 1_795_132_800 * SECOND
"""2026-11-20T00:00:00Z."""
TYPES = ("review architecture", "draft the PRD", "write tests", "audit security", "write docs")
ROUNDS = 5
MOST = 20.0
"""Most CPU time of a report, in snapshots."""


def write_sessions(folder: Path, sessions: int) -> None:
    """Write the journal of a week of sessions, a file for every thousand."""
    step = 7 * DAY // sessions
    for first in range(0, sessions, 1_000):
        numbers = range(first, min(first + 1_000, sessions))
        lines = b"".join(line for number in numbers for line in list_lines(number, BEGIN + number * step))
        journal.append_records(folder / f"week-{first:07d}.jsonl", lines)


def list_lines(number: int, start: int) -> Iterator[bytes]:
    """Yield the records of a session."""
    head = f'\n{{"version":1,"session":"s{number}-bench","source":"claude-code","channel":"hook"'

    def line(kind: str, after: float, rest: str) -> bytes:
        return f'{head},"kind":"{kind}","time":{start + int(after * SECOND)}{rest}}}\n'.encode()

    yield line("session.start", 0, ',"attributes":{"project":"bench"}')
    yield line("turn.start", 0, f',"id":"t{number}","type":"user","attributes":{{"command":"release"}}')
    for task in range(TOGETHER):
        length = 20 + (number * 31 + task * 17) % 60
        outcome = "failure" if (number + task) % 29 == 0 else "success"
        call, agent = f"c{number}_{task}", f"a{number}_{task}"
        named = f',"id":"{call}","name":"Agent"'
        order = f',"attributes":{{"agent":"agent-{task}","description":"{TYPES[task]}"}}'
        answer = f',"outcome":"{outcome}","attributes":{{"task":"{agent}","status":"completed"}}'
        yield line("tool.start", 1, named + order)
        yield line("task.start", 1.1, f',"id":"{agent}","name":"agent-{task}"')
        yield line("task.end", 1.1 + length, f',"id":"{agent}","name":"agent-{task}","outcome":"{outcome}"')
        yield line("tool.end", 1.2 + length, named + f',"duration":{length * SECOND}' + answer)
    yield line("turn.end", 90, f',"id":"t{number}","outcome":"success","attributes":{{"running":[]}}')
    yield line("session.end", 91, ',"attributes":{"reason":"other"}')


def measure_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of some work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def run_bench() -> int:
    """Print both times and their ratio; 1 if the report is above its budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stretto-bench-") as name:
        folder = Path(name)
        config = load_config({}, folder, state=str(folder / "state"))
        config.journal.mkdir(parents=True)
        write_sessions(config.journal, options.tasks // TOGETHER)
        with closing(open_writer(config.database)) as writer:
            ingest = Ingest(writer, config.task_types.classify, idle_limit=14_400)
            for _ in ingest.catch_up(config.journal):
                pass
        now = BEGIN + 7 * DAY
        with closing(open_reader(config.database)) as reader:
            period = parse_period("7d", now, "UTC")
            rules = ReportRules(hours=config.hours, scoring=config.scoring)
            times: list[tuple[float, float]] = [
                (
                    measure_seconds(lambda: take_snapshot(reader, now, config.task_types, config.hours)),
                    measure_seconds(lambda: print_html(make_report(reader, period, now, rules))),
                )
                for _ in range(ROUNDS)
            ]
    snapshot, report = (median(each) for each in zip(*times, strict=True))
    ratio = report / snapshot
    if options.json:
        print(json.dumps({"tasks": options.tasks, "snapshot": snapshot, "report": report, "ratio": ratio}))
    else:
        print(f"a week of {options.tasks:,} tasks: snapshot {snapshot * 1000:.0f} ms of CPU,")
        print(f"  report with its HTML {report * 1000:.0f} ms: {ratio:.2f} snapshots (at most {MOST:.0f})")
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(run_bench())
