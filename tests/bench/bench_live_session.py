"""Measure what an event of a live session costs with 3,000 tasks beside what it costs with ten.

Run ``python -m tests.bench.bench_live_session [--floor X] [--json]``. A session has so many tasks of eight
types by twelve agents, in fan-outs of ten one after another, all in one turn. Further fan-outs follow, a
batch for each event: calls for agents, starts and ends of agents, calls of tools inside them, ends and starts
of turns. With ten tasks each further fan-out has a session of its own. The CPU time is that of the whole
ingest, from the event to the end of the transaction.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import mean
from typing import Any

from tests.bench.bench_store import BEGIN

from stretto.clock import HOUR, SECOND
from stretto.journal import Batch
from stretto.model.event import Event, Kind, Outcome
from stretto.store.database import open_writer
from stretto.store.ingest import Ingest

FEW, MANY = 10, 3_000
WIDTH = 10
ROUNDS = 20
"""Fan-outs that follow, each with a turn of its own: tasks are settled several times meanwhile."""

TARGET_RATIO = 3.0
"""Of the event with ten tasks."""

_TYPES = ("architecture", "prd", "tests", "security", "docs", "code", "review", "research")

_Named = tuple[str, Event]
"""A kind of event, in words, and an event."""


def main() -> int:
    """Measure and print; with a floor the exit code is 1 if the mean event costs more times as much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--floor", type=float, default=None, help="fail above so many times the cost")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    few: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, seconds in measure_events(FEW, rounds=1).items():
            few.setdefault(name, []).extend(seconds)
    many = measure_events(MANY, rounds=ROUNDS)
    ratio = mean(_flatten(many)) / mean(_flatten(few))
    if options.json:
        document = {name: [mean(few[name]) * 1000, mean(many[name]) * 1000] for name in few}
        print(json.dumps({"ms_by_event": document, "ratio": ratio}, indent=2))
    else:
        for name, seconds in few.items():
            print(f"{name:>12}: {mean(seconds) * 1000:5.2f} ms of CPU, {mean(many[name]) * 1000:5.2f} ms")
        print(
            f"an event with {MANY:,} tasks costs {ratio:.1f} x that with {FEW} (target {TARGET_RATIO:.0f} x)"
        )
    return int(options.floor is not None and ratio > options.floor)


def _flatten(seconds: dict[str, list[float]]) -> list[float]:
    return [second for of_kind in seconds.values() for second in of_kind]


def measure_events(tasks: int, *, rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of the events of further fan-outs, by kind, in a session of so many tasks."""
    opening = [
        _make(Kind.SESSION_START, 0, attributes={"reason": "startup", "project": "bench"}),
        _make(Kind.TURN_START, 1, id="p0", type="user"),
    ]
    for first in range(0, tasks, WIDTH):
        opening += [event for _, event in make_fanout(first)]
    seconds: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_writer(Path(folder) / "store.db")) as connection,
    ):
        ingest = Ingest(connection, _classify, idle_limit=HOUR // SECOND)
        ingest.ingest_batch(_make_batch(0, opening))
        for number in range(rounds):
            at = _find_start(tasks + WIDTH * number) + 2.2
            following = [
                *make_fanout(tasks + WIDTH * number),
                ("turn end", _make(Kind.TURN_END, at, id=f"p{number}", outcome=Outcome.SUCCESS)),
                ("turn start", _make(Kind.TURN_START, at + 0.2, id=f"p{number + 1}", type="user")),
            ]
            for place, (name, event) in enumerate(following):
                batch = _make_batch(1 + number * len(following) + place, [event])
                started = time.process_time()
                ingest.ingest_batch(batch)
                seconds.setdefault(name, []).append(time.process_time() - started)
    return seconds


def make_fanout(first: int) -> Sequence[_Named]:
    """Return the events of ten tasks at once, by time."""
    named = [each for number in range(first, first + WIDTH) for each in _make_task(number)]
    return sorted(named, key=lambda each: each[1].time)


def _make_task(number: int) -> Iterator[_Named]:
    start, length = _find_start(number), 1 + number % WIDTH / 10
    task, call, inner, agent = f"a{number}", f"c{number}", f"i{number}", f"agent-{number % 12}"
    outcome = Outcome.FAILURE if number % 23 == 0 else Outcome.SUCCESS
    text = f"{_TYPES[number % len(_TYPES)]} of part {number}"
    order, answer = {"agent": agent, "description": text}, {"task": task, "status": "completed"}
    yield "call start", _make(Kind.TOOL_START, start, id=call, name="Agent", attributes=order)
    yield "task start", _make(Kind.TASK_START, start, id=task, name=agent)
    yield "inside", _make(Kind.TOOL_START, start + 0.1, id=inner, parent=task, name="Bash")
    done = {"outcome": Outcome.SUCCESS, "duration": SECOND // 10}
    yield "inside", _make(Kind.TOOL_END, start + 0.2, id=inner, parent=task, name="Bash", **done)
    yield "task end", _make(Kind.TASK_END, start + length, id=task, name=agent, outcome=outcome)
    end = {"outcome": outcome, "attributes": answer}
    yield "call end", _make(Kind.TOOL_END, start + length, id=call, name="Agent", **end)


def _find_start(number: int) -> float:
    return 2.0 + number // WIDTH * 3


def _make(kind: Kind, at: float, **fields: Any) -> Event:
    return Event(kind=kind, session="live", time=BEGIN + int(at * SECOND), **fields)


def _make_batch(number: int, events: Sequence[Event]) -> Batch:
    return Batch("live.jsonl", number, number + 1, tuple(events), ())


def _classify(description: str | None, agent: str | None) -> str:
    return (description or agent or "other").split()[0]


if __name__ == "__main__":
    sys.exit(main())
