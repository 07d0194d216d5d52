"""Session homes: a trace joins the session that a later span names, with all that was stored of it."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from stretto.model.event import Channel, Event, Kind
from stretto.store import queries
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
        session = queries.read_session(opened.connection, "talk", by_description)
        listed = [row.id for row in queries.list_sessions(opened.connection)]
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
        session = queries.read_session(opened.connection, "talk", by_description)

    assert session is not None
    assert [task.id for task in session.tasks] == ["a", "b"]
