"""Efficiency tree: what share of the lanes' time was work, and which factor lost the rest.

A fan-out's capacity is width times elapsed, all the time that its lanes had. Work over capacity is
efficiency, which is load balance times concurrency (the POP efficiency hierarchy): work over width times the
longest lane, and longest lane over elapsed. Fan-outs are summed, never averaged, so the factors multiply to
the whole on every level: fan-out, phase, session, pattern, window. What each factor lost is lane time, and
the two losses and the work are the capacity exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stretto.clock import SECOND
from stretto.figures.fanouts import Fanout
from stretto.figures.figure import Figure
from stretto.figures.tallies import Sums
from stretto.model.entities import Phase, Session
from stretto.names import NONE


class Factor(StrEnum):
    """The factors of efficiency."""

    LOAD_BALANCE = "load_balance"
    """Lost while one lane had more to do than the others."""
    CONCURRENCY = "concurrency"
    """Lost while even the busiest lane stood empty: late starts, hand-overs, one after another."""


@dataclass(frozen=True, slots=True)
class EfficiencyNode:
    """One node of the tree. Lengths are nanoseconds; lane time is summed over lanes."""

    fanouts: int
    elapsed: int
    work: int
    longest: int
    """Width times the longest lane's busy time."""
    capacity: int
    """Width times elapsed."""

    def __add__(self, other: EfficiencyNode) -> EfficiencyNode:
        return EfficiencyNode(
            self.fanouts + other.fanouts,
            self.elapsed + other.elapsed,
            self.work + other.work,
            self.longest + other.longest,
            self.capacity + other.capacity,
        )

    @property
    def whole(self) -> float:
        """Work over capacity, in (0, 1]."""
        return self.work / self.capacity

    @property
    def factors(self) -> dict[Factor, float]:
        """Each in (0, 1]; their product is ``whole``."""
        return {
            Factor.LOAD_BALANCE: self.work / self.longest,
            Factor.CONCURRENCY: self.longest / self.capacity,
        }

    @property
    def lost(self) -> dict[Factor, int]:
        """Lane time that each factor lost; with ``work`` it sums to ``capacity``."""
        return {
            Factor.LOAD_BALANCE: self.longest - self.work,
            Factor.CONCURRENCY: self.capacity - self.longest,
        }


@dataclass(frozen=True, slots=True)
class EfficiencyTree:
    """A session's efficiency with that of its phases below it."""

    session: EfficiencyNode
    phases: Mapping[str, EfficiencyNode]
    """By the phase's name; what belongs to none is ``none``."""


def measure_efficiency(fanout: Fanout) -> EfficiencyNode:
    """Return the node of one fan-out."""
    longest = fanout.width * fanout.longest_lane
    return EfficiencyNode(1, fanout.elapsed, fanout.work, longest, fanout.capacity)


def build_efficiency_tree(session: Session, fanouts: Iterable[Fanout]) -> EfficiencyTree | None:
    """Return the session's tree, or None without a finished fan-out."""
    phases: dict[str, EfficiencyNode] = {}
    whole: EfficiencyNode | None = None
    for fanout in fanouts:
        own = measure_efficiency(fanout)
        name = _find_phase(fanout, session.phases)
        phases[name] = phases[name] + own if name in phases else own
        whole = whole + own if whole else own
    return EfficiencyTree(whole, phases) if whole else None


def compute_efficiency_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield what each factor lost, and the wall time of the fan-outs, by pattern."""
    elapsed, work, longest, capacity = (
        sums.get(measure, {}) for measure in ("pattern_elapsed", "pattern_work", "longest_lane", "capacity")
    )
    for dims, count in sorted(sums.get("fanouts", {}).items()):
        at = (("window", window),)
        pattern = ("pattern", str(dims[0]))
        node = EfficiencyNode(
            count, elapsed.get(dims, 0), work.get(dims, 0), longest.get(dims, 0), capacity.get(dims, 0)
        )
        yield Figure("stretto_pattern_elapsed_seconds", (pattern, *at), node.elapsed / SECOND, count)
        for factor, lost in node.lost.items():
            labels = (pattern, ("factor", factor.value), *at)
            yield Figure("stretto_efficiency_lost_seconds", labels, lost / SECOND, count)


def _find_phase(fanout: Fanout, phases: Iterable[Phase]) -> str:
    """Return the phase that all its tasks name, else the one whose time encloses it."""
    named = {task.phase for task in fanout.tasks}
    if len(named) == 1 and (name := named.pop()) is not None:
        return name
    around = [
        (interval.length, phase.name)
        for phase in phases
        if (interval := phase.interval) and interval.start <= fanout.start and fanout.end <= interval.end
    ]
    return min(around)[1] if around else NONE
