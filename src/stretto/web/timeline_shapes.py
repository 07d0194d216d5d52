"""Shapes: stretches of time as bars, steps and cells of a drawing, in percent of its width.

However many stretches there are, the shapes that come of them are few enough to be drawn and wide enough to
be seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from stretto.clock import SECOND
from stretto.figures.wall_time import WallPart, split_wall_time
from stretto.format import quantities
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.model.interval import Interval
from stretto.web.metric_definitions import PARTS

NARROWEST = 0.15
"""Percent of the shortest bar: nothing that happened is invisible."""

APART = 0.12
"""Percent between two bars that are told apart; narrower neighbours closer than this become one."""

SMALL = 0.6
"""Percent below which a bar may be merged: a wider one is always drawn by itself."""

CELLS = 500
"""Cells of the strip of wall time."""

COLUMNS = 400
"""Steps of a level."""

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
class WallTimeShape:
    """A part of the wall time as a shape; ``x`` and ``width`` in percent."""

    x: float
    width: float
    part: str
    about: str


def place_bars(placed: Iterable[tuple[Interval, Bar]], seen: Interval, noun: str) -> tuple[Bar, ...]:
    """Clip bars to what is seen, place them, and merge those too narrow and close to be told apart."""
    found: list[Bar] = []
    group: list[Bar] = []

    def close() -> None:
        if len(group) > 1:
            found.append(_merge_bars(group, noun))
        else:
            found.extend(group)
        group.clear()

    for stretch, bar in sorted(placed, key=lambda one: one[0]):
        touches = stretch.start == seen.end or stretch.end == seen.start
        if stretch.start > seen.end or stretch.end < seen.start or (touches and stretch.length):
            continue
        at = _scale_bar(stretch, bar, seen)
        near = bool(group) and at.x - (group[-1].x + group[-1].width) < APART
        if not near or at.width >= SMALL or group[-1].width >= SMALL:
            close()
        group.append(at)
    close()
    return tuple(found)


def _scale_bar(stretch: Interval, bar: Bar, seen: Interval) -> Bar:
    start, end = max(stretch.start, seen.start), min(stretch.end, seen.end)
    x = min((start - seen.start) * 100 / seen.length, 100 - NARROWEST)
    width = min(max((end - start) * 100 / seen.length, NARROWEST), 100 - x)
    return replace(bar, x=round(x, 3), width=round(width, 3))


def _merge_bars(group: Sequence[Bar], noun: str) -> Bar:
    start, end = group[0].x, max(bar.x + bar.width for bar in group)
    outcomes = Counter(bar.outcome for bar in group)
    by_outcome = ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    worst = next(outcome.value for outcome in _GRAVITY if outcome.value in outcomes)
    # One failure among hundreds of calls must not paint them all: it is told, and seen when zoomed in.
    shown = worst if 2 * outcomes[worst] >= len(group) else outcomes.most_common(1)[0][0]
    count = sum(bar.count for bar in group)
    about = f"{quantities.format_count_of(count, noun)}, too close to be told apart here\n{by_outcome}\nzoom in to see each"
    return Bar(start, round(end - start, 3), shown, "", about, count)


def compute_level(stretches: Iterable[Interval], seen: Interval) -> tuple[tuple[Step, ...], int]:
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


def draw_wall_time(session: Session, extent: Interval, seen: Interval) -> tuple[WallTimeShape, ...]:
    """Return the parts of the wall time, each cell of the strip given to the part that has most of it."""
    cells: list[Counter[WallPart]] = [Counter() for _ in range(CELLS)]
    for stretch, part in split_wall_time(session):
        start, end = max(stretch.start, seen.start), min(stretch.end, seen.end)
        first = (start - seen.start) * CELLS // seen.length
        last = -((end - seen.start) * -CELLS // seen.length)
        for number in range(first, last):
            left = seen.start + number * seen.length // CELLS
            right = seen.start + (number + 1) * seen.length // CELLS
            cells[number][part] += max(0, min(end, right) - max(start, left))
    found: list[WallTimeShape] = []
    of_cells = [next(iter(cell.most_common(1)), (WallPart.UNKNOWN, 0))[0] for cell in cells]
    for part, group in groupby(enumerate(of_cells), key=lambda cell: cell[1]):
        numbers = [number for number, _ in group]
        left, right = (seen.start + number * seen.length // CELLS for number in (numbers[0], numbers[-1] + 1))
        about = f"{PARTS[part][0]}, mostly\n{describe_interval(Interval(left, right), extent)}"
        x, width = numbers[0] * 100 / CELLS, len(numbers) * 100 / CELLS
        found.append(WallTimeShape(round(x, 3), round(width, 3), part.value, about))
    return tuple(found)


def describe_interval(stretch: Interval, extent: Interval) -> str:
    """Return a stretch's length and both its edges since the session's start, in words."""
    start, end = describe_instant(stretch.start, extent), describe_instant(stretch.end, extent)
    return f"{quantities.format_duration(stretch.length / SECOND)}, from {start} to {end}"


def describe_instant(at: int, extent: Interval) -> str:
    """Return an instant since the session's start, in words."""
    return quantities.format_duration((at - extent.start) / SECOND)
