"""Names without end: an agent, a tool and a pattern for each session, as ids in names make them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil

from stretto import journal
from stretto.clock import HOUR, SECOND, read_wall_clock
from stretto.model.event import Channel, Event, Kind, Outcome
from tests.trial.case import Row, Scope
from tests.trial.service import run_service

MOST_BYTES = 200_000_000
"""Most resident memory of the service."""

MOST_SERIES = 20_000
"""Most lines of a scrape; without a bound each name makes dozens of them."""


def run(scope: Scope) -> Iterator[Row]:
    """Store so many names of each kind, then look at memory, scrape, problems and the stored sessions."""
    names = scope.count(10_000, 1_000)
    state = scope.folder / "state"
    write_sessions(state / "journal", names)
    with run_service(state, "--no-servers") as service:
        scrape = service.get("/metrics").decode()
        service.get("/")
        snapshot = json.loads(service.get("/api/snapshot"))
        problems = json.loads(service.get("/api/problems"))["problems"]
        used = psutil.Process(service.process.pid).memory_info().rss
    stored = snapshot["activity"]["sessions"]
    yield Row("cardinality: sessions", names, names - stored)
    series = sum(not line.startswith("#") for line in scrape.splitlines())
    yield Row("cardinality: scrape", 1, int(series > MOST_SERIES), f"{series:,} series")
    yield Row("cardinality: memory", 1, int(used > MOST_BYTES), f"{used / 1e6:.0f} MB")
    is_reported = any("added up as 'other'" in problem for problem in problems)
    yield Row("cardinality: reported", 1, int(not is_reported))


def write_sessions(folder: Path, names: int) -> None:
    """Append sessions of the last hours, each of two parallel tasks with a call each."""
    now = read_wall_clock()
    for first in range(0, names, 500):
        records = b"".join(
            journal.encode_event(event)
            for number in range(first, min(first + 500, names))
            for event in draw_session(number, now - 6 * HOUR + number * (5 * HOUR // names))
        )
        journal.append_records(journal.get_day_file(folder, now), records)


def draw_session(number: int, begin: int) -> Iterator[Event]:
    """Yield the events of a session whose names nobody else has."""
    session = f"session-{number}"

    def make(kind: Kind, after: float, **fields: object) -> Event:
        at = begin + int(after * SECOND)
        return Event(kind=kind, session=session, time=at, channel=Channel.HOOK, **fields)  # type: ignore[arg-type]  # fields of an event

    yield make(Kind.SESSION_START, 0, attributes={"project": "trial", "pattern": f"pattern-{number}"})
    for place in range(2):
        task, call = f"task-{number}-{place}", f"call-{number}-{place}"
        agent, tool = f"agent-{number + place}", f"tool-{number}"
        yield make(Kind.TASK_START, 1 + place, id=task, name=agent)
        yield make(Kind.TOOL_START, 3, id=call, parent=task, name=tool)
        yield make(Kind.TOOL_END, 5, id=call, parent=task, name=tool, outcome=Outcome.SUCCESS)
        yield make(Kind.TASK_END, 20 + place, id=task, name=agent, outcome=Outcome.SUCCESS)
    yield make(Kind.SESSION_END, 30)
