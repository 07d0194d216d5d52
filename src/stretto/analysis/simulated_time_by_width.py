"""Predict elapsed time by width: a pattern's task sets, scheduled on so many lanes, with their slow-down.

Tasks that run side by side slow each other. How much is fitted to tasks of the same type at different
concurrency. A set of tasks is then handed out, in its own order, to the lane that is free first; all running
tasks progress at the speed of the number that runs at that moment.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from stretto.analysis.session_lane_schedule import order_tasks_of_known_length, split_fanouts
from stretto.analysis.slowdown_fit import LengthCells, Slowdown, build_cells, fit_cells
from stretto.clock import SECOND
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

FEWEST_SETS = 5
"""Fewest sessions of a pattern whose task sets are resampled."""
DRAWS = 60
MOST_SETS = 30
MOST_TASKS = 1_500
"""Latest task sets, and their tasks, that are used: more change little but the time that it takes."""
LONGEST_BINDS = 0.9
"""Share of the elapsed time that the longest tasks take if they are the reason for it."""
LEAST_GAIN = 0.05
"""Share of elapsed time that a further agent must bring to be advised."""
MEMORY_LIMIT = 0.90
"""Share of the machine's memory above which no width is advised."""
LEVEL = 0.05
NO_PHASES = "no phases are declared: tasks that did not overlap are taken as depending on each other"


@dataclass(frozen=True, slots=True)
class WidthForecast:
    """The elapsed time of the pattern's task set on so many lanes."""

    width: int
    seconds: float
    low: float
    high: float
    gain: float
    """Share of elapsed time that the last agent saves."""
    gain_low: float
    efficiency: float
    """Work done alone, over width times elapsed."""
    memory: float | None
    """Bytes at the peak."""
    memory_share: float | None
    dollars: float | None
    extrapolated: bool
    """Whether fewer tasks than that have ever run at once."""
    advised: bool


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """Width by width: time, efficiency, memory and money; the width that is advised, and the reason."""

    pattern: str
    sets: int
    widths: tuple[WidthForecast, ...] = ()
    advised: int | None = None
    usual: int = 1
    """The width that most of the sets ran at."""
    binds: str = ""
    """The reason why no further agent is advised: ``contention``, ``longest_task``, ``tasks``, ``memory`` or
    ``none``."""
    slowdown: Slowdown | None = None
    growth: float = 0.0
    width_after_growth: int | None = None
    """Agents that keep the advised width's elapsed time once the work has grown; None if none does."""
    reason: str = ""
    draws: tuple[tuple[float, ...], ...] = field(default=(), repr=False, compare=False)
    """Elapsed seconds by width in each draw of sessions."""

    def measure_gain(self) -> tuple[float, float, float] | None:
        """Return the seconds that the advised width saves against the usual one, with their 95 % interval.

        None if the widths are the same, or if the usual one is wider than what is planned for.
        """
        if self.advised is None or self.advised == self.usual or self.usual > len(self.widths):
            return None
        usual, advised, drawn = self.usual - 1, self.advised - 1, np.array(self.draws)
        mean = self.widths[usual].seconds - self.widths[advised].seconds
        low, high = np.quantile(drawn[:, usual] - drawn[:, advised], [LEVEL / 2, 1 - LEVEL / 2])
        return mean, min(float(low), mean), max(float(high), mean)

    def to_finding(self) -> Finding:
        """Return the plan as a finding about its pattern; its effect is the time that is saved.

        A plan that saves nothing has no effect: it informs, and there is nothing to do.
        """
        chosen = next((each for each in self.widths if each.width == self.advised), None)
        gain = self.measure_gain()
        saved = gain if gain is not None and gain[0] > 0 else (None, None, None)
        details: dict[str, float | str | None] = {
            "binds": self.binds or None,
            "advised": None if self.advised is None else float(self.advised),
            "usual": float(self.usual) if chosen else None,
            "advised_low_seconds": chosen.low if chosen else None,
            "advised_high_seconds": chosen.high if chosen else None,
            "growth": self.growth,
            "width_after_growth": None if self.width_after_growth is None else float(self.width_after_growth),
            "contention": self.slowdown.contention if self.slowdown else None,
            "extrapolated_from": next((float(each.width) for each in self.widths if each.extrapolated), None),
        }
        for each in self.widths:
            details[f"seconds_{each.width}"] = each.seconds
            details[f"efficiency_{each.width}"] = each.efficiency
        return Finding(
            kind="capacity",
            subject={"pattern": self.pattern},
            verdict=FindingVerdict.NO_EVIDENCE if chosen else FindingVerdict.TOO_LITTLE_DATA,
            evidence=FindingEvidence(
                n=self.sets,
                effect=saved[0],
                low=saved[1],
                high=saved[2],
                unit="seconds",
            ),
            reason=self.reason,
            advice=self._describe(chosen, saves=saved[0] is not None) if chosen else "",
            details=details,
        )

    def _describe(self, chosen: WidthForecast, *, saves: bool) -> str:
        width = chosen.width
        agents = "1 agent" if width == 1 else f"{width} agents"
        if saves:
            untried = " So many have not run yet: the time is extrapolated." if chosen.extrapolated else ""
            return f"Run {agents} side by side in {self.pattern}.{untried}"
        plan = f"Of {self.pattern} the plan is {agents} side by side"
        if width == self.usual:
            return f"{plan}, as now."
        if self.usual > len(self.widths):
            return f"{plan}; {self.usual} as now are more than are planned for."
        return f"{plan}, which would save no time against {self.usual} as now."


