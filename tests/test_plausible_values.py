"""Plausible values are merged up to the bound, implausible ones are dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.clock import HOUR, SECOND
from stretto.model.calls_from_facts import LONGEST_ACTIVITY
from stretto.model.event import Event, Kind, Outcome
from stretto.model.facts import EntityFacts
from stretto.model.plausible_values import (
    MAX_AMOUNT,
    MAX_COUNT,
    merge_plausible_counts,
    merge_plausible_duration,
    read_plausible_count,
    read_text,
)
from stretto.model.task_type import TaskTypes
from stretto.names.fact_fields import CACHE_COUNTS, SAMPLE_AMOUNTS, TEST_COUNTS, TOKENS
from stretto.summaries.session_summary import summarise_session
from stretto.summaries.snapshot import take_snapshot
from tests.fakes import store
from tests.scenes import BEGIN, Drawing, at, by_description


def make_event(kind: Kind, second: float, **attributes: int) -> Event:
    """Return a call, sample or report with these counts, under a separate id."""
    return Event(
        kind=kind,
        session="s",
        time=at(second),
        id=f"{kind}-{second}",
        name="pytest",
        outcome=Outcome.SUCCESS,
        attributes={"test_framework": "pytest", **attributes},
    )


@pytest.mark.parametrize(
    ("value", "merged"),
    [(0, 0), (7, 7), (10, 10), (11, None), (-1, None), (True, None), (1.5, None), ("7", None), ([], None)],
)
def test_a_count_is_a_whole_number_within_its_bound(value: object, merged: int | None) -> None:
    """A negative number, a fraction, a boolean and a number beyond the bound are dropped."""
    event = Event(kind=Kind.SAMPLE, session="s", time=1, attributes={"read": value})  # type: ignore[dict-item]  # what a journal may hold
    assert read_plausible_count(event, "read", 10) == merged
    entity_facts: EntityFacts = {}
    merge_plausible_counts(entity_facts, event, ["read", "written"], 1, most=10)
    assert entity_facts == ({} if merged is None else {"read": (1, merged)})


@pytest.mark.parametrize(
    ("duration", "merged"),
    [(None, None), (0, 0), (LONGEST_ACTIVITY, LONGEST_ACTIVITY), (LONGEST_ACTIVITY + 1, None)],
)
def test_a_duration_is_within_its_bound(duration: int | None, merged: int | None) -> None:
    """An implausibly long duration is dropped."""
    entity_facts: EntityFacts = {}
    merge_plausible_duration(
        entity_facts, "duration", Event(kind=Kind.MESSAGE, session="s", time=1, duration=duration), 1
    )
    assert entity_facts == ({} if merged is None else {"duration": (1, merged)})


def test_an_empty_text_is_none() -> None:
    """An empty text and a number are read as None."""
    assert [read_text({"a": value}, "a") for value in ("x", "", 1)] == ["x", None, None]
    assert read_text({}, "a") is None


@pytest.mark.parametrize("most", [MAX_COUNT, MAX_COUNT + 1, 1 << 62, 1 << 70])
def test_absurd_counts_stop_no_figure(tmp_path: Path, most: int) -> None:
    """Absurd counts, in many slots of time, neither stop the ingest nor any snapshot."""
    events = [
        event
        for second in range(0, 3_600, 120)
        for event in (
            make_event(Kind.MODEL_CALL, second, **dict.fromkeys(TOKENS, most)),
            make_event(Kind.TOOL_END, second, **dict.fromkeys(TEST_COUNTS, most)),
            make_event(Kind.CACHE_REPORT, second, **dict.fromkeys(CACHE_COUNTS, most)),
        )
    ]
    with store(tmp_path) as opened:
        opened.take(events)
        assert not opened.connection.execute("SELECT * FROM rejects").fetchall()
        figures = take_snapshot(opened.connection, BEGIN + HOUR, TaskTypes(), {}).figures
    calls = {f.name: f.value for f in figures if ("window", "24h") in f.labels}
    assert calls["stretto_window_model_calls"] == calls["stretto_window_tool_calls"] == 30
    counted = [f for f in figures if f.name in {"stretto_window_tokens", "stretto_window_tests"}]
    assert bool(counted) == (most <= MAX_COUNT)


def test_absurd_lengths_and_samples_stop_no_snapshot(tmp_path: Path) -> None:
    """Each value fits into 64 bits but their sum would not."""
    years = 10 * 365 * 24 * HOUR
    events = [
        Event(
            kind=kind,
            session="s",
            time=at(second),
            id=f"{kind}-{second}",
            duration=years,
            name="x",
            outcome=Outcome.SUCCESS,
            attributes=dict.fromkeys(SAMPLE_AMOUNTS, MAX_AMOUNT + 1) if kind is Kind.SAMPLE else {},
        )
        for second in range(0, 3_600, 60)
        for kind in (Kind.TOOL_END, Kind.MODEL_CALL, Kind.MESSAGE, Kind.HOOKS_RUN, Kind.SAMPLE)
    ]
    with store(tmp_path) as opened:
        opened.take(events)
        figures = take_snapshot(opened.connection, BEGIN + HOUR + SECOND, TaskTypes(), {}).figures
    assert "stretto_window_tool_seconds" not in {f.name for f in figures if f.value is not None}
    assert {f.value for f in figures if f.name == "stretto_window_tool_calls"} == {60}


def test_a_session_from_before_its_clock_was_set_stops_no_snapshot(tmp_path: Path) -> None:
    """A session that began in 1970 has no wall time; the others have."""
    with store(tmp_path) as opened:
        for number in range(9):
            name = f"unset-{number}"
            start = Event(kind=Kind.SESSION_START, session=name, time=1 + number)
            opened.take(
                [start, *Drawing(name).prompt(1).ends(60).events], Drawing(f"s-{number}").ends(60).events
            )
        figures = take_snapshot(opened.connection, BEGIN + HOUR, TaskTypes(), {}).figures
        found = summarise_session(opened.connection, "unset-1", by_description, {})
    assert (
        sum(
            f.value or 0
            for f in figures
            if f.name == "stretto_window_sessions" and ("window", "7d") in f.labels
        )
        == 18
    )
    assert found is not None
    assert (found.analysis.wall, found.analysis.path) == ({}, None)
    assert {"wall_time", "critical_path"} <= found.absent.keys()
