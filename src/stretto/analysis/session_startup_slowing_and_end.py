"""Follow sessions through life: the time before the first task, after the last, and slowing between."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from stretto.analysis.recent_days_rank_tests import select_discoveries
from stretto.analysis.series_of_run_values import Floats
from stretto.clock import SECOND
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

FEWEST_TASKS = 4
"""Fewest tasks of a session that show whether it slows down."""

FEWEST_SESSIONS = 5

LIFE_LEVEL = 0.05

POWER = 0.9
"""Chance with which a slowing of the detectable size is seen."""


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
    detectable: float | None = None
    """The smallest degradation that would have been seen nine times of ten."""

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
        "detectable": math.exp(half + float(special.stdtrit(count - 1, POWER)) * error),
    }


def measure_session_lives(
    sessions: Mapping[str, Sequence[SessionRun]], tasks: Mapping[str, Sequence[TaskRun]]
) -> dict[str, SessionLife]:
    """Return the life of the sessions of each pattern; ``tasks`` are those of each session."""
    return {
        pattern: measure_session_life(runs, (task for run in runs for task in tasks.get(run.session, ())))
        for pattern, runs in sessions.items()
    }


def judge_session_lives(lives: Mapping[str, SessionLife]) -> list[Finding]:
    """Return a finding about the sessions of each pattern: start-up, clean-up, and slowing between.

    Of the patterns that are shown to slow down, at most a twentieth is false (Benjamini and Hochberg).
    """
    known = np.array([life.p for life in lives.values() if life.p is not None])
    level = select_discoveries(known, LIFE_LEVEL)
    return [_conclude_life(pattern, life, level) for pattern, life in lives.items()]


def _conclude_life(pattern: str, life: SessionLife, level: float) -> Finding:
    enough = life.slope_sessions >= FEWEST_SESSIONS
    evidence = FindingEvidence(
        n=life.slope_sessions,
        effect=life.degradation,
        low=life.low,
        high=life.high,
        p=life.p,
        detectable=life.detectable,
    )
    advice = ""
    if life.slows_down and life.p is not None and life.p <= level and life.low and life.high:
        advice = (
            f"Within sessions of {pattern} the last tasks take {life.degradation:.2f} times as long"
            f" [{life.low:.2f}, {life.high:.2f}] as the first of the same type: end sessions earlier."
        )
    few = f"{life.slope_sessions} of {FEWEST_SESSIONS} sessions with at least {FEWEST_TASKS} tasks"
    return Finding(
        "session_life",
        {"pattern": pattern},
        FindingVerdict.NO_EVIDENCE if enough else FindingVerdict.TOO_LITTLE_DATA,
        evidence,
        reason="" if enough else few,
        advice=advice,
        details={
            "start_up_seconds": life.start_up_seconds,
            "clean_up_seconds": life.clean_up_seconds,
            "sessions": float(life.sessions),
        },
    )
