"""Find the critical path: the chain of work that decided when a session ended, and the slack beside it.

The path is walked backwards from the end. The last stretch that finished before an instant was waited for;
the walk continues inside it, and at its start with its delegator. Time between two finishes belongs to the
agent that delegated both. Pieces are disjoint and their sum is the path. Intervals stand in for a dependency
graph: work that began after a finish may have waited for it.

Example: main runs 0-30 s and delegates a (0-10 s) and b (5-25 s). The path is main 25-30 s, b 5-25 s and
main 0-5 s.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from stretto.clock import SECOND
from stretto.figures.fanouts import Fanout
from stretto.figures.figure import Figure, Labels
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_up
from stretto.figures.wall_time_parts import find_main_agent_turn_times, find_waits_for_agents
from stretto.figures.work_tree import LONGEST_SESSION, Stretch, WorkerKind, build_work_tree, walk_tasks
from stretto.model.entities import Session, Task
from stretto.model.event import Outcome
from stretto.model.interval import Interval, subtract_intervals
from stretto.names import MAIN, NONE, measures
from stretto.names.measures import Dimension

# Looking up a member of an enumeration takes ten times as long as a name, and a session has many stretches.
_TASK, _TOOL, _MODEL = WorkerKind.TASK, WorkerKind.TOOL, WorkerKind.MODEL


class PathPiece(NamedTuple):
    """A disjoint piece of the path, in nanoseconds since the epoch."""

    start: int
    end: int
    worker: WorkerKind
    task: Task | None
    """The task itself, or the task that called the tool or model; None is the main agent."""
    name: str | None
    """The tool or the model."""

    @property
    def length(self) -> int:
        """Nanoseconds."""
        return self.end - self.start

    @property
    def agent(self) -> str:
        """The agent that worked on it, as a label value."""
        return get_agent_label(self.task)


# With a dictionary, so that its sums are made once for the figures and the page.
@dataclass(frozen=True)
class CriticalPath:
    """The critical path of a session that is over. Lengths are in nanoseconds."""

    pieces: tuple[PathPiece, ...]
    """By start. In a gap between two pieces no work was done: the main agent was outside a turn."""
    elapsed: int

    @cached_property
    def length(self) -> int:
        """The sum of the pieces, at most ``elapsed``."""
        return sum([end - start for start, end, *_ in self.pieces])

    @cached_property
    def by_agent(self) -> Counter[str]:
        """The length of the path by agent; it sums to ``length``."""
        return _sum_lengths([(get_agent_label(task), end - start) for start, end, _, task, _ in self.pieces])

    @cached_property
    def by_task_type(self) -> Counter[str]:
        """The length of the path by task type; the main agent's part is left out."""
        return _sum_lengths(
            [(task.task_type, end - start) for start, end, _, task, _ in self.pieces if task is not None]
        )

    @cached_property
    def by_tool(self) -> Counter[str]:
        """The length of the path by tool."""
        return _sum_lengths(
            [(name or NONE, end - start) for start, end, worker, _, name in self.pieces if worker is _TOOL]
        )

    @cached_property
    def by_task(self) -> Counter[str]:
        """The length of the path by task id."""
        return _sum_lengths(
            [(task.id, end - start) for start, end, _, task, _ in self.pieces if task is not None]
        )


@dataclass(frozen=True, slots=True)
class Slack:
    """How much longer each thing could have taken without a later end, all else unchanged (ns).

    The slack of an agent, a type or a tool is the least slack of its tasks or calls.
    """

    tasks: dict[str, int]
    """By the task's id."""
    agents: dict[str, int]
    task_types: dict[str, int]
    tools: dict[str, int]

    def add_stretch(self, stretch: Stretch, slack: int) -> None:
        """Add the slack of a task or tool call."""
        worker = stretch.worker
        if worker is _TOOL:
            _keep_least(self.tools, stretch.name or NONE, slack)
        elif worker is _TASK and stretch.task is not None:
            self.tasks[stretch.id] = slack
            _keep_least(self.agents, get_agent_label(stretch.task), slack)
            _keep_least(self.task_types, stretch.task.task_type, slack)


def find_critical_path(session: Session, root: Stretch | None = None) -> CriticalPath | None:
    """Return the critical path, or None while the session runs or if it is implausibly long.

    ``root`` is the session's work tree, if it was built already.
    """
    if session.outcome is Outcome.RUNNING:
        return None
    root = root or build_work_tree(session)
    if root.length > LONGEST_SESSION:
        return None
    # A call that only waits for agents is no work of the main agent either.
    for_agents = find_waits_for_agents(session)
    turns = tuple(
        part
        for turn in find_main_agent_turn_times(session, root).known
        for part in subtract_intervals(turn, for_agents)
    )
    pieces: list[PathPiece] = []
    for start, end, stretch in walk_path_backwards(root):
        # Outside a turn the main agent is idle, even while it waits for a task.
        # A task that waits for a person does not work either.
        waits = stretch.task.waits if stretch.task is not None and stretch.worker is _TASK else ()
        if stretch is not root and not waits:
            pieces.append(PathPiece(start, end, stretch.worker, stretch.task, stretch.name))
            continue
        parts = (
            _clip_to_turns(Interval(start, end), turns)
            if stretch is root
            else subtract_intervals(Interval(start, end), waits)
        )
        pieces += (
            PathPiece(part.start, part.end, stretch.worker, stretch.task, stretch.name) for part in parts
        )
    return CriticalPath(tuple(sorted(pieces, key=lambda piece: piece.start)), root.length)


def measure_fanout_path_length(fanout: Fanout) -> int:
    """Return the length of a fan-out's critical path (ns), at most its elapsed time."""
    cursor, length = fanout.end, 0
    for start, end in sorted(
        ((piece.start, piece.end) for task in fanout.tasks for piece in task.busy), key=_get_end_key
    )[::-1]:
        if end <= cursor:
            length += end - start
            cursor = start
    return length


