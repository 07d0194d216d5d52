"""Integration: whether the results of a fan-out fit together, and whether a task left all in order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stretto.figures.fanouts import Fanout
from stretto.model.entities import Task, ToolCall
from stretto.model.event import Outcome


@dataclass(frozen=True, slots=True)
class IntegrationCheck:
    """What is known of how the results of one fan-out fit together."""

    fanout: Fanout
    writes_known: bool
    """Whether any of its tasks was seen to write a file."""
    conflicting: frozenset[str]
    """The ids of the tasks that wrote a file which another of them wrote as well."""
    gates: bool | None
    """Whether the first tests after it passed; None where none ran or nothing tells."""

    @property
    def checked(self) -> bool:
        """Whether anything is known."""
        return self.writes_known or self.gates is not None

    @property
    def integrated(self) -> bool:
        """Whether nothing that is known speaks against it."""
        return not self.conflicting and self.gates is not False


def check_integration(
    fanouts: Sequence[Fanout], tasks: Iterable[Task], calls: Iterable[ToolCall]
) -> tuple[IntegrationCheck, ...]:
    """Return what is known of each fan-out of a session.

    ``calls`` are the session's calls by start; those that neither wrote nor tested may be left out. What a
    task's own tasks wrote is the task's. The tests of a fan-out are the first after it whose outcome is
    known, run before its parent's next fan-out begins.
    """
    parents = {task.id: task.parent for task in tasks}
    fanout_of = {task.id: number for number, fanout in enumerate(fanouts) for task in fanout.tasks}
    # By fan-out and file, the tasks that wrote it.
    writers: dict[int, dict[str, set[str]]] = {}
    tested: list[ToolCall] = []
    for call in calls:
        if call.tests is not None and call.start is not None:
            tested.append(call)
        if call.wrote is not None and call.outcome is not Outcome.FAILURE:
            for task_id in walk_ancestry(call.task, parents):
                if task_id in fanout_of:
                    files = writers.setdefault(fanout_of[task_id], {})
                    for file in call.wrote.split():
                        files.setdefault(file, set()).add(task_id)
    begins: dict[str | None, list[int]] = {}
    for fanout in fanouts:
        begins.setdefault(fanout.parent, []).append(fanout.start)
    test_starts = [call.start or 0 for call in tested]
    found = []
    for number, fanout in enumerate(fanouts):
        files = writers.get(number, {})
        shared = [tasks for tasks in files.values() if len(tasks) > 1]
        starts = begins[fanout.parent]
        following = bisect_left(starts, fanout.end)
        until = bisect_left(test_starts, starts[following]) if following < len(starts) else len(tested)
        after = (has_passed(tested[index]) for index in range(bisect_left(test_starts, fanout.end), until))
        gates = next((verdict for verdict in after if verdict is not None), None)
        found.append(IntegrationCheck(fanout, bool(files), frozenset[str]().union(*shared), gates))
    return tuple(found)


def has_passed(call: ToolCall) -> bool | None:
    """Tell whether the tests that a call ran passed; None where it ran none or nothing tells."""
    if call.tests is None:
        return None
    return {Outcome.SUCCESS: True, Outcome.FAILURE: False}.get(call.tests.conclude_outcome(call.outcome))


def walk_ancestry(task: str | None, parents: Mapping[str, str | None]) -> Iterator[str]:
    """Yield a task's id and those of the tasks that it was delegated below, innermost first."""
    climbed: set[str] = set()
    while task is not None and task not in climbed:
        yield task
        climbed.add(task)
        task = parents.get(task)


def measure_completeness(
    tasks: Iterable[Task], seen: Iterable[str], left_open: Iterable[str], tests: Iterable[ToolCall]
) -> dict[str, float]:
    """Return how complete each task was, from 0 to 1, by id: the mean of what is known of three things.

    It ended with a result (1 for success, 0 for failure or cancellation; where that is unknown, so is the
    whole); it left no call open, where ``seen`` names it as a task whose calls are known; the last of the
    tests inside it, which come by start, passed.
    """
    own = {task.id: task for task in tasks}
    parents = {task.id: task.parent for task in own.values()}
    known, dangling = set(seen), set(left_open)
    last: dict[str, bool] = {}
    for call in tests:
        verdict = has_passed(call)
        if verdict is not None:
            last.update(dict.fromkeys(walk_ancestry(call.task, parents), verdict))
    found = {}
    for task in own.values():
        if task.outcome in {Outcome.RUNNING, Outcome.UNKNOWN}:
            continue
        parts = [task.outcome is Outcome.SUCCESS]
        if task.id in known:
            parts.append(task.id not in dangling)
        if task.id in last:
            parts.append(last[task.id])
        found[task.id] = sum(parts) / len(parts)
    return found
