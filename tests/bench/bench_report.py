"""Measure reports of a week beside the snapshot of the same store: CPU time of each, and their ratio.

One is of the last seven days, the other of the calendar week as the service issues it, which looks at the
twelve weeks before as well. Run it as ``python -m tests.bench.bench_report [--tasks N] [--json]``. The store
has a week of sessions, each with five tasks in one parallel execution and no tool calls; the default is
100,000 tasks. Each of the twelve weeks before has a hundredth of them. Each side is computed several times in
turn, and the middle counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
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
BEGIN = 1_795_392_000 * SECOND
"""2026-11-23T00:00:00Z, a Monday."""
PERIODS = ("7d", "2026-W48")
WEEK = 7 * DAY
WEEKS_BEFORE = 12
TYPES = ("review architecture", "draft the PRD", "write tests", "audit security", "write docs")
ROUNDS = 5
MOST = 20.0
"""Most CPU time of a report, in snapshots."""


def write_sessions(folder: Path, sessions: int) -> None:
    """Write the journal of a week of sessions and of the thinner weeks before, a file for every thousand."""
    starts = [BEGIN + number * (WEEK // sessions) for number in range(sessions)]
    thin = max(1, sessions // 100)
    starts += [
        BEGIN - week * WEEK + number * (WEEK // thin)
        for week in range(1, WEEKS_BEFORE + 1)
        for number in range(thin)
    ]
    for first in range(0, len(starts), 1_000):
        numbered = enumerate(starts[first : first + 1_000], first)
        lines = b"".join(line for number, start in numbered for line in list_lines(number, start))
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
    """Print the times and their ratios; 1 if a report is above its budget."""
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
        now = BEGIN + WEEK
        with closing(open_reader(config.database)) as reader:
            rules = ReportRules(hours=config.hours, scoring=config.scoring)

            def report_on(period: str) -> None:
                print_html(make_report(reader, parse_period(period, now, "UTC"), now, rules))

            times = [
                (
                    measure_seconds(lambda: take_snapshot(reader, now, config.task_types, config.hours)),
                    *(measure_seconds(partial(report_on, period)) for period in PERIODS),
                )
                for _ in range(ROUNDS)
            ]
    snapshot, *reports = (median(each) for each in zip(*times, strict=True))
    ratios = {period: report / snapshot for period, report in zip(PERIODS, reports, strict=True)}
    if options.json:
        print(json.dumps({"tasks": options.tasks, "snapshot": snapshot, "ratios": ratios}))
    else:
        print(f"a week of {options.tasks:,} tasks: snapshot {snapshot * 1000:.0f} ms of CPU")
        for period, ratio in ratios.items():
            print(f"  report on {period} with its HTML: {ratio:.2f} snapshots (at most {MOST:.0f})")
    return int(max(ratios.values()) > MOST)


if __name__ == "__main__":
    sys.exit(run_bench())
