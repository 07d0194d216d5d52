"""The table's rows about trends and calendars, unusual runs and forecasts, on generated series."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from stretto.analysis.forecast import COVERS, forecast_values
from stretto.analysis.unusually_long_runs import UNUSUAL_RATE, compute_p_value_of_length
from tests.detectors.calendar_rates import count_daily_cycles, count_trends, count_weekday_patterns
from tests.detectors.rows import Row, make_mean, make_rate

Floats = NDArray[np.float64]
Rng = np.random.Generator

HISTORY = 400
"""Earlier runs that each judged run is ranked among."""


def measure_trends(*, long: bool) -> Iterator[Row]:
    """Yield the rows of false and planted trends, weekdays and daily cycles."""
    cases = 1_000 if long else 200
    for likeness in (0.0, 0.3, 0.6):
        seen = count_trends(likeness, 30, 1.0, cases, 1)
        yield make_rate("B", f"30 days, likeness {likeness}: false trends", seen, cases, at_most=0.09)
        seen = count_trends(likeness, 90, 1.0, cases, 3)
        yield make_rate("B", f"90 days, likeness {likeness}: false trends", seen, cases, at_most=0.09)
        seen = count_trends(likeness, 90, 1.1, cases, 2)
        name = f"90 days, likeness {likeness}: +10 % a month found"
        yield make_rate("B", name, seen, cases, at_least=0.95)
    series = 400 if long else 80
    yield make_rate("B", "false weekday patterns", count_weekday_patterns(series, 1), series, at_most=0.05)
    cycles = 100 if long else 20
    seen = count_daily_cycles("g", 28, cycles, 1)
    yield make_rate("B", "daily cycle of 25 % found in 28 days", seen, cycles, at_least=0.95)
    false = sum(count_daily_cycles(scenario, 28, cycles, 2) for scenario in "abh")
    yield make_rate("B", "false daily cycles (a, b, h)", false, 3 * cycles, at_most=0.09)


SHAPES: dict[str, Callable[[Rng, int], Floats]] = {
    "spread .5": lambda rng, count: rng.normal(size=count) * 0.5,
    "spread 1": lambda rng, count: rng.normal(size=count),
    "30 % four times as long": lambda rng, count: (
        rng.normal(size=count) * 0.3 + math.log(4) * (rng.random(count) < 0.3)
    ),
    "10 % eight times as long": lambda rng, count: (
        rng.normal(size=count) * 0.3 + math.log(8) * (rng.random(count) < 0.1)
    ),
}
"""Shapes of the logarithms of lengths."""


def measure_flags(*, long: bool) -> Iterator[Row]:
    """Yield the rows of the share of ordinary runs that are flagged, each among 399 fresh earlier ones."""
    cases = 20_000 if long else 4_000
    for number, (name, draw) in enumerate(SHAPES.items()):
        rng = np.random.default_rng([number, 8])
        flags = 0
        for _ in range(cases):
            values = draw(rng, HISTORY)
            flags += compute_p_value_of_length(float(values[-1]), values[:-1]) <= UNUSUAL_RATE
        yield make_rate("C", f"{name}: ordinary runs flagged", flags, cases, at_least=0.004, at_most=0.006)


def wander_daily(rng: Rng, days: int) -> Floats:
    """Days that resemble the one before by half."""
    values = np.zeros(days)
    for number in range(1, days):
        values[number] = 0.5 * values[number - 1] + rng.normal() * 0.1 * math.sqrt(0.75)
    return values


def walk_level(rng: Rng, days: int) -> Floats:
    """A level that takes a small step each day."""
    return np.cumsum(rng.normal(size=days) * 0.02) + rng.normal(size=days) * 0.08


def shift_level(rng: Rng, days: int) -> Floats:
    """A level that jumps by 20 % every 45 days or so."""
    jumps = (rng.random(days) < 1 / 45) * rng.choice([-1, 1], days) * math.log(1.2)
    return np.cumsum(jumps) + rng.normal(size=days) * 0.08


def rise_steadily(rng: Rng, days: int) -> Floats:
    """A rise of 5 % a month."""
    return np.arange(days) * math.log(1.05) / 30 + rng.normal(size=days) * 0.08


PROCESSES: dict[str, Callable[[Rng, int], Floats]] = {
    "days that resemble each other": wander_daily,
    "a wandering level": walk_level,
    "jumps of 20 %": shift_level,
    "a steady rise": rise_steadily,
}
WEEKDAYS = np.array([0.0, 0.05, 0.1, 0.05, 0.0, -0.1, -0.1])
BOUNDS = ((0.75, 0.85), (0.90, 0.97))


def measure_covers(*, long: bool) -> Iterator[Row]:
    """Yield how often a week's forecast holds the days, on four processes with a weekly season."""
    series = 60 if long else 12
    for number, (name, draw) in enumerate(PROCESSES.items()):
        rng = np.random.default_rng([number, 9])
        # The days of a week are forecast together and are wrong together: the unit is the series.
        shares: tuple[list[float], list[float]] = ([], [])
        for _ in range(series):
            values = draw(rng, 127) + np.resize(WEEKDAYS, 127)
            made = forecast_values(values[:120], 7)
            assert made is not None
            for level, cover in enumerate(COVERS):
                low, high = made.compute_range(cover)
                shares[level].append(float(np.mean((values[120:] >= low) & (values[120:] <= high))))
        for level, cover in enumerate(COVERS):
            row_name = f"{name}: days within the {round(100 * cover)} % range of a week"
            least, most = BOUNDS[level]
            yield make_mean("D", row_name, shares[level], at_least=least, at_most=most, unit="series")
