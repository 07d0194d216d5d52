"""Stretches: a session as stretches of time inside one another, each of one who was at work.

The main agent's stretch is the whole session. In it lie the tasks that it delegated, in those the tasks that
they delegated, and in each the calls of tools and models that its agent made. Critical path, wall time and
what-if all walk this one tree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from stretto.clock import DAY
from stretto.figures.permission_waits import AskedCall, find_asked_calls
from stretto.model.entities import Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.facts import DELEGATING_TOOLS
from stretto.model.interval import Interval

LONGEST_SESSION = 366 * DAY
"""Nanoseconds. What seems to last longer was begun by another clock than the one that ended it."""


class Worker(StrEnum):
    """Who was at work in a stretch."""

    MAIN = "main"
    TASK = "task"
    TOOL = "tool"
    MODEL = "model"


@dataclass(slots=True, eq=False)
class Stretch:
    """A stretch [start, end), in nanoseconds, of one who was at work; only the root may be empty."""

    worker: Worker
    id: str
    start: int
    end: int
    task: Task | None = None
    """The task itself, or the one whose agent made the call; None is the main agent."""
    name: str | None = None
    """The tool or the model."""
    parent: Stretch | None = None
    """Who delegated or called it."""
    inner: list[Stretch] = field(default_factory=list)
    """What lies within it, ``get_end_order``: its own calls, and the tasks below it that none nearer encloses."""

    @property
    def length(self) -> int:
        """Nanoseconds."""
        return self.end - self.start

    def is_within(self, other: Stretch) -> bool:
        """Tell whether the other encloses it."""
        return other.start <= self.start and self.end <= other.end


def get_end_order(stretch: Stretch) -> tuple[int, int, str]:
    """Order stretches by end; of those that end together the longest is last."""
    return stretch.end, -stretch.start, stretch.id


def build_work_tree(session: Session) -> Stretch:
    """Return the main agent's stretch with all others inside it.

    A task lies within the nearest task above it that runs throughout: one that outlives its delegator, as
    background agents do, was not waited for by it. What has no known length takes no part, a running task
    reaches to the last word of the session, and nothing reaches beyond the session.
    """
    root = Stretch(
        Worker.MAIN,
        "",
        session.start,
        session.last if session.end is None else max(session.start, session.end),
    )
    runs = AgentRuns(session, root)
    for run in runs.all:
        run.parent = runs.find_parent(run)
    _break_rings(runs.all, root)
    for run in runs.all:
        around = run.parent or root
        while around is not root and not run.is_within(around):
            around = around.parent or root
        around.inner.append(run)
    for call in _iterate_calls(session, runs, root):
        if call.parent is not None and call.end > call.start:
            call.parent.inner.append(call)
    for stretch in (root, *runs.all):
        stretch.inner.sort(key=get_end_order)
    return root


def find_execution(call: ToolCall, requests: Mapping[str, AskedCall]) -> Interval | None:
    """Return when a call executed: its execution is over when its end is reported.

    There is none for a call whose length nobody knows: without an end, and where a person was asked
    in between and the execution was not measured apart from that.
    """
    if call.end is None or call.duration is None or call.duration <= 0:
        return None
    if call.id in requests and not requests[call.id].measured:
        return None
    return Interval(call.end - call.duration, call.end)


def walk_tasks(root: Stretch) -> Iterator[Stretch]:
    """Yield the stretches of main agent and tasks, each before those inside it."""
    pending = [root]
    while pending:
        stretch = pending.pop()
        yield stretch
        pending += [inner for inner in stretch.inner if inner.worker is Worker.TASK]


class AgentRuns:
    """The runs of a session's agents whose lengths are known, found by agent."""

    def __init__(self, session: Session, root: Stretch) -> None:
        self._root = root
        self._ids = {task.id for task in session.tasks}
        self._by_agent: dict[str, list[Stretch]] = {}
        self._parents: dict[str, str | None] = {}
        for task in session.tasks:
            agent = self.get_agent_id(task.id)
            self._parents.setdefault(agent, task.parent)
            end = root.end if task.outcome is Outcome.RUNNING else task.end
            if task.start is None or end is None:
                continue
            start, end = max(task.start, root.start), min(end, root.end)
            if start < end:
                run = Stretch(Worker.TASK, task.id, start, end, task)
                self._by_agent.setdefault(agent, []).append(run)
        self.by_id = {run.id: run for runs in self._by_agent.values() for run in runs}
        self.all = sorted(self.by_id.values(), key=lambda run: (run.start, run.id))

    def get_agent_id(self, task_id: str) -> str:
        """Return the agent that a task is a run of."""
        agent, _, number = task_id.rpartition("/")
        return agent if number.isdigit() and agent in self._ids else task_id

    def find_run(self, agent: str, time: int) -> Stretch | None:
        """Return the run of an agent that had last begun at a time, its first where none had."""
        runs = self._by_agent.get(agent)
        if not runs:
            return None
        return runs[max(0, bisect_right(runs, time, key=lambda run: run.start) - 1)]

    def find_parent(self, run: Stretch) -> Stretch:
        """Return the nearest run above a run, where tasks of unknown length are passed over."""
        above = run.task.parent if run.task else None
        passed: set[str] = set()
        while above is not None and above not in passed:
            passed.add(above)
            found = self.find_run(above, run.start)
            if found is not None and found is not run:
                return found
            above = self._parents.get(above)
        return self._root


def _break_rings(runs: Iterable[Stretch], root: Stretch) -> None:
    """Let no run be above itself: events may say so, and no walk would end."""
    sound = {root.id}
    for run in runs:
        path: list[Stretch] = []
        on_path: set[str] = set()
        at: Stretch | None = run
        while at is not None and at.id not in sound:
            if at.id in on_path:
                path[-1].parent = root
                break
            path.append(at)
            on_path.add(at.id)
            at = at.parent
        sound |= on_path


def _iterate_calls(session: Session, runs: AgentRuns, root: Stretch) -> Iterator[Stretch]:
    """Yield the executions of tools and the model calls; the call that waits for an agent is its task."""
    requests = find_asked_calls(session)
    for call in session.tool_calls:
        owner = root if call.task is None else runs.by_id.get(call.task)
        when = (
            find_execution(call, requests)
            if owner is not None and call.tool not in DELEGATING_TOOLS
            else None
        )
        if owner is not None and when is not None:
            yield _clip_call(owner, Worker.TOOL, call.id, call.tool, when)
    for model_call in session.model_calls:
        if model_call.start is None or model_call.duration is None:
            continue
        owner = root if model_call.task is None else runs.find_run(model_call.task, model_call.start)
        if owner is not None:
            when = Interval(model_call.start, model_call.start + model_call.duration)
            yield _clip_call(owner, Worker.MODEL, model_call.id, model_call.model, when)


def _clip_call(owner: Stretch, worker: Worker, id: str, name: str | None, when: Interval) -> Stretch:
    start, end = max(when.start, owner.start), min(when.end, owner.end)
    return Stretch(worker, id, start, end, owner.task, name, owner)
