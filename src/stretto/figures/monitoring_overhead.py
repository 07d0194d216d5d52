"""Measure what watching costs: hooks, the Python API and the service, as a share of the agents' own time.

The agents' own time is the sum over all agents of the time in which each was at work itself. While tasks run
it is theirs, each without those that it delegated; in the rest of a session's working time it is the main
agent's. Hooks are the time in which an agent waited for hooks and neither executed nor asked a model. A
second of processor time of the service counts as a second of an agent, as if one had waited for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_up
from stretto.figures.wall_time_parts import OUT_OF_WORK, WallPart, find_hooks_by_agent
from stretto.figures.work_tree import Stretch, WorkerKind, walk_tasks
from stretto.model.entities import Sample, Session
from stretto.model.interval import measure_outside
from stretto.names import measures
from stretto.names.measures import Dimension


class OverheadPart(StrEnum):
    """Where the cost of watching arises."""

    MAIN_HOOKS = "main_hooks"
    """The main agent waits for hooks, whosever they are, and no task runs."""
    AGENT_HOOKS = "agent_hooks"
    """An agent that was called waits for hooks, whosever they are."""
    API = "api"
    """The Python API in the observed program: its blocks in their threads, its writer's processor time."""
    SERVICE = "service"
    """Processor time of the service and its analyses while the session's processes were sampled."""


_NOT_KNOWN = {
    OverheadPart.MAIN_HOOKS: "no client timed its hooks",
    OverheadPart.AGENT_HOOKS: "no client timed its hooks",
    OverheadPart.API: "no program recorded by the Python API into the journal",
    OverheadPart.SERVICE: "no session's processes were sampled",
}


@dataclass(frozen=True, slots=True)
class SessionOverhead:
    """What watching a session cost, in nanoseconds."""

    agents_time: int
    """The agents' own time, summed over agents."""
    parts: Mapping[OverheadPart, int]
    """The cost by part; parts that nothing measured are missing."""


def measure_overhead(
    session: Session,
    root: Stretch,
    wall: Mapping[WallPart, int],
    *,
    samples: Sequence[Sample],
    api_cost: int | None,
) -> SessionOverhead:
    """Return what watching a session cost; ``root`` is its work tree, ``wall`` its wall time by part.

    Example: the main agent works 20 s alone, 1 s of it hooks, then two tasks run side by side for 40 and 60
    s with 1 and 2 s of hooks: 4 of 120 s.
    """
    main_only = sum(
        length
        for part, length in wall.items()
        if part not in OUT_OF_WORK and part not in {WallPart.PARALLEL, WallPart.SINGLE}
    )
    hooks = find_hooks_by_agent(session)
    agents_time, waited, task = main_only, 0, WorkerKind.TASK
    for stretch in walk_tasks(root) if wall else ():
        if stretch is root or stretch.task is None:
            continue
        # Pairs of plain times, since a session has some for each of its calls.
        first, last, waits = stretch.start, stretch.end, stretch.task.waits
        delegated = [(inner.start, inner.end) for inner in stretch.inner if inner.worker is task]
        agents_time += measure_outside([(first, last)], [*delegated, *waits])
        if stretch.id in hooks:
            runs = [(max(start, first), min(end, last)) for start, end in hooks[stretch.id]]
            waited += measure_outside(runs, [*waits, *[(inner.start, inner.end) for inner in stretch.inner]])
    parts: dict[OverheadPart, int] = {}
    if session.hooks_run or any(call.overhead is not None for call in session.tool_calls):
        parts[OverheadPart.MAIN_HOOKS] = wall.get(WallPart.HOOKS, 0)
        parts[OverheadPart.AGENT_HOOKS] = waited
    if api_cost is not None:
        parts[OverheadPart.API] = api_cost
    service = [sample.service_cpu for sample in samples if sample.service_cpu is not None]
    if service:
        parts[OverheadPart.SERVICE] = sum(service)
    return SessionOverhead(agents_time, parts)


def compute_overhead_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield what watching the window's sessions cost, by part, and its share of the agents' own time.

    The share is a lower bound where a part is not known of every session: each part is published with the
    agents' time of the sessions in which it is known.
    """
    at: Labels = (("window", window),)
    sessions = sum_up(sums, measures.SESSIONS)
    agents_time = sum_up(sums, measures.AGENTS_WORKING)
    by_part = sum_by(sums, measures.OVERHEAD_TIME, Dimension.PART)
    known = sum_by(sums, measures.OVERHEAD_KNOWN, Dimension.PART)
    for part in OverheadPart:
        labels: Labels = (("part", part.value), *at)
        name, base = "stretto_window_overhead_part_seconds", "stretto_window_overhead_known_seconds"
        time = known.get(part.value, 0)
        reason = _NOT_KNOWN[part] if sessions else "no session ended"
        coverage = min(1.0, time / agents_time) if agents_time else None
        if time:
            yield Figure(name, labels, by_part.get(part.value, 0) / SECOND, sessions, coverage=coverage)
        else:
            yield Figure(name, labels, None, sessions, reason)
        yield Figure(base, labels, time / SECOND, sessions)
    if agents_time:
        yield Figure("stretto_window_agents_working_seconds", at, agents_time / SECOND, sessions)
    if not known:
        reason = "nothing measured what watching cost" if sessions else "no session ended"
        yield Figure("stretto_window_overhead_seconds", at, None, sessions, reason)
        yield Figure("stretto_overhead_ratio", at, None, sessions, reason)
        return
    cost = sum(by_part.values())
    yield Figure("stretto_window_overhead_seconds", at, cost / SECOND, sessions)
    yield make_ratio("stretto_overhead_ratio", at, cost, agents_time, sessions)
