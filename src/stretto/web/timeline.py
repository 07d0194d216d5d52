"""Timeline: where each task stands in time, as fractions of a drawing, and the sums of one session's page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.parallel import Fanout, Sequential
from stretto.insights import Insight
from stretto.model.entities import Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.interval import Interval

WIDE = 1000.0
"""Units of a drawing's width."""

NARROWEST = 2.0
"""Units of the shortest bar: nothing that happened is invisible."""

BARS_SHOWN = 200
FANOUTS_SHOWN = 40
TOOLS_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of time in a drawing: ``x`` and ``width`` in units, ``start`` and ``length`` in seconds."""

    x: float
    width: float
    start: float
    length: float
    label: str
    outcome: str
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class Parallel:
    """One fan-out as it is shown: lengths in seconds."""

    number: int
    fanout: Fanout
    bars: tuple[Bar, ...]
    hidden: int
    """Tasks beyond those that are drawn."""
    work: float
    elapsed: float
    sequential: float
    provenance: str

    @property
    def saved(self) -> float:
        """Seconds; negative where parallel was slower."""
        return self.sequential - self.elapsed

    @property
    def speedup(self) -> float:
        """Sequential over elapsed."""
        return self.sequential / self.elapsed


@dataclass(frozen=True, slots=True)
class ToolRow:
    """The calls of one tool in a session; ``seconds`` is None where no call's length is known."""

    tool: str
    calls: int
    failed: int
    unknown: int
    seconds: float | None


def parallels(insight: Insight) -> list[Parallel]:
    """Return the fan-outs by start."""
    return [_parallel(number, *found) for number, found in enumerate(insight.fanouts[:FANOUTS_SHOWN], 1)]


def _parallel(number: int, fanout: Fanout, held_against: Sequential) -> Parallel:
    bars = _task_bars(fanout.tasks[:BARS_SHOWN], Interval(fanout.start, fanout.end))
    return Parallel(
        number=number,
        fanout=fanout,
        bars=tuple(bars),
        hidden=max(0, len(fanout.tasks) - BARS_SHOWN),
        work=fanout.work / SECOND,
        elapsed=fanout.elapsed / SECOND,
        sequential=held_against.length / SECOND,
        provenance=held_against.provenance.value,
    )


def alone(insight: Insight) -> list[Task]:
    """Return the tasks outside every fan-out, those without a known end included."""
    inside = {task.id for fanout, _ in insight.fanouts for task in fanout.tasks}
    return [task for task in insight.session.tasks if task.id not in inside]


def strip(session: Session) -> list[list[Bar]]:
    """Return the whole session as lanes: its turns first, then its tasks, packed by start.

    What still runs reaches to the newest event; a task whose end was never seen is left out.
    """
    whole = Interval(session.start, session.end or session.last)
    turns = [
        _bar(Interval(turn.start, turn.end or whole.end), whole, f"turn by {turn.origin}", turn.outcome)
        for turn in session.turns[:BARS_SHOWN]
    ]
    tasks = session.tasks[:BARS_SHOWN]
    running = [
        _bar(Interval(task.start, whole.end), whole, _label(task), task.outcome, task)
        for task in tasks
        if task.outcome is Outcome.RUNNING and task.start is not None
    ]
    return [turns, *_lanes(_task_bars(tasks, whole) + running)]


def tool_rows(session: Session) -> list[ToolRow]:
    """Return the session's tool calls by tool, the most called first."""
    by_tool: dict[str, list[ToolCall]] = {}
    for call in session.tool_calls:
        by_tool.setdefault(call.tool or "unnamed", []).append(call)
    rows = [_tool_row(tool, calls) for tool, calls in by_tool.items()]
    return sorted(rows, key=lambda row: (-row.calls, row.tool))


def _tool_row(tool: str, calls: Sequence[ToolCall]) -> ToolRow:
    lengths = [call.duration for call in calls if call.duration is not None]
    return ToolRow(
        tool=tool,
        calls=len(calls),
        failed=sum(call.outcome is Outcome.FAILURE for call in calls),
        unknown=sum(call.duration is None for call in calls),
        seconds=sum(lengths) / SECOND if lengths else None,
    )


def _task_bars(tasks: Iterable[Task], whole: Interval) -> list[Bar]:
    return [
        _bar(task.interval, whole, _label(task), task.outcome, task)
        for task in tasks
        if task.interval is not None
    ]


def _label(task: Task) -> str:
    return task.description or task.agent or task.task_type


def _bar(stretch: Interval, whole: Interval, label: str, outcome: Outcome, task: Task | None = None) -> Bar:
    scale = WIDE / max(1, whole.length)
    x = min(max(0.0, (stretch.start - whole.start) * scale), WIDE - NARROWEST)
    width = min(max(NARROWEST, stretch.length * scale), WIDE - x)
    return Bar(
        x=round(x, 1),
        width=round(width, 1),
        start=(stretch.start - whole.start) / SECOND,
        length=stretch.length / SECOND,
        label=label,
        outcome=outcome.value,
        task=task,
    )


def _lanes(bars: list[Bar]) -> list[list[Bar]]:
    lanes: list[list[Bar]] = []
    for bar in sorted(bars, key=lambda bar: bar.start):
        free = next((lane for lane in lanes if lane[-1].start + lane[-1].length <= bar.start), None)
        if free is None:
            lanes.append([bar])
        else:
            free.append(bar)
    return lanes
