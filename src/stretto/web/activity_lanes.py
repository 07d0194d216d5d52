"""Lay out the lanes of the activity: agents over time, and the machine below them on the same axis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from stretto.figures.agents_over_time import CELLS, ActivityChart
from stretto.figures.when_machine_was_used_up import MachineLimit, MachineOverTime, MachineSlot
from stretto.format import quantities
from stretto.model.interval import Interval

LANE_HEIGHT = 22.0
"""Height in pixels of the most tasks at once, and of a whole machine."""

_LEAST_HEIGHT = 1.5


@dataclass(frozen=True, slots=True)
class ActivityCell:
    """A part of a lane: ``x`` and ``width`` in percent, ``height`` in pixels."""

    x: float
    width: float
    height: float
    about: str
    is_limit: bool = False
    """Whether something of the machine was used up."""


@dataclass(frozen=True, slots=True)
class ActivityLane:
    """The lane of an agent."""

    agent: str
    tasks: int
    work: int
    """Nanoseconds."""
    cells: Sequence[ActivityCell]


@dataclass(frozen=True, slots=True)
class MachineLane:
    """A lane of the machine."""

    title: str
    cells: Sequence[ActivityCell]


def lay_out_lanes(chart: ActivityChart) -> list[ActivityLane]:
    """Return a lane for each agent; all lanes have the same scale. Cells without work are left out."""
    most = max((running for row in chart.rows for running in row.running), default=0.0) or 1.0
    return [
        ActivityLane(
            row.agent,
            row.tasks,
            row.work,
            [
                _make_agent_cell(chart, row.agent, place, running, most)
                for place, running in enumerate(row.running)
                if running
            ],
        )
        for row in chart.rows
    ]


def lay_out_machine(machine: MachineOverTime, extent: Interval) -> list[MachineLane]:
    """Return the lanes of the machine; one of which nothing is known is left out.

    A cell of several slots is as high as the highest of them, so that no short use disappears.
    """
    lanes = []
    if machine.no_processors is None:
        for title, about, read_share, limits in _SHARES:
            cells = [
                _make_machine_cell(
                    extent, interval, max(map(read_share, slots)), f"{about}, {{}}: up to {{}}", is_limit
                )
                for interval, slots, is_limit in _group_slots(machine, extent, limits)
            ]
            lanes.append(MachineLane(title, cells))
    if machine.no_memory is None:
        memory = [each.interval for each in machine.stretches if each.limit is MachineLimit.MEMORY]
        about = "Memory short while a task ran, {}"
        lanes.append(
            MachineLane(
                "Memory short", [_make_machine_cell(extent, stretch, 1.0, about, True) for stretch in memory]
            )
        )
    return lanes


_SHARES: tuple[tuple[str, str, Callable[[MachineSlot], float], frozenset[MachineLimit]], ...] = (
    (
        "Processors",
        "Processors busy",
        attrgetter("busy"),
        frozenset({MachineLimit.PROCESSORS, MachineLimit.OWN_PROCESSORS}),
    ),
    ("by agents", "Processors by agents", attrgetter("own"), frozenset({MachineLimit.OWN_PROCESSORS})),
)
"""The lanes of processors: title, what its cells are about, share of a slot, and what makes it a limit."""


def _group_slots(
    machine: MachineOverTime, extent: Interval, limits: frozenset[MachineLimit]
) -> list[tuple[Interval, Sequence[MachineSlot], bool]]:
    """Return the slots by cell of the drawing, with the cell's time and whether it has a limit."""
    length = machine.slot_length * max(1, -(-extent.length // (machine.slot_length * CELLS)))
    groups: dict[int, list[MachineSlot]] = defaultdict(list)
    for slot in machine.slots:
        groups[slot.interval.start // length].append(slot)
    return [
        (
            Interval(number * length, (number + 1) * length),
            slots,
            any(slot.limit in limits for slot in slots),
        )
        for number, slots in sorted(groups.items())
    ]


def _make_agent_cell(
    chart: ActivityChart, agent: str, place: int, running: float, most: float
) -> ActivityCell:
    cells = len(chart.rows[0].running)
    length = chart.extent.length // cells
    begin = chart.extent.start + place * length
    times, number = _format_times(begin, begin + length), quantities.format_number(running)
    return ActivityCell(
        round(100 * place / cells, 3),
        round(100 / cells, 3),
        _measure_height(running / most),
        f"{agent}, {times}: {number} at once on average",
    )


def _make_machine_cell(
    extent: Interval, interval: Interval, share: float, about: str, is_limit: bool
) -> ActivityCell:
    """Return a cell; ``about`` has places for its times and its share."""
    start, end = max(interval.start, extent.start), min(interval.end, extent.end)
    text = about.format(_format_times(start, end), quantities.format_percent(share))
    return ActivityCell(
        round(100 * (start - extent.start) / extent.length, 3),
        round(100 * (end - start) / extent.length, 3),
        _measure_height(min(1.0, share)),
        f"{text}: used up" if is_limit else text,
        is_limit,
    )


def _measure_height(share: float) -> float:
    return round(max(_LEAST_HEIGHT, LANE_HEIGHT * share), 1)


def _format_times(begin: int, end: int) -> str:
    return " to ".join(quantities.format_short_instant(at) for at in (begin, end))
