"""Measure how often changes are raised: with nothing changed, and of changes that were planted.

A set is 100 unchanged series and 10 changed ones that are checked together on each of 30 days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stretto.analysis.series_of_run_values import Series
from stretto.analysis.tracked_change_episodes import TrackedSeries, track_changes
from stretto.analysis.values_by_local_day import LocalDays
from tests.detectors.scenarios import draw_series, list_days

UNCHANGED = 100
CHANGED = 10
WARM_DAYS = 70
"""Days before the month that is judged."""
MONTH = 30
LONGEST_DELAY = 14


@dataclass(slots=True)
class ChangeCounts:
    """What the checks of some sets raised."""

    false_episodes: list[int] = field(default_factory=list)
    """Rises that were raised, per set of unchanged series."""
    false_improvements: int = 0
    """Falls that were raised for unchanged series."""
    series_months: int = 0
    within_7: int = 0
    within_14: int = 0
    changed: int = 0
    raised_days: list[tuple[int, int]] = field(default_factory=list)
    """Per set: over the 30 checks, (unchanged series raised, all series raised)."""


def draw_set(
    scenario: str, per_day: int, factor: float, seed: Sequence[int], letters: str = "abcdefgh"
) -> list[Series]:
    """Return 100 unchanged series and 10 that change after the warm days; scenario ``m`` mixes all."""
    rng = np.random.default_rng([*seed, ord(scenario), per_day])
    days = WARM_DAYS + MONTH
    return [
        draw_series(
            letters[number % len(letters)] if scenario == "m" else scenario,
            rng,
            days,
            per_day,
            factor=factor,
            since=WARM_DAYS if number >= UNCHANGED else None,
            name=str(number),
        )
        for number in range(UNCHANGED + CHANGED)
    ]


def list_raised_days(tracked: TrackedSeries, days: int, *, rises: bool = True) -> NDArray[np.bool_]:
    """Return for each day whether a change of this direction was raised."""
    raised = np.zeros(days, dtype=bool)
    for episode in tracked.episodes:
        if episode.rises == rises:
            raised[episode.raised : episode.ended] = True
    return raised


def count_begins(raised: NDArray[np.bool_]) -> int:
    """Return how many episodes begin within the month, of series by day."""
    return int((raised[:, WARM_DAYS:] & ~raised[:, WARM_DAYS - 1 : -1]).sum())


def count_changes(series: Sequence[Series], counts: ChangeCounts) -> None:
    """Add what 30 days of checks of a set raise."""
    days: LocalDays = list_days(WARM_DAYS + MONTH)
    tracked = track_changes(series, days)
    raised = np.array([list_raised_days(each, len(days)) for each in tracked])
    unchanged, changed = raised[:UNCHANGED], raised[UNCHANGED:]
    fallen = np.array([list_raised_days(each, len(days), rises=False) for each in tracked[:UNCHANGED]])
    counts.false_episodes.append(count_begins(unchanged))
    counts.false_improvements += count_begins(fallen)
    counts.series_months += UNCHANGED
    counts.within_7 += int(changed[:, WARM_DAYS : WARM_DAYS + 7].any(axis=1).sum())
    counts.within_14 += int(changed[:, WARM_DAYS : WARM_DAYS + LONGEST_DELAY].any(axis=1).sum())
    counts.changed += len(changed)
    counts.raised_days.append((int(unchanged[:, WARM_DAYS:].sum()), int(raised[:, WARM_DAYS:].sum())))
