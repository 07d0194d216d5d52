"""Lay out a chart of a report: columns on a line at zero, in the units of an SVG drawing."""

from __future__ import annotations

from dataclasses import dataclass

from stretto.reports.report_document import ReportBar, ReportChart

WIDTH, HEIGHT = 720.0, 120.0
"""Size of the drawing; a page scales it to its width."""

_FILLED = 0.76
"""Share of a column's room that the column takes."""

_LEAST = 1.5
"""Height of a value that is not 0, so that it can be seen."""


@dataclass(frozen=True, slots=True)
class PlacedBar:
    """A column with its place."""

    x: float
    y: float
    width: float
    height: float
    bar: ReportBar


@dataclass(frozen=True, slots=True)
class ChartLayout:
    """A chart with the places of its columns and of the line at zero."""

    chart: ReportChart
    bars: tuple[PlacedBar, ...]
    zero: float
    largest: ReportBar | None
    """The column that is furthest from zero; None if none has a value other than 0."""


def lay_out_chart(chart: ReportChart) -> ChartLayout:
    """Return the layout of a chart.

    Example: 60 and -20 share 120 units of height: the line is at 90, the first column 90 high above it, the
    second 30 below.
    """
    values = [bar.value or 0.0 for bar in chart.bars]
    above, below = max([0.0, *values]), -min([0.0, *values])
    scale = HEIGHT / (above + below) if above + below else 0.0
    zero = above * scale if scale else HEIGHT
    step = WIDTH / max(1, len(values))
    placed = []
    for number, (bar, value) in enumerate(zip(chart.bars, values, strict=True)):
        height = max(_LEAST, abs(value) * scale) if value else 0.0
        top = zero - height if value > 0 else zero
        left = step * (number + (1 - _FILLED) / 2)
        placed.append(
            PlacedBar(round(left, 2), round(top, 2), round(step * _FILLED, 2), round(height, 2), bar)
        )
    largest = max(chart.bars, key=lambda bar: abs(bar.value or 0.0), default=None)
    return ChartLayout(chart, tuple(placed), round(zero, 2), largest if largest and largest.value else None)
