"""Counts of the tasks of a session, as its row in the list of sessions shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stretto.figures.overlapping_fanouts import CountedFanout
from stretto.model.entities import Task
from stretto.model.event import Outcome


class TaskCounts(NamedTuple):
    """Numbers and names of tasks. Those of two parts of a session add up, if no execution crosses them."""

    running: int
    failed: int
    delivered: int
    fanouts: int
    delivered_work: int
    """Nanoseconds, in fan-outs."""
    elapsed: int
    """Nanoseconds, of fan-outs."""
    agents: frozenset[str]
    types: frozenset[str]

    def add(self, other: TaskCounts) -> TaskCounts:
        """Return the counts of both parts together."""
        return TaskCounts(
            self.running + other.running,
            self.failed + other.failed,
            self.delivered + other.delivered,
            self.fanouts + other.fanouts,
            self.delivered_work + other.delivered_work,
            self.elapsed + other.elapsed,
            self.agents | other.agents,
            self.types | other.types,
        )


def count_tasks(tasks: Sequence[Task], fanouts: Sequence[CountedFanout]) -> TaskCounts:
    """Return the counts of tasks and of their fan-outs."""
    return TaskCounts(
        running=sum(task.outcome is Outcome.RUNNING for task in tasks),
        failed=sum(task.outcome is Outcome.FAILURE for task in tasks),
        delivered=sum(task.end is not None and not task.is_wasted for task in tasks),
        fanouts=len(fanouts),
        delivered_work=sum(row.fanout.delivered_work for row in fanouts),
        elapsed=sum(row.elapsed for row in fanouts),
        agents=frozenset(task.agent for task in tasks if task.agent),
        types=frozenset(task.task_type for task in tasks),
    )
