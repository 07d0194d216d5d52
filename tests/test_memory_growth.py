"""The verdict about leaks: growth of memory at a constant number of running tasks, beyond chance."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from stretto.clock import MINUTE
from stretto.figures.memory_growth import FEWEST_COMPARED, measure_memory_growth_at_constant_load
from stretto.model.entities import Sample, Task
from stretto.model.event import Outcome

MEGABYTE = 10**6


def minutes(memory: Callable[[int], float], count: int = 60) -> list[Sample]:
    """Return a sample for each minute."""
    return [Sample(minute * MINUTE, MINUTE, memory=round(memory(minute))) for minute in range(count)]


def running(start: float, end: float | None) -> Task:
    """Return a task that runs from a minute to a minute."""
    over = None if end is None else round(end * MINUTE)
    return Task("t", "tests", None, None, None, None, round(start * MINUTE), over, Outcome.SUCCESS)


def wander(seed: int, likeness: float) -> Callable[[int], float]:
    """Return a memory that wanders around a gigabyte, each minute like the one before."""
    random_numbers = random.Random(seed)
    levels = [0.0]
    for _ in range(60):
        levels.append(likeness * levels[-1] + random_numbers.gauss(0, 40 * MEGABYTE))
    return lambda minute: 1_000 * MEGABYTE + levels[minute]


def test_steady_growth_is_suspected() -> None:
    """10 MB a minute are 600 MB an hour, 46 % of the mean; a sawtooth of garbage does not hide it."""
    growth = measure_memory_growth_at_constant_load(
        minutes(lambda minute: (1_000 + 10 * minute + 20 * (minute % 5)) * MEGABYTE), []
    )
    assert growth.bytes_per_hour == pytest.approx(600 * MEGABYTE, rel=0.02)
    assert growth.ratio_per_hour == pytest.approx(600 / 1_335, rel=0.02)
    assert growth.low_bytes_per_hour is not None
    assert growth.low_bytes_per_hour > 500 * MEGABYTE
    assert growth.is_leak_suspected


def test_more_agents_are_no_leak() -> None:
    """After half an hour a second task takes a gigabyte more: within each half nothing grows."""
    tasks = [running(0, None), running(30, None)]
    growth = measure_memory_growth_at_constant_load(
        minutes(lambda minute: (1 + (minute >= 30)) * 1_000 * MEGABYTE), tasks
    )
    assert (growth.samples, growth.bytes_per_hour, growth.is_leak_suspected) == (60, 0, False)


def test_minutes_in_which_a_task_begins_or_ends_are_left_out() -> None:
    """A task from 10:30 to 20:30 leaves out the minutes 10 and 20."""
    growth = measure_memory_growth_at_constant_load(minutes(lambda _: MEGABYTE), [running(10.5, 20.5)])
    assert growth.samples == 58


def test_little_growth_and_little_data_are_no_verdict_of_a_leak() -> None:
    """8 % an hour is not beyond the limit; below half an hour there is a reason."""
    slow = measure_memory_growth_at_constant_load(
        minutes(lambda minute: (1_000 + 80 * minute / 60) * MEGABYTE), []
    )
    assert slow.is_leak_suspected is False
    few = measure_memory_growth_at_constant_load(minutes(lambda _: MEGABYTE, FEWEST_COMPARED - 1), [])
    assert (few.is_leak_suspected, few.reason) == (
        None, "29 samples with a constant number of tasks, 30 are needed",
    )  # fmt: skip


@pytest.mark.parametrize("likeness", [0.0, 0.5, 0.9, 1.0])
def test_memory_that_only_wanders_is_seldom_suspected(likeness: float) -> None:
    """Of 600 sessions at most 5 % are suspected; with 1 the memory walks at random, without a drift."""
    found = [
        measure_memory_growth_at_constant_load(minutes(wander(seed, likeness)), []) for seed in range(600)
    ]
    assert sum(growth.is_leak_suspected is True for growth in found) <= 30
