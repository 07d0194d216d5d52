"""Measure for a session how many seconds of its elapsed time each possible hold-up costs.

A cost is the difference between the session as it ran and the session without the hold-up. An agent or phase
is slow if its tasks took longer than usual *in comparison with the other tasks* of the session; tools and
models are compared with each other; contention slows both in most tasks. So a single cause does not appear
as five.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, median

from stretto.analysis.session_lane_schedule import (
    RunSchedule,
    measure_late_lane_starts,
    measure_time_lost_to_imbalance,
    order_tasks_of_known_length,
    simulate_span,
)
from stretto.clock import SECOND
from stretto.model.event import Outcome
from stretto.model.interval import Interval, measure_union_length
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

FEWEST_TASKS = 2
"""Fewest tasks of an agent or phase, and of the others, that are compared."""

MOST_NAMES = 20
"""Agents, and phases, of a session that are looked at: those with the most tasks."""

CONCURRENT = 1.5
"""Tasks running at once, on average, from which on a task can be slowed by others."""


class HoldupKind(StrEnum):
    """The kinds of hold-ups; a name beside the kind is that of the agent or phase."""

    AGENT = "agent"
    PHASE = "phase"
    TOOL = "tool"
    MODEL = "model"
    HOOKS = "hooks"
    PERSON = "person"
    IMBALANCE = "imbalance"
    LATE_START = "late_start"
    CONTENTION = "contention"
    RETRIES = "retries"
    CONFLICTS = "conflicts"
    FAILED_WORK = "failed_work"
    WAITING_ON_AGENTS = "waiting_on_agents"


HoldupKey = tuple[HoldupKind, str]
"""Kind, and name of the agent or phase or an empty text."""

WALL_PARTS: Mapping[HoldupKind, tuple[str, ...]] = {
    HoldupKind.HOOKS: ("hooks",),
    HoldupKind.PERSON: ("waiting",),
    HoldupKind.WAITING_ON_AGENTS: ("nothing", "agents"),
}
"""Kinds that a part of wall time measures."""


@dataclass(frozen=True, slots=True)
class _Usual:
    """Median lengths (ns) of a kind of task."""

    total: float
    tools: float | None
    rest: float | None


class UsualLengths:
    """The usual length of a task: the median of its type and agent, or of its type."""

    def __init__(self, tasks: Iterable[TaskRun]) -> None:
        groups: dict[tuple[str, str | None], list[TaskRun]] = defaultdict(list)
        for run in tasks:
            if run.length and run.is_delivered:
                groups[run.type, run.agent].append(run)
                groups[run.type, None].append(run)
        self._usual = {key: _summarize(runs) for key, runs in groups.items() if len(runs) >= FEWEST_TASKS}

    def find(self, run: TaskRun) -> _Usual | None:
        """Return the usual lengths of a task's kind, or None if its type is new."""
        return self._usual.get((run.type, run.agent)) or self._usual.get((run.type, None))


def find_median_length_by_type(tasks: Iterable[TaskRun]) -> dict[str, float]:
    """Return the median length (ns) of the delivered tasks of each type, whichever agent ran them."""
    groups: dict[str, list[int]] = defaultdict(list)
    for run in tasks:
        if run.length and run.is_delivered:
            groups[run.type].append(run.length)
    return {type_: float(median(lengths)) for type_, lengths in groups.items()}


def measure_holdups(
    session: SessionRun, tasks: Sequence[TaskRun], usual: UsualLengths
) -> dict[HoldupKey, float]:
    """Return the seconds that each kind of hold-up cost the session, by kind and name.

    A kind is absent if it cannot be known, such as tools where no task reports its tools' time. Values of
    agents, phases, tools and models are below 0 where they were faster than usual.
    """
    costs: dict[HoldupKey, float] = {
        (kind, ""): float(sum(session.wall_parts.get(part, 0) for part in parts))
        for kind, parts in WALL_PARTS.items()
        if session.wall_parts
    }
    schedule = order_tasks_of_known_length(tasks)
    if schedule.tasks:
        costs |= _measure_task_holdups(schedule, usual)
    for kind, part in ((HoldupKind.TOOL, "main_tools"), (HoldupKind.MODEL, "model")):
        if part in session.wall_parts:
            costs[kind, ""] = costs.get((kind, ""), 0.0) + session.wall_parts[part]
    return {key: cost / SECOND for key, cost in costs.items()}


def measure_delivered_time_of_phase(tasks: Iterable[TaskRun], phase: str) -> int:
    """Return the time (ns) in which a delivered task of the phase ran; failed ones are another hold-up."""
    return measure_union_length(
        Interval(run.start, run.start + run.length)
        for run in tasks
        if run.phase == phase and run.length and run.is_delivered
    )


