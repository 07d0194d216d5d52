"""What a session's tasks and fan-outs add to the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from stretto.figures.fanouts import Fanout
from stretto.figures.quantile_sketch import find_bucket
from stretto.model.entities import Session, Task
from stretto.model.event import Outcome
from stretto.names import NONE
from stretto.store.rollup import Additions, slot_of


def of_tasks(session: Session, fanouts: Iterable[Fanout]) -> Additions:
    """Return what the tasks that are over and the finished fan-outs add."""
    added: Additions = Counter()
    for task in session.tasks:
        _add_task(added, task)
    for fanout in fanouts:
        _add_fanout(added, fanout, session.pattern or NONE)
    return added


def _add_task(added: Additions, task: Task) -> None:
    at = task.end if task.end is not None else task.start
    if task.outcome is Outcome.RUNNING or at is None:
        return
    slot, agent = slot_of(at), task.agent or NONE
    added[slot, "tasks", (task.task_type, agent, task.outcome.value)] += 1
    added[slot, "ends_expected", ()] += 1
    if task.end is not None:
        added[slot, "ends_seen", ()] += 1
    if task.interval is not None:
        length = find_bucket(task.interval.length)
        added[slot, "task_time", (task.task_type, length)] += 1
        added[slot, "agent_time", (agent, length)] += 1


def _add_fanout(added: Additions, fanout: Fanout, pattern: str) -> None:
    slot = slot_of(fanout.end)
    added[slot, "fanouts", (pattern,)] += 1
    added[slot, "capacity", (pattern,)] += fanout.capacity
    added[slot, "pattern_work", (pattern,)] += fanout.work
    added[slot, "pattern_elapsed", (pattern,)] += fanout.elapsed
    added[slot, "longest_lane", (pattern,)] += fanout.width * fanout.longest_lane
    kind = (pattern, fanout.signature)
    for task, share in zip(fanout.tasks, fanout.shares, strict=True):
        added[slot, "parallel_tasks", (*kind, task.task_type)] += 1
        added[slot, "parallel_work", (*kind, task.task_type)] += task.interval.length if task.interval else 0
        added[slot, "parallel_elapsed", (*kind, task.task_type)] += round(share)
        added[slot, "parallel_outcomes", (task.outcome.value,)] += 1
