"""Packed sessions: long ones that are over, read as they would be concluded from their facts."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.clock import SECOND
from stretto.journal import Batch
from stretto.model.conclude_session import conclude_session
from stretto.model.event import Event
from stretto.store import packed_session, session_queries
from stretto.store.concluded_session import Rules
from stretto.store.contributions import registry
from stretto.store.contributions.registry import NOT_SCORED
from stretto.store.database import open_writer
from stretto.store.database_schema import create_tables
from stretto.store.ingest import Ingest
from stretto.store.stored_facts import load_all_facts, read_packed_session
from stretto.store.sums_of_one_session import compute_session_sums
from tests.counted import SCENES
from tests.fakes import IDLE, RECORDINGS, any_event, any_work, rebuilt, recorded, store
from tests.scenes import BEGIN, Drawing, by_description, fork_join
from tests.web_served import Store as ServedStore
from tests.web_served import served

LATER = BEGIN + 10 * IDLE * SECOND


@pytest.fixture(autouse=True)
def _packed_from_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_session, "LONG", 1)


def assert_read_as_concluded(connection: sqlite3.Connection) -> int:
    """Compare each stored session and its sums with those of its facts; return how many had packed sums."""
    with_sums = 0
    for row in session_queries.list_sessions(connection):
        read = session_queries.read_session_with_facts(connection, row.id, by_description)
        assert read is not None
        session, _, sums = read
        (lost,) = connection.execute("SELECT lost FROM sessions WHERE id = ?", (row.id,)).fetchone()
        facts = load_all_facts(connection, row.id)
        assert session == conclude_session(facts, lost=bool(lost), classify=by_description)
        assert session_queries.read_session(connection, row.id, by_description) == session
        if sums is not None:
            with_sums += 1
            computed = compute_session_sums(facts, session, Rules(by_description), without=NOT_SCORED)
            assert sums == computed.session
            assert not computed.phases
    return with_sums


def take_and_compare(folder: Path, *sessions: Sequence[Event]) -> int:
    """Take sessions in, close what is idle, and compare with the facts and with a rebuild."""
    with store(folder) as opened:
        opened.take(*sessions)
        opened.ingest.close_idle_sessions(LATER)
        assert opened.rows() == rebuilt(opened.folder, folder / "anew.db", now=LATER)
        return assert_read_as_concluded(opened.connection)


@pytest.mark.parametrize("name", sorted(RECORDINGS))
def test_a_recording_is_read_as_it_is_concluded(name: str, tmp_path: Path) -> None:
    """Session and sums are those of all facts, and a rebuild packs the same bytes."""
    assert take_and_compare(tmp_path, recorded(name)) > 0


def test_scenes_are_read_as_they_are_concluded(tmp_path: Path) -> None:
    """Sessions with phases or judgements are, too, but have no packed sums."""
    with_sums = take_and_compare(tmp_path, *(draw().events for draw in SCENES))
    assert 0 < with_sums < len(SCENES)


@settings(max_examples=20, deadline=None)
@given(st.one_of(any_work(), st.lists(any_event(), min_size=1, max_size=25)), st.integers(1, 40))
def test_any_session_is_read_as_it_is_concluded(events: list[Event], together: int) -> None:
    """In whatever order and batches its events come, late ones after its end among them."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_tables(connection)
        ingest = Ingest(connection, by_description, idle_limit=IDLE)
        for first in range(0, len(events), together):
            ingest.ingest_batch(
                Batch("a.jsonl", first, first + 1, tuple(events[first : first + together]), ())
            )
        ingest.close_idle_sessions(LATER)
        assert_read_as_concluded(connection)


def test_only_a_long_session_that_is_over_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed session is packed no longer; a shorter one never is."""
    drawing = Drawing("s").opens().prompt(0).task("a", 0, 10, "review").task("b", 5, 12, "review")
    with store(tmp_path) as opened:
        for events, least, is_packed in (
            (drawing.events, 1, False),
            (Drawing("s").ends(20).events, 1, True),
            (Drawing("s").prompt(30).events, 1, False),
            (Drawing("s").ends(40).events, 5, False),
            (Drawing("s").ends(41).events, 4, True),
        ):
            monkeypatch.setattr(packed_session, "LONG", least)
            opened.take(events)
            assert (read_packed_session(opened.connection, "s") is not None) is is_packed, least


def test_other_rules_conclude_a_packed_session_from_its_facts(tmp_path: Path) -> None:
    """A reader that types a task otherwise, or adds up otherwise, gets what its rules make of it."""
    with store(tmp_path) as opened:
        opened.take(fork_join().events)
        packed = read_packed_session(opened.connection, "fork-join")
        assert packed is not None
        assert packed_session.unpack_session(packed, by_description) is not None
        assert packed_session.unpack_session(packed, lambda *_: "other") is None
        session = session_queries.read_session(opened.connection, "fork-join", lambda *_: "other")
        assert session is not None
        assert {task.task_type for task in session.tasks} == {"other"}
        assert session_queries.read_session(opened.connection, "fork-join", None) is not None
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(registry, "SUMS_VERSION", registry.SUMS_VERSION + 1)
            assert packed_session.unpack_session(packed, by_description) is None


def test_a_damaged_packed_session_is_damage_of_the_store(tmp_path: Path) -> None:
    """It raises the error that makes the service build the store anew, and no other."""
    with store(tmp_path) as opened:
        opened.take(fork_join().events)
        opened.connection.execute("UPDATE packed_facts SET concluded = x'00'")
        with pytest.raises(msgspec.DecodeError, match="packed session"):
            session_queries.read_session(opened.connection, "fork-join", by_description)


def test_the_page_of_a_packed_session_is_that_of_its_facts(tmp_path: Path) -> None:
    """Not a byte of it depends on whether session and sums were packed."""
    pages = ServedStore(tmp_path)
    pages.events(fork_join().events)
    pages.refresh()
    with served(pages.make_backend()) as client:
        packed = client.get("/sessions/fork-join")
        with closing(open_writer(pages.config.database)) as connection:
            assert connection.execute("UPDATE packed_facts SET concluded = NULL").rowcount > 0
        assert packed.status_code == 200
        assert client.get("/sessions/fork-join").text == packed.text
