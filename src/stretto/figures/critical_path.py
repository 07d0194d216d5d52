"""Critical path: the chain of work that decided when a session's end came.

Walked back from the end: who was the last to finish before an instant is what was waited for, and the walk
goes on inside it, and from its start on with whoever delegated it. What lies between two finishes is the
time of the agent that had both in hand. Pieces are disjoint, and the path is their sum. A path over
intervals in place of a graph of dependencies assumes that whatever began after something had finished may
have waited for it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from stretto.clock import SECOND
from stretto.figures.fanouts import Fanout
from stretto.figures.figure import Figure, Labels
from stretto.figures.sum_reading import Sums, sum_by, sum_up
from stretto.figures.wall_time import find_turns
from stretto.figures.work_tree import LONGEST_SESSION, Stretch, Worker, build_work_tree, walk_tasks
from stretto.model.entities import Session, Task
from stretto.model.event import Outcome
from stretto.model.interval import Interval
from stretto.names import MAIN, NONE, measures
from stretto.names.measures import Dimension


class PathPiece(NamedTuple):
    """One disjoint piece of the path, in nanoseconds since the epoch."""

    start: int
    end: int
    worker: Worker
    task: Task | None
    """The task, or the one in which a tool or a model was called; None is the main agent."""
    name: str | None
    """The tool or the model."""

    @property
    def length(self) -> int:
        """Nanoseconds."""
        return self.end - self.start

    @property
    def agent(self) -> str:
        """The agent whose time it was."""
        return get_agent_label(self.task)


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """The critical path of a session that is over. Lengths are in nanoseconds."""

    pieces: tuple[PathPiece, ...]
    """By start. What lies between two of them nobody worked on: the main agent was in no turn."""
    elapsed: int

    @property
    def length(self) -> int:
        """The sum of the pieces, at most ``elapsed``."""
        return sum(piece.length for piece in self.pieces)

    def sum_by_agent(self) -> Counter[str]:
        """Return the part of the path that each agent's own work was; it sums to ``length``."""
        return _sum_lengths((piece.agent, piece) for piece in self.pieces)

    def sum_by_task_type(self) -> Counter[str]:
        """Return the part of the path that tasks of each type were; the rest is the main agent's."""
        return _sum_lengths((piece.task.task_type, piece) for piece in self.pieces if piece.task)

    def sum_by_tool(self) -> Counter[str]:
        """Return the part of the path that each tool was."""
        return _sum_lengths(
            (piece.name or NONE, piece) for piece in self.pieces if piece.worker is Worker.TOOL
        )

    def sum_by_task(self) -> Counter[str]:
        """Return the part of the path that each task was, by its id."""
        return _sum_lengths((piece.task.id, piece) for piece in self.pieces if piece.task)


@dataclass(frozen=True, slots=True)
class Slack:
    """How much longer something could have taken, as all else took, before the end had come later (ns).

    An agent, a type and a tool have the least that one of theirs has.
    """

    tasks: dict[str, int]
    """By the task's id."""
    agents: dict[str, int]
    task_types: dict[str, int]
    tools: dict[str, int]

    def add_stretch(self, stretch: Stretch, slack: int) -> None:
        """Take in the slack of one task or tool call."""
        if stretch.worker is Worker.TASK and stretch.task is not None:
            self.tasks[stretch.id] = slack
            _keep_least(self.agents, get_agent_label(stretch.task), slack)
            _keep_least(self.task_types, stretch.task.task_type, slack)
        elif stretch.worker is Worker.TOOL:
            _keep_least(self.tools, stretch.name or NONE, slack)


def find_critical_path(session: Session, root: Stretch | None = None) -> CriticalPath | None:
    """Return the critical path, or None while the session runs: then nothing has decided its end.

    There is none of a session that is longer than one can be.

    ``root`` is the session's ``build_work_tree``, where they are at hand.
    """
    if session.outcome is Outcome.RUNNING:
        return None
    root = root or build_work_tree(session)
    if root.length > LONGEST_SESSION:
        return None
    turns = find_turns(session, root).known
    pieces: list[PathPiece] = []
    for start, end, stretch in walk_path(root):
        # In no turn the main agent works on nothing, whoever it is that it waits for.
        parts = _clip_to_turns(Interval(start, end), turns) if stretch is root else (Interval(start, end),)
        pieces += (
            PathPiece(part.start, part.end, stretch.worker, stretch.task, stretch.name) for part in parts
        )
    return CriticalPath(tuple(sorted(pieces, key=lambda piece: piece.start)), root.length)


def measure_fanout_path(fanout: Fanout) -> int:
    """Return the length of a fan-out's critical path (ns): its last finishers, at most its elapsed time."""
    cursor, length = fanout.end, 0
    for start, end in sorted(
        ((i.start, i.end) for task in fanout.tasks if (i := task.interval)), key=_get_end_key
    )[::-1]:
        if end <= cursor:
            length += end - start
            cursor = start
    return length


