"""The schedule of a session's tasks from their runs: lanes, gaps, and the time that other lengths would take.

The rule is that of ``figures.elapsed_time_with_faster_task``: a task is assumed to have waited for all tasks
that finished before it, and keeps its distance to the last of them. Tasks that overlap keep their start.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from stretto.model.interval import Interval, pack_lanes
from stretto.model.run_rows_for_analyses import TaskRun

AT_ONCE = 0.05
"""Share of a parallel execution's length up to which a gap is a hand-over and no end."""


@dataclass(frozen=True, slots=True)
class RunSchedule:
    """The tasks of a session whose length is known, by start."""

    tasks: tuple[TaskRun, ...]
    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    @property
    def span(self) -> int:
        """Time (ns) from the first start to the last end."""
        if not self.starts:
            return 0
        return max(s + n for s, n in zip(self.starts, self.lengths, strict=True)) - self.starts[0]

    @property
    def intervals(self) -> list[Interval]:
        """The tasks' intervals."""
        return [
            Interval(start, start + length) for start, length in zip(self.starts, self.lengths, strict=True)
        ]


def order_tasks_of_known_length(tasks: Sequence[TaskRun]) -> RunSchedule:
    """Return a session's tasks in the order of their starts, without those of unknown length."""
    known = sorted((run for run in tasks if run.length), key=lambda run: (run.start, run.task))
    return RunSchedule(
        tuple(known), tuple(run.start for run in known), tuple(run.length or 0 for run in known)
    )


def simulate_span(schedule: RunSchedule, new_lengths: Sequence[float]) -> float:
    """Return the time (ns) from the first start to the last end if the tasks had taken other lengths.

    Example: a (0-10 s), then b (12-20 s): with a of 5 s, b runs at 7-15 s.
    """
    if not schedule.starts:
        return 0.0
    begin = schedule.starts[0]
    by_end = sorted(
        range(len(schedule.starts)), key=lambda place: schedule.starts[place] + schedule.lengths[place]
    )
    finished = [0.0] * len(schedule.starts)
    before, after = begin, float(begin)
    number = 0
    for place, start in enumerate(schedule.starts):
        while (
            number < len(by_end)
            and (end := schedule.starts[by_end[number]] + schedule.lengths[by_end[number]]) <= start
        ):
            before = end
            after = max(after, finished[by_end[number]])
            number += 1
        finished[place] = after + (start - before) + new_lengths[place]
    return max(finished) - begin


def split_fanouts(schedule: RunSchedule) -> list[list[int]]:
    """Return the places of the tasks of each parallel execution, by start: it ends where no task runs.

    A lane that goes on alone at once, with tasks of the same phase and type, still belongs to it. Example:
    two coders of 0-10 s and 0-30 s, then a coder of 31-50 s and a tester of 51-60 s: the first three belong
    together.
    """
    groups: list[list[int]] = []
    covered_until = -1
    for place, interval in enumerate(schedule.intervals):
        if not groups or interval.start >= covered_until:
            groups.append([])
        groups[-1].append(place)
        covered_until = max(covered_until, interval.end)
    merged: list[list[int]] = []
    for group in groups:
        if merged and len(group) == 1 and len(merged[-1]) > 1:
            work = {(schedule.tasks[place].phase, schedule.tasks[place].type) for place in merged[-1]}
            begin = schedule.starts[merged[-1][0]]
            end = max(schedule.intervals[place].end for place in merged[-1])
            at_once = schedule.starts[group[0]] - end <= AT_ONCE * (end - begin)
            if at_once and (schedule.tasks[group[0]].phase, schedule.tasks[group[0]].type) in work:
                merged[-1] += group
                continue
        merged.append(group)
    return merged


def split_lanes(schedule: RunSchedule, places: Sequence[int]) -> list[list[int]]:
    """Return the places of each lane's tasks: by agent if none runs two at once, else packed by start."""
    by_agent: dict[str | None, list[int]] = {}
    for place in places:
        by_agent.setdefault(schedule.tasks[place].agent, []).append(place)
    intervals = schedule.intervals
    one_at_a_time = all(
        intervals[earlier].end <= intervals[later].start
        for lane in by_agent.values()
        for earlier, later in itertools.pairwise(lane)
    )
    if None not in by_agent and len(by_agent) > 1 and one_at_a_time:
        return [*by_agent.values()]
    return [[places[place] for place in lane] for lane in pack_lanes([intervals[place] for place in places])]


def measure_late_lane_starts(schedule: RunSchedule) -> int:
    """Return the time (ns) that late first tasks of lanes cost: what all lanes together would save.

    Example: a lane of 0-10 s beside a lane of 8-20 s: had it begun at 0 s too, 10 s would have been saved.
    """
    total = 0
    for places in split_fanouts(schedule):
        begin = schedule.starts[places[0]]
        end = max(schedule.intervals[place].end for place in places)
        total += end - max(
            max(schedule.intervals[place].end for place in lane) - (schedule.intervals[lane[0]].start - begin)
            for lane in split_lanes(schedule, places)
        )
    return total


def measure_time_lost_to_imbalance(schedule: RunSchedule, lengths: Sequence[float]) -> float:
    """Return the time (ns) that the split of the tasks into lanes costs: the longest lane less an even split.

    ``lengths`` are the tasks' usual lengths, so that a slow task is not an uneven split. Example: lanes of
    5, 1, 1 and 1 tasks of a second cost 3 s: an even split takes 2 s.
    """
    total = 0.0
    for places in split_fanouts(schedule):
        lanes = split_lanes(schedule, places)
        loads = [sum(lengths[place] for place in lane) for lane in lanes]
        total += max(loads) - balance_lanes([lengths[place] for place in places], len(lanes))
    return max(0.0, total)


def assign_longest_first(lengths: Sequence[float], lanes: int) -> list[list[int]]:
    """Return the places of each lane's tasks if the longest come first, each on the shortest lane."""
    split: list[list[int]] = [[] for _ in range(max(1, lanes))]
    loads = [(0.0, lane) for lane in range(len(split))]
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        load, lane = loads[0]
        split[lane].append(place)
        heapq.heapreplace(loads, (load + lengths[place], lane))
    return split


def balance_lanes(lengths: Sequence[float], lanes: int) -> float:
    """Return how long the longest lane takes if the longest tasks are handed out first.

    Example: 4, 3, 3 and 2 s on two lanes take 6 s.
    """
    return max(sum(lengths[place] for place in lane) for lane in assign_longest_first(lengths, lanes))
