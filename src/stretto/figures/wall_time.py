"""Wall time that adds up: each instant of a session belongs to exactly one part.

Of all that went on at an instant the first part in the order of ``WallPart`` has it, so what is known to be work
goes before what is known to be waiting, and that before what is only concluded from nothing being known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels
from stretto.figures.permission_waits import AskedCall, find_asked_calls
from stretto.figures.tallies import Sums
from stretto.figures.work_tree import (
    LONGEST_SESSION,
    Stretch,
    Worker,
    build_work_tree,
    find_execution,
    walk_tasks,
)
from stretto.model.entities import Session
from stretto.model.interval import Interval


class WallPart(StrEnum):
    """The parts of wall time; of two that claim an instant the first one here has it."""

    PARALLEL = "parallel"
    """Two or more tasks run, none of which only waits for another."""
    SINGLE = "single"
    """One task runs."""
    MAIN_TOOLS = "main_tools"
    """A tool of the main agent executes."""
    MODEL = "model"
    """A model answers the main agent."""
    HOOKS = "hooks"
    """The main agent waits for its hooks."""
    WAITING = "waiting"
    """For a person: for leave to use a tool, or between two turns until the user's next prompt."""
    IDLE = "idle"
    """In no turn, and no prompt of the user ended it: before the first turn, after the last, closed."""
    UNKNOWN = "unknown"
    """In a turn, and no source tells what the main agent does."""


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """When the main agent was in a turn."""

    known: tuple[Interval, ...]
    """Disjoint, by start. A turn whose end was not seen reaches to the last sign of the main agent in it."""
    between: tuple[tuple[Interval, WallPart], ...]
    """What lies between, before and after turns, and to which part it belongs; where a turn may still have
    been going on there is nothing."""


def measure_wall_time(session: Session, root: Stretch | None = None) -> dict[WallPart, int]:
    """Return the nanoseconds of each part that there is; they sum to the session's wall time exactly.

    There is none of a session that is longer than one can be.

    ``root`` is the session's ``build_work_tree``, where they are at hand. The wall time of a session without an
    end reaches to the last word of it.
    """
    found = dict.fromkeys(WallPart, 0)
    for interval, part in split_wall_time(session, root):
        found[part] += interval.length
    return {part: length for part, length in found.items() if length}


def split_wall_time(session: Session, root: Stretch | None = None) -> Iterator[tuple[Interval, WallPart]]:
    """Yield the session's wall time by start, without a gap: each stretch with the part it belongs to."""
    root = root or build_work_tree(session)
    if root.length > LONGEST_SESSION:
        return
    whole = Interval(root.start, root.end)
    between = find_turns(session, root).between
    requests = find_asked_calls(session)
    claims: dict[WallPart, Iterable[Interval]] = {
        WallPart.SINGLE: _find_single_tasks(root),
        WallPart.MAIN_TOOLS: _find_main_tools(session, requests),
        WallPart.MODEL: (Interval(one.start, one.end) for one in root.inner if one.worker is Worker.MODEL),
        WallPart.HOOKS: _find_hooks(session),
        WallPart.WAITING: [
            *_find_permission_waits(session, requests),
            *(gap for gap, part in between if part is WallPart.WAITING),
        ],
        WallPart.IDLE: (gap for gap, part in between if part is WallPart.IDLE),
    }
    edges: list[tuple[int, int, int]] = []
    for rank, intervals in enumerate(claims.values()):
        for interval in intervals:
            start, end = max(interval.start, whole.start), min(interval.end, whole.end)
            if start < end:
                edges.append((start, rank, 1))
                edges.append((end, rank, -1))
    yield from _sweep_edges(whole, sorted(edges), tuple(claims))


def compute_wall_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield the wall time of the window's sessions by part."""
    sessions = sum(sums.get("sessions", {}).values())
    for dims, length in sorted(sums.get("wall", {}).items()):
        labels: Labels = (("part", str(dims[0])), ("window", window))
        yield Figure("stretto_session_wall_seconds", labels, length / SECOND, sessions)