def get_agent_label(task: Task | None) -> str:
    """Return the agent of a task as a label value; no task means the main agent."""
    return MAIN if task is None else task.agent or NONE


def walk_path_backwards(root: Stretch) -> Iterator[tuple[int, int, Stretch]]:
    """Yield the pieces of the path, last first: (start, end, stretch that was at work)."""
    stretch, cursor = root, root.end
    while True:
        count = bisect_right(stretch.inner, cursor, key=lambda inner: inner.end)
        finisher = stretch.inner[count - 1] if count else None
        idle_from = finisher.end if finisher is not None else stretch.start
        if idle_from < cursor:
            yield idle_from, cursor, stretch
            cursor = idle_from
        if finisher is not None and finisher.worker is not _TASK:
            # A call has nothing inside, and its agent goes on where it began.
            yield finisher.start, cursor, finisher
            cursor = finisher.start
        elif finisher is not None:
            stretch = finisher
        elif stretch is root:
            return
        else:
            stretch = _find_delegator(stretch, cursor, root)


def compute_slack(root: Stretch) -> Slack:
    """Return the slack of every task and tool call.

    Inside a stretch the last to finish has the slack of the stretch itself. Work that began after a finish
    waited for it and may be late by its own slack. Example: in a turn of 30 s, a (0-10 s) beside b (0-30 s)
    has 20 s of slack, b has none.
    """
    slack = Slack({}, {}, {}, {})
    for stretch in walk_tasks(root):
        if not stretch.inner:
            continue
        outer_slack = 0 if stretch is root else slack.tasks[stretch.id]
        by_start = sorted(stretch.inner, key=_get_start)
        inner_slack: dict[Stretch, int] = {}
        latest = stretch.inner[-1].end + outer_slack
        """The latest finish at this point of the walk that delays nothing."""
        for inner in reversed(stretch.inner):
            end = inner.end
            while by_start and by_start[-1].start >= end:
                # It keeps its distance to this finish, the last before its start.
                latest = min(latest, end + inner_slack[by_start.pop()])
            inner_slack[inner] = own_slack = latest - end
            if inner.worker is not _MODEL:
                slack.add_stretch(inner, own_slack)
    return slack


def compute_path_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield the summed critical paths of a window's sessions, in all and by label, and the mean slack."""
    # Example: slacks of 0 s and 40 s in two sessions have a mean of 20 s.
    at: Labels = (("window", window),)
    path_length = sum_up(sums, measures.CRITICAL_PATH)
    sessions = sum_up(sums, measures.SESSIONS)
    if path_length:
        yield Figure("stretto_critical_path_seconds", at, path_length / SECOND, sessions)
    for dimension, path_measure, path_name, slack_measure, sessions_measure, slack_name in _PATH_TABLE:
        for key, length in sorted(sum_by(sums, path_measure, dimension).items()):
            yield Figure(path_name, ((dimension.value, key), *at), length / SECOND, sessions)
        least = sum_by(sums, slack_measure, dimension)
        # A slack of 0 adds nothing to its sum: only the number of sessions shows that it is known.
        for key, count in sorted(sum_by(sums, sessions_measure, dimension).items()):
            mean = least.get(key, 0) / count / SECOND
            yield Figure(slack_name, ((dimension.value, key), *at), mean, count)


_PATH_TABLE = (
    (
        Dimension.AGENT,
        measures.CRITICAL_PATH_AGENT,
        "stretto_critical_path_agent_seconds",
        measures.SLACK_AGENT,
        measures.SLACK_AGENT_SESSIONS,
        "stretto_slack_agent_seconds",
    ),
    (
        Dimension.TASK_TYPE,
        measures.CRITICAL_PATH_TASK_TYPE,
        "stretto_critical_path_task_type_seconds",
        measures.SLACK_TASK_TYPE,
        measures.SLACK_TASK_TYPE_SESSIONS,
        "stretto_slack_task_type_seconds",
    ),
    (
        Dimension.TOOL,
        measures.CRITICAL_PATH_TOOL,
        "stretto_critical_path_tool_seconds",
        measures.SLACK_TOOL,
        measures.SLACK_TOOL_SESSIONS,
        "stretto_slack_tool_seconds",
    ),
)
"""Dimension, measure and figure of the path, measures and figure of the slack."""


def _find_delegator(stretch: Stretch, time: int, root: Stretch) -> Stretch:
    """Return the nearest stretch above that was running at a time; delegators that were not are skipped."""
    above = stretch.parent or root
    while above is not root and not above.start <= time <= above.end:
        above = above.parent or root
    return above


def _clip_to_turns(interval: Interval, parts: tuple[Interval, ...]) -> Iterator[Interval]:
    """Yield the overlaps of an interval with disjoint intervals sorted by start."""
    for start, end in parts[max(0, bisect_right(parts, interval.start, key=lambda part: part.start) - 1) :]:
        if start >= interval.end:
            return
        if end > interval.start:
            yield Interval(max(start, interval.start), min(end, interval.end))


def _keep_least(table: dict[str, int], key: str, slack: int) -> None:
    if key not in table or slack < table[key]:
        table[key] = slack


def _sum_lengths(pieces: Iterable[tuple[str, int]]) -> Counter[str]:
    lengths: dict[str, int] = {}
    for key, length in pieces:
        lengths[key] = lengths.get(key, 0) + length
    return Counter(lengths)


_get_start: Callable[[Stretch], int] = attrgetter("start")


def _get_end_key(interval: tuple[int, int]) -> tuple[int, int]:
    return interval[1], -interval[0]
