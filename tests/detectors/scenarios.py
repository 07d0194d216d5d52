"""Eight ways in which lengths of tasks scatter with nothing changed, and changes planted in them.

Each is a plausible nuisance for a detector: (a) independent runs, (b) runs that resemble the one before,
(c) a wide scatter, (d) fast and slow runs in spells, (e) rare very long runs, (f) a level that drifts,
(g) a daily cycle, (h) good and bad days.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC

import numpy as np
from msgspec import structs
from numpy.typing import NDArray
from scipy import signal

from stretto.analysis.series_of_run_values import Series, SeriesKind
from stretto.analysis.values_by_local_day import LocalDays, list_local_days
from stretto.clock import DAY, SECOND
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import TaskRun

Floats = NDArray[np.float64]
Rng = np.random.Generator

FIRST_DAY = 20_000 * DAY
"""Start of the first day of every series: a Thursday, in UTC."""

TYPICAL = 300 * SECOND


def follow(rng: Rng, count: int, likeness: float, spread: float) -> Floats:
    """Return values of spread ``spread`` of which each resembles the one before (AR(1))."""
    steps = rng.normal(size=count) * spread * math.sqrt(1 - likeness**2)
    steps[0] = rng.normal() * spread
    return np.asarray(signal.lfilter([1.0], [1.0, -likeness], steps), dtype=np.float64)


def independent(rng: Rng, days: int, per_day: int) -> Floats:
    """(a) Spread .5, each run for itself."""
    return rng.normal(size=days * per_day) * 0.5


def resembling(rng: Rng, days: int, per_day: int) -> Floats:
    """(b) Spread .5, AR(1) .6 from run to run."""
    return follow(rng, days * per_day, 0.6, 0.5)


def wide(rng: Rng, days: int, per_day: int) -> Floats:
    """(c) Spread 1, AR(1) .3."""
    return follow(rng, days * per_day, 0.3, 1.0)


def in_spells(rng: Rng, days: int, per_day: int) -> Floats:
    """(d) 70 % fast runs and 30 % of four times the length, in spells of five runs on average."""
    count = days * per_day
    chance = rng.random(count)
    slow = np.empty(count, dtype=bool)
    now = bool(rng.random() < 0.3)
    for number in range(count):
        now = bool(chance[number] < 0.8) if now else bool(chance[number] < 0.2 * 0.3 / 0.7)
        slow[number] = now
    return rng.normal(size=count) * 0.3 + math.log(4) * slow


def with_outliers(rng: Rng, days: int, per_day: int) -> Floats:
    """(e) Spread .4, and 3 % of the runs take eight times as long or longer."""
    count = days * per_day
    usual = rng.normal(size=count) * 0.4
    return np.where(rng.random(count) < 0.03, math.log(8) + rng.exponential(0.5, count), usual)


def drifting(rng: Rng, days: int, per_day: int) -> Floats:
    """(f) Spread .4 around a level that wanders by .10 (AR(1) .98 from run to run)."""
    count = days * per_day
    return rng.normal(size=count) * 0.4 + follow(rng, count, 0.98, 0.10)


def daily_cycle(rng: Rng, days: int, per_day: int) -> Floats:
    """(g) Spread .35, with hours up to 25 % slower and faster."""
    hours = 2 * math.pi * (np.arange(days * per_day) % per_day) / per_day
    return rng.normal(size=days * per_day) * 0.35 + math.log(1.25) * np.sin(hours)


def good_and_bad_days(rng: Rng, days: int, per_day: int) -> Floats:
    """(h) Spread .4, and each day has a level of its own with spread .10."""
    return rng.normal(size=days * per_day) * 0.4 + np.repeat(rng.normal(size=days) * 0.10, per_day)


SCENARIOS: dict[str, Callable[[Rng, int, int], Floats]] = {
    "a": independent,
    "b": resembling,
    "c": wide,
    "d": in_spells,
    "e": with_outliers,
    "f": drifting,
    "g": daily_cycle,
    "h": good_and_bad_days,
}
"""Letter → logarithms of lengths around 0, for a number of days and of runs per day."""


def draw_logs(
    scenario: str, rng: Rng, days: int, per_day: int, *, factor: float = 1.0, since: int | None = None
) -> Floats:
    """Return the logarithms of the lengths, times ``factor`` from day ``since`` on."""
    logs = SCENARIOS[scenario](rng, days, per_day)
    if since is not None:
        logs[since * per_day :] += math.log(factor)
    return logs


def place_ends(days: int, per_day: int) -> NDArray[np.int64]:
    """Return the ends of the runs (ns): evenly spread over each day."""
    step = DAY // per_day
    return FIRST_DAY + np.arange(days * per_day, dtype=np.int64) * step + step // 2


def draw_series(
    scenario: str,
    rng: Rng,
    days: int,
    per_day: int,
    *,
    factor: float = 1.0,
    since: int | None = None,
    name: str = "tests",
) -> Series:
    """Return a series of task lengths."""
    logs = draw_logs(scenario, rng, days, per_day, factor=factor, since=since) + math.log(TYPICAL)
    return Series(SeriesKind.TASK_LENGTH, {"type": name}, place_ends(days, per_day), logs)


def make_task_runs(
    logs: Floats, ends: Sequence[int] | NDArray[np.int64], *, type_: str = "tests", pattern: str | None = None
) -> list[TaskRun]:
    """Return finished tasks whose lengths are 300 s times exp(log), each in a session of its own."""
    runs = []
    for number, (log, end) in enumerate(zip(logs, ends, strict=True)):
        length = round(TYPICAL * math.exp(log))
        runs.append(
            TaskRun(
                session=f"{type_}-{number}",
                task="1",
                start=int(end) - length,
                length=length,
                outcome=Outcome.SUCCESS,
                type=type_,
                pattern=pattern,
            )
        )
    return runs


def draw_slower_store(rng: Rng) -> list[TaskRun]:
    """Return 90 days of tasks of five types that all take 1.5 times as long from day 83 on."""
    runs = []
    for scenario, type_ in zip("aeghb", ("tests", "docs", "review", "build", "search"), strict=True):
        logs = draw_logs(scenario, rng, 90, 40, factor=1.5, since=83)
        runs += make_task_runs(logs, place_ends(90, 40), type_=type_)
    return runs


def draw_changed_mix(rng: Rng) -> list[TaskRun]:
    """Return 90 days of an agent's tasks whose slow type rises from 10 to 50 % on day 75; none is slower."""
    ends = place_ends(90, 20)
    slow = rng.random(len(ends)) < np.where(np.arange(len(ends)) < 75 * 20, 0.1, 0.5)
    logs = rng.normal(size=len(ends)) * 0.4 + np.where(slow, math.log(4), 0.0)
    return [
        structs.replace(run, type="docs" if is_slow else "tests", agent="qa")
        for run, is_slow in zip(make_task_runs(logs, ends), slow, strict=True)
    ]


def list_days(count: int) -> LocalDays:
    """Return the first days of every series, in UTC."""
    return list_local_days(FIRST_DAY + count * DAY, count, UTC)
