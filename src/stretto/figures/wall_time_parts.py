"""Split a session's wall time into parts that add up: each instant belongs to exactly one part.

If several parts claim an instant, the first in the order of ``WallPart`` wins: known work before known
waiting, and that before parts that are only concluded from missing evidence.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_up
from stretto.figures.work_tree import (
    LONGEST_SESSION,
    Stretch,
    WorkerKind,
    build_work_tree,
    find_call_execution,
    walk_tasks,
)
from stretto.model.entities import Session
from stretto.model.interval import Interval, find_gaps, merge_intervals, subtract_intervals
from stretto.model.permission_waits import AskedCall, find_asked_calls
from stretto.model.tools_that_wait_for_agents import is_waiting_tool
from stretto.names import measures
from stretto.names.measures import Dimension


class WallPart(StrEnum):
    """The parts of wall time; if several claim an instant, the first in this order wins."""

    PARALLEL = "parallel"
    """Two or more tasks run, none of them only waiting for another."""
    SINGLE = "single"
    """A single task runs."""
    MAIN_TOOLS = "main_tools"
    """A tool of the main agent executes."""
    MODEL = "model"
    """A model answers the main agent."""
    HOOKS = "hooks"
    """The main agent waits for its hooks."""
    AGENTS = "agents"
    """The main agent only waits for agents, of which one runs; how long it worked is not known."""
    NOTHING = "nothing"
    """The main agent only waits for agents, and none runs."""
    WAITING = "waiting"
    """An agent waits for a person's permission, or the main agent between turns for the next prompt."""
    IDLE = "idle"
    """Outside turns and not ended by a user's prompt: before the first turn, after the last, closed."""
    UNKNOWN = "unknown"
    """In a turn, and no source reports the main agent's activity."""


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """When the main agent was in a turn."""

    known: tuple[Interval, ...]
    """Disjoint, by start. A turn without a seen end lasts until the last sign of the main agent in it."""
    between: tuple[tuple[Interval, WallPart], ...]
    """Time between, before and after turns, with its part. Time in which a turn may still have been running
    is left out."""


def measure_wall_time(session: Session, root: Stretch | None = None) -> dict[WallPart, int]:
    """Return the nanoseconds of each part; they sum to the session's wall time exactly.

    The result is empty if the session is implausibly long. ``root`` is the session's work tree, if it was
    built already. The wall time of a session without an end reaches to its last event.
    """
    return sum_wall_parts(split_wall_time(session, root))


def sum_wall_parts(parts: Iterable[tuple[Interval, WallPart]]) -> dict[WallPart, int]:
    """Return the nanoseconds of each part of a wall time that was split already."""
    lengths = dict.fromkeys(WallPart, 0)
    for (start, end), part in parts:
        lengths[part] += end - start
    return {part: length for part, length in lengths.items() if length}


def split_wall_time(session: Session, root: Stretch | None = None) -> Iterator[tuple[Interval, WallPart]]:
    """Yield the session's wall time by start, without gaps, as intervals with their part."""
    # Example: an interval of 10-40 s with rank 2 has the edges (10, 2, 1) and (40, 2, -1).
    root = root or build_work_tree(session)
    if root.length > LONGEST_SESSION:
        return
    session_interval = Interval(root.start, root.end)
    between = find_main_agent_turn_times(session, root).between
    requests = find_asked_calls(session)
    waits = [*_split_waits_for_agents(session, requests, session_interval)]
    claims: dict[WallPart, Iterable[Interval]] = {
        WallPart.SINGLE: _find_single_tasks(root),
        WallPart.MAIN_TOOLS: _find_main_tools(session, requests),
        WallPart.MODEL: (
            Interval(inner.start, inner.end) for inner in root.inner if inner.worker is WorkerKind.MODEL
        ),
        WallPart.HOOKS: _find_hooks_of_main_agent(session),
        WallPart.AGENTS: [overlap for overlap, runs in waits if runs],
        WallPart.NOTHING: [overlap for overlap, runs in waits if not runs],
        WallPart.WAITING: [
            *_find_permission_waits(session, requests),
            *(wait for task in session.tasks for wait in task.waits),
            *(gap for gap, part in between if part is WallPart.WAITING),
        ],
        WallPart.IDLE: (gap for gap, part in between if part is WallPart.IDLE),
    }
    edges: list[tuple[int, int, int]] = []
    first, last = session_interval
    for rank, intervals in enumerate(claims.values()):
        for start, end in intervals:
            start, end = max(start, first), min(end, last)  # noqa: PLW2901  # clipped
            if start < end:
                edges.append((start, rank, 1))
                edges.append((end, rank, -1))
    yield from _walk_edges(session_interval, sorted(edges), tuple(claims))


