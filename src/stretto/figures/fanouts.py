"""Find fan-outs (parallel executions) and sequential runs among tasks, and compute their figures.

Work is the sum of the tasks' lengths, elapsed the length of the union of their intervals; both leave out the
waits for a person that are known. Sequential is the
time that the delivered tasks take one after another; elapsed counts all tasks, because wasted ones were paid
too. Speedup is sequential over elapsed, time saved sequential less elapsed, improvement time saved over
sequential. Width is the most tasks at once; tasks are packed by start into that many lanes. Efficiency is
delivered work over width times elapsed. It is the product of two factors of the POP efficiency hierarchy,
load balance (mean lane over longest lane) and concurrency (longest lane over elapsed), and of delivery
(delivered work over work).

Example: tasks at 0-10 s, 0-10 s and 12-16 s beside a task at 0-16 s: work 40 s, elapsed 16 s, width 3. If the
task at 0-16 s failed, the delivered work is 24 s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import is_
from typing import NamedTuple

import msgspec

from stretto.figures.confidence_intervals import Estimate
from stretto.figures.sequential_baseline_choice import Baseline, Provenance
from stretto.model.delivered_and_wasted_tasks import get_agent_id_of_task
from stretto.model.entities import Task
from stretto.model.event import LATEST, Outcome
from stretto.model.interval import (
    Interval,
    measure_outside,
    measure_union_length,
    pack_lanes,
    split_union_into_shares,
)
from stretto.model.task_delivery_classes import Delivery

_Piece = tuple[Task, Interval]
"""A task and a part of its interval in which it worked."""

_Group = tuple[str | None, list[Task]]
"""The parent of tasks that overlap, and these tasks by start."""


# With a dictionary, so that what the sums ask for again with each event of a live session is kept.
class Fanout(msgspec.Struct, frozen=True, dict=True):
    """Two or more tasks of the same parent whose intervals overlap: a parallel execution. Lengths in ns."""

    parent: str | None
    tasks: tuple[Task, ...]
    start: int
    end: int
    width: int
    work: int
    elapsed: int
    longest_lane: int
    shares: tuple[float, ...]
    """Elapsed time attributed to each task: each instant is shared equally by the tasks running then."""
    empty_after_waste: int = 0
    """Empty lane time after wasted tasks, each up to its lane's next task or to the end."""
    paid: int = 0
    """Elapsed that no wasted task above has paid already: below such a task only what lies outside of it."""

    @property
    def delivered(self) -> tuple[Task, ...]:
        """The tasks that were delivered or taken as delivered."""
        return tuple(task for task in self.tasks if not task.is_wasted)

    @cached_property
    def delivered_work(self) -> int:
        """The sum of the lengths of these tasks."""
        return sum(_get_length(task) for task in self.tasks if not task.is_wasted)

    @property
    def waited(self) -> int:
        """Nanoseconds in which its tasks waited for a person; no part of work and elapsed."""
        return sum(task.waited for task in self.tasks)

    @property
    def has_open_wait(self) -> bool:
        """Whether a task waited for a person until an unknown time: work and elapsed may hold that wait."""
        return any(task.has_open_wait for task in self.tasks)

    @cached_property
    def is_reported_delivered(self) -> bool:
        """Whether a source reported the success of every task; only then can it be a record or a baseline."""
        return all(is_reported_delivered(task) for task in self.tasks)

    @property
    def capacity(self) -> int:
        """Width times elapsed: the time of all lanes together."""
        return self.width * self.elapsed

    @property
    def efficiency(self) -> float:
        """Delivered work over capacity, in [0, 1]."""
        return self.delivered_work / self.capacity

    @property
    def delivery(self) -> float:
        """Delivered work over work, in [0, 1]."""
        return self.delivered_work / self.work

    @property
    def load_balance(self) -> float:
        """Mean lane busy time over the longest lane's, in (0, 1]."""
        return self.work / (self.width * self.longest_lane)

    @property
    def concurrency(self) -> float:
        """Longest lane's busy time over elapsed, in (0, 1]."""
        return self.longest_lane / self.elapsed

    @property
    def signature(self) -> str:
        """The task types in it, sorted, repeats kept; a sequential run must have the same."""
        return build_signature(self.tasks)


