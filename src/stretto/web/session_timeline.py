"""Timeline: a session drawn by agent, in percent of the drawing's width, however many tasks it has.

Each agent has as many lanes as it ran at once; where that is too many to draw, one lane shows how many ran.
A part of the time (``view``) is drawn with as much detail as the whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from stretto.clock import SECOND
from stretto.format import quantities
from stretto.model.entities import Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.interval import Interval
from stretto.web import timeline_shapes as shapes
from stretto.web.timeline_shapes import Bar, Step, Stretch

LANES_EACH = 12
"""Most lanes of one agent; more tasks at once are drawn as a level."""

LANES = 48
"""Most lanes in all; then the agents with the most lanes are drawn as levels, the rest in one."""

MAIN = "main agent"
UNNAMED = "unnamed agent"


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the drawing."""

    agent: str
    first: bool
    """Whether it is the agent's first lane, the one that bears its name."""
    tasks: int
    """Tasks of the agent, in all its lanes."""
    bars: tuple[Bar, ...] = ()
    calls: tuple[Bar, ...] = ()
    """Tool calls inside its tasks."""
    level: tuple[Step, ...] = ()
    most: int = 0
    """Most at once, where it is drawn as a level."""
    ids: tuple[str, ...] = ()
    """The tasks drawn in it, those that are merged included."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A session's timeline."""

    whole: Interval
    view: Interval
    wall: tuple[Stretch, ...]
    """What the time was mostly spent on, cell by cell."""
    lanes: tuple[Lane, ...]
    undrawn: int
    """Tasks that have no place in time, because their start was never seen."""

    @property
    def zoomed(self) -> bool:
        """Whether only a part is drawn."""
        return self.view != self.whole

    def x(self, at: int) -> float:
        """Return an instant's place in percent, not clipped."""
        return (at - self.view.start) * 100 / self.view.length

    def seconds(self, at: int) -> float:
        """Return an instant as seconds since the session's start."""
        return (at - self.whole.start) / SECOND

    def ticks(self, count: int = 4) -> list[tuple[float, float]]:
        """Return (percent, seconds since the session's start) of evenly spaced marks, both ends included."""
        return [
            (100 * n / count, self.seconds(self.view.start + self.view.length * n // count))
            for n in range(count + 1)
        ]

    def lane_of(self) -> dict[str | None, int]:
        """Return the number of the lane in which each task is drawn; None is the main agent's."""
        return {None: 0} | {id: number for number, lane in enumerate(self.lanes) for id in lane.ids}


@dataclass(slots=True)
class _Agent:
    name: str
    lanes: list[list[tuple[Interval, Task]]] = field(default_factory=list)

    @property
    def tasks(self) -> int:
        return sum(map(len, self.lanes))


def whole(session: Session) -> Interval:
    """Return the stretch that a session takes on the page, at least a nanosecond of it."""
    end = session.last if session.end is None else session.end
    return Interval(session.start, max(end, session.start + 1))


def view(session: Session, start: float | None, end: float | None) -> Interval:
    """Return the stretch to draw; ``start`` and ``end`` are seconds since the session's start.

    What is outside the session or shorter than a microsecond is made to fit.
    """
    all_of_it = whole(session)
    at = all_of_it.start + round((start or 0.0) * SECOND)
    until = all_of_it.end if end is None else all_of_it.start + round(end * SECOND)
    at = min(max(at, all_of_it.start), all_of_it.end - 1)
    until = min(max(until, at + SECOND // 1_000_000), all_of_it.end)
    return Interval(at, until)


def draw(session: Session, part: Interval | None = None) -> Drawing:
    """Lay a session out: the main agent's lane first, then the agents by the start of their first task."""
    all_of_it = whole(session)
    seen = part or all_of_it
    calls: dict[str | None, list[ToolCall]] = {}
    for call in session.tool_calls:
        calls.setdefault(call.task, []).append(call)
    delegating = {task.delegated_by for task in session.tasks}
    calls[None] = [call for call in calls.get(None, ()) if call.id not in delegating]
    placed = [(stretch, task) for task in session.tasks if (stretch := _stretch(task, all_of_it))]
    lanes = [_main_lane(session, calls[None], all_of_it, seen)]
    for agent, packed in _fitted(_agents(placed)):
        if packed:
            lanes += [
                _task_lane(agent, number, calls=calls, all_of_it=all_of_it, seen=seen)
                for number in range(len(agent.lanes))
            ]
        else:
            lanes.append(_level_lane(agent, seen))
    return Drawing(
        all_of_it, seen, shapes.wall(session, all_of_it, seen), tuple(lanes), len(session.tasks) - len(placed)
    )


def _stretch(task: Task, all_of_it: Interval) -> Interval | None:
    """Return where a task stands: what runs reaches to the newest event, an end never seen is a moment."""
    if task.start is None:
        return None
    if task.outcome is Outcome.RUNNING:
        return Interval(task.start, max(task.start, all_of_it.end))
    return task.interval or Interval(task.start, task.start)


def _agents(placed: Iterable[tuple[Interval, Task]]) -> list[_Agent]:
    found: dict[str, _Agent] = {}
    for stretch, task in sorted(placed, key=lambda one: (one[0].start, -one[0].end, one[1].id)):
        name = task.agent or UNNAMED
        agent = found.setdefault(name, _Agent(name))
        free = next((lane for lane in agent.lanes if lane[-1][0].end <= stretch.start), None)
        if free is None:
            agent.lanes.append([(stretch, task)])
        else:
            free.append((stretch, task))
    return list(found.values())


def _fitted(agents: list[_Agent]) -> list[tuple[_Agent, bool]]:
    """Return what is drawn, and whether task by task: as a level where there are too many lanes."""
    packed = {agent.name for agent in agents if len(agent.lanes) <= LANES_EACH}
    by_lanes = sorted(agents, key=lambda agent: -len(agent.lanes))
    for agent in by_lanes:
        if _height(agents, packed) <= LANES:
            break
        packed.discard(agent.name)
    shown = agents
    if len(agents) > LANES:
        ranked = sorted(agents, key=lambda agent: -agent.tasks)
        kept = {agent.name for agent in ranked[: LANES - 1]}
        rest = [agent for agent in agents if agent.name not in kept]
        merged = _Agent(f"{len(rest)} other agents", [lane for agent in rest for lane in agent.lanes])
        shown = [*(agent for agent in agents if agent.name in kept), merged]
    return [(agent, agent.name in packed) for agent in shown]


def _height(agents: Iterable[_Agent], packed: set[str]) -> int:
    return sum(len(agent.lanes) if agent.name in packed else 1 for agent in agents)


def _main_lane(session: Session, calls: Iterable[ToolCall], all_of_it: Interval, seen: Interval) -> Lane:
    bars = []
    for turn in session.turns:
        stretch = Interval(turn.start, all_of_it.end if turn.end is None else turn.end)
        about = f"turn by {turn.origin}\n{shapes.told(stretch, all_of_it)}"
        if turn.end is None:
            about += "\nits end was not seen"
        bars.append((stretch, Bar(0, 0, turn.outcome.value, "", about)))
    return Lane(
        MAIN,
        first=True,
        tasks=0,
        bars=shapes.bars(bars, seen, "turn"),
        calls=shapes.bars(_calls(calls, all_of_it), seen, "tool call"),
    )


def _task_lane(
    agent: _Agent,
    number: int,
    *,
    calls: dict[str | None, list[ToolCall]],
    all_of_it: Interval,
    seen: Interval,
) -> Lane:
    placed = agent.lanes[number]
    bars = []
    inside: list[tuple[Interval, Bar]] = []
    for stretch, task in placed:
        own = calls.get(task.id, [])
        about = [
            task.description or task.agent or task.task_type,
            f"{task.task_type} by {task.agent or UNNAMED}: {task.outcome.value}",
            _length_of(task, stretch, all_of_it),
        ]
        if own:
            failed = sum(call.outcome is Outcome.FAILURE for call in own)
            about.append(quantities.format_count_of(len(own), "tool call") + (f", {failed} failed" if failed else ""))
        label = task.description or task.task_type
        bars.append((stretch, Bar(0, 0, task.outcome.value, label, "\n".join(about), task=task.id)))
        inside += _calls(own, all_of_it)
    return Lane(
        agent.name,
        first=number == 0,
        tasks=agent.tasks,
        bars=shapes.bars(bars, seen, "task"),
        calls=shapes.bars(inside, seen, "tool call"),
        ids=tuple(task.id for _, task in placed),
    )


def _level_lane(agent: _Agent, seen: Interval) -> Lane:
    placed = [one for lane in agent.lanes for one in lane]
    level, most = shapes.level([stretch for stretch, _ in placed], seen)
    ids = tuple(task.id for _, task in placed)
    return Lane(agent.name, first=True, tasks=agent.tasks, level=level, most=most, ids=ids)


def _calls(calls: Iterable[ToolCall], all_of_it: Interval) -> list[tuple[Interval, Bar]]:
    found = []
    for call in calls:
        if call.start is None:
            continue
        end = call.start + (call.duration or 0) if call.end is None else call.end
        stretch = Interval(call.start, all_of_it.end if call.outcome is Outcome.RUNNING else end)
        length = "length unknown" if call.duration is None else quantities.format_duration(call.duration / SECOND)
        about = (
            f"{call.tool or 'a tool without a name'}: {call.outcome.value}\n"
            f"{length}, from {shapes.since(call.start, all_of_it)}"
        )
        found.append((stretch, Bar(0, 0, call.outcome.value, "", about)))
    return found


def _length_of(task: Task, stretch: Interval, all_of_it: Interval) -> str:
    if task.outcome is Outcome.RUNNING:
        return f"running since {shapes.since(stretch.start, all_of_it)}"
    if task.interval is None:
        return f"began at {shapes.since(stretch.start, all_of_it)}; its end was never seen"
    return shapes.told(stretch, all_of_it)
