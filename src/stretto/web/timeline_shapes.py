"""Convert intervals of time to bars, steps and cells of a drawing, in percent of its width.

However many intervals there are, the shapes are few enough to draw and wide enough to see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec
from markupsafe import Markup, escape

from stretto.clock import SECOND
from stretto.figures.wall_time_parts import WallPart
from stretto.format import quantities
from stretto.model.event import Outcome
from stretto.model.interval import Interval
from stretto.web.page_terms import PARTS

NARROWEST = 0.15
"""Width in percent of the shortest bar, so that every event is visible."""

APART = 0.12
"""Least gap in percent between two bars; small bars closer than this are merged."""

SMALL = 0.6
"""Width in percent below which a bar may be merged."""

LABELLED = 4
"""Width in percent above which a bar has room for its label."""

CELLS = 500
"""Cells of the wall time strip."""

COLUMNS = 400
"""Columns of a level."""

_GRAVITY = (Outcome.FAILURE, Outcome.CANCELLED, Outcome.UNKNOWN, Outcome.RUNNING, Outcome.SUCCESS)


# A Struct, because a session has a thousand of them.
class Bar(msgspec.Struct, frozen=True, gc=False):
    """A shape in a lane: ``x`` and ``width`` in percent; it represents ``count`` items."""

    x: float
    width: float
    outcome: str
    label: str
    about: str
    """Description in lines of text, shown when the pointer is over the bar."""
    count: int = 1
    task: str | None = None


# A Struct, because a page has hundreds of them.
class PathLine(msgspec.Struct, frozen=True, gc=False):
    """A line of the critical path: within a lane, or from a lane to another."""

    x1: float
    x2: float
    lane1: int
    lane2: int


class BarSource(NamedTuple):
    """What a bar is drawn from. Most bars of a large session are merged, so only the others are described."""

    interval: Interval
    outcome: str
    describe: Callable[[], tuple[str, str]]
    """Returns label and description."""
    task: str | None = None


_PlacedBar = tuple[float, float, BarSource]
"""Position and width of a bar in percent, and its source. A plain tuple: a session has a thousand of them."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a level: ``height`` is the running count as a share of the maximum, from 0 to 1."""

    x: float
    width: float
    height: float
    count: int


@dataclass(frozen=True, slots=True)
class WallTimeShape:
    """A part of the wall time; ``x`` and ``width`` in percent."""

    x: float
    width: float
    part: str
    about: str


def place_bars(sources: Iterable[BarSource], view: Interval, noun: str) -> tuple[Bar, ...]:
    """Clip bars to the view, scale them to percent, and merge narrow bars that are close together.

    Example: in a view of 1,000 s two bars of 2 s with a gap of 1 s are 0.2 % wide and 0.1 % apart. They are
    narrower than 0.6 % and closer than 0.12 %, so they become a single bar.
    """
    groups: list[list[_PlacedBar]] = []
    last_end, last_width = 0.0, 100.0
    for source in sorted(sources, key=_get_interval):
        placed = _place_bar(source, view)
        if placed is None:
            continue
        x, width, _ = placed
        if groups and x - last_end < APART and width < SMALL and last_width < SMALL:
            groups[-1].append(placed)
        else:
            groups.append([placed])
        last_end, last_width = x + width, width
    return tuple([_merge_bars(group, noun) if len(group) > 1 else _draw_bar(*group[0]) for group in groups])


_get_interval: Callable[[BarSource], Interval] = attrgetter("interval")


def _place_bar(source: BarSource, view: Interval) -> _PlacedBar | None:
    """Return a bar's place in the view; None if it lies outside, or only touches it."""
    view_start, view_end = view
    start, end = source.interval
    touches = start == view_end or end == view_start
    # A moment at the edge of the view lies in it.
    if start > view_end or end < view_start or (touches and end > start):
        return None
    length = view_end - view_start
    x = (max(start, view_start) - view_start) * 100 / length
    width = (min(end, view_end) - max(start, view_start)) * 100 / length
    x = min(x, 100 - NARROWEST)
    return round(x, 3), round(min(max(width, NARROWEST), 100 - x), 3), source


def _draw_bar(x: float, width: float, source: BarSource) -> Bar:
    label, about = source.describe()
    return Bar(x, width, source.outcome, label, about, task=source.task)


def _merge_bars(group: Sequence[_PlacedBar], noun: str) -> Bar:
    start, end = group[0][0], max(x + width for x, width, _ in group)
    outcomes = Counter([source.outcome for _, _, source in group])
    by_outcome = ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    worst = next(outcome.value for outcome in _GRAVITY if outcome.value in outcomes)
    # A single failure among hundreds of calls must not colour the bar: the text counts it, a zoom shows it.
    shown = worst if 2 * outcomes[worst] >= len(group) else outcomes.most_common(1)[0][0]
    count = len(group)
    counted = quantities.format_count_with_noun(count, noun)
    about = f"{counted}, too close to be drawn apart here\n{by_outcome}\nzoom in to see each"
    return Bar(start, round(end - start, 3), shown, "", about, count)


def write_bars(bars: Iterable[Bar], y: int, height: int, kind: str) -> Markup:
    """Return bars as SVG at a height of the drawing; a template takes ten times as long for thousands."""
    corner = ' rx="3"' if kind == "task" else ""
    written = [_write_bar(bar, y, height, kind, corner) for bar in bars]
    return Markup("\n".join(written))  # noqa: S704  # its texts are escaped


