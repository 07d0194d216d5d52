"""Build the work tree: a session as nested stretches of time, each the work of an agent, a tool or a model.

The root is the main agent's stretch, the whole session. It contains the tasks that the main agent delegated.
Each task contains the tasks that it delegated, and the tool and model calls of its agent. Critical path, wall
time and what-ifs all walk this tree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec

from stretto.clock import DAY
from stretto.model.delivered_and_wasted_tasks import get_agent_id_of_task
from stretto.model.entities import Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.facts import DELEGATING_TOOLS
from stretto.model.permission_waits import AskedCall, find_asked_calls
from stretto.model.tools_that_wait_for_agents import is_waiting_tool

LONGEST_SESSION = 366 * DAY
"""Nanoseconds. A session that seems longer was started and ended by different clocks."""


class WorkerKind(StrEnum):
    """The kind of worker of a stretch."""

    MAIN = "main"
    TASK = "task"
    TOOL = "tool"
    MODEL = "model"


# Looking up a member of an enumeration takes ten times as long as a name, and a session has many stretches.
_TASK, _TOOL, _MODEL = WorkerKind.TASK, WorkerKind.TOOL, WorkerKind.MODEL


# A Struct, because a session has one for each of its calls; equal only to itself, as a key of dictionaries.
class Stretch(msgspec.Struct, eq=False):
    """The time [start, end) of a worker, in nanoseconds; only the root may be empty."""

    worker: WorkerKind
    id: str
    start: int
    end: int
    task: Task | None = None
    """The task itself, or the task whose agent made the call; None is the main agent."""
    name: str | None = None
    """The tool or the model."""
    parent: Stretch | None = None
    """The task that delegated a task. None: the main agent did, or this is no task. Most trees then have no
    cycle of references, and are freed without a search for such."""
    inner: Sequence[Stretch] = ()
    """Its own calls and the tasks directly inside it, in the order of ``get_end_sort_key``."""

    @property
    def length(self) -> int:
        """Nanoseconds."""
        return self.end - self.start

    def is_within(self, other: Stretch) -> bool:
        """Return whether the other stretch encloses it."""
        return other.start <= self.start and self.end <= other.end


def get_end_sort_key(stretch: Stretch) -> tuple[int, int, str]:
    """Return the sort key that orders stretches by end; of equal ends the longest is last."""
    return stretch.end, -stretch.start, stretch.id


def build_work_tree(session: Session) -> Stretch:
    """Return the main agent's stretch with all others inside it.

    A task lies within the nearest task above that runs throughout it. A background task outlives its
    delegator, which did not wait for it, and so lies further out. Tasks and calls of unknown length are left
    out. A running task reaches to the session's last event. All stretches are clipped to the session.
    """
    # Example: left (10-40 s), delegated by outer (0-100 s), lies in outer; ending at 120 s, in the root.
    root = Stretch(
        WorkerKind.MAIN,
        "",
        session.start,
        session.last if session.end is None else max(session.start, session.end),
    )
    runs = AgentRuns(session, root)
    for run in runs.all:
        run.parent = runs.find_parent(run)
    _break_rings(runs.all)
    inner_of: dict[Stretch, list[Stretch]] = {stretch: [] for stretch in (root, *runs.all)}
    for run in runs.all:
        outer = run.parent or root
        while outer is not root and not run.is_within(outer):
            outer = outer.parent or root
        inner_of[outer].append(run)
    _add_calls(session, runs, root, inner_of)
    for stretch, inner in inner_of.items():
        inner.sort(key=get_end_sort_key)
        stretch.inner = inner
    return root


def find_call_execution(call: ToolCall, requests: Mapping[str, AskedCall]) -> tuple[int, int] | None:
    """Return when a call began and ended to execute (ns): its execution ends at its reported end.

    None if the length is unknown: without an end, or if a person was asked in between and the execution was
    not measured without the waiting.
    """
    if call.end is None or call.duration is None or call.duration <= 0:
        return None
    if call.id in requests and not requests[call.id].is_measured:
        return None
    return call.end - call.duration, call.end


def walk_tasks(root: Stretch) -> Iterator[Stretch]:
    """Yield the stretches of the main agent and all tasks, outer before inner."""
    pending = [root]
    while pending:
        stretch = pending.pop()
        yield stretch
        pending += [inner for inner in stretch.inner if inner.worker is _TASK]


class AgentRuns:
    """The runs of known length of a session's agents, by agent."""

    def __init__(self, session: Session, root: Stretch) -> None:
        self._ids = {task.id for task in session.tasks}
        self._by_agent: dict[str, list[Stretch]] = {}
        self._parents: dict[str, str | None] = {}
        for task in session.tasks:
            agent = self.get_agent_id_of_task(task.id)
            self._parents.setdefault(agent, task.parent)
            end = root.end if task.outcome is Outcome.RUNNING else task.end
            if task.start is None or end is None:
                continue
            start, end = max(task.start, root.start), min(end, root.end)
            if start < end:
                run = Stretch(WorkerKind.TASK, task.id, start, end, task)
                self._by_agent.setdefault(agent, []).append(run)
        self.by_id = {run.id: run for runs in self._by_agent.values() for run in runs}
        self.all = sorted(self.by_id.values(), key=lambda run: (run.start, run.id))

    def get_agent_id_of_task(self, task_id: str) -> str:
        """Return the agent id of a task: a resumed run ``a1/2`` belongs to the agent ``a1``."""
        return get_agent_id_of_task(task_id, self._ids)

    def find_run(self, agent: str, time: int) -> Stretch | None:
        """Return an agent's last run that began by a time, else its first run."""
        runs = self._by_agent.get(agent)
        if not runs:
            return None
        return runs[max(0, bisect_right(runs, time, key=lambda run: run.start) - 1)]

    def find_parent(self, run: Stretch) -> Stretch | None:
        """Return the nearest run above a run, None: the main agent; tasks of unknown length are skipped."""
        above = run.task.parent if run.task else None
        skipped: set[str] = set()
        while above is not None and above not in skipped:
            skipped.add(above)
            nearest = self.find_run(above, run.start)
            if nearest is not None and nearest is not run:
                return nearest
            above = self._parents.get(above)
        return None


