"""Find fan-outs (parallel executions) and sequential runs among tasks, and compute their figures.

Work is the sum of the tasks' lengths, elapsed the length of the union of their intervals. Speedup is
sequential over elapsed, time saved sequential less elapsed, improvement time saved over sequential. Width
is the most tasks at once; tasks are packed by start into that many lanes. Efficiency is work over width
times elapsed. It is the product of two factors of the POP efficiency hierarchy: load balance (mean lane over
longest lane) and concurrency (longest lane over elapsed).

Example: tasks at 0-10 s, 0-10 s and 12-16 s beside a task at 0-16 s: work 40 s, elapsed 16 s, width 3.
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

    @property
    def capacity(self) -> int:
        """Width times elapsed: the time of all lanes together."""
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
        return measure_union(interval for task in self.tasks if (interval := task.interval))

    @property
    def end(self) -> int:
        """When its last task ended."""
        return max(_get_interval(task).end for task in self.tasks)

    @property
    def lengths(self) -> dict[str, list[int]]:
        """Each task's length by type, in nanoseconds."""
        by_type: dict[str, list[int]] = {}
        for task in self.tasks:
            by_type.setdefault(task.task_type, []).append(_get_interval(task).length)
        return by_type


@dataclass(frozen=True, slots=True)
class SequentialTime:
    """How long the tasks of a fan-out take one after another (ns), and by which baseline."""

    length: float
    baseline: Baseline
    estimate: Estimate

    @property
    def provenance(self) -> Provenance:
        """The source of the length."""
        return self.baseline.provenance

    def get_task_length(self, task: Task) -> float:
        """Return the sequential length of a task (ns); over the fan-out's tasks it sums to ``length``."""
        lengths = self.baseline.lengths
        return _get_interval(task).length if lengths is None else lengths[task.task_type]


def build_signature(tasks: Iterable[Task]) -> str:
    """Return the sorted task types of tasks as a text, for example ``review,review,testing``."""
    return ",".join(sorted(task.task_type for task in tasks))


def find_fanouts(tasks: Iterable[Task]) -> tuple[Fanout, ...]:
    """Return the finished fan-outs among the tasks, by start.

    Tasks of unknown length are ignored. A fan-out with a running task is left out.
    """
    fanouts = []
    for parent, group in _group_overlapping(tasks):
        if len(group) < 2 or any(task.outcome is Outcome.RUNNING for task in group):  # noqa: PLR2004  # "two or more"
            continue
        intervals = [_get_interval(task) for task in group]
        lane_lengths = pack_lanes(intervals)
        fanouts.append(
            Fanout(
                parent=parent,
                tasks=tuple(group),
                start=intervals[0].start,
                end=max(interval.end for interval in intervals),
                width=len(lane_lengths),
                work=sum(interval.length for interval in intervals),
                elapsed=measure_union(intervals),
                longest_lane=max(lane_lengths),
                shares=tuple(split_shares(intervals)),
            )
        )
    return tuple(sorted(fanouts, key=lambda fanout: (fanout.start, fanout.parent or "")))


def find_sequential_runs(tasks: Iterable[Task]) -> tuple[SequentialRun, ...]:
    """Return each series of two or more successful tasks of the same parent that ran one after another."""
    runs: list[SequentialRun] = []
    run: list[Task] = []
    run_parent: str | None = None

    def close_run() -> None:
        if len(run) > 1:
            runs.append(SequentialRun(tuple(run)))
        run.clear()

    for parent, group in _group_overlapping(tasks):
        is_alone = len(group) == 1 and group[0].outcome is Outcome.SUCCESS
        if not is_alone or parent != run_parent:
            close_run()
        run_parent = parent
        if is_alone:
            run.append(group[0])
    close_run()
    return tuple(runs)


def find_lone_tasks(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return the ended tasks of known length that overlapped no other task of their parent."""
    groups = (group for _, group in _group_overlapping(tasks) if len(group) == 1)
    return tuple(group[0] for group in groups if group[0].outcome is not Outcome.RUNNING)


def estimate_sequential_time(fanout: Fanout, baseline: Baseline) -> SequentialTime:
    """Return a fan-out's sequential time by a baseline that has a length for all its types."""
    tasks = Counter(task.task_type for task in fanout.tasks)
    estimate = baseline.estimate(tasks, float(fanout.work))
    return SequentialTime(estimate.mean, baseline, estimate)


def _group_overlapping(tasks: Iterable[Task]) -> Iterable[tuple[str | None, list[Task]]]:
    """Yield each parent's tasks in groups that overlap, by start; a running task overlaps all later ones."""
    by_parent: dict[str | None, list[Task]] = {}
    for task in tasks:
        is_running = task.outcome is Outcome.RUNNING and task.start is not None
        if is_running or (task.interval is not None and task.interval.length > 0):
            by_parent.setdefault(task.parent, []).append(task)
    for parent, siblings in by_parent.items():
        group: list[Task] = []
        group_end: float = 0
        for task in sorted(siblings, key=lambda task: (task.start or 0, task.id)):
            if group and (task.start or 0) >= group_end:
                yield parent, group
                group, group_end = [], 0
            group.append(task)
            group_end = max(group_end, float("inf") if task.end is None else task.end)
        if group:
            yield parent, group


def _get_interval(task: Task) -> Interval:
    interval = task.interval
    if interval is None:
        raise AssertionError(f"task {task.id} has no known interval")
    return interval