@dataclass(frozen=True, slots=True)
class SequentialRun:
    """Tasks of the same parent that ran one after another between fan-outs: a possible measured baseline."""

    tasks: tuple[Task, ...]

    @property
    def signature(self) -> str:
        """The task types in it, as in ``Fanout.signature``."""
        return build_signature(self.tasks)

    @property
    def elapsed(self) -> int:
        """Nanoseconds in which a task ran; gaps between tasks are not counted."""
        return measure_union_length(piece for task in self.tasks for piece in task.busy)

    @property
    def end(self) -> int:
        """When its last task ended."""
        return max(_get_interval(task).end for task in self.tasks)

    @property
    def lengths(self) -> dict[str, list[int]]:
        """Each task's length by type, in nanoseconds."""
        by_type: dict[str, list[int]] = {}
        for task in self.tasks:
            by_type.setdefault(task.task_type, []).append(_get_length(task))
        return by_type


@dataclass(frozen=True, slots=True)
class SequentialTime:
    """How long the delivered tasks of a fan-out take one after another (ns), and by which baseline."""

    length: float
    baseline: Baseline
    estimate: Estimate

    @property
    def provenance(self) -> Provenance:
        """The source of the length."""
        return self.baseline.provenance

    def get_task_length(self, task: Task) -> float:
        """Return the sequential length of a task (ns), 0 if wasted; over all tasks it sums to ``length``."""
        if task.is_wasted:
            return 0
        lengths = self.baseline.lengths
        return _get_length(task) if lengths is None else lengths[task.task_type]


def build_signature(tasks: Iterable[Task]) -> str:
    """Return the sorted task types of tasks as a text, for example ``review,review,testing``."""
    return ",".join(sorted(task.task_type for task in tasks))


class SequentialTasks(NamedTuple):
    """The tasks of a parent that ran alone one after another, in series by start."""

    runs: tuple[SequentialRun, ...]
    """The series that another execution has ended."""
    last: tuple[Task, ...]
    """The tasks since then: the next task of the parent may go on with them."""

    def list_runs(self) -> tuple[SequentialRun, ...]:
        """Return all series of two or more tasks."""
        return (*self.runs, SequentialRun(self.last)) if len(self.last) > 1 else self.runs


class Executions(NamedTuple):
    """How the tasks of a session were executed."""

    fanouts: tuple[Fanout, ...]
    sequential: Mapping[str | None, SequentialTasks]
    """By parent, in the order of their first tasks."""
    lone_tasks: tuple[Task, ...]

    @property
    def sequential_runs(self) -> tuple[SequentialRun, ...]:
        """Each series of two or more successful tasks of the same parent that ran one after another."""
        return tuple(run for of_parent in self.sequential.values() for run in of_parent.list_runs())

    def list_ended_runs(self) -> tuple[SequentialRun, ...]:
        """Return those of these runs that no later task can go on with."""
        return tuple(run for of_parent in self.sequential.values() for run in of_parent.runs)


NO_EXECUTIONS = Executions((), {}, ())


def find_executions(
    tasks: Iterable[Task], known: Iterable[Fanout] = (), *, earlier: Executions = NO_EXECUTIONS
) -> Executions:
    """Return the results of ``find_fanouts``, ``find_sequential_runs`` and ``find_tasks_without_overlap``.

    ``known`` are the fan-outs of an earlier state of the session: one of the very same tasks is kept.
    ``earlier`` are the executions of tasks that were all over when the first of these began: only their last
    series can go on.
    """
    all_tasks = tuple(tasks)
    groups = tuple(group_overlapping(all_tasks))
    begun = {parent: of_parent.last for parent, of_parent in earlier.sequential.items()}
    return Executions(
        _make_fanouts(all_tasks, groups, {fanout.tasks[0].id: fanout for fanout in known}),
        _find_series(groups, begun),
        _select_lone_tasks(groups),
    )


def join_executions(earlier: Executions, later: Executions) -> Executions:
    """Return the executions of all tasks: ``later`` are those that were found with these earlier ones."""
    return Executions(
        earlier.fanouts + later.fanouts if later.fanouts else earlier.fanouts,
        {
            parent: SequentialTasks(earlier.sequential[parent].runs + of_parent.runs, of_parent.last)
            if parent in earlier.sequential
            else of_parent
            for parent, of_parent in later.sequential.items()
        },
        earlier.lone_tasks + later.lone_tasks,
    )