def compute_wall_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield the wall time of the window's sessions by part."""
    sessions = sum_up(sums, measures.SESSIONS)
    for part, length in sorted(sum_by(sums, measures.WALL, Dimension.PART).items()):
        labels: Labels = (("part", part), ("window", window))
        yield Figure("stretto_session_wall_seconds", labels, length / SECOND, sessions)


OUT_OF_WORK = frozenset({WallPart.WAITING, WallPart.IDLE})
"""Parts in which nobody works: a person is thinking, or away."""


def find_main_agent_turn_times(session: Session, root: Stretch) -> TurnTimes:
    """Return when the main agent was in a turn.

    A session without turns belongs to a program. It counts as a single turn, because no person prompts there.
    """
    # Example: user turns at 0-20 s and 50-60 s of 100 s leave 20-50 s (waiting) and 60-100 s (idle).
    session_interval = Interval(root.start, root.end)
    if not session.turns:
        return TurnTimes((session_interval,), ())
    starts = sorted(turn.start for turn in session.turns)
    signs: list[int] | None = None
    certain: list[Interval] = []
    possible: list[Interval] = []
    for turn in session.turns:
        if turn.end is not None:
            certain.append(Interval(turn.start, turn.end))
            continue
        next_turn = bisect_right(starts, turn.start)
        until = starts[next_turn] if next_turn < len(starts) else session_interval.end
        signs = _list_signs(session, root) if signs is None else signs
        last = bisect_right(signs, until) - 1
        certain.append(Interval(turn.start, max(turn.start, signs[last] if last >= 0 else turn.start)))
        possible.append(Interval(turn.start, until))
    prompts = {turn.start for turn in session.turns if turn.origin == "user"}
    gaps = find_gaps(merge_intervals([*certain, *possible], session_interval), session_interval)
    return TurnTimes(
        tuple(merge_intervals(certain, session_interval)),
        tuple((gap, _classify_gap(gap, session_interval, prompts, session.ends)) for gap in gaps),
    )


def _classify_gap(
    gap: Interval, session_interval: Interval, prompts: set[int], ends: Sequence[int]
) -> WallPart:
    closed = bisect_left(ends, gap.start) < bisect_left(ends, gap.end)
    prompted = gap.end in prompts and gap.start > session_interval.start
    return WallPart.WAITING if prompted and not closed else WallPart.IDLE


def _list_signs(session: Session, root: Stretch) -> list[int]:
    """Return every time at which an event of the main agent itself was seen."""
    edges = [edge for inner in root.inner for edge in (inner.start, inner.end)]
    edges += [
        edge for call in session.tool_calls if call.task is None for edge in (call.start, call.end) if edge
    ]
    return sorted(edges)


def _find_single_tasks(root: Stretch) -> Iterator[Interval]:
    """Yield, for each task, when it runs, none of its subtasks does, and it does not wait for a person."""
    task = WorkerKind.TASK
    for stretch in walk_tasks(root):
        if stretch is not root:
            inner = [
                Interval(inner_stretch.start, inner_stretch.end)
                for inner_stretch in stretch.inner
                if inner_stretch.worker is task
            ]
            waits = () if stretch.task is None else stretch.task.waits
            yield from subtract_intervals(Interval(stretch.start, stretch.end), [*inner, *waits])


