"""Lay out time saved by day and week as columns, and describe the changes since last week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stretto.figures.parallel_work_by_week import FigureChange
from stretto.format import quantities

HEIGHT = 96
"""Height in pixels of the tallest column above zero and the deepest below together."""


@dataclass(frozen=True, slots=True)
class TrendColumn:
    """A day or week: ``x`` and ``width`` in percent, ``y`` and ``height`` in pixels from the top."""

    begins: str
    x: float
    width: float
    y: float
    height: float
    saved: float | None
    """Seconds saved by the best baseline; None if nothing ran in parallel."""
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrendChart:
    """Columns with a line at zero; ``most`` is the largest time saved or lost, in seconds."""

    columns: tuple[TrendColumn, ...]
    zero: float
    most: float

    @property
    def known(self) -> list[TrendColumn]:
        """The columns with a value."""
        return [column for column in self.columns if column.saved is not None]


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """The change of a figure since last week, in words. ``tone`` is gain, loss or even."""

    name: str
    now: str
    before: str
    difference: str
    tone: str
    note: str
    """Whether the difference exceeds noise, or why that is not known."""


_NAMES = {
    "time_saved_seconds": "Time saved",
    "speedup": "Speed-up",
    "improvement": "Improvement",
    "fanouts": "Parallel executions",
    "success": "Success",
    "elapsed_seconds": "Together",
}
"""Name of a changed figure → its title on the page, in the order shown."""

_NEUTRAL = frozenset({"fanouts", "elapsed_seconds"})
"""Figures whose increase is neither better nor worse."""


def build_chart(periods: Sequence[Mapping[str, Any]]) -> TrendChart:
    """Return days or weeks as columns in the same order.

    Example: 60 s saved on a day and 36 s lost on the next, so 96 s are 96 pixels. The zero line is at 60; the
    first column is 60 high above it, the second 36 deep below it.
    """
    saved = [
        None if period["lead"] is None else float(period["lead"]["time_saved_seconds"]) for period in periods
    ]
    known = [value for value in saved if value is not None]
    above, below = max([0.0, *known]), -min([0.0, *known])
    scale = HEIGHT / ((above + below) or 1.0)
    zero = round(above * scale, 1) if above or below else float(HEIGHT)
    step = 100 / max(1, len(periods))
    return TrendChart(
        tuple(
            TrendColumn(
                begins=period["begins"],
                x=round(number * step + step * 0.12, 3),
                width=round(step * 0.76, 3),
                y=zero - max(0.0, _scale_height(value, scale)),
                height=round(abs(_scale_height(value, scale)), 1),
                saved=value,
                document=period,
            )
            for number, (period, value) in enumerate(zip(periods, saved, strict=True))
        ),
        zero,
        max(above, below),
    )


def list_changes(figures: Sequence[FigureChange]) -> list[ChangeRow]:
    """Return the compared figures of this week and last week, if both are known.

    The list is empty if nothing ran in parallel in the week before.
    """
    by_name = {change.name: change for change in figures}
    if "fanouts" in by_name and not by_name["fanouts"].before:
        return []
    return [
        _describe_change(by_name[name])
        for name in _NAMES
        if name in by_name and by_name[name].difference is not None
    ]


def _describe_change(change: FigureChange) -> ChangeRow:
    now, before = change.now or 0.0, change.before or 0.0
    difference = now - before
    note = change.reason or ("more than noise" if change.exceeds_noise else "within noise")
    tone = "even"
    if difference and change.exceeds_noise and change.name not in _NEUTRAL:
        tone = "gain" if difference > 0 else "loss"
    return ChangeRow(
        name=_NAMES[change.name],
        now=_format_value(change.name, now),
        before=_format_value(change.name, before),
        difference=_format_difference(change.name, difference),
        tone=tone,
        note=note,
    )


def _scale_height(value: float | None, scale: float) -> float:
    """Return the height of a value in pixels; a value other than 0 is at least 1.5 high."""
    if not value:
        return 0.0
    height = max(1.5, abs(value) * scale)
    return round(height if value > 0 else -height, 1)


def _format_value(name: str, value: float) -> str:
    if name.endswith("_seconds"):
        return quantities.format_duration(value)
    if name == "speedup":
        return quantities.format_speedup(value)
    return quantities.format_count(round(value)) if name == "fanouts" else quantities.format_percent(value)


def _format_difference(name: str, difference: float) -> str:
    if not difference:
        return "as before"
    sign = "+" if difference > 0 else quantities.MINUS
    if name in ("success", "improvement"):
        return sign + quantities.format_size_of_difference_in_points(difference)
    return sign + _format_value(name, abs(difference))