def _break_rings(runs: Iterable[Stretch]) -> None:
    """Attach runs above themselves to the main agent: contradictory events would make walks endless."""
    ring_free: set[str] = set()
    for run in runs:
        path: list[Stretch] = []
        on_path: set[str] = set()
        current: Stretch | None = run
        while current is not None and current.id not in ring_free:
            if current.id in on_path:
                path[-1].parent = None
                break
            path.append(current)
            on_path.add(current.id)
            current = current.parent
        ring_free |= on_path


def _add_calls(
    session: Session, runs: AgentRuns, root: Stretch, inner_of: Mapping[Stretch, list[Stretch]]
) -> None:
    """Add tool executions and model calls, without calls that delegate to agents or only wait for them."""
    requests = find_asked_calls(session)
    delegating = {task.delegated_by for task in session.tasks}
    for call in session.tool_calls:
        owner = root if call.task is None else runs.by_id.get(call.task)
        tool = call.tool
        if (
            owner is not None
            and tool not in DELEGATING_TOOLS
            and call.id not in delegating
            and not is_waiting_tool(tool)
        ):
            execution = find_call_execution(call, requests)
            if execution is not None:
                start, end = execution
                _add_call(inner_of, owner, Stretch(_TOOL, call.id, start, end, owner.task, tool))
    for model_call in session.model_calls:
        if model_call.start is None or model_call.duration is None:
            continue
        owner = root if model_call.task is None else runs.by_id.get(model_call.task)
        if owner is not None:
            start, end = model_call.start, model_call.start + model_call.duration
            call_stretch = Stretch(_MODEL, model_call.id, start, end, owner.task, model_call.model)
            _add_call(inner_of, owner, call_stretch)


def _add_call(inner_of: Mapping[Stretch, list[Stretch]], owner: Stretch, call: Stretch) -> None:
    call.start = max(call.start, owner.start)
    call.end = min(call.end, owner.end)
    if call.end > call.start:
        inner_of[owner].append(call)