def _measure_task_holdups(schedule: RunSchedule, usual: UsualLengths) -> dict[HoldupKey, float]:
    tasks, lengths = schedule.tasks, schedule.lengths
    known = [usual.find(run) for run in tasks]
    excess = [
        math.log(length / one.total) if one and run.is_delivered else None
        for run, length, one in zip(tasks, lengths, known, strict=True)
    ]

    def save(change: Callable[[int, TaskRun], float]) -> float:
        return schedule.span - simulate_span(schedule, [change(n, run) for n, run in enumerate(tasks)])

    costs: dict[HoldupKey, float] = {
        (HoldupKind.LATE_START, ""): float(measure_late_lane_starts(schedule)),
        (HoldupKind.IMBALANCE, ""): measure_time_lost_to_imbalance(
            schedule,
            [
                0.0 if not run.is_delivered else one.total if one else float(length)
                for run, length, one in zip(tasks, lengths, known, strict=True)
            ],
        ),
    }
    retried = _find_retried(tasks)
    for kind, wanted in ((HoldupKind.RETRIES, True), (HoldupKind.FAILED_WORK, False)):
        wasted = {
            run.task
            for run in tasks
            if run.outcome in {Outcome.FAILURE, Outcome.CANCELLED} and (run.task in retried) is wanted
        }
        costs[kind, ""] = save(lambda n, run, wasted=wasted: 0 if run.task in wasted else lengths[n])  # type: ignore[misc]  # bound now
    for kind, read_name in ((HoldupKind.AGENT, _get_agent), (HoldupKind.PHASE, _get_phase)):
        for name, contrast in _contrast_groups(tasks, excess, read_name).items():
            factor = math.exp(-contrast)
            costs[kind, name] = save(
                lambda n, run, name=name, factor=factor, read=read_name: (  # type: ignore[misc]  # bound now
                    lengths[n] * (factor if read(run) == name else 1.0)
                )
            )
    costs |= _measure_parts(schedule, known, save)
    return costs


def _measure_parts(
    schedule: RunSchedule,
    known: Sequence[_Usual | None],
    save: Callable[[Callable[[int, TaskRun], float]], float],
) -> dict[HoldupKey, float]:
    """Return the cost of slow tools, slow models, and of what slows both."""
    tools: list[float] = []
    rest: list[float] = []
    for run, length, one in zip(schedule.tasks, schedule.lengths, known, strict=True):
        if one and one.tools and one.rest and run.tool_time and run.is_delivered:
            tools.append(math.log(run.tool_time / one.tools))
            rest.append(math.log(max(length - _get_tools(run), 1) / one.rest))
    lengths = schedule.lengths
    concurrent = {run.task for run in schedule.tasks if run.concurrency >= CONCURRENT}
    if len(tools) < FEWEST_TASKS:
        return {}
    of_tools, of_rest = median(tools), median(rest)
    common = math.exp(-min(of_tools, of_rest))
    faster_tools, faster_rest = math.exp(of_rest - of_tools), math.exp(of_tools - of_rest)
    costs = {
        (HoldupKind.TOOL, ""): save(
            lambda n, run: lengths[n] - _get_tools(run) * (1 - min(1.0, faster_tools))
        ),
        (HoldupKind.MODEL, ""): save(
            lambda n, run: (
                lengths[n]
                - (0 if run.tool_time is None else lengths[n] - _get_tools(run)) * (1 - min(1.0, faster_rest))
            )
        ),
    }
    if len(concurrent) >= FEWEST_TASKS:
        costs[HoldupKind.CONTENTION, ""] = save(
            lambda n, run: lengths[n] * (common if run.task in concurrent else 1.0)
        )
    return costs


def _contrast_groups(
    tasks: Sequence[TaskRun], excess: Sequence[float | None], read_name: Callable[[TaskRun], str | None]
) -> dict[str, float]:
    """Return by name how much longer than usual its tasks took, compared with all others (logarithms)."""
    values = [(read_name(run), value) for run, value in zip(tasks, excess, strict=True) if value is not None]
    contrasts = {}
    counts = Counter(name for name, _ in values if name is not None)
    for name, _ in counts.most_common(MOST_NAMES):
        inside = [value for other, value in values if other == name]
        outside = [value for other, value in values if other != name]
        if min(len(inside), len(outside)) >= FEWEST_TASKS:
            contrasts[name] = fmean(inside) - fmean(outside)
    return contrasts


def _find_retried(tasks: Sequence[TaskRun]) -> set[str]:
    """Return the ids of failed tasks after which the same agent delivered a task of the same type."""
    last_delivered: dict[tuple[str, str | None], int] = {}
    retried = set()
    for run in reversed(tasks):
        key = run.type, run.agent
        if run.is_delivered:
            last_delivered[key] = max(last_delivered.get(key, 0), run.start)
        elif last_delivered.get(key, -1) >= run.start + (run.length or 0):
            retried.add(run.task)
    return retried


def _summarize(runs: Sequence[TaskRun]) -> _Usual:
    tools = [run.tool_time for run in runs if run.tool_time]
    rest = [run.length - _get_tools(run) for run in runs if run.tool_time and run.length]
    return _Usual(
        median(run.length or 0 for run in runs),
        median(tools) if len(tools) >= FEWEST_TASKS else None,
        max(1.0, median(rest)) if len(rest) >= FEWEST_TASKS else None,
    )


def _get_agent(run: TaskRun) -> str | None:
    return run.agent


def _get_phase(run: TaskRun) -> str | None:
    return run.phase


def _get_tools(run: TaskRun) -> int:
    """Return the time (ns) of a task's tools, at most its length: calls may run side by side."""
    return min(run.tool_time or 0, run.length or 0)
