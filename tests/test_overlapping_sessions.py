"""Sessions of one service that overlap, each without tasks: a person learns what one span would change."""

from __future__ import annotations

from pathlib import Path

from stretto.clock import DAY, SECOND
from stretto.model.event import Channel, Event, Kind
from stretto.store.joinable_sessions import describe_sessions_that_seem_one_run
from tests.fakes import store
from tests.scenes import at


def trace(number: int, start: int, *, source: str = "shop", role: str = "agent", id: str = "") -> list[Event]:
    """Return a trace of ten seconds: an outermost agent, or one with a task below it."""
    name = id or f"{number:032x}"
    root = Event(
        kind=Kind.SPAN,
        session=name,
        time=at(start),
        source=source,
        channel=Channel.OTLP,
        id=f"root-{number}",
        name="agent",
        duration=10 * SECOND,
        attributes={"role": "agent", "trace": f"{number:032x}"},
    )
    below = Event(
        kind=Kind.SPAN,
        session=name,
        time=at(start),
        source=source,
        channel=Channel.OTLP,
        id=f"below-{number}",
        parent=f"root-{number}",
        name="worker",
        duration=5 * SECOND,
        attributes={"role": role, "trace": f"{number:032x}"},
    )
    return [root] if role == "agent" else [root, below]


def describe(folder: Path, *traces: list[Event], later: int = 60) -> list[str]:
    """Return the sentences on the sessions of these traces."""
    with store(folder) as opened:
        for events in traces:
            opened.take(events)
        return describe_sessions_that_seem_one_run(opened.connection, at(later))


def test_agents_without_a_common_span_are_named_with_what_would_help(tmp_path: Path) -> None:
    """Three traces at once are counted; a fourth after them is not."""
    (sentence,) = describe(tmp_path, trace(1, 0), trace(2, 1), trace(3, 2), trace(4, 40))

    assert sentence.startswith("3 sessions of shop overlap, each without tasks")
    assert "put one span around them" in sentence


def test_nothing_is_said_of_what_is_in_order(tmp_path: Path) -> None:
    """Sessions with tasks, with names, one after another, of other services or long ago give no sentence."""
    with_tasks = [trace(number, 0, role="task") for number in range(1, 4)]
    named = [trace(number, 0, id=f"talk {number}") for number in range(4, 7)]
    in_turn = [trace(number, 20 * number, source="etl") for number in range(7, 10)]
    scattered = [trace(number, 0, source=f"s{number}") for number in range(10, 13)]

    assert describe(tmp_path / "a", *with_tasks, *named, *in_turn, *scattered, later=400) == []
    old = [trace(number, 0) for number in range(1, 4)]
    assert describe(tmp_path / "b", *old, later=2 * DAY // SECOND) == []
