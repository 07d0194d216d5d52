"""Build the efficiency tree: the share of lane time that was work, and the factors that lost the rest.

A fan-out's capacity is width times elapsed: all the time of its lanes. Efficiency is work over capacity. It
is load balance (work over width times longest lane) times concurrency (longest lane over elapsed), as in the
POP efficiency hierarchy. Fan-outs are summed, never averaged, so the factors multiply to the efficiency on
every level: fan-out, phase, session, pattern, window. Each factor's loss is lane time; work and the two
losses sum to the capacity exactly.

Example: tasks at 0-10, 0-6 and 8-20 s have two lanes of 10 and 18 s: work 28 s, capacity 40 s; load balance
28 / 36, concurrency 18 / 20, losses 8 s and 4 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stretto.clock import SECOND
from stretto.figures.fanouts import Fanout
from stretto.figures.figure import Figure
from stretto.figures.sum_reading import Sums, sum_by
from stretto.model.entities import Phase, Session
from stretto.names import NONE, measures
from stretto.names.measures import Dimension


class Factor(StrEnum):
    """The factors of efficiency."""

    LOAD_BALANCE = "load_balance"
    """Lost because a lane had more work than the others."""
    CONCURRENCY = "concurrency"
    """Lost while even the busiest lane was empty: late starts, hand-overs, tasks one after another."""


@dataclass(frozen=True, slots=True)
class EfficiencyNode:
    """A node of the tree. Lengths are nanoseconds; lane time is summed over lanes."""

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
    def efficiency(self) -> float:
        """Work over capacity, in (0, 1]."""
        return self.work / self.capacity

    @property
    def factors(self) -> dict[Factor, float]:
        """Each in (0, 1]; their product is ``efficiency``."""
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
    """By the phase's name; fan-outs outside a phase are under ``none``."""


def measure_efficiency(fanout: Fanout) -> EfficiencyNode:
    """Return the node of a single fan-out."""
    longest = fanout.width * fanout.longest_lane
    return EfficiencyNode(1, fanout.elapsed, fanout.work, longest, fanout.capacity)


def build_efficiency_tree(session: Session, fanouts: Iterable[Fanout]) -> EfficiencyTree | None:
    """Return the session's tree, or None without a finished fan-out."""
    phases: dict[str, EfficiencyNode] = {}
    session_node: EfficiencyNode | None = None
    for fanout in fanouts:
        node = measure_efficiency(fanout)
        name = _find_phase(fanout, session.phases)
        phases[name] = phases[name] + node if name in phases else node
        session_node = session_node + node if session_node else node
    return EfficiencyTree(session_node, phases) if session_node else None


def compute_efficiency_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield the loss of each factor and the wall time of the fan-outs, by pattern."""
    elapsed, work, longest, capacity = (
        sum_by(sums, measure, Dimension.PATTERN)
        for measure in (
            measures.PATTERN_ELAPSED,
            measures.PATTERN_WORK,
            measures.LONGEST_LANE,
            measures.CAPACITY,
        )
    )
    for name, count in sorted(sum_by(sums, measures.FANOUTS, Dimension.PATTERN).items()):
        at = (("window", window),)
        pattern = ("pattern", name)
        node = EfficiencyNode(
            count, elapsed.get(name, 0), work.get(name, 0), longest.get(name, 0), capacity.get(name, 0)
        )
        yield Figure("stretto_pattern_elapsed_seconds", (pattern, *at), node.elapsed / SECOND, count)
        for factor, lost in node.lost.items():
            labels = (pattern, ("factor", factor.value), *at)
            yield Figure("stretto_efficiency_lost_seconds", labels, lost / SECOND, count)


def _find_phase(fanout: Fanout, phases: Iterable[Phase]) -> str:
    """Return the phase that all its tasks name, else the shortest phase that encloses it in time."""
    names = {task.phase for task in fanout.tasks}
    if len(names) == 1 and (name := names.pop()) is not None:
        return name
    enclosing = [
        (interval.length, phase.name)
        for phase in phases
        if (interval := phase.interval) and interval.start <= fanout.start and fanout.end <= interval.end
    ]
    return min(enclosing)[1] if enclosing else NONE
