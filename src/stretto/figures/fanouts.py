"""Parallel executions: fan-outs and the figures of one, pure arithmetic on tasks.

Work is the sum of the tasks' lengths, elapsed the length of the union of their intervals. Speedup is
sequential over elapsed, time saved sequential less elapsed, improvement time saved over sequential. Width
is the most tasks at once; the tasks are packed by start into that many lanes. Efficiency is work over width
times elapsed, which is load balance times concurrency, the two factors that the POP efficiency hierarchy
tells apart: mean lane over longest lane, and longest lane over elapsed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from stretto.figures.baselines import Baseline, Provenance
from stretto.figures.confidence import Estimate
from stretto.model.entities import Task
from stretto.model.event import Outcome
from stretto.model.interval import Interval, measure_union, pack_lanes, split_shares


@dataclass(frozen=True, slots=True)
class Fanout:
    """Two or more tasks of one parent whose intervals overlap: one parallel execution. Lengths are in ns."""

    parent: str | None
    tasks: tuple[Task, ...]
    start: int
    end: int
    width: int
    work: int
    elapsed: int
    longest_lane: int
    shares: tuple[float, ...]
    """Elapsed attributed to each task: each instant is shared equally by the tasks running then."""

    @property
    def capacity(self) -> int:
        """Width times elapsed: the time all lanes together had."""
        return self.width * self.elapsed

    @property
    def efficiency(self) -> float:
        """Work over capacity, in (0, 1]."""
        return self.work / self.capacity

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
        """The task types in it, sorted, repeats kept: what a sequential run must match."""
        return build_signature(self.tasks)


@dataclass(frozen=True, slots=True)
class SequentialRun:
    """Tasks of one parent that ran one after another between fan-outs: a possible measured baseline."""

    tasks: tuple[Task, ...]

    @property
    def signature(self) -> str:
        """The task types in it, as in ``Fanout.signature``."""
        return build_signature(self.tasks)

    @property
    def elapsed(self) -> int:
        """Nanoseconds in which a task ran; what passed between them is not counted as sequential time."""
        return measure_union(interval for task in self.tasks if (interval := task.interval))

    @property
    def end(self) -> int:
        """When the last of them ended."""
        return max(_get_interval(task).end for task in self.tasks)

    @property
    def lengths(self) -> dict[str, list[int]]:
        """Each task's length by type, in nanoseconds."""
        found: dict[str, list[int]] = {}
        for task in self.tasks:
            found.setdefault(task.task_type, []).append(_get_interval(task).length)
        return found


@dataclass(frozen=True, slots=True)
class SequentialTime:
    """What the tasks of a fan-out take one after another (ns), and where that comes from."""

    length: float
    baseline: Baseline
    estimate: Estimate

    @property
    def provenance(self) -> Provenance:
        """Where the length comes from."""
        return self.baseline.provenance

    def get_task_length(self, task: Task) -> float:
        """Return what one task of the fan-out takes (ns); over all of them it sums to ``length``."""
        lengths = self.baseline.lengths
        return _get_interval(task).length if lengths is None else lengths[task.task_type]


def build_signature(tasks: Iterable[Task]) -> str:
    """Return the sorted task types of tasks as one text."""
    return ",".join(sorted(task.task_type for task in tasks))


def find_fanouts(tasks: Iterable[Task]) -> tuple[Fanout, ...]:
    """Return the finished fan-outs among the tasks, by start.

    Tasks of unknown length take no part. One that still runs keeps its fan-out unfinished and left out.
    """
    found = []
    for parent, group in _group_overlapping(tasks):
        if len(group) < 2 or any(task.outcome is Outcome.RUNNING for task in group):  # noqa: PLR2004  # "two or more"
            continue
        intervals = [_get_interval(task) for task in group]
        busy = pack_lanes(intervals)
        found.append(
            Fanout(
                parent=parent,
                tasks=tuple(group),
                start=intervals[0].start,
                end=max(interval.end for interval in intervals),
                width=len(busy),
                work=sum(interval.length for interval in intervals),
                elapsed=measure_union(intervals),
                longest_lane=max(busy),
                shares=tuple(split_shares(intervals)),
            )
        )
    return tuple(sorted(found, key=lambda fanout: (fanout.start, fanout.parent or "")))


def find_sequential_runs(tasks: Iterable[Task]) -> tuple[SequentialRun, ...]:
    """Return each stretch of two or more successful tasks of one parent that ran one after another."""
    found: list[SequentialRun] = []
    run: list[Task] = []
    run_parent: str | None = None

    def close() -> None:
        if len(run) > 1:
            found.append(SequentialRun(tuple(run)))
        run.clear()

    for parent, group in _group_overlapping(tasks):
        alone = len(group) == 1 and group[0].outcome is Outcome.SUCCESS
        if not alone or parent != run_parent:
            close()
        run_parent = parent
        if alone:
            run.append(group[0])
    close()
    return tuple(found)


def find_lone_tasks(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return the tasks that are over, have a length and overlapped no other task of their parent."""
    groups = (group for _, group in _group_overlapping(tasks) if len(group) == 1)
    return tuple(group[0] for group in groups if group[0].outcome is not Outcome.RUNNING)


def estimate_sequential_time(fanout: Fanout, baseline: Baseline) -> SequentialTime:
    """Return a fan-out's sequential time by a baseline that knows all its types."""
    tasks = Counter(task.task_type for task in fanout.tasks)
    found = baseline.estimate(tasks, float(fanout.work))
    return SequentialTime(found.mean, baseline, found)


def _group_overlapping(tasks: Iterable[Task]) -> Iterable[tuple[str | None, list[Task]]]:
    """Yield each parent's tasks in groups that overlap, by start; a running task reaches into the rest."""
    by_parent: dict[str | None, list[Task]] = {}
    for task in tasks:
        runs = task.outcome is Outcome.RUNNING and task.start is not None
        if runs or (task.interval is not None and task.interval.length > 0):
            by_parent.setdefault(task.parent, []).append(task)
    for parent, siblings in by_parent.items():
        group: list[Task] = []
        reach: float = 0
        for task in sorted(siblings, key=lambda task: (task.start or 0, task.id)):
            if group and (task.start or 0) >= reach:
                yield parent, group
                group, reach = [], 0
            group.append(task)
            reach = max(reach, float("inf") if task.end is None else task.end)
        if group:
            yield parent, group


def _get_interval(task: Task) -> Interval:
    interval = task.interval
    if interval is None:
        raise AssertionError(f"task {task.id} has no known interval")
    return interval
