"""Timeline: a session drawn by agent, in percent of the drawing's width, however many tasks it has.

Each agent has as many lanes as it ran at once; where that is too many to draw, one lane shows how many ran.
Neighbours that are too narrow to be told apart become one bar that says how many it stands for, so a drawing
has a bounded number of shapes. A part of the time (``view``) is drawn with as much detail as the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from stretto.clock import SECOND
from stretto.figures.timeline import Part, wall_stretches
from stretto.model.entities import Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.interval import Interval
from stretto.web import words
from stretto.web.definitions import PARTS

NARROWEST = 0.15
"""Percent of the shortest bar: nothing that happened is invisible."""

APART = 0.12
"""Percent between two bars that are told apart; narrower neighbours closer than this become one."""

SMALL = 0.6
"""Percent below which a bar may be merged: a wider one is always drawn by itself."""

LANES_EACH = 12
"""Most lanes of one agent; more tasks at once are drawn as a level."""

LANES = 48
"""Most lanes in all; then the agents with the most lanes are drawn as levels, the rest in one."""

CELLS = 500
"""Cells of the strip of wall time."""

COLUMNS = 400
"""Steps of a level."""

MAIN = "main agent"
UNNAMED = "unnamed agent"

_GRAVITY = (Outcome.FAILURE, Outcome.CANCELLED, Outcome.UNKNOWN, Outcome.RUNNING, Outcome.SUCCESS)


@dataclass(frozen=True, slots=True)
class Bar:
    """One shape of a lane: ``x`` and ``width`` in percent; it stands for ``count`` things."""

    x: float
    width: float
    outcome: str
    label: str
    about: str
    """What it is, in lines of text, for whoever points at it."""
    count: int = 1
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a level: ``height`` is the share of the most at once, from 0 to 1."""

    x: float
    width: float
    height: float
    count: int


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
class Stretch:
    """A part of the wall time as a shape; ``x`` and ``width`` in percent."""

    x: float
    width: float
    part: str
    about: str


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
        all_of_it, seen, _wall(session, all_of_it, seen), tuple(lanes), len(session.tasks) - len(placed)
    )