def find_fanouts(tasks: Iterable[Task]) -> tuple[Fanout, ...]:
    """Return the finished fan-outs among the tasks, by start.

    Tasks of unknown length are ignored. A fan-out with a running task is left out.
    """
    all_tasks = tuple(tasks)
    return _make_fanouts(all_tasks, group_overlapping(all_tasks), {})


def _make_fanouts(
    tasks: Sequence[Task], groups: Iterable[_Group], known: Mapping[str, Fanout]
) -> tuple[Fanout, ...]:
    """Return the fan-outs among groups of tasks; ``known``: earlier ones by their first task."""
    fanouts = []
    wasted_above = _find_wasted_intervals(tasks)
    for parent, group in groups:
        if len(group) < 2 or any(task.outcome is Outcome.RUNNING for task in group):  # noqa: PLR2004  # "two or more"
            continue
        before = known.get(group[0].id)
        if before is not None and _is_made_of(before, parent, group) and parent not in wasted_above:
            fanouts.append(before)
            continue
        pieces = [(task, piece) for task in group for piece in task.busy]
        intervals = [piece for _, piece in pieces]
        lanes = pack_lanes(intervals)
        end, elapsed = max(interval.end for interval in intervals), measure_union_length(intervals)
        above = wasted_above.get(parent)
        fanouts.append(
            Fanout(
                parent=parent,
                tasks=tuple(group),
                start=min(interval.start for interval in intervals),
                end=end,
                width=len(lanes),
                work=sum(interval.length for interval in intervals),
                elapsed=elapsed,
                longest_lane=max(sum(intervals[place].length for place in lane) for lane in lanes),
                shares=_sum_shares(group, pieces, split_union_into_shares(intervals)),
                empty_after_waste=_measure_empty_after_waste(pieces, lanes, end),
                paid=elapsed if above is None else _measure_outside(intervals, above),
            )
        )
    return tuple(sorted(fanouts, key=lambda fanout: (fanout.start, fanout.parent or "")))


def _is_made_of(fanout: Fanout, parent: str | None, tasks: Sequence[Task]) -> bool:
    """Return whether a fan-out is that of the very same tasks, and no task above it was wasted."""
    return (
        fanout.parent == parent
        and fanout.paid == fanout.elapsed
        and len(fanout.tasks) == len(tasks)
        and all(map(is_, fanout.tasks, tasks))
    )


def find_sequential_runs(tasks: Iterable[Task]) -> tuple[SequentialRun, ...]:
    """Return each series of two or more successful tasks of the same parent that ran one after another."""
    series = _find_series(group_overlapping(tasks), {})
    return tuple(run for of_parent in series.values() for run in of_parent.list_runs())


def _find_series(
    groups: Iterable[_Group], begun: Mapping[str | None, Sequence[Task]]
) -> dict[str | None, SequentialTasks]:
    """Return the series of each parent; ``begun``: the tasks of a parent that its series may go on with."""
    runs: dict[str | None, list[SequentialRun]] = {parent: [] for parent in begun}
    last: dict[str | None, list[Task]] = {parent: [*tasks] for parent, tasks in begun.items()}
    for parent, group in groups:
        series = last.setdefault(parent, [])
        if len(group) == 1 and is_reported_delivered(group[0]):
            series.append(group[0])
            continue
        if len(series) > 1:
            runs.setdefault(parent, []).append(SequentialRun(tuple(series)))
        series.clear()
    return {parent: SequentialTasks(tuple(runs.get(parent, ())), tuple(last[parent])) for parent in last}