def _find_main_tools(session: Session, requests: Mapping[str, AskedCall]) -> Iterator[Interval]:
    for call in session.tool_calls:
        is_work = call.task is None and not is_waiting_tool(call.tool)
        execution = find_call_execution(call, requests) if is_work else None
        if execution is not None:
            yield Interval(*execution)


def _split_waits_for_agents(
    session: Session, requests: Mapping[str, AskedCall], limits: Interval
) -> Iterator[tuple[Interval, bool]]:
    """Yield when the main agent only waited for agents, and whether one of them ran then.

    A task without a known end counts as running until the session's end. Example: a wait of 10-40 s for a
    task of 5-20 s is a wait for agents at 10-20 s and on nothing at 20-40 s.
    """
    for_agents = find_waits_for_agents(session, requests)
    if not for_agents:
        return
    running = merge_intervals(
        (
            Interval(task.start, limits.end if task.end is None else task.end)
            for task in session.tasks
            if task.start is not None
        ),
        limits,
    )
    for wait in for_agents:
        for interval in running:
            if interval.start < wait.end and wait.start < interval.end:
                yield Interval(max(interval.start, wait.start), min(interval.end, wait.end)), True
        for gap in subtract_intervals(wait, running):
            yield gap, False


def find_waits_for_agents(
    session: Session, requests: Mapping[str, AskedCall] | None = None
) -> list[Interval]:
    """Return the executions of the main agent's calls that only wait for agents.

    ``requests`` are the session's requests for permission by call, if they were matched already.
    """
    calls = [call for call in session.tool_calls if call.task is None and is_waiting_tool(call.tool)]
    if not calls:
        return []
    matched = find_asked_calls(session) if requests is None else requests
    return [Interval(*wait) for call in calls if (wait := find_call_execution(call, matched)) is not None]


def find_hooks_by_agent(session: Session) -> Mapping[str | None, Sequence[tuple[int, int]]]:
    """Return start and end (ns) of hooks by the task whose agent waited for them; None is the main agent.

    The hooks of a call run before it executes.
    """
    hooks: defaultdict[str | None, list[tuple[int, int]]] = defaultdict(list)
    for call in session.tool_calls:
        start, overhead = call.start, call.overhead
        if overhead and start is not None:
            hooks[call.task].append((start, start + overhead))
    for run in session.hooks_run:
        hooks[run.task].append((run.start, run.start + run.duration))
    return hooks


def _find_hooks_of_main_agent(session: Session) -> Iterator[Interval]:
    """Yield what ``find_hooks_by_agent`` has of the main agent; most calls are other agents'."""
    for call in session.tool_calls:
        if call.task is None and call.overhead and call.start is not None:
            yield Interval(call.start, call.start + call.overhead)
    for run in session.hooks_run:
        if run.task is None:
            yield Interval(run.start, run.start + run.duration)


def _find_permission_waits(session: Session, requests: Mapping[str, AskedCall]) -> Iterator[Interval]:
    """Yield when the main agent waited for permission, if the end of the waiting is known."""
    for call in session.tool_calls if requests else ():
        request = requests.get(call.id) if call.task is None else None
        if request is not None and request.wait is not None:
            yield request.wait


def _walk_edges(
    limits: Interval, edges: Iterable[tuple[int, int, int]], parts: Sequence[WallPart]
) -> Iterator[tuple[Interval, WallPart]]:
    """Yield each interval between two edges with the first part that claims it.

    Edges are (time, rank of the part, +1 at a start and -1 at an end). Example: a task at 0-10 s and a model
    call at 5-12 s give ``single`` 0-10 s and ``model`` 10-12 s.
    """
    holders = [0] * len(parts)
    parallel, unknown = WallPart.PARALLEL, WallPart.UNKNOWN

    def holder() -> WallPart:
        if holders[0] > 1:
            return parallel
        for rank, count in enumerate(holders):
            if count:
                return parts[rank]
        return unknown

    at = limits.start
    for time, rank, step in edges:
        if time > at:
            yield Interval(at, time), holder()
            at = time
        holders[rank] += step
    if limits.end > at:
        yield Interval(at, limits.end), holder()
