"""Follow sessions through life: the time before the first task, after the last, and slowing between."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from stretto.analysis.series import Floats
from stretto.clock import SECOND
from stretto.model.runs import SessionRun, TaskRun

FEWEST_TASKS = 4
"""Fewest tasks of a session that show whether it slows down."""

FEWEST_SESSIONS = 5

LIFE_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class SessionLife:
    """Typical edges of some sessions, and how lengths change from the first task to the last."""

    sessions: int
    start_up_seconds: float | None
    """Median from a session's start to its first task."""
    clean_up_seconds: float | None
    """Median from the last task's end to the session's end."""
    degradation: float | None = None
    """Length of the last tasks / the first, for tasks of the same type."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    slope_sessions: int = 0
    """Sessions with enough tasks for a slope."""

    @property
    def slows_down(self) -> bool:
        """Whether later tasks are longer beyond chance."""
        return self.p is not None and self.p <= LIFE_LEVEL and (self.degradation or 0) > 1


def measure_session_life(sessions: Iterable[SessionRun], tasks: Iterable[TaskRun]) -> SessionLife:
    """Return the life of the sessions that had tasks. The unit is the session, not the task."""
    tasks_of: Mapping[str, list[TaskRun]] = defaultdict(list)
    for task in tasks:
        if task.length:
            tasks_of[task.session].append(task)
    medians = _measure_types([task for several in tasks_of.values() for task in several])
    starts, ends, slopes = [], [], []
    for session in sessions:
        several = tasks_of.get(session.session)
        if not several:
            continue
        starts.append((min(task.start for task in several) - session.start) / SECOND)
        ends.append((session.end - max(task.start + (task.length or 0) for task in several)) / SECOND)
        slope = _measure_slope([task for task in several if task.is_delivered], medians)
        if slope is not None:
            slopes.append(slope)
    life = _judge_slopes(np.array(slopes)) if len(slopes) >= FEWEST_SESSIONS else {}
    return SessionLife(
        len(starts),
        max(0.0, float(np.median(starts))) if starts else None,
        max(0.0, float(np.median(ends))) if ends else None,
        slope_sessions=len(slopes),
        **life,
    )


def _measure_types(tasks: list[TaskRun]) -> dict[str, float]:
    """Return the median logarithm of the lengths by task type."""
    logs: dict[str, list[float]] = defaultdict(list)
    for task in tasks:
        if task.is_delivered:
            logs[task.type].append(math.log(task.length or 1))
    return {type_: float(np.median(values)) for type_, values in logs.items()}


def _measure_slope(tasks: list[TaskRun], medians: Mapping[str, float]) -> float | None:
    """Return by how much the logarithm of lengths, less the type's median, rises from first to last task."""
    if len(tasks) < FEWEST_TASKS:
        return None
    ordered = sorted(tasks, key=lambda task: task.start)
    positions = np.linspace(-0.5, 0.5, len(ordered))
    logs = np.array([math.log(task.length or 1) - medians[task.type] for task in ordered])
    return float(positions @ logs / (positions @ positions))


def _judge_slopes(slopes: Floats) -> dict[str, float | None]:
    """Return the mean degradation over sessions as a ratio, with a 95 % interval and a t test against 1."""
    count = len(slopes)
    mean, error = float(slopes.mean()), float(slopes.std(ddof=1)) / math.sqrt(count)
    if error <= 0:
        return {"degradation": math.exp(mean), "low": None, "high": None, "p": None}
    half = -float(special.stdtrit(count - 1, LIFE_LEVEL / 2)) * error
    return {
        "degradation": math.exp(mean),
        "low": math.exp(mean - half),
        "high": math.exp(mean + half),
        "p": float(2 * special.stdtr(count - 1, -abs(mean) / error)),
    }
