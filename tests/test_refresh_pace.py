"""The pace of the snapshots, by a clock of the test, and in a service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from stretto.clock import read_wall_clock
from stretto.otlp_export.span_sender import NullSender
from stretto.service.refresh_pace import RefreshPace
from stretto.service.service import Service
from stretto.summaries.snapshot import Snapshot
from tests.fakes import append, recorded
from tests.test_service import configured, report, started, whole_session
from tests.waiting import until


def simulate(pace: RefreshPace, *, seconds: float, events_per_second: float, cost: float) -> Iterator[float]:
    """Yield the age of the oldest event at the end of each snapshot that shows it."""
    step, now, waiting = 0.01, 0.0, []
    next_event = 0.0
    while now < seconds:
        if events_per_second and now >= next_event:
            waiting.append(now)
            next_event += 1 / events_per_second
            pace.is_stale = True
        if pace.compute_wait(now) <= 0:
            pace.note_refresh(now, now + cost)
            now += cost
            yield now - waiting[0] if waiting else 0.0
            waiting.clear()
        now += step


def test_an_event_is_shown_within_a_second() -> None:
    """On a small store no event waits longer than a second, at any rate of events."""
    for rate in (0.3, 1, 5, 20, 50):
        ages = list(simulate(RefreshPace(0.0), seconds=60, events_per_second=rate, cost=0.02))
        assert 0 < max(ages) <= 1.0


@pytest.mark.parametrize(("cost", "most"), [(0.02, 0.025), (0.1, 0.05), (0.4, 0.05), (3.0, 0.25)])
def test_snapshots_take_a_bounded_share_of_the_time(cost: float, most: float) -> None:
    """Events at 20 a second make snapshots take at most a twentieth, or a quarter where one takes seconds."""
    count = len(list(simulate(RefreshPace(0.0), seconds=600, events_per_second=20, cost=cost)))
    assert 0 < count * cost / 600 <= most


def test_windows_move_when_nothing_happens() -> None:
    """Without events a snapshot is taken every ten seconds, and a slow snapshot less often."""
    assert len(list(simulate(RefreshPace(0.0), seconds=101, events_per_second=0, cost=0.02))) == 10
    assert len(list(simulate(RefreshPace(0.0), seconds=101, events_per_second=0, cost=5.0))) == 5


def test_an_event_after_a_pause_is_shown_at_once() -> None:
    """The pace delays only what follows a snapshot closely."""
    pace = RefreshPace(0.0)
    assert pace.compute_wait(5.0) == 5.0
    pace.is_stale = True
    assert pace.compute_wait(5.0) <= 0


def test_hooks_in_quick_succession_share_a_snapshot(tmp_path: Path) -> None:
    """Forty sessions reported in two seconds cause a few snapshots, the last of which shows them all."""
    taken: list[Snapshot] = []
    config = configured(tmp_path)
    with started(config) as service:
        service.on_snapshot(taken.append)
        begun, begun_at = time.monotonic(), read_wall_clock()
        for number in range(40):
            report(config, f"session-{number}", *whole_session(f"session-{number}"))
            service.worker.wake()
            time.sleep(0.05)
        assert until(lambda: bool(taken) and taken[-1].activity.sessions == 40)
        # That of the service's start may be under way, and a new problem announces a snapshot once more.
        count = len({snapshot.at for snapshot in taken if snapshot.at >= begun_at})
        seconds = time.monotonic() - begun
    # The first follows at once, each other begins 0.9 s after the one before.
    assert 1 <= count <= seconds / 0.9 + 1


def test_the_snapshot_is_refreshed_during_a_long_catch_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is much to ingest the figures follow batch by batch, and not only when all is stored."""
    monkeypatch.setattr("stretto.service.refresh_pace.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("stretto.service.refresh_pace.STALE_FACTOR", 0.0)
    config = configured(tmp_path)
    service = Service(config, version="1", clock=read_wall_clock, sender=NullSender())
    events: list[int] = []
    service.on_snapshot(lambda snapshot: events.append(snapshot.events))
    try:
        for day in range(1, 5):
            drawn = [structs.replace(event, session=f"day-{day}") for event in recorded("sequential")]
            append(config.journal, drawn, f"2026-01-0{day}.jsonl")
        service.worker._ingest_journal()  # a round of the worker, without its thread
    finally:
        service.stop()
    assert len(events) >= 3
    assert events == sorted(set(events))