def get_agent_label(task: Task | None) -> str:
    """Return the agent of a task as a label's value; no task is the main agent."""
    return MAIN if task is None else task.agent or NONE


def walk_path(root: Stretch) -> Iterator[tuple[int, int, Stretch]]:
    """Yield the pieces of the path from the last to the first: (start, end, whose time it was)."""
    at, cursor = root, root.end
    while True:
        count = bisect_right(at.inner, cursor, key=lambda inner: inner.end)
        finisher = at.inner[count - 1] if count else None
        begun = finisher.end if finisher is not None else at.start
        if begun < cursor:
            yield begun, cursor, at
            cursor = begun
        if finisher is not None:
            at = finisher
        elif at is root:
            return
        else:
            at = _find_delegator(at, cursor, root)


def compute_slack(root: Stretch) -> Slack:
    """Return how much longer everybody could have taken.

    Inside one stretch the last to finish could have taken as much longer as the stretch itself. What began
    after something had finished waited for it, and may itself be late by its own slack.
    """
    found = Slack({}, {}, {}, {})
    for stretch in walk_tasks(root):
        around = 0 if stretch is root else found.tasks[stretch.id]
        began = sorted(stretch.inner, key=lambda inner: inner.start)
        own: dict[Stretch, int] = {}
        latest = stretch.inner[-1].end + around if stretch.inner else 0
        """The latest finish of what has finished here that delays nothing."""
        for inner in reversed(stretch.inner):
            while began and began[-1].start >= inner.end:
                # It begins as long after this finish, the last one before it, as it did.
                latest = min(latest, inner.end + own[began.pop()])
            own[inner] = latest - inner.end
            found.add_stretch(inner, own[inner])
    return found


def compute_path_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield the critical paths of the window's sessions, whole and by who was on them, and the mean slack."""
    at: Labels = (("window", window),)
    whole = sum_up(sums, measures.CRITICAL_PATH)
    sessions = sum_up(sums, measures.SESSIONS)
    if whole:
        yield Figure("stretto_critical_path_seconds", at, whole / SECOND, sessions)
    for dimension, path_measure, path_name in (
        (Dimension.AGENT, measures.CRITICAL_PATH_AGENT, "stretto_critical_path_agent_seconds"),
        (Dimension.TASK_TYPE, measures.CRITICAL_PATH_TASK_TYPE, "stretto_critical_path_task_type_seconds"),
        (Dimension.TOOL, measures.CRITICAL_PATH_TOOL, "stretto_critical_path_tool_seconds"),
    ):
        for key, length in sorted(sum_by(sums, path_measure, dimension).items()):
            yield Figure(path_name, ((dimension.value, key), *at), length / SECOND, sessions)
    for dimension, slack_measure, sessions_measure, slack_name in (
        (
            Dimension.AGENT,
            measures.SLACK_AGENT,
            measures.SLACK_AGENT_SESSIONS,
            "stretto_slack_agent_seconds",
        ),
        (
            Dimension.TASK_TYPE,
            measures.SLACK_TASK_TYPE,
            measures.SLACK_TASK_TYPE_SESSIONS,
            "stretto_slack_task_type_seconds",
        ),
        (
            Dimension.TOOL,
            measures.SLACK_TOOL,
            measures.SLACK_TOOL_SESSIONS,
            "stretto_slack_tool_seconds",
        ),
    ):
        least = sum_by(sums, slack_measure, dimension)
        # A slack of 0 adds nothing to its sum: only the number of sessions shows that it is known.
        for key, count in sorted(sum_by(sums, sessions_measure, dimension).items()):
            mean = least.get(key, 0) / count / SECOND
            yield Figure(slack_name, ((dimension.value, key), *at), mean, count)


def _find_delegator(of: Stretch, time: int, root: Stretch) -> Stretch:
    """Return who was at work above a stretch when it began; a delegator that was not running is passed."""
    above = of.parent or root
    while above is not root and not above.start <= time <= above.end:
        above = above.parent or root
    return above


def _clip_to_turns(interval: Interval, parts: tuple[Interval, ...]) -> Iterator[Interval]:
    """Yield what disjoint intervals, by start, share with one."""
    for start, end in parts[max(0, bisect_right(parts, interval.start, key=lambda part: part.start) - 1) :]:
        if start >= interval.end:
            return
        if end > interval.start:
            yield Interval(max(start, interval.start), min(end, interval.end))


def _keep_least(table: dict[str, int], key: str, slack: int) -> None:
    table[key] = min(slack, table.get(key, slack))


def _sum_lengths(pieces: Iterable[tuple[str, PathPiece]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for key, piece in pieces:
        found[key] += piece.length
    return found


def _get_end_key(interval: tuple[int, int]) -> tuple[int, int]:
    return interval[1], -interval[0]