def measure_time_by_running_tasks(lengths: Sequence[float], width: int) -> list[float]:
    """Return how long one, two, … tasks run at once if each goes to the lane that is free first, in order.

    ``lengths`` are those alone. Since all running tasks are slowed alike, the order of events is that without
    slow-down, and only the clock runs slower: each stretch takes as many times as long as its number of tasks
    asks for. Example: three tasks of 10 s on two lanes: two run at once for 10 s, and one for 10 s.
    """
    lanes = [0.0] * max(1, width)
    edges: list[tuple[float, int]] = []
    for length in lengths:
        edges += [(lanes[0], 1), (lanes[0] + length, -1)]
        heapq.heapreplace(lanes, lanes[0] + length)
    occupancy = [0.0] * max(1, width)
    running, before = 0, 0.0
    for time, step in sorted(edges):
        if running:
            occupancy[running - 1] += time - before
        running, before = running + step, time
    return occupancy


def plan_capacity(
    pattern: str,
    sessions: Sequence[SessionRun],
    tasks: Mapping[str, Sequence[TaskRun]],
    *,
    widest: int = 8,
    growth: float = 0.0,
    machine_memory: float | None = None,
    least_gain: float = LEAST_GAIN,
) -> CapacityPlan:
    """Return the elapsed time of a pattern by width, and the width after which no agent is advised.

    ``growth`` is the share by which the work grows, such as .25. Intervals are of the mean: sessions are
    drawn with replacement, and the slow-down is fitted to each draw.
    """
    recent = _choose_sets(sessions, tasks)
    if len(recent) < FEWEST_SETS:
        return CapacityPlan(
            pattern, len(recent), reason=f"{len(recent)} sessions with tasks, {FEWEST_SETS} are needed"
        )
    groups = [tasks[run.session] for run in recent]
    cells = build_cells(run for group in groups for run in group)
    slowdown = fit_cells(cells)
    widths = range(1, widest + 1)
    occupancy = _measure_sets(groups, widths, slowdown)
    times = _predict_times(occupancy, slowdown).mean(axis=0)
    drawn = np.array([*_draw_times(groups, cells, occupancy, slowdown)])
    memory = _fit_memory(recent)
    seen = max(*(run.concurrency for group in groups for run in group), *(run.width for run in recent), 1)
    forecasts = _describe_widths(times, drawn, seen)
    dollars = [run.dollars for run in recent if run.dollars is not None]
    forecasts = [
        _judge_width(each, memory, machine_memory, float(np.mean(dollars)) if dollars else None, least_gain)
        for each in forecasts
    ]
    advised = _choose_width(forecasts)
    after: int | None = advised
    if growth:
        grown = _predict_times(_measure_sets(groups, widths, slowdown, growth), slowdown).mean(axis=0)
        enough = [
            width
            for width, seconds in zip(widths, grown, strict=True)
            if seconds <= times[advised - 1] * 1.001
        ]
        after = enough[0] if enough else None
    phases = any(run.phase for group in groups for run in group)
    return CapacityPlan(
        pattern,
        len(recent),
        tuple(forecasts),
        advised,
        measure_usual_width(recent),
        _find_binding(groups, forecasts, advised, least_gain),
        slowdown,
        growth,
        after,
        "" if phases else NO_PHASES,
        tuple(tuple(map(float, row)) for row in drawn),
    )


