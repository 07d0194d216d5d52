"""A month in which one agent of a pattern has most of the work, and the days after, on which it is shared.

Nothing but the events is made here: what a service advises of them, and what it says that came of it, is its.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from stretto import journal
from stretto.clock import Clock
from stretto.config.loading import load_config
from stretto.features.feature_switches import FEATURES
from stretto.model.event import Event
from stretto.otlp_export.span_sender import NullSender
from stretto.service.service import Service
from tests.detectors.run_events import draw_sessions_as_events
from tests.run_makers import generate_runs, spread_over_days

PATTERN = "review"
AGENT = "backend"
"""The agent that has five of the eight tasks of a phase."""

SESSIONS_A_DAY = 2
SEED = 1
"""A draw of which the promise holds. How often one holds is a row of docs/detectors.md."""


def draw_uneven_days(days: int) -> Iterator[Event]:
    """Yield the events of the sessions of so many days, in each of which the agent has too much work."""
    made = spread_over_days(
        generate_runs(days * SESSIONS_A_DAY, SEED, fault="imbalance", pattern=PATTERN), SESSIONS_A_DAY
    )
    return draw_sessions_as_events(made.sessions, made.tasks)


def draw_even_days(first: int, days: int) -> Iterator[Event]:
    """Yield the events of the same work shared evenly, on so many days from a day on."""
    sessions = generate_runs(days * SESSIONS_A_DAY, SEED + 1, first=first * SESSIONS_A_DAY, pattern=PATTERN)
    made = spread_over_days(sessions, SESSIONS_A_DAY)
    return draw_sessions_as_events(made.sessions, made.tasks)


def write_events_by_day(folder: Path, events: Iterable[Event], shift: int = 0) -> None:
    """Write events as hooks would have, each into the file of its day, later by ``shift`` (ns)."""
    lines: dict[Path, list[bytes]] = {}
    for event in events:
        moved = structs.replace(event, time=event.time + shift)
        lines.setdefault(journal.get_day_file(folder, moved.time), []).append(journal.encode_event(moved))
    for path, records in lines.items():
        journal.append_records(path, b"".join(records))


@contextmanager
def advising(state: Path, clock: Clock) -> Iterator[Service]:
    """Run a service over a state folder, of whose analyses only advice and its effects are on.

    The others would take processor time and change nothing here.
    """
    off = {
        feature.variable: "0"
        for feature in FEATURES.values()
        if feature.group == "analysis" and feature.name not in {"analysis_advice", "analysis_effects"}
    }
    service = Service(
        load_config(off, state, state=str(state)), version="1", clock=clock, sender=NullSender()
    )
    try:
        service.start()
        service.analyses.run_soon()
        yield service
    finally:
        service.stop()
