"""Draw the timeline of a session by agent, in percent of the drawing's width.

An agent has as many lanes as it ran tasks at once. If there are too many lanes, a single lane shows the
number of running tasks over time. A zoomed view is drawn with the same detail as the full extent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from stretto.clock import SECOND
from stretto.figures.wall_time_parts import WallPart, split_wall_time
from stretto.format import quantities
from stretto.model.entities import Session, Task, ToolCall, Turn
from stretto.model.event import Outcome
from stretto.model.interval import Interval
from stretto.names import MAIN_AGENT, UNNAMED_AGENT
from stretto.web import timeline_shapes
from stretto.web.timeline_shapes import Bar, BarSource, Step, WallTimeShape

LANES_EACH = 12
"""Most lanes of an agent; more tasks at once are drawn as a level."""

TASKS_WITH_CALLS = 300
"""Most tasks in view whose tool calls are drawn: beside more of them, none could be pointed at."""

LANES = 48
"""Most lanes in all. Beyond, agents with the most lanes become levels, and the smallest share a lane."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the drawing."""

    agent: str
    first: bool
    """Whether it is the agent's first lane, which shows the agent's name."""
    tasks: int
    """Tasks of the agent, in all its lanes."""
    bars: tuple[Bar, ...] = ()
    calls: tuple[Bar, ...] = ()
    """Tool calls inside its tasks."""
    level: tuple[Step, ...] = ()
    most: int = 0
    """Most tasks at once, if the lane is a level."""
    ids: tuple[str, ...] = ()
    """Ids of the tasks in this lane, including merged ones."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A session's timeline."""

    extent: Interval
    view: Interval
    wall: tuple[WallTimeShape, ...]
    """The part of the wall time with the largest share of each cell."""
    lanes: tuple[Lane, ...]
    undrawn: int
    """Number of tasks without a known start, which cannot be drawn."""
    shows_calls: bool
    """Whether the tool calls inside tasks are drawn."""

    @property
    def zoomed(self) -> bool:
        """Whether the view is only a part of the extent."""
        return self.view != self.extent

    def to_percent(self, at: int) -> float:
        """Return the position of an instant in percent, not clipped to the view."""
        return (at - self.view.start) * 100 / self.view.length

    def to_seconds(self, at: int) -> float:
        """Return an instant in seconds since the session's start."""
        return (at - self.extent.start) / SECOND

    def place_ticks(self, count: int = 4) -> list[tuple[float, float]]:
        """Return (percent, seconds since the session's start) of evenly spaced marks, including both ends."""
        return [
            (100 * n / count, self.to_seconds(self.view.start + self.view.length * n // count))
            for n in range(count + 1)
        ]

    def map_lanes(self) -> dict[str | None, int]:
        """Return the lane number of each task id; None stands for the main agent."""
        return {None: 0} | {id: number for number, lane in enumerate(self.lanes) for id in lane.ids}


@dataclass(slots=True)
class _AgentLanes:
    name: str
    lanes: list[list[tuple[Interval, Task]]] = field(default_factory=list)

    @property
    def tasks(self) -> int:
        return sum(map(len, self.lanes))


def find_extent(session: Session) -> Interval:
    """Return the interval from start to end of a session, at least a nanosecond long."""
    end = session.last if session.end is None else session.end
    return Interval(session.start, max(end, session.start + 1))


def choose_view(session: Session, start: float | None, end: float | None) -> Interval:
    """Return the interval to draw; ``start`` and ``end`` are seconds since the session's start.

    The interval is moved into the session and lengthened to a microsecond at least.
    """
    extent = find_extent(session)
    at = extent.start + round((start or 0.0) * SECOND)
    until = extent.end if end is None else extent.start + round(end * SECOND)
    at = min(max(at, extent.start), extent.end - 1)
    until = min(max(until, at + SECOND // 1_000_000), extent.end)
    return Interval(at, until)


def draw_session(
    session: Session,
    part: Interval | None = None,
    wall_parts: Iterable[tuple[Interval, WallPart]] | None = None,
) -> Drawing:
    """Draw a session: the main agent's lane, then the agents by the start of their first task.

    ``wall_parts`` is the session's wall time (``split_wall_time``), if it was split already.
    """
    extent = find_extent(session)
    view = part or extent
    calls: dict[str | None, list[ToolCall]] = {}
    for call in session.tool_calls:
        calls.setdefault(call.task, []).append(call)
    delegating = {task.delegated_by for task in session.tasks}
    calls[None] = [call for call in calls.get(None, ()) if call.id not in delegating]
    placed = [(interval, task) for task in session.tasks if (interval := _find_interval(task, extent))]
    in_view = sum(interval.start <= view.end and interval.end >= view.start for interval, _ in placed)
    shows_calls = in_view <= TASKS_WITH_CALLS
    lanes = [_draw_main_lane(session, calls[None], extent, view)]
    for agent, packed in _choose_lanes(_pack_agents(placed)):
        if packed:
            lanes += [
                _draw_task_lane(agent, number, calls=calls, shows_calls=shows_calls, extent=extent, view=view)
                for number in range(len(agent.lanes))
            ]
        else:
            lanes.append(_draw_level_lane(agent, view))
    return Drawing(
        extent,
        view,
        timeline_shapes.draw_wall_time(
            split_wall_time(session) if wall_parts is None else wall_parts, extent, view
        ),
        tuple(lanes),
        len(session.tasks) - len(placed),
        shows_calls,
    )


def _find_interval(task: Task, extent: Interval) -> Interval | None:
    """Return a task's interval: a running task reaches to the newest event, an unknown end gives a moment."""
    if task.start is None:
        return None
    if task.outcome is Outcome.RUNNING:
        return Interval(task.start, max(task.start, extent.end))
    return task.interval or Interval(task.start, task.start)


def _pack_agents(placed: Iterable[tuple[Interval, Task]]) -> list[_AgentLanes]:
    by_name: dict[str, _AgentLanes] = {}
    for interval, task in sorted(placed, key=lambda pair: (pair[0].start, -pair[0].end, pair[1].id)):
        name = task.agent or UNNAMED_AGENT
        agent = by_name.setdefault(name, _AgentLanes(name))
        free = next((lane for lane in agent.lanes if lane[-1][0].end <= interval.start), None)
        if free is None:
            agent.lanes.append([(interval, task)])
        else:
            free.append((interval, task))
    return list(by_name.values())


def _choose_lanes(agents: list[_AgentLanes]) -> list[tuple[_AgentLanes, bool]]:
    """Return the agents to draw, and for each whether it has a lane per task slot (else it is a level).

    Example: with 48 lanes at most, agents of 12, 30 and 10 lanes: 30 exceeds 12, so that agent is a level;
    12 + 1 + 10 = 23 lanes fit.
    """
    packed = {agent.name for agent in agents if len(agent.lanes) <= LANES_EACH}
    by_lanes = sorted(agents, key=lambda agent: -len(agent.lanes))
    for agent in by_lanes:
        if _count_lanes(agents, packed) <= LANES:
            break
        packed.discard(agent.name)
    shown = agents
    if len(agents) > LANES:
        ranked = sorted(agents, key=lambda agent: -agent.tasks)
        kept = {agent.name for agent in ranked[: LANES - 1]}
        rest = [agent for agent in agents if agent.name not in kept]
        merged = _AgentLanes(f"{len(rest)} other agents", [lane for agent in rest for lane in agent.lanes])
        shown = [*(agent for agent in agents if agent.name in kept), merged]
    return [(agent, agent.name in packed) for agent in shown]


def _count_lanes(agents: Iterable[_AgentLanes], packed: set[str]) -> int:
    return sum(len(agent.lanes) if agent.name in packed else 1 for agent in agents)


def _draw_main_lane(session: Session, calls: Iterable[ToolCall], extent: Interval, view: Interval) -> Lane:
    bars = []
    for turn in session.turns:
        interval = Interval(turn.start, extent.end if turn.end is None else turn.end)
        describe = partial(_describe_turn, turn, interval, extent)
        bars.append(BarSource(interval, turn.outcome.value, describe))
    return Lane(
        MAIN_AGENT,
        first=True,
        tasks=0,
        bars=timeline_shapes.place_bars(bars, view, "turn"),
        calls=timeline_shapes.place_bars(_place_calls(calls, extent), view, "tool call"),
    )


def _draw_task_lane(
    agent: _AgentLanes,
    number: int,
    *,
    calls: dict[str | None, list[ToolCall]],
    shows_calls: bool,
    extent: Interval,
    view: Interval,
) -> Lane:
    placed = agent.lanes[number]
    bars = []
    inside: list[BarSource] = []
    for interval, task in placed:
        task_calls = calls.get(task.id, [])
        describe = partial(_describe_task, task, task_calls, interval, extent)
        bars.append(BarSource(interval, task.outcome.value, describe, task.id))
        if shows_calls:
            inside += _place_calls(task_calls, extent)
    return Lane(
        agent.name,
        first=number == 0,
        tasks=agent.tasks,
        bars=timeline_shapes.place_bars(bars, view, "task"),
        calls=timeline_shapes.place_bars(inside, view, "tool call"),
        ids=tuple(task.id for _, task in placed),
    )


def _draw_level_lane(agent: _AgentLanes, view: Interval) -> Lane:
    placed = [pair for lane in agent.lanes for pair in lane]
    level, most = timeline_shapes.compute_level([interval for interval, _ in placed], view)
    ids = tuple(task.id for _, task in placed)
    return Lane(agent.name, first=True, tasks=agent.tasks, level=level, most=most, ids=ids)


def _place_calls(calls: Iterable[ToolCall], extent: Interval) -> list[BarSource]:
    bars = []
    for call in calls:
        if call.start is None:
            continue
        end = call.start + (call.duration or 0) if call.end is None else call.end
        interval = Interval(call.start, extent.end if call.outcome is Outcome.RUNNING else end)
        describe = partial(_describe_call, call, call.start, extent)
        bars.append(BarSource(interval, call.outcome.value, describe))
    return bars


def _describe_turn(turn: Turn, interval: Interval, extent: Interval) -> tuple[str, str]:
    about = f"turn by {turn.origin}\n{timeline_shapes.describe_interval(interval, extent)}"
    return "", about + ("\nits end was not seen" if turn.end is None else "")


def _describe_task(
    task: Task, calls: Sequence[ToolCall], interval: Interval, extent: Interval
) -> tuple[str, str]:
    about = [
        task.description or task.agent or task.task_type,
        f"{task.task_type} by {task.agent or UNNAMED_AGENT}: {task.outcome.value}",
        _describe_length(task, interval, extent),
    ]
    if calls:
        failed = sum(call.outcome is Outcome.FAILURE for call in calls)
        about.append(
            quantities.format_count_with_noun(len(calls), "tool call")
            + (f", {failed} failed" if failed else "")
        )
    return task.description or task.task_type, "\n".join(about)


def _describe_call(call: ToolCall, start: int, extent: Interval) -> tuple[str, str]:
    length = "length unknown" if call.duration is None else quantities.format_duration(call.duration / SECOND)
    about = (
        f"{call.tool or 'a tool without a name'}: {call.outcome.value}\n"
        f"{length}, from {timeline_shapes.describe_instant(start, extent)}"
    )
    return "", about


def _describe_length(task: Task, interval: Interval, extent: Interval) -> str:
    if task.outcome is Outcome.RUNNING:
        return f"running since {timeline_shapes.describe_instant(interval.start, extent)}"
    if task.interval is None:
        return f"began at {timeline_shapes.describe_instant(interval.start, extent)}; its end was never seen"
    return timeline_shapes.describe_interval(interval, extent)
