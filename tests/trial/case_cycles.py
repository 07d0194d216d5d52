"""Parents in cycles and chains without end: every task is stored, and its session is shown at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from stretto import journal
from stretto.clock import SECOND, read_wall_clock
from stretto.model.event import Channel, Event, Kind, Outcome
from tests.trial.case import Row, Scope
from tests.trial.service import run_service, wait_until

SHOWN_SECONDS = 20.0
"""Longest time for a session's page, on a busy machine."""


def run(scope: Scope) -> Iterator[Row]:
    """Report tasks whose parents form loops, a long chain and a fan of thousands."""
    length = scope.count(3_000, 500)
    parents: Mapping[str, Mapping[str, str | None]] = {
        "itself": {"a": "a"},
        "pair": {"a": "b", "b": "a"},
        "ring": {f"t{n}": f"t{(n + 1) % length}" for n in range(length)},
        "chain": {f"t{n}": f"t{n - 1}" if n else None for n in range(length)},
        "fan": {f"t{n}": "t0" if n else None for n in range(length)},
    }
    state = scope.folder / "state"
    now = read_wall_clock()
    for session, tasks in parents.items():
        events = [Event(kind=Kind.SESSION_START, session=session, time=now)]
        for channel in (Channel.HOOK, Channel.OTLP):
            for number, (id, parent) in enumerate(tasks.items()):
                at = now + number * SECOND // 100
                start = Event(
                    kind=Kind.TASK_START,
                    session=session,
                    time=at,
                    id=id,
                    parent=parent,
                    name="a",
                    channel=channel,
                )
                end = replace(start, kind=Kind.TASK_END, time=at + 5 * SECOND, outcome=Outcome.SUCCESS)
                events += (start, end)
        events.append(Event(kind=Kind.SESSION_END, session=session, time=now + 100 * SECOND))
        records = b"".join(map(journal.encode_event, events))
        journal.append_records(journal.get_day_file(state / "journal", now), records)
    with run_service(state, "--no-servers") as service:
        wait_until(
            lambda: len(json.loads(service.get("/api/sessions?limit=100"))["sessions"]) == len(parents), 60
        )
        for session, tasks in parents.items():
            document = json.loads(service.get(f"/api/sessions/{session}"))
            began = time.monotonic()
            service.get(f"/sessions/{session}")
            slow = time.monotonic() - began > SHOWN_SECONDS
            missing = len(tasks) - len(document.get("tasks", ()))
            yield Row(f"parents: {session}", len(tasks), abs(missing) + slow)
        yield Row("parents: pages", len(parents), len(service.failed_paths), ", ".join(service.failed_paths))
