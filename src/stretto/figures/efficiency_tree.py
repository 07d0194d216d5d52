"""Build the efficiency tree: the share of lane time that was work, and the factors that lost the rest.

A fan-out's capacity is width times elapsed: all the time of its lanes. Efficiency is delivered work over
capacity. It is load balance (work over width times longest lane) times concurrency (longest lane over
elapsed), as in the POP efficiency hierarchy, times delivery (delivered work over work). Fan-outs are summed,
never averaged, so the factors multiply to the efficiency on every level: fan-out, phase, session, pattern,
window. Each factor's loss is lane time; delivered work and the losses sum to the capacity exactly. A lane
that is empty after a wasted task is lost by delivery, and not by load balance or concurrency.

Example: tasks at 0-10, 0-6 and 8-20 s have two lanes of 10 and 18 s: work 28 s, capacity 40 s; load balance
28 / 36, concurrency 18 / 20, losses 8 s and 4 s. If the task at 0-10 s failed, delivery is 18 / 28, and its
lane's empty 10 s are lost by delivery too: 20 s, load balance 0 s, concurrency 2 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import add, attrgetter

import msgspec

from stretto.clock import SECOND
from stretto.figures.fanouts import Fanout
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.sums_by_dimension import Sums, sum_by
from stretto.model.entities import Phase, Session
from stretto.names import NONE, measures
from stretto.names.measures import Dimension


class Factor(StrEnum):
    """The factors of efficiency."""

    LOAD_BALANCE = "load_balance"
    """Lost because a lane had more work than the others."""
    CONCURRENCY = "concurrency"
    """Lost while even the busiest lane was empty: late starts, hand-overs, tasks one after another."""
    DELIVERY = "delivery"
    """Lost by wasted tasks: their work, and the lane time left empty after them."""


class EfficiencyNode(msgspec.Struct, frozen=True, gc=False):
    """A node of the tree. Lengths are nanoseconds; lane time is summed over lanes."""

    fanouts: int
    elapsed: int
    work: int
    longest: int
    """Width times the longest lane's busy time."""
    capacity: int
    """Width times elapsed."""
    delivered_work: int
    tasks: int
    delivered: int
    """Tasks that were delivered or taken as delivered."""
    empty_in_balance: int = 0
    """Lane time left empty after wasted tasks, the part that would otherwise be load balance's loss."""
    empty_in_concurrency: int = 0
    """The part that would otherwise be concurrency's loss."""

    def __add__(self, other: EfficiencyNode) -> EfficiencyNode:
        return EfficiencyNode(*map(add, _get_amounts(self), _get_amounts(other)))

    @property
    def efficiency(self) -> float:
        """Delivered work over capacity, in [0, 1]."""
        return self.delivered_work / self.capacity

    @property
    def factors(self) -> dict[Factor, float]:
        """Delivery in [0, 1], the others in (0, 1]; their product is ``efficiency``."""
        return {
            Factor.LOAD_BALANCE: self.work / self.longest,
            Factor.CONCURRENCY: self.longest / self.capacity,
            Factor.DELIVERY: self.delivered_work / self.work,
        }

    @property
    def lost(self) -> dict[Factor, int]:
        """Lane time that each factor lost; with ``delivered_work`` it sums to ``capacity``."""
        empty = self.empty_in_balance + self.empty_in_concurrency
        return {
            Factor.LOAD_BALANCE: self.longest - self.work - self.empty_in_balance,
            Factor.CONCURRENCY: self.capacity - self.longest - self.empty_in_concurrency,
            Factor.DELIVERY: self.work - self.delivered_work + empty,
        }


_get_amounts = attrgetter(*EfficiencyNode.__struct_fields__)


_NODE_MEASURES = (
    measures.FANOUTS,
    measures.PATTERN_ELAPSED,
    measures.PATTERN_WORK,
    measures.LONGEST_LANE,
    measures.CAPACITY,
    measures.PATTERN_DELIVERED_WORK,
    measures.PATTERN_TASKS,
    measures.PATTERN_DELIVERED,
    measures.EMPTY_IN_BALANCE,
    measures.EMPTY_IN_CONCURRENCY,
)
"""The sums of a node's fields, in their order."""


@dataclass(frozen=True, slots=True)
class EfficiencyTree:
    """A session's efficiency with that of its phases below it."""

    session: EfficiencyNode
    phases: Mapping[str, EfficiencyNode]
    """By the phase's name; fan-outs outside a phase are under ``none``."""


def measure_efficiency(fanout: Fanout) -> EfficiencyNode:
    """Return the node of a single fan-out."""
    longest = fanout.width * fanout.longest_lane
    in_balance = min(fanout.empty_after_waste, longest - fanout.work)
    return EfficiencyNode(
        fanouts=1,
        elapsed=fanout.elapsed,
        work=fanout.work,
        longest=longest,
        capacity=fanout.capacity,
        delivered_work=fanout.delivered_work,
        tasks=len(fanout.tasks),
        delivered=len(fanout.delivered),
        empty_in_balance=in_balance,
        empty_in_concurrency=fanout.empty_after_waste - in_balance,
    )


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
    """Yield efficiency, its factors with their ingredients, and the loss of each factor, by pattern."""
    columns = [sum_by(sums, measure, Dimension.PATTERN) for measure in _NODE_MEASURES]
    for name in sorted(columns[0]):
        node = EfficiencyNode(*(column.get(name, 0) for column in columns))
        labels: Labels = (("pattern", name), ("window", window))
        count = node.fanouts
        yield Figure("stretto_window_fanouts", labels, count, count)
        for figure_name, length in (
            ("stretto_pattern_elapsed_seconds", node.elapsed),
            ("stretto_pattern_work_seconds", node.work),
            ("stretto_pattern_delivered_work_seconds", node.delivered_work),
            ("stretto_pattern_capacity_seconds", node.capacity),
            ("stretto_pattern_longest_lane_seconds", node.longest),
        ):
            yield Figure(figure_name, labels, length / SECOND, count)
        yield Figure("stretto_pattern_tasks", labels, node.tasks, node.tasks)
        yield Figure("stretto_pattern_delivered_tasks", labels, node.delivered, node.tasks)
        for figure_name, part, whole in (
            ("stretto_parallel_efficiency_ratio", node.delivered_work, node.capacity),
            ("stretto_load_balance_ratio", node.work, node.longest),
            ("stretto_concurrency_ratio", node.longest, node.capacity),
            ("stretto_delivery_ratio", node.delivered_work, node.work),
        ):
            yield make_ratio(figure_name, labels, part, whole, count)
        for factor, lost in node.lost.items():
            with_factor = (("pattern", name), ("factor", factor.value), ("window", window))
            yield Figure("stretto_efficiency_lost_seconds", with_factor, lost / SECOND, count)


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