def write_path(lines: Iterable[PathLine], pitch: int, y: int) -> Markup:
    """Return the lines of a critical path as SVG; the first lane's is at ``y``, each next ``pitch`` lower."""
    written = [
        f'<line{_STEP if line.lane1 != line.lane2 else ""} x1="{line.x1}%" x2="{line.x2}%"'
        f' y1="{y + pitch * line.lane1}" y2="{y + pitch * line.lane2}"/>'
        for line in lines
    ]
    return Markup("".join(written))  # noqa: S704  # made of numbers


_STEP = ' class="step"'


def _write_bar(bar: Bar, y: int, height: int, kind: str, corner: str) -> str:
    many = " many" if bar.count > 1 else ""
    # A task's calls are drawn at the foot of its bar: the text stands above them.
    base = round(0.57 * height, 1)
    text = f'<text x="6" y="{base}">{escape(bar.label)}</text>' if bar.label and bar.width > LABELLED else ""
    return (
        f'<svg class="bar {kind} {bar.outcome}{many}" x="{bar.x}%" y="{y}" width="{bar.width}%"'
        f' height="{height}" tabindex="-1"><title>{escape(bar.about)}</title>'
        f'<rect width="100%" height="100%"{corner}/>{text}</svg>'
    )


def compute_level(intervals: Iterable[Interval], view: Interval) -> tuple[tuple[Step, ...], int]:
    """Return the running count over time in steps, and its maximum; a step shows the most in its columns.

    Example: a view of 400 s has columns of 1 s. Two intervals, 0 to 2.5 s and 2 to 4 s, give the counts 1, 1,
    2, 1 and so the steps of 1 (two columns), 2 (a column) and 1 (a column).
    """
    edges: Counter[int] = Counter()
    for start, end in intervals:
        edges[start] += 1
        edges[end] -= 1
    counts = [0] * COLUMNS
    running = 0
    at: int | None = None
    for edge, change in sorted(edges.items()):
        if running and at is not None:
            _raise_columns(counts, Interval(at, edge), running, view)
        running, at = running + change, edge
    most = max(counts)
    steps: list[Step] = []
    for column, count in enumerate(counts):
        if steps and steps[-1].count == count:
            steps[-1] = replace(steps[-1], width=round(steps[-1].width + 100 / COLUMNS, 3))
        else:
            steps.append(Step(100 * column / COLUMNS, 100 / COLUMNS, count / most if most else 0, count))
    return tuple(step for step in steps if step.count), most


def _raise_columns(counts: list[int], interval: Interval, running: int, view: Interval) -> None:
    first = (interval.start - view.start) * COLUMNS // view.length
    last = -((interval.end - view.start) * -COLUMNS // view.length)
    for column in range(max(0, first), min(COLUMNS, last)):
        counts[column] = max(counts[column], running)


def draw_wall_time(
    parts: Iterable[tuple[Interval, WallPart]], extent: Interval, view: Interval
) -> tuple[WallTimeShape, ...]:
    """Return the wall time as shapes: each cell shows the part that takes the most of it.

    Example: a session of 500 s has cells of 1 s. A cell with 0.7 s of model time and 0.3 s of tools shows
    model time; neighbouring cells of the same part become a single shape.
    """
    cells: list[dict[WallPart, int]] = [{} for _ in range(CELLS)]
    view_start, view_end = view
    length = view.length
    edges = [view_start + number * length // CELLS for number in range(CELLS + 1)]
    for (start, end), part in parts:
        start, end = max(start, view_start), min(end, view_end)  # noqa: PLW2901  # clipped
        first = (start - view_start) * CELLS // length
        last = -((end - view_start) * -CELLS // length)
        for number in range(first, last):
            cell = cells[number]
            # Most parts of a large session lie within a single cell.
            if last - first > 1:
                covered = max(0, min(end, edges[number + 1]) - max(start, edges[number]))
            else:
                covered = end - start
            cell[part] = cell.get(part, 0) + covered
    shapes: list[WallTimeShape] = []
    of_cells = [max(cell, key=cell.__getitem__) if cell else WallPart.UNKNOWN for cell in cells]
    for part, group in groupby(enumerate(of_cells), key=lambda cell: cell[1]):
        numbers = [number for number, _ in group]
        left, right = edges[numbers[0]], edges[numbers[-1] + 1]
        about = f"{PARTS[part][0]}, mostly\n{describe_interval(Interval(left, right), extent)}"
        x, width = numbers[0] * 100 / CELLS, len(numbers) * 100 / CELLS
        shapes.append(WallTimeShape(round(x, 3), round(width, 3), part.value, about))
    return tuple(shapes)


def describe_interval(interval: Interval, extent: Interval) -> str:
    """Return in words the length of an interval, and its start and end since the session's start."""
    start, end = describe_instant(interval.start, extent), describe_instant(interval.end, extent)
    return f"{quantities.format_duration(interval.length / SECOND)}, from {start} to {end}"


def describe_instant(at: int, extent: Interval) -> str:
    """Return an instant in words, since the session's start."""
    return quantities.format_duration((at - extent.start) / SECOND)