def _wall(session: Session, all_of_it: Interval, seen: Interval) -> tuple[Stretch, ...]:
    """Return the parts of the wall time, each cell of the strip given to the part that has most of it."""
    cells: list[Counter[Part]] = [Counter() for _ in range(CELLS)]
    for stretch, part in wall_stretches(session):
        start, end = max(stretch.start, seen.start), min(stretch.end, seen.end)
        first = (start - seen.start) * CELLS // seen.length
        last = -((end - seen.start) * -CELLS // seen.length)
        for number in range(first, last):
            left = seen.start + number * seen.length // CELLS
            right = seen.start + (number + 1) * seen.length // CELLS
            cells[number][part] += max(0, min(end, right) - max(start, left))
    found: list[Stretch] = []
    of_cells = [next(iter(cell.most_common(1)), (Part.UNKNOWN, 0))[0] for cell in cells]
    for part, group in groupby(enumerate(of_cells), key=lambda cell: cell[1]):
        numbers = [number for number, _ in group]
        left, right = (seen.start + number * seen.length // CELLS for number in (numbers[0], numbers[-1] + 1))
        about = f"{PARTS[part][0]}, mostly\n{_told(Interval(left, right), all_of_it)}"
        x, width = numbers[0] * 100 / CELLS, len(numbers) * 100 / CELLS
        found.append(Stretch(round(x, 3), round(width, 3), part.value, about))
    return tuple(found)


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
        about = f"turn by {turn.origin}\n{_told(stretch, all_of_it)}"
        if turn.end is None:
            about += "\nits end was not seen"
        bars.append((stretch, Bar(0, 0, turn.outcome.value, "", about)))
    return Lane(
        MAIN,
        first=True,
        tasks=0,
        bars=_bars(bars, seen, "turn"),
        calls=_bars(_calls(calls, all_of_it), seen, "tool call"),
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
            about.append(words.counted(len(own), "tool call") + (f", {failed} failed" if failed else ""))
        label = task.description or task.task_type
        bars.append((stretch, Bar(0, 0, task.outcome.value, label, "\n".join(about), task=task.id)))
        inside += _calls(own, all_of_it)
    return Lane(
        agent.name,
        first=number == 0,
        tasks=agent.tasks,
        bars=_bars(bars, seen, "task"),
        calls=_bars(inside, seen, "tool call"),
        ids=tuple(task.id for _, task in placed),
    )


def _level_lane(agent: _Agent, seen: Interval) -> Lane:
    placed = [one for lane in agent.lanes for one in lane]
    level, most = _level([stretch for stretch, _ in placed], seen)
    ids = tuple(task.id for _, task in placed)
    return Lane(agent.name, first=True, tasks=agent.tasks, level=level, most=most, ids=ids)


def _level(stretches: Iterable[Interval], seen: Interval) -> tuple[tuple[Step, ...], int]:
    """Return how many ran, in steps as wide as a column or wider; each shows the most in it."""
    edges: Counter[int] = Counter()
    for start, end in stretches:
        edges[start] += 1
        edges[end] -= 1
    counts = [0] * COLUMNS
    running = 0
    at: int | None = None
    for edge, change in sorted(edges.items()):
        if running and at is not None:
            _raise_columns(counts, Interval(at, edge), running, seen)
        running, at = running + change, edge
    most = max(counts)
    steps: list[Step] = []
    for column, count in enumerate(counts):
        if steps and steps[-1].count == count:
            steps[-1] = replace(steps[-1], width=round(steps[-1].width + 100 / COLUMNS, 3))
        else:
            steps.append(Step(100 * column / COLUMNS, 100 / COLUMNS, count / most if most else 0, count))
    return tuple(step for step in steps if step.count), most


def _raise_columns(counts: list[int], stretch: Interval, running: int, seen: Interval) -> None:
    first = (stretch.start - seen.start) * COLUMNS // seen.length
    last = -((stretch.end - seen.start) * -COLUMNS // seen.length)
    for column in range(max(0, first), min(COLUMNS, last)):
        counts[column] = max(counts[column], running)


def _calls(calls: Iterable[ToolCall], all_of_it: Interval) -> list[tuple[Interval, Bar]]:
    found = []
    for call in calls:
        if call.start is None:
            continue
        end = call.start + (call.duration or 0) if call.end is None else call.end
        stretch = Interval(call.start, all_of_it.end if call.outcome is Outcome.RUNNING else end)
        length = "length unknown" if call.duration is None else words.length(call.duration / SECOND)
        about = (
            f"{call.tool or 'a tool without a name'}: {call.outcome.value}\n"
            f"{length}, from {_since(call.start, all_of_it)}"
        )
        found.append((stretch, Bar(0, 0, call.outcome.value, "", about)))
    return found


def _bars(placed: Iterable[tuple[Interval, Bar]], seen: Interval, noun: str) -> tuple[Bar, ...]:
    """Clip bars to what is seen, place them, and merge those too narrow and close to be told apart."""
    found: list[Bar] = []
    group: list[Bar] = []

    def close() -> None:
        if len(group) > 1:
            found.append(_merged(group, noun))
        else:
            found.extend(group)
        group.clear()

    for stretch, bar in sorted(placed, key=lambda one: one[0]):
        touches = stretch.start == seen.end or stretch.end == seen.start
        if stretch.start > seen.end or stretch.end < seen.start or (touches and stretch.length):
            continue
        at = _placed(stretch, bar, seen)
        near = bool(group) and at.x - (group[-1].x + group[-1].width) < APART
        if not near or at.width >= SMALL or group[-1].width >= SMALL:
            close()
        group.append(at)
    close()
    return tuple(found)


def _placed(stretch: Interval, bar: Bar, seen: Interval) -> Bar:
    start, end = max(stretch.start, seen.start), min(stretch.end, seen.end)
    x = min((start - seen.start) * 100 / seen.length, 100 - NARROWEST)
    width = min(max((end - start) * 100 / seen.length, NARROWEST), 100 - x)
    return replace(bar, x=round(x, 3), width=round(width, 3))


def _merged(group: Sequence[Bar], noun: str) -> Bar:
    start, end = group[0].x, max(bar.x + bar.width for bar in group)
    outcomes = Counter(bar.outcome for bar in group)
    told = ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    worst = next(outcome.value for outcome in _GRAVITY if outcome.value in outcomes)
    # One failure among hundreds of calls must not paint them all: it is told, and seen when zoomed in.
    shown = worst if 2 * outcomes[worst] >= len(group) else outcomes.most_common(1)[0][0]
    count = sum(bar.count for bar in group)
    about = f"{words.counted(count, noun)}, too close to be told apart here\n{told}\nzoom in to see each"
    return Bar(start, round(end - start, 3), shown, "", about, count)


def _length_of(task: Task, stretch: Interval, all_of_it: Interval) -> str:
    if task.outcome is Outcome.RUNNING:
        return f"running since {_since(stretch.start, all_of_it)}"
    if task.interval is None:
        return f"began at {_since(stretch.start, all_of_it)}; its end was never seen"
    return _told(stretch, all_of_it)


def _told(stretch: Interval, all_of_it: Interval) -> str:
    start, end = _since(stretch.start, all_of_it), _since(stretch.end, all_of_it)
    return f"{words.length(stretch.length / SECOND)}, from {start} to {end}"


def _since(at: int, all_of_it: Interval) -> str:
    return words.length((at - all_of_it.start) / SECOND)