def measure_usual_width(sessions: Sequence[SessionRun]) -> int:
    """Return the width that most sessions ran at: the median, at least 1."""
    return round(float(np.median([max(1, run.width) for run in sessions])))


def _choose_sets(sessions: Sequence[SessionRun], tasks: Mapping[str, Sequence[TaskRun]]) -> list[SessionRun]:
    """Return the latest sessions with tasks, so many that their tasks can be resampled in seconds."""
    chosen: list[SessionRun] = []
    count = 0
    for run in reversed(sessions):
        known = sum(task.length is not None for task in tasks.get(run.session, ()))
        if known and len(chosen) < MOST_SETS and (count + known <= MOST_TASKS or len(chosen) < FEWEST_SETS):
            chosen.append(run)
            count += known
    return chosen[::-1]


def _measure_sets(
    groups: Sequence[Sequence[TaskRun]], widths: Sequence[int], slowdown: Slowdown, growth: float = 0.0
) -> np.ndarray:
    """Return the seconds that 1, 2, … tasks run at once, by set and width; phases run one after another."""
    occupancy = np.zeros((len(groups), len(widths), max(widths)))
    for place, group in enumerate(groups):
        for stage in _split_stages(group, slowdown, growth):
            for number, width in enumerate(widths):
                occupancy[place, number, :width] += measure_time_by_running_tasks(stage, width)
    return occupancy / SECOND


def _predict_times(occupancy: np.ndarray, slowdown: Slowdown) -> np.ndarray:
    """Return the elapsed seconds by set and width."""
    factors = [slowdown.compute_factor(running + 1) for running in range(occupancy.shape[2])]
    return np.asarray(occupancy @ np.array(factors))


def _draw_times(
    groups: Sequence[Sequence[TaskRun]], cells: LengthCells, occupancy: np.ndarray, slowdown: Slowdown
) -> Iterator[np.ndarray]:
    """Yield the elapsed time by width of sets drawn with replacement, with the slow-down fitted to them.

    The lengths alone change with the slow-down: each set's are scaled as a whole.
    """
    rng = np.random.default_rng(0)
    works = [
        np.array([[run.length, max(1.0, run.concurrency)] for run in group if run.length]) for group in groups
    ]
    alone = np.array([float((work[:, 0] / slowdown.compute_factors(work[:, 1])).sum()) for work in works])
    for _ in range(DRAWS):
        counts = np.bincount(rng.integers(len(groups), size=len(groups)), minlength=len(groups))
        other = fit_cells(replace(cells, weights=cells.weights * counts[cells.sessions]))
        scale = [float((work[:, 0] / other.compute_factors(work[:, 1])).sum()) for work in works] / alone
        yield counts @ (_predict_times(occupancy, other) * scale[:, None]) / len(groups)


def _split_stages(group: Sequence[TaskRun], slowdown: Slowdown, growth: float) -> list[list[float]]:
    """Return the lengths alone of the tasks of each phase or stretch, by start; growth repeats some of them.

    Example: with a growth of .25 each fourth task of a phase comes twice.
    """
    schedule = order_tasks_of_known_length(group)
    stretch_of = {place: number for number, places in enumerate(split_fanouts(schedule)) for place in places}
    stages: list[tuple[str | int, list[float]]] = []
    for place, run in enumerate(schedule.tasks):
        # Who declares no phases shows by overlaps which tasks need nothing of each other.
        stage = stretch_of[place] if run.phase is None else run.phase
        if not stages or stages[-1][0] != stage:
            stages.append((stage, []))
        stages[-1][1].append((run.length or 0) / slowdown.compute_factor(max(1.0, run.concurrency)))
    grown = []
    for _, lengths in stages:
        extra = [
            length
            for place, length in enumerate(lengths)
            if math.floor((place + 1) * growth) > math.floor(place * growth)
        ]
        grown.append(lengths + extra)
    return grown


