"""Closing many idle sessions: in small transactions, with memory that does not grow with their number."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from stretto.clock import SECOND
from stretto.model.event import Event, Kind
from stretto.store import open_session_queries
from stretto.store.ingest import SESSIONS_PER_TRANSACTION, Ingest, IngestResult
from tests.fakes import IDLE, Store, rebuilt, store
from tests.scenes import BEGIN, at, by_description

LATER = BEGIN + 10 * IDLE * SECOND


def open_sessions(opened: Store, count: int, calls: int) -> None:
    """Take in sessions without an end, and forget their states, as a first import of old histories does."""
    for number in range(count):
        session = f"session-{number}"
        events = [Event(kind=Kind.SESSION_START, session=session, time=at(number))]
        for call in range(calls):
            events += [
                Event(kind=kind, session=session, time=at(number + call), id=f"call-{call}", name="Bash")
                for kind in (Kind.TOOL_START, Kind.TOOL_END)
            ]
        opened.take(events)
    opened.ingest = Ingest(opened.connection, by_description, idle_limit=IDLE)


def test_each_transaction_closes_a_few_sessions(tmp_path: Path) -> None:
    """Every session is closed once and announced with its transaction; the store is that of a rebuild."""
    count = 2 * SESSIONS_PER_TRANSACTION + 3
    with store(tmp_path) as opened:
        open_sessions(opened, count, calls=1)
        closed: list[IngestResult] = []
        opened.ingest.close_idle_sessions(LATER, closed.append)
        assert [len(result.ended.sessions) for result in closed] == [16, 16, 3]
        assert len({session.id for result in closed for session in result.ended.sessions}) == count
        assert open_session_queries.read_activity(opened.connection).sessions_open == 0
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=LATER)


def test_memory_does_not_grow_with_the_idle_sessions(tmp_path: Path) -> None:
    """Closing eight times as many sessions as a transaction takes needs the memory of one transaction."""
    peaks = []
    for factor in (1, 8):
        folder = tmp_path / str(factor)
        folder.mkdir()
        with store(folder) as opened:
            open_sessions(opened, factor * SESSIONS_PER_TRANSACTION, calls=60)
            tracemalloc.start()
            opened.ingest.close_idle_sessions(LATER)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_what_was_closed_before_a_fault_stays_closed(tmp_path: Path) -> None:
    """A fault while the results are announced undoes no earlier transaction, and the next call goes on."""
    with store(tmp_path) as opened:
        open_sessions(opened, 2 * SESSIONS_PER_TRANSACTION, calls=1)

        def fail(_: IngestResult) -> None:
            raise OSError("no space")

        with pytest.raises(OSError, match="no space"):
            opened.ingest.close_idle_sessions(LATER, fail)
        assert open_session_queries.read_activity(opened.connection).sessions_open == SESSIONS_PER_TRANSACTION
        opened.ingest.close_idle_sessions(LATER)
        assert open_session_queries.read_activity(opened.connection).sessions_open == 0
