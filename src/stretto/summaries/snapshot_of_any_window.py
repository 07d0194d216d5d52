"""Compute the snapshot of any stretch of time, beyond the windows that every snapshot has."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from stretto.clock import SECOND
from stretto.figures.bottleneck_agent import find_bottlenecks_by_window
from stretto.figures.scores.score_rules import Scoring
from stretto.figures.sequential_baseline_choice import NOTHING_DECLARED, DeclaredBaselines, Hours
from stretto.figures.window_gain_verdict import BY_WORK, HeadlineRule
from stretto.format.rfc3339 import FARTHEST
from stretto.names import Label
from stretto.store import sum_queries
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.store.session_search import SessionQuery, find_sessions
from stretto.store.sums_by_time_slot import SLOTS
from stretto.summaries.nearest_window_of_whole_hours_or_days import find_coarser_window
from stretto.summaries.snapshot import LATEST, Snapshot
from stretto.summaries.time_window import TimeWindow, make_bounded_window, make_named_window
from stretto.summaries.window_figures import FigureRules, NamedStretch, compute_stretch

FRESH_SECONDS = 20
"""Seconds for which an answer about a moving window is given again."""

MOST_KEPT = 12
"""Most answers that are kept: a reader goes to and fro between a few windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRules:
    """The settings by which a snapshot is computed."""

    hours: Hours
    scoring: Scoring
    declared: DeclaredBaselines = NOTHING_DECLARED
    headline: HeadlineRule = BY_WORK
    workflows: Hours = field(default_factory=dict)


def read_windowed_snapshot(
    connection: sqlite3.Connection, latest: Snapshot, window: TimeWindow, rules: SnapshotRules
) -> Snapshot:
    """Return the latest snapshot with the figures, the verdict and the sessions of another window.

    The window's name takes the place of the exported windows. Baselines are those known now. A window of more
    than an hour begins on a full hour, and ends with full five minutes. Where it cuts an hour or a day
    without parts, ``coarser`` has the whole of it.
    """
    connection.execute("BEGIN")
    try:
        stretch = _find_stretch(connection, window, latest.at)
        figure_rules = FigureRules(
            make_baseline_finder(connection, rules.hours, rules.declared, now=latest.at),
            rules.scoring,
            rules.headline,
            rules.workflows,
        )
        computed = compute_stretch(connection, stretch, figure_rules)
        coarser = find_coarser_window(connection, window, latest.at)
        sessions = find_sessions(
            connection, SessionQuery(since=window.start, until=window.end, limit=LATEST)
        ).rows
    finally:
        connection.execute("ROLLBACK")
    timeless = [figure for figure in latest.figures if Label.WINDOW not in dict(figure.labels)]
    return replace(
        latest,
        figures=(*computed.figures, *timeless),
        verdicts=computed.verdicts,
        bottlenecks=find_bottlenecks_by_window(computed.figures, {}),
        latest=sessions,
        folded_names=computed.folded_names,
        coarser=coarser,
    )


def _find_stretch(connection: sqlite3.Connection, window: TimeWindow, now: int) -> NamedStretch:
    end = now if window.end is None else min(now, window.end - 1)
    start = window.start
    if start is None:
        first = sum_queries.find_first_day_time(connection)
        start = end if first is None else min(first, end)
    return NamedStretch(window.name, end, max(1, (end - start) // SECOND))


def find_window_before(window: TimeWindow, now: int) -> TimeWindow | None:
    """Return the window of the same length before another one; None if that has no length or none before it.

    A window that is not over yet is as long as what has passed of it.
    """
    length, border = measure_window(window, now), find_latest_end_of_earlier_window(window, now)
    if length is None or border is None:
        return None
    return make_bounded_window(border - length, border) if border - length >= -FARTHEST else None


def find_latest_end_of_earlier_window(window: TimeWindow, now: int) -> int | None:
    """Return the latest end (ns) of a window before another one; None if that has no beginning or no length.

    It is the end of the last slot of sums that the other one does not begin in: no sum counts in both.
    """
    length = measure_window(window, now)
    if length is None or window.start is None:
        return None
    slot = (SLOTS[0] if length // SECOND <= SLOTS[1] else SLOTS[1]) * SECOND
    return window.start - window.start % slot


def find_summed_window(window: TimeWindow, at: int) -> TimeWindow:
    """Return a window from where its sums begin, such as a full hour, as of a snapshot at ``at`` (ns).

    Runs that are listed beside figures are of this window, so that both count alike.
    """
    named = make_named_window(window.name, at) if window.is_named else window
    start = find_latest_end_of_earlier_window(named, at)
    return named if start is None else replace(named, start=start)


def measure_window(window: TimeWindow, now: int) -> int | None:
    """Return the length (ns) of what has passed of a window; None without a beginning that is over."""
    end = now if window.end is None else min(now, window.end)
    return None if window.start is None or window.start >= end else end - window.start


class WindowedSnapshots:
    """Snapshots of other windows, kept until the store has newer events or ``FRESH_SECONDS`` have passed."""

    def __init__(self, read: Callable[[Snapshot, TimeWindow], Snapshot]) -> None:
        self._read = read
        self._kept: dict[str, Snapshot] = {}

    def get_snapshot(self, latest: Snapshot, window: TimeWindow) -> Snapshot:
        """Return the snapshot of a window; that of the exported windows is the latest itself."""
        if window.name in latest.verdicts:
            return latest
        kept = self._kept.get(window.name)
        if kept is not None and kept.events == latest.events and latest.at - kept.at < FRESH_SECONDS * SECOND:
            return kept
        answer = self._read(latest, window)
        # Threads of requests may come here at once: each puts a whole answer, the last one stays.
        self._kept = dict([*self._kept.items(), (window.name, answer)][-MOST_KEPT:])
        return answer