def find_tasks_without_overlap(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return the ended tasks of known length that overlapped no other task of their parent."""
    return _select_lone_tasks(group_overlapping(tasks))


def _select_lone_tasks(groups: Iterable[_Group]) -> tuple[Task, ...]:
    alone = (group[0] for _, group in groups if len(group) == 1)
    return tuple(task for task in alone if task.outcome is not Outcome.RUNNING)


def estimate_sequential_time(fanout: Fanout, baseline: Baseline) -> SequentialTime:
    """Return the sequential time of the delivered tasks, by a baseline with a length for all types."""
    tasks = Counter(task.task_type for task in fanout.delivered)
    estimate = baseline.estimate(tasks, float(fanout.delivered_work)) if tasks else Estimate(0.0, 0)
    return SequentialTime(estimate.mean, baseline, estimate)


def explain_no_interval(sequential: SequentialTime) -> str | None:
    """Return why a sequential time has no interval that may be shown, or None if it has."""
    return sequential.baseline.no_interval_reason or sequential.estimate.no_interval_reason


def is_reported_delivered(task: Task) -> bool:
    """Return whether a source reported the task's success, and nothing made it waste."""
    return task.delivery is not None and task.delivery.delivery is Delivery.DELIVERED


def _find_wasted_intervals(tasks: Sequence[Task]) -> dict[str | None, list[Interval]]:
    """Return the intervals of each wasted agent's runs, by the agent's id."""
    ids = {task.id for task in tasks}
    by_agent: dict[str | None, list[Interval]] = {}
    for task in tasks:
        if task.is_wasted:
            runs = by_agent.setdefault(get_agent_id_of_task(task.id, ids), [])
            if task.interval is not None:
                runs.append(task.interval)
    return by_agent


def _measure_outside(intervals: Sequence[Interval], above: Sequence[Interval]) -> int:
    """Return the nanoseconds of intervals outside those of the wasted task above; 0 if these are unknown."""
    return measure_outside(intervals, above) if above else 0


def _sum_shares(
    group: Sequence[Task], pieces: Sequence[_Piece], shares: Sequence[float]
) -> tuple[float, ...]:
    """Return the summed shares of each task's pieces, in the order of the group."""
    by_task: dict[str, float] = {}
    for (task, _), share in zip(pieces, shares, strict=True):
        by_task[task.id] = by_task.get(task.id, 0) + share
    return tuple(by_task.get(task.id, 0) for task in group)


def _measure_empty_after_waste(pieces: Sequence[_Piece], lanes: Iterable[Sequence[int]], end: int) -> int:
    # Example: a lane of a failed task at 0-4 s and a task at 6-8 s, in a fan-out until 10 s: 2 s are empty
    # after the failure; those from 8 s on are not.
    if not any(task.is_wasted for task, _ in pieces):
        return 0
    empty = 0
    for lane in lanes:
        following = [pieces[place][1].start for place in lane[1:]] + [end]
        for place, until in zip(lane, following, strict=True):
            task, piece = pieces[place]
            if task.is_wasted and piece.end == task.end:
                empty += until - piece.end
    return empty


def group_overlapping(tasks: Iterable[Task]) -> Iterable[_Group]:
    """Yield each parent's tasks in groups that overlap, by start; a running task overlaps all later ones.

    Waits for a person overlap nothing. An overlap within the doubt about the tasks' times is a hand-over and
    joins nothing.
    """
    by_parent: dict[str | None, list[Task]] = {}
    for task in tasks:
        if _is_running(task) or task.length:
            by_parent.setdefault(task.parent, []).append(task)
    for parent, siblings in by_parent.items():
        groups = _join_overlapping(sorted(siblings, key=lambda task: (task.start or 0, task.id)))
        yield from ((parent, group) for group in groups)


def _join_overlapping(siblings: Sequence[Task]) -> list[list[Task]]:
    """Return tasks, given by start, in groups that overlap.

    Example: a works at 0-10 s and, after a wait for a person, at 40-50 s. b at 5-20 s and c at 45-60 s
    overlap with it: one group. With a doubt of 0.5 s, d at 59.6-70 s is a group of its own.
    """
    pieces = sorted(
        (piece.start, piece.end, place)
        for place, task in enumerate(siblings)
        for piece in ((Interval(task.start or 0, LATEST),) if _is_running(task) else task.busy)
    )
    group_of = list(range(len(siblings)))
    """Each task's place → a place in the same group, nearer to the first."""

    def find_first(place: int) -> int:
        while group_of[place] != place:
            place = group_of[place]
        return place

    latest: tuple[int, int] | None = None
    for start, end, place in pieces:
        if latest is not None:
            doubt = max(siblings[place].doubt, siblings[latest[1]].doubt)
            if start < latest[0] - doubt:
                first, second = sorted((find_first(place), find_first(latest[1])))
                group_of[second] = first
                latest = max(latest, (end, place))
                continue
        latest = (end, place)
    groups: dict[int, list[Task]] = {}
    for place, task in enumerate(siblings):
        groups.setdefault(find_first(place), []).append(task)
    return list(groups.values())


def _is_running(task: Task) -> bool:
    return task.outcome is Outcome.RUNNING and task.start is not None


def _get_length(task: Task) -> int:
    return sum(piece.length for piece in task.busy)


def _get_interval(task: Task) -> Interval:
    interval = task.interval
    if interval is None:
        raise AssertionError(f"task {task.id} has no known interval")
    return interval
