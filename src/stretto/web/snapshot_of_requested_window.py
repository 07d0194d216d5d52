"""Choose the window of a page, and the snapshot that has its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stretto.summaries.snapshot import Snapshot
from stretto.summaries.time_window import TimeWindow, make_named_window
from stretto.web.backend import Backend
from stretto.web.verdict_in_words import choose_day_or_longest_window
from stretto.web.window_parameters import parse_window


@dataclass(frozen=True, slots=True)
class WindowChoice:
    """The window of a page, and the snapshot with its figures."""

    window: TimeWindow
    snapshot: Snapshot
    latest: Snapshot
    """The latest snapshot, of the exported windows."""
    is_asked: bool
    """Whether the request names it; otherwise it is the first one with something to show."""


def choose_window_snapshot_if_any(
    backend: Backend, parameters: Mapping[str, str], now: int
) -> WindowChoice | None:
    """Return the window of a request and its snapshot; None before the first snapshot.

    Raises QueryError for a window that is none, and StoreError if the store cannot be read.
    """
    asked, latest = parse_window(parameters, now), backend.snapshot()
    if latest is None:
        return None
    window = asked or make_named_window(choose_day_or_longest_window(latest), now)
    return WindowChoice(window, backend.windowed_snapshot(latest, window), latest, asked is not None)
