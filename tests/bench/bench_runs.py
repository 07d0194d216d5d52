"""Measure how long analyses take to read their runs, beside the bare query of the same rows.

Run ``python -m tests.bench.bench_runs [--a-day N] [--floor X] [--json]``. A store has 200 series (40 types of
tasks in each of five patterns) over 60 days. Its runs are read as analyses read them, as lengths by series,
and by the bare query, in turn. With ``--floor`` the exit code is 1 if runs take more than so many times the
query; the processor seconds stand beside their budget.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median

from tests.bench.bench_report import measure_seconds

from stretto.clock import DAY, SECOND
from stretto.store.database import open_writer
from stretto.store.run_queries import read_length_series, read_task_runs_begun_between
from stretto.store.run_rows import NO_RUNS, TASK_RUN_FIELDS, Row, write_run_rows

PATTERNS, TYPES, DAYS = 5, 40, 60
A_DAY = 5
"""Runs of a series on a day."""

TURNS = 5
"""Turns of each way, of which the middle one counts."""

BUDGET_SECONDS = 0.2
"""Processor seconds to read 200 series of 60 days."""

BEGIN = 20_000 * DAY


@dataclass(frozen=True, slots=True)
class RunReading:
    """Processor seconds of each way to read the runs."""

    runs: int
    query: float
    """The rows as SQLite returns them."""
    tasks: float
    """As the runs that analyses read."""
    lengths: float
    """As lengths by series."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--a-day", type=int, default=A_DAY, help=f"runs of a series on a day ({A_DAY})")
    parser.add_argument("--floor", type=float, default=None, help="fail beyond so many times the bare query")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        connection = open_writer(Path(folder) / "stretto.db")
        store_runs(connection, options.a_day)
        reading = measure_reading(connection)
        connection.close()
    ratio = reading.tasks / reading.query
    if options.json:
        print(json.dumps({"budget_seconds": BUDGET_SECONDS, "ratio": ratio, **asdict(reading)}))
    else:
        print(
            f"{PATTERNS * TYPES} series × {DAYS} days, {reading.runs:,} runs: {reading.tasks:.3f} processor s"
            f" (budget {BUDGET_SECONDS}), {ratio:.2f} × the bare query of {reading.query:.3f} s;"
            f" lengths by series {reading.lengths:.3f} s"
        )
    return int(options.floor is not None and ratio > options.floor)


def store_runs(connection: sqlite3.Connection, a_day: int) -> None:
    """Store the runs: a session is a day of a pattern, and its circumstances change every other day."""
    random = Random(1)
    connection.execute("BEGIN")
    for day in range(DAYS):
        circumstances = json.dumps({"client_version": f"2.{day // 2}", "effort": "high", "machine": "m1"})
        for pattern in range(PATTERNS):
            session = f"{pattern}-{day}"
            rows = [
                make_row(random, session, number, BEGIN + day * DAY + number * SECOND, circumstances)
                for number in range(TYPES * a_day)
            ]
            write_run_rows(connection, session, (NO_RUNS[0], rows), NO_RUNS)
    connection.execute("COMMIT")


def make_row(random: Random, session: str, number: int, start: int, circumstances: str) -> Row:
    """Return the stored row of a task."""
    values: dict[str, str | int | float | None] = {
        "task": f"toolu_{session}_{number}", "start": start,
        "length": round(60 * SECOND * random.lognormvariate(0, 0.5)), "outcome": "success",
        "type": f"type-{number % TYPES}", "agent": "general-purpose", "phase": "implementation",
        "model": "a-model", "pattern": f"pattern-{session.partition('-')[0]}", "project": "shop",
        "concurrency": 3.5, "tokens": 40_000, "dollars": 0.12, "tool_time": 20 * SECOND,
        "covariates": circumstances,
    }  # fmt: skip
    return (session, number, *(values[name] for name in TASK_RUN_FIELDS))


def measure_reading(connection: sqlite3.Connection) -> RunReading:
    """Return the middle of several turns of each way."""
    start, end = BEGIN, BEGIN + DAYS * DAY
    columns = ", ".join(f'"{name}"' for name in ("session", *TASK_RUN_FIELDS))
    query = f"SELECT {columns} FROM task_runs WHERE start >= ? AND start < ? ORDER BY start, session, number"
    ways: dict[str, Callable[[], object]] = {
        "query": lambda: connection.execute(query, (start, end)).fetchall(),
        "tasks": lambda: read_task_runs_begun_between(connection, start, end),
        "lengths": lambda: read_length_series(connection, start, end),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(TURNS):
        for way, read in ways.items():
            seconds[way].append(measure_seconds(read))
    runs = len(read_task_runs_begun_between(connection, start, end))
    return RunReading(runs, **{way: median(each) for way, each in seconds.items()})


if __name__ == "__main__":
    sys.exit(main())