def find_turns(session: Session, root: Stretch) -> TurnTimes:
    """Return when the main agent was in a turn.

    A session without turns is a program's: it counts as one turn, because nobody prompts there.
    """
    whole = Interval(root.start, root.end)
    if not session.turns:
        return TurnTimes((whole,), ())
    starts = sorted(turn.start for turn in session.turns)
    signs: list[int] | None = None
    known: list[Interval] = []
    perhaps: list[Interval] = []
    for turn in session.turns:
        if turn.end is not None:
            known.append(Interval(turn.start, turn.end))
            continue
        following = bisect_right(starts, turn.start)
        until = starts[following] if following < len(starts) else whole.end
        signs = _list_signs(session, root) if signs is None else signs
        last = bisect_right(signs, until) - 1
        known.append(Interval(turn.start, max(turn.start, signs[last] if last >= 0 else turn.start)))
        perhaps.append(Interval(turn.start, until))
    prompts = {turn.start for turn in session.turns if turn.origin == "user"}
    gaps = _find_gaps(_merge_intervals([*known, *perhaps], whole), whole)
    return TurnTimes(
        tuple(_merge_intervals(known, whole)),
        tuple((gap, _classify_gap(gap, whole, prompts, session.ends)) for gap in gaps),
    )


def _classify_gap(gap: Interval, whole: Interval, prompts: set[int], ends: Sequence[int]) -> WallPart:
    closed = bisect_left(ends, gap.start) < bisect_left(ends, gap.end)
    prompted = gap.end in prompts and gap.start > whole.start
    return WallPart.WAITING if prompted and not closed else WallPart.IDLE


def _list_signs(session: Session, root: Stretch) -> list[int]:
    """Return every time at which something was told of the main agent itself."""
    edges = [edge for one in root.inner for edge in (one.start, one.end)]
    edges += [
        edge for call in session.tool_calls if call.task is None for edge in (call.start, call.end) if edge
    ]
    return sorted(edges)


def _find_single_tasks(root: Stretch) -> Iterator[Interval]:
    """Yield, for each task, when it runs and no task within it does."""
    for stretch in walk_tasks(root):
        if stretch is not root:
            inner = [Interval(one.start, one.end) for one in stretch.inner if one.worker is Worker.TASK]
            whole = Interval(stretch.start, stretch.end)
            yield from _find_gaps(_merge_intervals(inner, whole), whole)


def _find_main_tools(session: Session, requests: Mapping[str, AskedCall]) -> Iterator[Interval]:
    for call in session.tool_calls:
        when = find_execution(call, requests) if call.task is None else None
        if when is not None:
            yield when


def _find_hooks(session: Session) -> Iterator[Interval]:
    """Yield when the main agent's hooks ran: a call's come before it executes."""
    for call in session.tool_calls:
        if call.task is None and call.overhead and call.start is not None:
            yield Interval(call.start, call.start + call.overhead)
    for run in session.hooks_run:
        if run.task is None:
            yield Interval(run.start, run.start + run.duration)


def _find_permission_waits(session: Session, requests: Mapping[str, AskedCall]) -> Iterator[Interval]:
    """Yield when the main agent waited for leave to use a tool, as far as it is known until when."""
    for call in session.tool_calls if requests else ():
        found = requests.get(call.id) if call.task is None else None
        if found is not None and found.waited is not None:
            yield found.waited


def _merge_intervals(intervals: Iterable[Interval], whole: Interval) -> list[Interval]:
    """Return the union of intervals inside the whole, as disjoint intervals by start."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        start, end = max(start, whole.start), min(end, whole.end)  # noqa: PLW2901  # clipped
        if found and start <= found[-1].end:
            found[-1] = Interval(found[-1].start, max(found[-1].end, end))
        elif start < end:
            found.append(Interval(start, end))
    return found


def _find_gaps(merged: Iterable[Interval], whole: Interval) -> Iterator[Interval]:
    """Yield what the disjoint intervals leave of the whole."""
    at = whole.start
    for start, end in merged:
        if start > at:
            yield Interval(at, start)
        at = end
    if whole.end > at:
        yield Interval(at, whole.end)


def _sweep_edges(
    whole: Interval, edges: Iterable[tuple[int, int, int]], parts: Sequence[WallPart]
) -> Iterator[tuple[Interval, WallPart]]:
    """Give each stretch between two edges to the first part that holds it."""
    holders = [0] * len(parts)

    def holder() -> WallPart:
        if holders[0] > 1:
            return WallPart.PARALLEL
        return next((part for part, count in zip(parts, holders, strict=True) if count), WallPart.UNKNOWN)

    at = whole.start
    for time, rank, step in edges:
        if time > at:
            yield Interval(at, time), holder()
            at = time
        holders[rank] += step
    if whole.end > at:
        yield Interval(at, whole.end), holder()