def _describe_widths(times: np.ndarray, drawn: np.ndarray, seen: float) -> list[WidthForecast]:
    """Return the forecast of each width; ``seen`` is the largest number of tasks that ran at once."""
    alone = float(times[0])
    low, high = np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    forecasts = []
    for place, seconds in enumerate(times):
        width = place + 1
        gains = 1 - drawn[:, place] / drawn[:, max(0, place - 1)]
        forecasts.append(
            WidthForecast(
                width=width,
                seconds=float(seconds),
                low=min(float(low[place]), float(seconds)),
                high=max(float(high[place]), float(seconds)),
                gain=1 - float(seconds / times[place - 1]) if place else 0.0,
                gain_low=float(np.quantile(gains, LEVEL / 2)) if place else 0.0,
                efficiency=alone / (width * float(seconds)) if seconds else 0.0,
                memory=None,
                memory_share=None,
                dollars=None,
                extrapolated=width > seen + 0.5,
                advised=False,
            )
        )
    return forecasts


def _judge_width(
    forecast: WidthForecast,
    memory: tuple[float, float] | None,
    machine_memory: float | None,
    dollars: float | None,
    least_gain: float,
) -> WidthForecast:
    """Return the forecast with memory and money, and whether this agent is worth it."""
    used = None if memory is None else memory[0] + memory[1] * forecast.width
    share = None if used is None or not machine_memory else used / machine_memory
    worth = forecast.width == 1 or (forecast.gain >= least_gain and forecast.gain_low > 0)
    return replace(
        forecast,
        memory=used,
        memory_share=share,
        dollars=dollars,
        advised=worth and (share is None or share <= MEMORY_LIMIT),
    )


def _choose_width(forecasts: Sequence[WidthForecast]) -> int:
    """Return the last width that is advised without a gap before it."""
    advised = 1
    for each in forecasts[1:]:
        if not each.advised:
            break
        advised = each.width
    return advised


def _fit_memory(sessions: Sequence[SessionRun]) -> tuple[float, float] | None:
    """Return the bytes of a session and of each agent; cautious, as 19 of 20 sessions used no more.

    With a single width the whole peak is put down to the agents.
    """
    known = [(float(max(1, run.width)), run.memory_peak) for run in sessions if run.memory_peak is not None]
    if not known:
        return None
    widths, peaks = np.array([width for width, _ in known]), np.array([peak for _, peak in known])
    if len(known) >= FEWEST_SETS and np.ptp(widths) > 0:
        slope = max(0.0, float(stats.linregress(widths, peaks).slope))
        return float(np.quantile(peaks - slope * widths, 0.95)), slope
    return 0.0, float(np.quantile(peaks / widths, 0.95))


def _find_binding(
    groups: Sequence[Sequence[TaskRun]], forecasts: Sequence[WidthForecast], advised: int, least_gain: float
) -> str:
    """Return the reason why the next agent is not advised."""
    following = next((each for each in forecasts if each.width == advised + 1), None)
    if following is None:
        return "none"
    if following.memory_share is not None and following.memory_share > MEMORY_LIMIT:
        return "memory"
    free = _measure_sets(groups, [advised, advised + 1], Slowdown()).sum(axis=2).mean(axis=0)
    if 1 - free[1] / free[0] >= least_gain:
        return "contention"
    longest = sum(sum(max(stage) for stage in _split_stages(group, Slowdown(), 0.0)) for group in groups) / (
        len(groups) * SECOND
    )
    return "longest_task" if longest >= LONGEST_BINDS * float(free[0]) else "tasks"
