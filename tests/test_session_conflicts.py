"""Files that two sessions of one project wrote while both were open, worked out by hand and on the page."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from stretto.clock import HOUR, MINUTE, SECOND
from stretto.figures.file_conflicts_between_sessions import (
    SessionConflict,
    SessionWrites,
    find_session_conflicts,
)
from stretto.figures.file_writes import FileWrite
from stretto.model.event import Event, Kind, Outcome
from stretto.model.interval import Interval
from stretto.names import MAIN_AGENT
from stretto.store.database import open_reader
from stretto.store.tasks_and_sessions_in_window import read_timed_sessions
from stretto.summaries.agents_at_work_in_window import read_parallel_sessions
from stretto.summaries.remembered_written_files import RememberedWrittenFiles
from tests.web_page import read
from tests.web_served import NOON, Store, Work, served

LONG = (Work(0, 1_800, "write tests", "tester"),)


def test_sessions_conflict_by_what_they_wrote_while_both_were_open() -> None:
    """File x was written by both in 40 to 90 s; y by the first before that, z by the second alone."""
    first = SessionWrites(
        "a", Interval(0, 100), (FileWrite("t", "x y", 20), FileWrite("t", "x", 50)), {"t": "write tests"}
    )
    second = SessionWrites("b", Interval(40, 90), (FileWrite(None, "x y z", 80),))

    assert find_session_conflicts([second, first]) == [
        SessionConflict(("a", "b"), ("x",), (("write tests",), (MAIN_AGENT,)), at=80)
    ]


def test_each_pair_is_a_conflict_and_the_most_files_come_first() -> None:
    """Three sessions write one file, two of them another one too."""
    sessions = [
        SessionWrites(name, Interval(0, 100), (FileWrite(None, files, at),))
        for name, files, at in (("a", "x", 10), ("b", "x y", 20), ("c", "y x", 30))
    ]
    found = find_session_conflicts(sessions)

    assert [(each.sessions, each.files, each.at) for each in found] == [
        (("b", "c"), ("x", "y"), 30),
        (("a", "b"), ("x",), 20),
        (("a", "c"), ("x",), 30),
    ]


@pytest.mark.parametrize(
    "other",
    [
        SessionWrites("b", Interval(100, 200), (FileWrite(None, "x", 150),)),
        SessionWrites("b", Interval(40, 90), (FileWrite(None, "y", 50),)),
        SessionWrites("b", Interval(40, 90), (FileWrite(None, "x", None),)),
        SessionWrites("b", Interval(40, 90)),
    ],
)
def test_what_was_not_written_by_both_meanwhile_is_no_conflict(other: SessionWrites) -> None:
    """Another time, another file, an unknown time, and nothing written."""
    assert (
        find_session_conflicts([SessionWrites("a", Interval(0, 100), (FileWrite(None, "x", 50),)), other])
        == []
    )


def test_only_the_newest_sessions_are_read(tmp_path: Path) -> None:
    """Of two, one is looked at; what it wrote is remembered until it has new events."""
    store, written = make_pair(tmp_path, "bbbb"), RememberedWrittenFiles()
    extent = Interval(NOON - 24 * HOUR, NOON)
    with closing(open_reader(store.config.database)) as connection:
        sessions = read_timed_sessions(connection, extent)
        (parallel,) = read_parallel_sessions(connection, sessions, written, most=1)
        (second,) = (each for each in sessions if each.id == "second")
        writes = written.read_writes(connection, second)
        later = replace(second, interval=Interval(second.interval.start, NOON))
        again, unknown = (
            written.read_writes(connection, each) for each in (later, replace(second, id="gone"))
        )

    assert (parallel.compared, parallel.writing, parallel.conflicts) == (1, 1, ())
    assert written.read_writes(connection, second) is writes
    assert again.writes == writes.writes
    assert again.interval.end == NOON
    assert writes.titles == {"agent0": "write tests"}
    assert unknown.writes == ()


def make_write(session: str, at: int, wrote: str, outcome: Outcome = Outcome.SUCCESS) -> Event:
    """Return the end of a call of the scene's first task that wrote files."""
    return Event(
        kind=Kind.TOOL_END, session=session, time=at, id=f"edit-{at}", name="Edit", parent="agent0",
        duration=SECOND, outcome=outcome, attributes={"wrote": wrote},
    )  # fmt: skip


def make_pair(folder: Path, wrote: str, outcome: Outcome = Outcome.SUCCESS) -> Store:
    """Return a store with two sessions of one project; the second begins ten minutes after the first."""
    store, start = Store(folder), NOON - 3 * HOUR
    store.scene("first", start, LONG)
    store.scene("second", start + 10 * MINUTE, LONG)
    store.events(
        [
            make_write("first", start + 15 * MINUTE, "aaaa bbbb"),
            make_write("second", start + 20 * MINUTE, wrote, outcome),
        ]
    )
    store.refresh()
    return store


def test_the_activity_lists_conflicts_between_parallel_sessions(tmp_path: Path) -> None:
    """The pair with titles, its tasks, the number of files, and the two sessions side by side."""
    with served(make_pair(tmp_path, "bbbb cccc").make_backend()) as client:
        page = read(client, "/activity")
        table = client.get("/activity?format=json&number=3").json()

    assert "site 2 20 min 2 1 pair of sessions" in page.text
    assert "#conflicts" in page.addresses
    assert "/compare?first=first&second=second" in page.addresses
    (row,) = table
    assert row["Files of both"] == "1"
    assert row["Tasks that wrote them"] == "write tests and write tests"
    assert row["First session"].startswith("fan-out · site · 20 Nov 09:00")
    assert row["Since"] == "2026-11-20T09:20:00.000000Z"


@pytest.mark.parametrize(
    ("wrote", "outcome", "text"),
    [
        ("cccc", Outcome.SUCCESS, "site 2 20 min 2 none"),
        ("bbbb", Outcome.FAILURE, "no two of them reported which files they wrote"),
    ],
)
def test_a_project_without_conflict_says_what_is_known(
    tmp_path: Path, wrote: str, outcome: Outcome, text: str
) -> None:
    """Other files are no conflict; a call that failed wrote nothing, so that nothing can be compared."""
    with served(make_pair(tmp_path, wrote, outcome).make_backend()) as client:
        page = read(client, "/activity")

    assert text in page.text
    assert "Files that two sessions wrote" not in page.text
