"""Divide sessions into workload classes: pattern by size, and size by terciles within the pattern."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stretto.figures.quantile_sketch import find_one_based_rank, pick_quantile

SIZES = ("small", "medium", "large")

LEAST_SESSIONS = 6
"""A pattern with fewer sessions is a single class: terciles of two sessions each say nothing."""


@dataclass(frozen=True, slots=True)
class SessionLoad:
    """What a session did."""

    pattern: str
    tasks: int
    seconds: float
    work_seconds: float


@dataclass(frozen=True, slots=True)
class WorkloadClass:
    """Sessions of a pattern and a size, with the distribution of their times."""

    pattern: str
    size: str
    sessions: int
    tasks: tuple[int, int]
    """Fewest and most tasks of a session."""
    median_seconds: float
    p90_seconds: float | None
    """Absent below ten sessions."""
    median_work_seconds: float


def classify_sessions(loads: Iterable[SessionLoad]) -> list[WorkloadClass]:
    """Return the classes by pattern and size. Sessions without tasks have no workload and are left out.

    Example: nine sessions with 1 to 9 tasks are small up to 3 tasks, medium up to 6, large above.
    """
    by_pattern: dict[str, list[SessionLoad]] = {}
    for load in loads:
        if load.tasks:
            by_pattern.setdefault(load.pattern, []).append(load)
    classes = []
    for pattern, sessions in sorted(by_pattern.items()):
        by_size: dict[str, list[SessionLoad]] = {}
        for load in sessions:
            by_size.setdefault(_find_size(load, sessions), []).append(load)
        classes += [_summarise(pattern, size, by_size[size]) for size in ("all", *SIZES) if size in by_size]
    return classes


def _find_size(load: SessionLoad, sessions: list[SessionLoad]) -> str:
    if len(sessions) < LEAST_SESSIONS:
        return "all"
    ordered = sorted(each.tasks for each in sessions)
    # The bounds are sizes that occur, so that sessions of one size are never divided.
    bounds = [ordered[find_one_based_rank(len(ordered), third / 3) - 1] for third in (1, 2)]
    return SIZES[sum(load.tasks > bound for bound in bounds)]


def _summarise(pattern: str, size: str, sessions: list[SessionLoad]) -> WorkloadClass:
    seconds = sorted(load.seconds for load in sessions)
    work = sorted(load.work_seconds for load in sessions)
    tasks = [load.tasks for load in sessions]
    return WorkloadClass(
        pattern,
        size,
        len(sessions),
        (min(tasks), max(tasks)),
        seconds[find_one_based_rank(len(seconds), 0.5) - 1],
        pick_quantile(seconds, 0.9) if len(seconds) >= 10 else None,  # noqa: PLR2004  # a tenth
        work[find_one_based_rank(len(work), 0.5) - 1],
    )
