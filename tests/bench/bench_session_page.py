"""Measure the first view of a session of 1,000 rich tasks beside that of a session of 100 calls.

Run ``python -m tests.bench.bench_session_page [--floor X] [--json]``. All sessions are in one store. A large
one has 1,000 tasks of eight types by twelve agents in fan-outs of ten, each task with three tool calls and a
model call. A view is the session's summary, its document and the drawn page, as the web server makes them.
Each session is seen once, so its CPU time is that of a first view; the templates are compiled before, by the
view of another session. The bytes are those on the wire, compressed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from http.client import OK
from pathlib import Path
from statistics import median
from typing import Any

from starlette.testclient import TestClient
from tests.bench.bench_store import BEGIN
from tests.web_served import Store

from stretto.clock import SECOND
from stretto.model.event import Event, Kind, Outcome
from stretto.web.app import create_app

TASKS = 1_000
WIDTH = 10
ROUNDS = 3
TARGET_RATIO = 10.0
"""Of the view of a session of 100 calls."""

MOST_BYTES = 100_000
TYPES = ("architecture", "prd", "tests", "security", "docs", "code", "review", "research")


def main() -> int:
    """Measure and print; with a floor the exit code is 1 above it, or above the bytes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--floor", type=float, default=None, help="fail above so many views of 100 calls")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure_views(Path(folder))
    if options.json:
        print(json.dumps(measured, indent=2))
    else:
        print(
            f"session page: 100 calls {measured['small_ms']:.0f} ms, {TASKS:,} tasks"
            f" {measured['large_ms']:.0f} ms of CPU: {measured['ratio']:.1f} x (target {TARGET_RATIO:.0f} x);"
            f" {measured['large_bytes'] / 1000:.0f} kB on the wire (at most {MOST_BYTES // 1000})"
        )
    if options.floor is None:
        return 0
    return int(measured["ratio"] > options.floor or measured["large_bytes"] > MOST_BYTES)


def measure_views(folder: Path) -> dict[str, float]:
    """Return CPU milliseconds and compressed bytes of both first views."""
    store = Store(folder)
    store.now = BEGIN + 3_600 * SECOND
    for number in range(ROUNDS + 1):
        store.events([*make_session(f"small-{number}", tasks=5, calls=19)])
        store.events([*make_session(f"large-{number}", tasks=TASKS if number else 20, calls=3)])
    store.refresh()
    seconds: dict[str, list[float]] = {"small": [], "large": []}
    size: dict[str, int] = {}
    with TestClient(create_app(store.make_backend()), base_url="http://127.0.0.1") as client:
        for number in range(ROUNDS + 1):
            for session, taken in seconds.items():
                started = time.process_time()
                answer = client.get(f"/sessions/{session}-{number}", headers={"accept-encoding": "identity"})
                if answer.status_code != OK:
                    raise SystemExit(f"the page of {session} was answered with {answer.status_code}")
                if number:
                    taken.append(time.process_time() - started)
                size[session] = len(gzip.compress(answer.content, 6))
    small, large = median(seconds["small"]), median(seconds["large"])
    return {
        "small_ms": small * 1000,
        "large_ms": large * 1000,
        "ratio": large / small,
        "small_bytes": size["small"],
        "large_bytes": size["large"],
    }


def make_session(session: str, *, tasks: int, calls: int) -> Iterator[Event]:
    """Yield the events of a session: fan-outs of ``WIDTH`` tasks one after another."""

    def make(kind: Kind, at: float, **fields: Any) -> Event:
        return Event(kind=kind, session=session, time=BEGIN + int(at * SECOND), **fields)

    yield make(Kind.SESSION_START, 0, attributes={"reason": "startup", "project": "bench"})
    yield make(Kind.TURN_START, 1, id=f"{session}-p", type="user", attributes={"command": "release"})
    end = 2.0
    for number in range(tasks):
        start = 2.0 + number // WIDTH * 3
        length = 1 + number % WIDTH / 10
        end = max(end, start + length)
        task, call, agent = f"{session}-a{number}", f"{session}-c{number}", f"agent-{number % 12}"
        text = f"{TYPES[number % len(TYPES)]} of part {number}, with all that belongs to it"
        order = {"agent": agent, "description": text}
        yield make(Kind.TOOL_START, start, id=call, name="Agent", attributes=order)
        yield make(Kind.TASK_START, start, id=task, name=agent)
        for step in range(calls):
            at, tool = start + step * length / (calls + 1), ("Bash", "Read", "Edit")[step % 3]
            own = f"{call}-{step}"
            done = Outcome.FAILURE if number % 17 == 0 else Outcome.SUCCESS
            yield make(Kind.TOOL_START, at, id=own, parent=task, name=tool)
            yield make(
                Kind.TOOL_END, at + 0.05, id=own, parent=task, name=tool, duration=SECOND // 20, outcome=done
            )
        yield make(
            Kind.MODEL_CALL,
            start + 0.1,
            id=f"{call}-m",
            parent=task,
            name="claude-opus-4-6",
            duration=SECOND // 4,
            outcome=Outcome.SUCCESS,
            attributes={"input_tokens": 900, "output_tokens": 100 + number},
        )
        result = Outcome.FAILURE if number % 23 == 0 else Outcome.SUCCESS
        yield make(Kind.TASK_END, start + length, id=task, name=agent, outcome=result)
        answer = {"task": task, "status": "completed"}
        yield make(Kind.TOOL_END, start + length, id=call, name="Agent", outcome=result, attributes=answer)
    yield make(Kind.TURN_END, end + 1, id=f"{session}-p", outcome=Outcome.SUCCESS)
    yield make(Kind.SESSION_END, end + 2, attributes={"reason": "exit"})


if __name__ == "__main__":
    sys.exit(main())
