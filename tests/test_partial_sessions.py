"""Sessions of which a part is not known: older than their hooks, or silent telemetry."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.clock import MINUTE
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.store.ingest import TELEMETRY_IDLE
from stretto.summaries.session_summary import summarise_session
from tests.fakes import rebuilt, store
from tests.scenes import at, by_description, conclude_scene


def event(kind: Kind, second: float, **values: object) -> Event:
    """Return an event of the session."""
    return Event(kind=kind, session="s", time=at(second), **values)  # type: ignore[arg-type]


TURN = [
    event(Kind.TURN_START, 5, id="p", type="user"),
    event(Kind.TURN_END, 9, id="p", outcome=Outcome.SUCCESS),
]
RESUMED = event(Kind.SESSION_START, 1, attributes={"reason": "resume"})
STARTED = event(Kind.SESSION_START, 1, attributes={"reason": "startup"})
TRANSCRIPT = event(Kind.TURN_START, 1, channel=Channel.TRANSCRIPT, id="earlier", type="user")


@pytest.mark.parametrize(
    ("first", "partial"),
    [(None, True), (RESUMED, True), (STARTED, False), (TRANSCRIPT, False)],
    ids=["nothing", "resumed", "started", "history"],
)
def test_a_session_older_than_its_hooks_is_partial(first: Event | None, partial: bool) -> None:
    """Without the start of the session itself, or its history, what came before is unknown."""
    events = [*TURN, *([] if first is None else [first])]

    assert conclude_scene(events).is_partial is partial
    assert conclude_scene(events[::-1]).is_partial is partial


def test_other_channels_and_clients_are_not_called_partial() -> None:
    """A program, telemetry alone and a client that reports no starts say nothing of a beginning."""
    for channel, source in ((Channel.API, "python"), (Channel.OTLP, "claude-code"), (Channel.HOOK, "vscode")):
        turn = event(Kind.TURN_START, 5, id="p", channel=channel, source=source)
        assert not conclude_scene([turn]).is_partial


def test_a_partial_session_says_so(tmp_path: Path) -> None:
    """The summary, which the page and the terminal print, names the missing beginning."""
    with store(tmp_path) as opened:
        opened.take(TURN)
        summary = summarise_session(opened.connection, "s", by_description, {})

    assert summary is not None
    assert "before its hooks were installed" in summary.absent["beginning"]


@pytest.mark.parametrize("hooked", [False, True])
def test_silent_telemetry_ends_a_session_sooner_than_silent_hooks(hooked: bool, tmp_path: Path) -> None:
    """After half an hour, a session known by telemetry alone is over; with hooks it may go on for hours."""
    turn = event(Kind.TURN_START, 5, id="p", type="unknown", channel=Channel.OTLP)
    answer = event(Kind.TURN_END, 9, outcome=Outcome.SUCCESS, channel=Channel.OTLP)
    with store(tmp_path) as opened:
        opened.take([turn, answer, *([STARTED, TURN[0]] if hooked else [])])
        before, after = at(9) + TELEMETRY_IDLE - MINUTE, at(9) + TELEMETRY_IDLE + MINUTE
        outcomes = []
        for now in (before, after):
            opened.ingest.close_idle_sessions(now)
            outcomes += [word for (word,) in opened.connection.execute("SELECT outcome FROM sessions")]
        rows = opened.rows()

    assert outcomes == ["running", "running" if hooked else "success"]
    assert rows == rebuilt(opened.folder, tmp_path / "anew.db", now=after)


@pytest.mark.parametrize(("source", "turns"), [("droid", 1), ("claude-code", 0)])
def test_a_program_that_calls_no_hook_for_its_prompt_has_its_turn(source: str, turns: int) -> None:
    """``droid exec`` reports its start and its stop alone: the turn is from one to the other."""
    events = [
        event(Kind.SESSION_START, 1, source=source),
        event(Kind.TURN_END, 9, source=source, outcome=Outcome.SUCCESS),
        event(Kind.SESSION_END, 10, source=source),
    ]
    session = conclude_scene(events)

    found = [(turn.start, turn.end, turn.outcome) for turn in session.turns]
    assert found == [(at(1), at(9), Outcome.SUCCESS)] * turns
