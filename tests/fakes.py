"""Real journals and stores in a test's own folder, recordings, and events at random."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from stretto import journal
from stretto.clock import SECOND
from stretto.demo.recorded_sessions import parse_hook_payload
from stretto.model.call_cost_and_usage_types import Price, get_reported_cost
from stretto.model.conclude_tasks import Classify
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.model.span_tree import SpanRole
from stretto.service.service import Service
from stretto.sources.read_hook_recordings import read_recording
from stretto.store.database import open_writer
from stretto.store.database_schema import CONCLUDED
from stretto.store.ingest import Ingest, IngestResult
from stretto.store.session_queries import SessionRow
from stretto.store.session_search import SessionQuery
from tests.scenes import at, by_description

IDLE = 3_600
"""Seconds without a word after which a session of the tests is over."""

DAY_FILE = "2026-01-01.jsonl"

ROOT = Path(__file__).parents[1]
RECORDINGS = {
    "fanout": ROOT / "src/stretto/demo/fanout.jsonl",
    "sequential": ROOT / "src/stretto/demo/sequential.jsonl",
    "two-phase": ROOT / "tests/recorded/two-phase.jsonl",
    "fanout-background": ROOT / "tests/recorded/fanout-background.jsonl",
}


def recorded(name: str) -> tuple[Event, ...]:
    """Return the events of a recording, as the hook client makes them."""
    found = read_recording(RECORDINGS[name], parse_hook_payload)
    assert not found.rejects
    return found.events


def append(folder: Path, events: Iterable[Event], file: str = DAY_FILE) -> None:
    """Append events to a journal file."""
    journal.append_records(folder / file, b"".join(journal.encode_event(event) for event in events))


@dataclass(slots=True)
class Store:
    """A store with its journal."""

    connection: sqlite3.Connection
    ingest: Ingest
    folder: Path

    def take(self, *drawings: Iterable[Event], file: str = DAY_FILE) -> list[IngestResult]:
        """Append events to the journal and take them in."""
        for events in drawings:
            append(self.folder, events, file)
        return list(self.ingest.catch_up(self.folder))

    def rows(self) -> dict[str, list[Any]]:
        """Return every row of every table that a rebuild must make alike."""
        return dump(self.connection)


@contextmanager
def store(
    tmp_path: Path, classify: Classify = by_description, *, idle: int = IDLE, price: Price = get_reported_cost
) -> Iterator[Store]:
    """Open a store of its own."""
    connection = open_writer(tmp_path / "stretto.db")
    try:
        yield Store(
            connection, Ingest(connection, classify, idle_limit=idle, price=price), tmp_path / "journal"
        )
    finally:
        connection.close()


def dump(connection: sqlite3.Connection) -> dict[str, list[Any]]:
    """Return every concluded table, each in the order of its whole rows."""
    found = {}
    for table in CONCLUDED:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        order = ", ".join(f'"{column}"' for column in columns)
        found[table] = [
            tuple(row) for row in connection.execute(f"SELECT {order} FROM {table} ORDER BY {order}")
        ]
    return found


def list_latest(service: Service, limit: int = 10) -> tuple[SessionRow, ...]:
    """Return the sessions that a service lists first."""
    return service.answers.find_sessions(SessionQuery(limit=limit)).rows


def rebuilt(
    folder: Path, database: Path, *, now: int, classify: Classify = by_description
) -> dict[str, list[Any]]:
    """Return the rows of a store that is made anew from a journal and swept at ``now`` (ns)."""
    connection = open_writer(database)
    try:
        ingest = Ingest(connection, classify, idle_limit=IDLE)
        for _ in ingest.catch_up(folder, now=now, close_idle=True):
            pass
        ingest.close_idle_sessions(now)
        return dump(connection)
    finally:
        connection.close()


def _attributes(
    agent_ids: Sequence[str] = ("a", "b"), call_ids: Sequence[str] = ("call-a", "call-b", "c")
) -> st.SearchStrategy[dict[str, Any]]:
    agents, calls = st.sampled_from(agent_ids), st.sampled_from(call_ids)
    return st.fixed_dictionaries(
        {},
        optional={
            "task": agents,
            "task_status": st.sampled_from(["completed", "failed", "stopped", "odd"]),
            "delegated_by": calls,
            "agent": st.sampled_from(["worker", "tester"]),
            "description": st.sampled_from(["review", "testing"]),
            "status": st.sampled_from(["completed", "async_launched", "denied", "not_started"]),
            "ids": st.lists(calls, max_size=2),
            "running": st.lists(agents, max_size=2),
            "command": st.sampled_from(["release", "plan"]),
            "project": st.sampled_from(["one", "two"]),
            "recording": st.booleans(),
            "request": st.sampled_from(["a", "b", "c", "p1"]),
            "anonymous": st.booleans(),
            "input_tokens": st.integers(0, 100),
            "cache_read_tokens": st.integers(0, 100),
            "cost_usd": st.sampled_from([0, 0.25]),
            "test_framework": st.sampled_from(["pytest", "go"]),
            "tests_passed": st.integers(0, 3),
            "tests_failed": st.integers(0, 3),
            "tests_skipped": st.integers(0, 3),
            "tests_deselected": st.integers(0, 3),
            "test_parts": st.integers(0, 3),
            "test_parts_cached": st.integers(0, 3),
            "hits": st.integers(0, 3),
            "entries": st.integers(0, 3),
            "wrote": st.sampled_from(["one", "two"]),
            "value": st.floats(-1, 12),
            "of": st.sampled_from(["task", "phase", "session"]),
            "labels": st.lists(st.sampled_from(["pattern=plan", "arm=B", "torn"]), max_size=2),
            "processes": st.lists(st.sampled_from(["7:11", "8:12", "9"]), max_size=2),
            "cpu": st.integers(0, 10**9),
            "memory": st.integers(0, 10**9),
            "read": st.integers(0, 10),
            "machine_busy_share": st.integers(0, 10**9),
            "machine_available_share": st.integers(0, 10**9),
            "by": st.sampled_from(["lead", "customer"]),
            "span": st.sampled_from(["x1", "x2"]),
            "span_parent": st.sampled_from(["x1", "x2"]),
            "role": st.sampled_from(SpanRole),
            "trace": st.sampled_from(["t1", "t2"]),
            "open": st.booleans(),
            "call": st.sampled_from(["call-a", "call-b"]),
            "entity": st.sampled_from(["a", "b"]),
            "owner": st.sampled_from(["", "a"]),
            "alias": st.sampled_from(["a", "b", "c"]),
            "pair": st.sampled_from(["h1", "h2"]),
        },
    )


@st.composite
def any_work(draw: st.DrawFn, agents: int = 10, session: str = "s") -> list[Event]:
    """Return a session of agents, most of them called and over, with some events of every kind among it.

    Agents run one after another or overlap, some below others; reports of some come late, twice, or never.
    """
    events: list[tuple[int, Event]] = []
    now = 10
    ids: list[str] = []
    for number in range(draw(st.integers(2, agents))):
        now += draw(st.sampled_from([0, 1, 4, 4]))
        length, agent, call = draw(st.sampled_from([1, 3, 3, 6])), f"a{number}", f"c{number}"
        above = draw(st.sampled_from([None, None, None, *ids]))
        outcome = draw(st.sampled_from([Outcome.SUCCESS] * 4 + [Outcome.FAILURE, Outcome.CANCELLED, None]))
        order = {"agent": "critic", "description": draw(st.sampled_from([f"part {number}", "part", "tests"]))}
        answer = draw(
            st.sampled_from([{"task": agent, "status": "completed"}] * 3 + [{}, {"status": "async_launched"}])
        )

        def report(kind: Kind, at_second: float, **rest: Any) -> None:
            late = draw(st.sampled_from([0] * 12 + [3, 30]))
            event = Event(kind=kind, session=session, time=at(at_second), **rest)
            events.append((int(at_second * 10) + 10 * late, event))

        shape = draw(st.sampled_from(["called"] * 6 + ["unknown call", "no end"]))
        if shape != "unknown call":
            report(Kind.TOOL_START, now, id=call, name="Agent", parent=above, attributes=order)
        report(Kind.TASK_START, now + 0.1, id=agent, name="critic")
        if shape != "no end":
            report(Kind.TASK_END, now + length, id=agent, name="critic", outcome=outcome)
        if shape == "called":
            report(Kind.TOOL_END, now + length, id=call, name="Agent", outcome=outcome, attributes=answer)
        ids.append(agent)
        now += draw(st.sampled_from([0, 0, length, length]))
    among = draw(st.lists(_any_event_among(ids, session), max_size=4))
    events += [((event.time - at(0)) * 10 // SECOND, event) for event in among]
    return [event for _, event in sorted(events, key=lambda each: each[0])]


def _any_event_among(agents: Sequence[str], session: str) -> st.SearchStrategy[Event]:
    """Return events about some of these agents and their calls, turns, permissions and the session."""
    calls = [f"c{agent[1:]}" for agent in agents]
    return st.builds(
        Event,
        kind=st.sampled_from(
            [kind for kind in Kind if kind is not Kind.REJECT] + [Kind.TURN_START, Kind.TURN_END] * 6
        ),
        session=st.just(session),
        time=st.integers(5, 60).map(at),
        channel=st.sampled_from([Channel.HOOK] * 4 + [Channel.TRANSCRIPT, Channel.API]),
        id=st.sampled_from([*agents, *calls, "p1", "p2", f"{agents[0]}/2", None]),
        parent=st.sampled_from([None, *agents, *calls]),
        name=st.sampled_from([None, "Agent", "Bash", "critic"]),
        type=st.sampled_from([None, "user", "host"]),
        outcome=st.sampled_from([None, Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCELLED]),
        attributes=_attributes(agents, calls),
    )


def any_event(session: str = "s") -> st.SearchStrategy[Event]:
    """Return events of one session: every kind, few ids and few instants, so that they meet."""
    return st.builds(
        Event,
        kind=st.sampled_from([kind for kind in Kind if kind is not Kind.REJECT]),
        session=st.just(session),
        time=st.integers(1, 30).map(at),
        source=st.sampled_from(["claude-code", "codex"]),
        channel=st.sampled_from(Channel),
        id=st.sampled_from(["a", "b", "call-a", "call-b", "c", "p1", "p2", None]),
        parent=st.sampled_from([None, "a", "b"]),
        duration=st.none() | st.integers(0, 20 * SECOND),
        name=st.sampled_from([None, "Agent", "Bash", "worker"]),
        type=st.sampled_from([None, "user", "host", "Review, deep"]),
        outcome=st.sampled_from([None, *(outcome for outcome in Outcome if outcome is not Outcome.RUNNING)]),
        attributes=_attributes(),
    )
