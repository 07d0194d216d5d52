"""Work out when the machine was used up, and whether by the agents' own processes.

Processors are judged by slots of time, from the sums of the samples. Memory is judged by the tasks that ran
while it was short, since no sum keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stretto.figures.machine_contention import SATURATED
from stretto.figures.resource_figures import NOT_SAMPLED
from stretto.figures.sums_by_dimension import Sums, sum_up
from stretto.model.interval import Interval, merge_intervals
from stretto.names import measures

MACHINE_MEASURES = (
    measures.SAMPLED,
    measures.AGENTS_CPU,
    measures.MACHINE_BUSY,
    measures.MACHINE_AVAILABLE,
)

NOT_REPORTED = "the system does not report how busy the machine is"
MEMORY_NOT_REPORTED = "of no task is it known how much memory was free meanwhile"


class MachineLimit(StrEnum):
    """What of the machine was used up."""

    OWN_PROCESSORS = "own_processors"
    """Nearly all processors were busy, with the agents' own processes."""
    PROCESSORS = "processors"
    """Nearly all processors were busy, also with other programs."""
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class MachineSlot:
    """A slot of time in which the machine was sampled."""

    interval: Interval
    busy: float
    """Share of the machine's processors that was busy."""
    own: float
    """Share of the machine's processors that the agents' processes used."""

    @property
    def limit(self) -> MachineLimit | None:
        """What was used up; None if processors were to spare."""
        if self.own >= SATURATED:
            return MachineLimit.OWN_PROCESSORS
        return MachineLimit.PROCESSORS if self.busy >= SATURATED else None


@dataclass(frozen=True, slots=True)
class LimitStretch:
    """A stretch of time in which something was used up; shares are means over it, None of memory."""

    limit: MachineLimit
    interval: Interval
    busy: float | None = None
    own: float | None = None


@dataclass(frozen=True, slots=True)
class MachineOverTime:
    """The machine in a stretch of time."""

    slots: tuple[MachineSlot, ...]
    """By time; slots that were not sampled are left out."""
    slot_length: int
    """Nanoseconds."""
    stretches: tuple[LimitStretch, ...]
    """By time."""
    no_processors: str | None
    """Why nothing is known of the processors; None if something is."""
    no_memory: str | None

    @property
    def sampled(self) -> int:
        """Nanoseconds of the slots that were sampled."""
        return len(self.slots) * self.slot_length


def find_machine_limits(
    by_slot: Mapping[int, Sums],
    slot_length: int,
    memory: Iterable[tuple[Interval, bool]],
    extent: Interval,
) -> MachineOverTime:
    """Return when the machine was used up in a stretch of time.

    ``by_slot`` has the sums of slots of ``slot_length`` (ns). ``memory`` has the time of each task,
    and whether memory was short meanwhile. Example: slots of 5 min of which the first two are 95 % busy, of
    it 20 % by agents, give one stretch of 10 min.
    """
    slots = [
        slot
        for number, sums in sorted(by_slot.items())
        if (slot := _measure_slot(sums, Interval(number * slot_length, (number + 1) * slot_length)))
    ]
    known = [*memory]
    short = merge_intervals([interval for interval, is_short in known if is_short], extent)
    stretches = [*_join_slots(slots), *(LimitStretch(MachineLimit.MEMORY, interval) for interval in short)]
    has_samples = any(sum_up(sums, measures.SAMPLED) for sums in by_slot.values())
    return MachineOverTime(
        tuple(slots),
        slot_length,
        tuple(sorted(stretches, key=lambda each: (each.interval, each.limit))),
        no_processors=None if slots else NOT_REPORTED if has_samples else NOT_SAMPLED,
        no_memory=None if known else MEMORY_NOT_REPORTED if has_samples else NOT_SAMPLED,
    )


def _measure_slot(sums: Sums, interval: Interval) -> MachineSlot | None:
    available = sum_up(sums, measures.MACHINE_AVAILABLE)
    if not available:
        return None
    busy, own = (sum_up(sums, name) / available for name in (measures.MACHINE_BUSY, measures.AGENTS_CPU))
    return MachineSlot(interval, busy, own)


def _join_slots(slots: Iterable[MachineSlot]) -> list[LimitStretch]:
    """Return the stretches of slots in a row that are at the same limit."""
    groups: list[list[MachineSlot]] = []
    for slot in slots:
        if slot.limit is None:
            continue
        last = groups[-1][-1] if groups else None
        if last is not None and (last.limit, last.interval.end) == (slot.limit, slot.interval.start):
            groups[-1].append(slot)
        else:
            groups.append([slot])
    return [_make_stretch(group) for group in groups]


def _make_stretch(group: Sequence[MachineSlot]) -> LimitStretch:
    limit = group[0].limit
    assert limit is not None
    return LimitStretch(
        limit,
        Interval(group[0].interval.start, group[-1].interval.end),
        busy=sum(slot.busy for slot in group) / len(group),
        own=sum(slot.own for slot in group) / len(group),
    )
