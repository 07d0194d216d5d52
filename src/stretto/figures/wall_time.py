"""Wall time that adds up: each instant of a session belongs to exactly one part.

Of all that went on at an instant the first part in the order of ``Part`` has it, so what is known to be work
goes before what is known to be waiting, and that before what is only concluded from nothing being known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels
from stretto.figures.permission_waits import Asked, asked
from stretto.figures.tallies import Sums
from stretto.figures.work_tree import LONGEST_SESSION, Stretch, Worker, executed, stretches, tasks_within
from stretto.model.entities import Session
from stretto.model.interval import Interval


class Part(StrEnum):
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
class Turns:
    """When the main agent was in a turn."""

    known: tuple[Interval, ...]
    """Disjoint, by start. A turn whose end was not seen reaches to the last sign of the main agent in it."""
    between: tuple[tuple[Interval, Part], ...]
    """What lies between, before and after turns, and to which part it belongs; where a turn may still have
    been going on there is nothing."""


def wall_time(session: Session, root: Stretch | None = None) -> dict[Part, int]:
    """Return the nanoseconds of each part that there is; they sum to the session's wall time exactly.

    There is none of a session that is longer than one can be.

    ``root`` is the session's ``stretches``, where they are at hand. The wall time of a session without an
    end reaches to the last word of it.
    """
    found = dict.fromkeys(Part, 0)
    for interval, part in wall_stretches(session, root):
        found[part] += interval.length
    return {part: length for part, length in found.items() if length}


def wall_stretches(session: Session, root: Stretch | None = None) -> Iterator[tuple[Interval, Part]]:
    """Yield the session's wall time by start, without a gap: each stretch with the part it belongs to."""
    root = root or stretches(session)
    if root.length > LONGEST_SESSION:
        return
    whole = Interval(root.start, root.end)
    between = in_turns(session, root).between
    requests = asked(session)
    claims: dict[Part, Iterable[Interval]] = {
        Part.SINGLE: _tasks_alone(root),
        Part.MAIN_TOOLS: _main_tools(session, requests),
        Part.MODEL: (Interval(one.start, one.end) for one in root.inner if one.worker is Worker.MODEL),
        Part.HOOKS: _hooks(session),
        Part.WAITING: [
            *_permissions(session, requests),
            *(gap for gap, part in between if part is Part.WAITING),
        ],
        Part.IDLE: (gap for gap, part in between if part is Part.IDLE),
    }
    edges: list[tuple[int, int, int]] = []
    for rank, intervals in enumerate(claims.values()):
        for interval in intervals:
            start, end = max(interval.start, whole.start), min(interval.end, whole.end)
            if start < end:
                edges.append((start, rank, 1))
                edges.append((end, rank, -1))
    yield from _swept(whole, sorted(edges), tuple(claims))


def timeline_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield the wall time of the window's sessions by part."""
    sessions = sum(sums.get("sessions", {}).values())
    for dims, length in sorted(sums.get("wall", {}).items()):
        labels: Labels = (("part", str(dims[0])), ("window", window))
        yield Figure("stretto_session_wall_seconds", labels, length / SECOND, sessions)


def in_turns(session: Session, root: Stretch) -> Turns:
    """Return when the main agent was in a turn.

    A session without turns is a program's: it counts as one turn, because nobody prompts there.
    """
    whole = Interval(root.start, root.end)
    if not session.turns:
        return Turns((whole,), ())
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
        signs = _signs(session, root) if signs is None else signs
        last = bisect_right(signs, until) - 1
        known.append(Interval(turn.start, max(turn.start, signs[last] if last >= 0 else turn.start)))
        perhaps.append(Interval(turn.start, until))
    prompts = {turn.start for turn in session.turns if turn.origin == "user"}
    gaps = _gaps(_merged([*known, *perhaps], whole), whole)
    return Turns(
        tuple(_merged(known, whole)),
        tuple((gap, _part_of(gap, whole, prompts, session.ends)) for gap in gaps),
    )


def _part_of(gap: Interval, whole: Interval, prompts: set[int], ends: Sequence[int]) -> Part:
    closed = bisect_left(ends, gap.start) < bisect_left(ends, gap.end)
    prompted = gap.end in prompts and gap.start > whole.start
    return Part.WAITING if prompted and not closed else Part.IDLE


def _signs(session: Session, root: Stretch) -> list[int]:
    """Return every time at which something was told of the main agent itself."""
    edges = [edge for one in root.inner for edge in (one.start, one.end)]
    edges += [
        edge for call in session.tool_calls if call.task is None for edge in (call.start, call.end) if edge
    ]
    return sorted(edges)


def _tasks_alone(root: Stretch) -> Iterator[Interval]:
    """Yield, for each task, when it runs and no task within it does."""
    for stretch in tasks_within(root):
        if stretch is not root:
            inner = [Interval(one.start, one.end) for one in stretch.inner if one.worker is Worker.TASK]
            whole = Interval(stretch.start, stretch.end)
            yield from _gaps(_merged(inner, whole), whole)


def _main_tools(session: Session, requests: Mapping[str, Asked]) -> Iterator[Interval]:
    for call in session.tool_calls:
        when = executed(call, requests) if call.task is None else None
        if when is not None:
            yield when


def _hooks(session: Session) -> Iterator[Interval]:
    """Yield when the main agent's hooks ran: a call's come before it executes."""
    for call in session.tool_calls:
        if call.task is None and call.overhead and call.start is not None:
            yield Interval(call.start, call.start + call.overhead)
    for run in session.hooks_run:
        if run.task is None:
            yield Interval(run.start, run.start + run.duration)


def _permissions(session: Session, requests: Mapping[str, Asked]) -> Iterator[Interval]:
    """Yield when the main agent waited for leave to use a tool, as far as it is known until when."""
    for call in session.tool_calls if requests else ():
        found = requests.get(call.id) if call.task is None else None
        if found is not None and found.waited is not None:
            yield found.waited


def _merged(intervals: Iterable[Interval], whole: Interval) -> list[Interval]:
    """Return the union of intervals inside the whole, as disjoint intervals by start."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        start, end = max(start, whole.start), min(end, whole.end)  # noqa: PLW2901  # clipped
        if found and start <= found[-1].end:
            found[-1] = Interval(found[-1].start, max(found[-1].end, end))
        elif start < end:
            found.append(Interval(start, end))
    return found


def _gaps(merged: Iterable[Interval], whole: Interval) -> Iterator[Interval]:
    """Yield what the disjoint intervals leave of the whole."""
    at = whole.start
    for start, end in merged:
        if start > at:
            yield Interval(at, start)
        at = end
    if whole.end > at:
        yield Interval(at, whole.end)


def _swept(
    whole: Interval, edges: Iterable[tuple[int, int, int]], parts: Sequence[Part]
) -> Iterator[tuple[Interval, Part]]:
    """Give each stretch between two edges to the first part that holds it."""
    holders = [0] * len(parts)

    def holder() -> Part:
        if holders[0] > 1:
            return Part.PARALLEL
        return next((part for part, count in zip(parts, holders, strict=True) if count), Part.UNKNOWN)

    at = whole.start
    for time, rank, step in edges:
        if time > at:
            yield Interval(at, time), holder()
            at = time
        holders[rank] += step
    if whole.end > at:
        yield Interval(at, whole.end), holder()
