"""Check whether the results of a fan-out fit together, and how complete each task's work was."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stretto.figures.fanouts import Fanout
from stretto.figures.file_writes import list_file_writes
from stretto.model.entities import Phase, Task, ToolCall
from stretto.model.event import Outcome


@dataclass(frozen=True, slots=True)
class IntegrationCheck:
    """The evidence on how the results of a fan-out fit together."""

    fanout: Fanout
    writes_known: bool
    """Whether any of its tasks was seen to write a file, or was declared to conflict or not to."""
    conflicting: frozenset[str]
    """Ids of the tasks that wrote a file which another task also wrote, or that were declared to conflict."""
    tests_passed: bool | None
    """Whether the first tests after it passed; None if none ran or their outcome is unknown."""

    @property
    def checked(self) -> bool:
        """Whether there is any evidence."""
        return self.writes_known or self.tests_passed is not None

    @property
    def integrated(self) -> bool:
        """Whether no evidence speaks against integration."""
        return not self.conflicting and self.tests_passed is not False


def find_phase_of_task(task: Task, phases: Iterable[Phase]) -> str | None:
    """Return the phase that a task names, else the shortest phase during which it began; None without one."""
    if task.phase is not None or task.start is None:
        return task.phase
    enclosing = [
        (interval.length, phase.name)
        for phase in phases
        if (interval := phase.interval) and interval.start <= task.start < interval.end
    ]
    return min(enclosing)[1] if enclosing else None


def find_conflicts_and_tests(
    fanouts: Sequence[Fanout], tasks: Iterable[Task], calls: Iterable[ToolCall]
) -> tuple[IntegrationCheck, ...]:
    """Return the evidence for each fan-out of a session.

    ``calls`` are the session's calls by start; calls that neither wrote nor tested may be left out. Files
    written by a task's subtasks count as the task's. A task that is declared to conflict does. The tests of a
    fan-out are the first after it with a known outcome, before its parent's next fan-out begins. Example: two
    tasks write ``a.py``: both conflict.
    """
    tasks, calls = tuple(tasks), tuple(calls)
    fanout_of = {task.id: number for number, fanout in enumerate(fanouts) for task in fanout.tasks}
    writers = _find_writers(fanout_of, tasks, calls)
    test_calls = [call for call in calls if call.tests is not None and call.start is not None]
    starts_by_parent: dict[str | None, list[int]] = {}
    for fanout in fanouts:
        starts_by_parent.setdefault(fanout.parent, []).append(fanout.start)
    test_starts = [call.start or 0 for call in test_calls]
    checks = []
    for number, fanout in enumerate(fanouts):
        files = writers.get(number, {})
        shared = [tasks for tasks in files.values() if len(tasks) > 1]
        starts = starts_by_parent[fanout.parent]
        following = bisect_left(starts, fanout.end)
        until = bisect_left(test_starts, starts[following]) if following < len(starts) else len(test_calls)
        verdicts = (
            have_tests_passed(test_calls[index])
            for index in range(bisect_left(test_starts, fanout.end), until)
        )
        tests_passed = next((verdict for verdict in verdicts if verdict is not None), None)
        declared = [task for task in fanout.tasks if task.conflicts is not None]
        conflicting = frozenset(task.id for task in declared if task.conflicts).union(*shared)
        checks.append(IntegrationCheck(fanout, bool(files or declared), conflicting, tests_passed))
    return tuple(checks)


def find_conflicts_so_far(
    group: Sequence[Task], tasks: Iterable[Task], calls: Iterable[ToolCall]
) -> frozenset[str] | None:
    """Return the tasks of a running fan-out that are in conflict by now; None if it is not known.

    They wrote a file that another of them also wrote, or were declared to conflict. Nothing is known before
    one of the tasks was seen to write, or was declared.
    """
    files = _find_writers(dict.fromkeys((task.id for task in group), 0), tuple(tasks), calls).get(0, {})
    declared = [task for task in group if task.conflicts is not None]
    if not files and not declared:
        return None
    shared = [writers for writers in files.values() if len(writers) > 1]
    return frozenset(task.id for task in declared if task.conflicts).union(*shared)


def _find_writers(
    fanout_of: Mapping[str, int], tasks: Sequence[Task], calls: Iterable[ToolCall]
) -> dict[int, dict[str, set[str]]]:
    """Return fan-out number → file → tasks that wrote it, by themselves, by a call or by a subtask.

    ``fanout_of`` has the number of each task's fan-out.
    """
    parents = {task.id: task.parent for task in tasks}
    writers: dict[int, dict[str, set[str]]] = {}
    for write in list_file_writes(tasks, calls):
        for task_id in walk_ancestry(write.task, parents):
            if task_id in fanout_of:
                files = writers.setdefault(fanout_of[task_id], {})
                for file in write.wrote.split():
                    files.setdefault(file, set()).add(task_id)
    return writers


def have_tests_passed(call: ToolCall) -> bool | None:
    """Return whether the tests of a call passed; None if it ran no tests or their outcome is unknown."""
    if call.tests is None:
        return None
    return {Outcome.SUCCESS: True, Outcome.FAILURE: False}.get(call.tests.conclude_outcome(call.outcome))


def walk_ancestry(task: str | None, parents: Mapping[str, str | None]) -> Iterator[str]:
    """Yield a task's id and the ids of the tasks above it, innermost first."""
    climbed: set[str] = set()
    while task is not None and task not in climbed:
        yield task
        climbed.add(task)
        task = parents.get(task)


def measure_completeness(
    tasks: Iterable[Task], calls_known: Iterable[str], left_open: Iterable[str], tests: Iterable[ToolCall]
) -> dict[str, float]:
    """Return how complete each task was, from 0 to 1, by id: the mean of up to three known parts.

    The parts are: its delivery (1 if it was delivered or taken as delivered, 0 if it was wasted); no call
    left open (if the task is in ``calls_known``); its last tests passed (``tests`` by start). Running tasks
    are left out.
    Example: success, an open call and passed tests give 2 / 3.
    """
    by_id = {task.id: task for task in tasks}
    parents = {task.id: task.parent for task in by_id.values()}
    tasks_with_calls, tasks_with_open_calls = set(calls_known), set(left_open)
    last_verdict: dict[str, bool] = {}
    for call in [call for call in tests if call.tests is not None]:
        verdict = have_tests_passed(call)
        if verdict is not None:
            last_verdict.update(dict.fromkeys(walk_ancestry(call.task, parents), verdict))
    completeness = {}
    for task in by_id.values():
        if task.outcome is Outcome.RUNNING:
            continue
        # An unknown outcome that turns out to be a failure must not make a part known.
        parts = [not task.is_wasted]
        if task.id in tasks_with_calls:
            parts.append(task.id not in tasks_with_open_calls)
        if task.id in last_verdict:
            parts.append(last_verdict[task.id])
        completeness[task.id] = sum(parts) / len(parts)
    return completeness
