"""Work out who was at work when, across sessions: agents over time, and what ran at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stretto.model.interval import Interval
from stretto.names import UNNAMED_AGENT

CELLS = 96
"""Cells of a drawing: a day in quarters of an hour."""

MOST_AGENTS = 16
"""Most agents with a row of their own; the others share one."""

OTHERS = "other agents"


@dataclass(frozen=True, slots=True)
class TimedTask:
    """A task with a known length, whatever became of it."""

    agent: str | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class TimedSession:
    """A session from its start to its end or latest event."""

    id: str
    project: str
    interval: Interval
    tasks: int = 0


@dataclass(frozen=True, slots=True)
class AgentActivity:
    """An agent's tasks over time."""

    agent: str
    tasks: int
    work: int
    """Summed length (ns) inside the stretch of time."""
    running: tuple[float, ...]
    """Mean number of its running tasks in each cell."""


@dataclass(frozen=True, slots=True)
class ActivityChart:
    """The tasks of a stretch of time; lengths in nanoseconds."""

    extent: Interval
    rows: tuple[AgentActivity, ...]
    """By work, the most first."""
    agents: int
    """Agents with a task, those that share a row included."""
    tasks: int
    work: int
    busy: int
    """Time in which at least one task ran."""
    peak: int
    """Most tasks at once."""
    peak_at: int | None
    """When that was first."""


@dataclass(frozen=True, slots=True)
class ProjectOverlap:
    """Sessions of one project that ran at the same time."""

    project: str
    sessions: tuple[str, ...]
    """Ids of the sessions that overlapped another one, by start."""
    tasks: int
    """Tasks of these sessions."""
    peak: int
    overlapping: int
    """Time (ns) in which two or more were open."""


def draw_activity(tasks: Iterable[TimedTask], extent: Interval, cells: int = CELLS) -> ActivityChart:
    """Return who was at work when in a stretch of time; tasks are cut at its bounds.

    Example: in an hour of four cells, a task of the first half hour is 1, 1, 0, 0 of its agent's row.
    """
    clipped = [(task.agent or UNNAMED_AGENT, cut) for task in tasks if (cut := _clip(task.interval, extent))]
    by_agent: dict[str, list[Interval]] = defaultdict(list)
    for agent, interval in clipped:
        by_agent[agent].append(interval)
    ranked = sorted(by_agent.items(), key=lambda item: (-_sum(item[1]), item[0]))
    shown, rest = ranked[:MOST_AGENTS], ranked[MOST_AGENTS:]
    if rest:
        shown.append((OTHERS, [interval for _, intervals in rest for interval in intervals]))
    intervals = [interval for _, interval in clipped]
    steps = _count_steps(intervals)
    peak = max((count for _, count in steps), default=0)
    return ActivityChart(
        extent,
        tuple(
            AgentActivity(agent, len(own), _sum(own), _measure_cells(own, extent, cells))
            for agent, own in shown
        ),
        agents=len(by_agent),
        tasks=len(intervals),
        work=_sum(intervals),
        busy=_measure_at_least(steps, 1),
        peak=peak,
        peak_at=next((at for at, count in steps if count == peak), None) if peak else None,
    )


def find_overlaps(sessions: Iterable[TimedSession]) -> list[ProjectOverlap]:
    """Return the projects of which several sessions were open at once, the longest overlap first."""
    by_project: dict[str, list[TimedSession]] = defaultdict(list)
    for session in sorted(sessions, key=lambda each: (each.interval.start, each.id)):
        by_project[session.project].append(session)
    overlaps = []
    for project, listed in by_project.items():
        steps = _count_steps([session.interval for session in listed])
        overlapping = _measure_at_least(steps, 2)
        if overlapping:
            peak = max(count for _, count in steps)
            ids = tuple(_list_overlapping(listed))
            tasks = sum(session.tasks for session in listed if session.id in frozenset(ids))
            overlaps.append(ProjectOverlap(project, ids, tasks, peak, overlapping))
    return sorted(overlaps, key=lambda overlap: (-overlap.overlapping, overlap.project))


def _list_overlapping(sessions: Sequence[TimedSession]) -> list[str]:
    """Return the sessions that overlap another one; ``sessions`` are sorted by start."""
    found: dict[str, None] = {}
    latest = sessions[0]
    for session in sessions[1:]:
        if session.interval.start < latest.interval.end:
            found |= {latest.id: None, session.id: None}
        if session.interval.end > latest.interval.end:
            latest = session
    return [*found]


def _clip(interval: Interval, extent: Interval) -> Interval | None:
    start, end = max(interval.start, extent.start), min(interval.end, extent.end)
    return Interval(start, end) if start < end else None


def _sum(intervals: Iterable[Interval]) -> int:
    return sum(interval.length for interval in intervals)


def _measure_cells(intervals: Iterable[Interval], extent: Interval, cells: int) -> tuple[float, ...]:
    length = extent.length / cells
    running = [0.0] * cells
    for interval in intervals:
        first = int((interval.start - extent.start) / length)
        last = min(cells - 1, int((interval.end - extent.start) / length))
        for cell in range(first, last + 1):
            begin = extent.start + cell * length
            overlap = min(interval.end, begin + length) - max(interval.start, begin)
            running[cell] += max(0.0, overlap / length)
    return tuple(round(value, 4) for value in running)


def _count_steps(intervals: Iterable[Interval]) -> list[tuple[int, int]]:
    """Return (instant, number that is under way from then on) for each instant at which it changes."""
    changes: dict[int, int] = defaultdict(int)
    for interval in intervals:
        changes[interval.start] += 1
        changes[interval.end] -= 1
    steps, count = [], 0
    for at in sorted(changes):
        count += changes[at]
        steps.append((at, count))
    return steps


def _measure_at_least(steps: Sequence[tuple[int, int]], least: int) -> int:
    return sum(following[0] - at for (at, count), following in pairwise(steps) if count >= least)
