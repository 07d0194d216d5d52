"""Session homes: a trace joins the session that a later span names, with all that was stored of it."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from msgspec.structs import replace

from stretto.model.event import Channel, Event, Kind
from stretto.store import session_queries
from tests.fakes import rebuilt, store
from tests.scenes import at, by_description

TRACE, OTHER = "0" * 31 + "1", "0" * 31 + "2"


def span(id: str, parent: str | None, role: str, session: str, start: int, *, trace: str = TRACE) -> Event:
    """Return a span of ten seconds."""
    return Event(
        kind=Kind.SPAN,
        session=session,
        time=at(start),
        channel=Channel.OTLP,
        id=id,
        parent=parent,
        name=id,
        duration=10_000_000_000,
        attributes={"role": role, "trace": trace},
    )


EVENTS = [
    span("a", "root", "agent", TRACE, 1),
    span("b", "root", "agent", TRACE, 2),
    span("root", None, "agent", "talk", 0),
    span("next", None, "agent", "talk", 60, trace=OTHER),
]
"""Two agents of a trace whose outermost span names the conversation, and the conversation's next trace."""


@pytest.mark.parametrize("order", range(24))
def test_a_trace_moves_into_its_session(order: int, tmp_path: Path) -> None:
    """In every order there is one session, no sum is left of the trace, and a rebuild gives the same rows."""
    events = [*permutations(EVENTS)][order]
    with store(tmp_path) as opened:
        for event in events:
            opened.take([event])
        session = session_queries.read_session(opened.connection, "talk", by_description)
        listed = [row.id for row in session_queries.list_sessions(opened.connection)]
        rows = opened.rows()

    assert session is not None
    assert listed == ["talk"]
    assert [task.id for task in session.tasks] == ["a", "b"]
    assert [turn.id for turn in session.turns] == ["root", "next"]
    assert session.end == at(70)
    assert rows == rebuilt(opened.folder, tmp_path / "anew.db", now=0)


def test_spans_that_come_later_go_home(tmp_path: Path) -> None:
    """A span that names only its trace belongs to the session, also in a store that was opened again."""
    with store(tmp_path) as opened:
        opened.take(EVENTS[2:3])
    with store(tmp_path) as opened:
        opened.take(EVENTS[:2])
        session = session_queries.read_session(opened.connection, "talk", by_description)

    assert session is not None
    assert [task.id for task in session.tasks] == ["a", "b"]


def linked(trace: str, *others: str, start: int) -> Event:
    """Return the span of an agent in a trace that links join with others."""
    event = span(f"of-{trace[-1]}", "above", "agent", trace, start, trace=trace)
    return replace(event, attributes={**event.attributes, "joined": list(others)})


TRACES = [f"{number:032x}" for number in range(4)]
LINKED = [
    linked(TRACES[2], TRACES[3], start=1),
    linked(TRACES[3], TRACES[1], start=2),
    linked(TRACES[0], TRACES[2], start=3),
    linked(TRACES[1], start=4),
]
"""Four traces of a run, each known to another by a link only."""


@pytest.mark.parametrize("order", range(24))
def test_linked_traces_are_one_session_in_any_order(order: int, tmp_path: Path) -> None:
    """The session has the smallest trace's id, whichever link comes first; a rebuild gives the same rows."""
    with store(tmp_path) as opened:
        for event in [*permutations(LINKED)][order]:
            opened.take([event])
        (row,) = session_queries.list_sessions(opened.connection)
        session = session_queries.read_session(opened.connection, row.id, by_description)
        rows = opened.rows()

    assert row.id == TRACES[0]
    assert session is not None
    assert [task.id for task in session.tasks] == ["of-2", "of-3", "of-0", "of-1"]
    assert rows == rebuilt(opened.folder, tmp_path / "anew.db", now=0)


def test_a_named_session_takes_linked_traces_and_two_named_ones_stay_apart(tmp_path: Path) -> None:
    """A link is no name: a trace joins the conversation that its partner names, and no other conversation."""
    named = [
        span("n1", None, "agent", "talk", 0, trace=TRACES[0]),
        span("n2", None, "agent", "other talk", 0, trace=TRACES[3]),
    ]
    with store(tmp_path) as opened:
        for event in [linked(TRACES[1], TRACES[0], start=1), *named, linked(TRACES[0], TRACES[3], start=2)]:
            opened.take([event])
        listed = {row.id for row in session_queries.list_sessions(opened.connection)}
        session = session_queries.read_session(opened.connection, "talk", by_description)

    assert listed == {"talk", "other talk"}
    assert session is not None
    assert {task.id for task in session.tasks} == {"of-1", "of-0"}
