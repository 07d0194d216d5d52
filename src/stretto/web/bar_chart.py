"""Lay out numbers as bars side by side, each with its text and, if it leads somewhere, its address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HEIGHT = 96.0
"""Height in pixels of the tallest bar."""

LEAST_HEIGHT = 1.5
"""Least height in pixels of a bar that is not 0."""

GAIN = "gain"
BEFORE = "before"
"""The colours: that of most bars, and that of the time before a change."""


@dataclass(frozen=True, slots=True)
class BarInput:
    """A number to draw; None leaves its place empty."""

    value: float | None
    about: str
    """The number and its subject in words."""
    address: str | None = None
    tone: str = GAIN
    """The class of its colour."""


@dataclass(frozen=True, slots=True)
class ChartBar:
    """A bar: ``x`` and ``width`` in percent, ``y`` and ``height`` in pixels from the top."""

    x: float
    width: float
    y: float
    height: float
    about: str
    address: str | None
    tone: str


def lay_out_upright_bars(numbers: Iterable[BarInput]) -> list[ChartBar]:
    """Return the numbers, none of them below 0, as bars in the same order.

    Example: 4 and 2 are 96 and 48 pixels high; each has half of the width, and 12 % of it free at each side.
    """
    listed = list(numbers)
    most = max((number.value or 0.0 for number in listed), default=0.0) or 1.0
    step = 100 / max(1, len(listed))
    bars = []
    for place, number in enumerate(listed):
        height = max(LEAST_HEIGHT, HEIGHT * number.value / most) if number.value else 0.0
        bars.append(
            ChartBar(
                x=round(place * step + step * 0.12, 3),
                width=round(step * 0.76, 3),
                y=round(HEIGHT - height, 1),
                height=round(height, 1),
                about=number.about,
                address=number.address,
                tone=number.tone,
            )
        )
    return bars
