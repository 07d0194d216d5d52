"""Admit a measured baseline only where it measured the same work, and say since when, or why not.

A key is the identity of some work (``work_signature``). Its newest sequential runs of 90 days are its
baseline if all of these hold:

- enough: at least 3 runs, from at least 3 sessions
- narrow: the 95 % interval of the mean, by Student's t on logarithms, reaches at most 50 % of the mean
- consistent: the tasks' summed lengths side by side, over their length one after another, lie between 1 and
  the width, with 25 % tolerance: side by side makes nothing faster, taking turns slows by the width. This is
  pooled over the key's wholly delivered parallel executions of 90 days, from 3 on.

A key that has passed the last condition stays admitted until it is beyond twice the tolerance of the width,
so that no figure flickers. The lower limit has no such slack: a measured speedup, pooled over an admitted
key, never exceeds work over elapsed by more than 25 %. The past is judged again day by day, so the answer
depends on the stored runs and executions alone.

Example: runs of 100, 110 and 90 s; three executions of width 2 with 120 s of work each: 120 / 100 lies
between 1 / 1.25 and 2 * 1.25. Executions with 600 s of work each are other work: 6 is beyond 2.5.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp, log, sqrt
from statistics import fmean, stdev

from stretto.clock import DAY
from stretto.figures.confidence_intervals import compute_student_t
from stretto.figures.sequential_baseline_choice import MeasuredRuns, Run

WINDOW = 90 * DAY
"""Runs and executions that are older (ns) say nothing about the work of today."""
MOST_RUNS = 20
"""A measured baseline is the mean of this many sequential runs at most, the newest ones."""
FEWEST_RUNS = 3
FEWEST_SESSIONS = 3
WIDEST = 0.5
"""The widest reach of the interval of the mean, as a share of the mean."""
FEWEST_FANOUTS = 3
"""Fewest parallel executions that can contradict a baseline."""
TOLERANCE = 1.25
"""Factor beyond which the ratio of lengths contradicts a key."""
KEPT_TOLERANCE = 1.5
"""Factor over the width beyond which it contradicts a key that has passed: twice the tolerance of 25 %."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A sequential run of a key."""

    session: str
    end: int
    """When it ended (ns)."""
    lengths: Run

    @property
    def total(self) -> int:
        """Nanoseconds of all its tasks."""
        return sum(length for lengths in self.lengths.values() for length in lengths)


@dataclass(frozen=True, slots=True)
class PastFanouts:
    """The wholly delivered parallel executions of a key that ended on the same day."""

    end: int
    """When the last of them ended (ns)."""
    count: int
    work: int
    """Nanoseconds of all their tasks."""
    width: int
    """The sum of their widths."""


@dataclass(frozen=True, slots=True)
class PooledContention:
    """How long tasks take side by side over their length one after another, pooled over executions."""

    ratio: float
    width: float
    """The mean width of the executions: the sequential time of each is the same."""
    fanouts: int

    def is_within(self, tolerance: float) -> bool:
        """Return whether both lengths can be of the same work, with a tolerance over the width."""
        return 1 / TOLERANCE <= self.ratio <= tolerance * self.width


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether the sequential runs of a key are its measured baseline."""

    runs: tuple[PastRun, ...] = ()
    """The newest runs of the window, the newest last."""
    reason: str | None = None
    """Why they are no baseline; None if they are."""
    since: int | None = None
    """Since when (ns) they are a baseline, or are none any more; None if they never were."""
    contention: PooledContention | None = None
    """None without runs, or with too few executions."""
    passed: bool = False
    """Whether they have passed the condition on contention since they are admitted."""

    @property
    def measured(self) -> MeasuredRuns | None:
        """The runs as a baseline; None unless admitted."""
        if self.reason is not None or not self.runs:
            return None
        newest_first = sorted(self.runs, key=lambda run: (-run.end, run.session))
        return MeasuredRuns(tuple(run.lengths for run in newest_first), newest=newest_first[0].end)


def judge_admission(runs: Iterable[PastRun], fanouts: Iterable[PastFanouts], now: int) -> Admission:
    """Return whether runs are a baseline at an instant (ns). Runs and executions after it do not count."""
    history = _History(runs, fanouts, now)
    state = Admission(reason=explain_few_runs(0, 0))
    for instant in history.list_instants(now):
        state = history.judge_at(instant, state)
    return state


def explain_few_runs(runs: int, sessions: int) -> str:
    """Return that there are too few runs, as a reason."""
    return (
        f"{runs} sequential run(s) of {sessions} session(s) in 90 days,"
        f" {FEWEST_RUNS} of {FEWEST_SESSIONS} are needed"
    )


def measure_interval_reach(totals: Sequence[float]) -> float:
    """Return how far the 95 % interval of the mean reaches to each side, as a share of the mean.

    The interval is Student's on the logarithms, since lengths scatter by factors. At least two values.
    """
    logs = [log(total) for total in totals]
    centre = fmean(logs)
    reach = compute_student_t(len(logs) - 1) * stdev(logs) / sqrt(len(logs))
    try:
        return (exp(centre + reach) - exp(centre - reach)) / 2 / fmean(totals)
    except OverflowError:
        return float("inf")


class _History:
    """The runs and executions of a key, in order of their ends."""

    def __init__(self, runs: Iterable[PastRun], fanouts: Iterable[PastFanouts], now: int) -> None:
        self._runs = sorted((run for run in runs if run.end <= now), key=lambda run: (run.end, run.session))
        self._run_ends = [run.end for run in self._runs]
        by_day = sorted((day for day in fanouts if day.end <= now), key=lambda day: day.end)
        self._fanout_ends = [day.end for day in by_day]
        self._counts = [0, *accumulate(day.count for day in by_day)]
        self._works = [0, *accumulate(day.work for day in by_day)]
        self._widths = [0, *accumulate(day.width for day in by_day)]

    def list_instants(self, now: int) -> list[int]:
        """Return the last instant of each day on which something ended or grew too old, and ``now``."""
        ends = [*self._run_ends, *self._fanout_ends]
        times = sorted([*ends, *(end + WINDOW for end in ends)])
        return [*{time // DAY: time for time in times if time <= now}.values(), now]

    def judge_at(self, instant: int, before: Admission) -> Admission:
        """Return the admission at an instant, given that of the instant before it."""
        first, last = (bisect_right(self._run_ends, time) for time in (instant - WINDOW, instant))
        runs = tuple(self._runs[max(first, last - MOST_RUNS) : last])
        contention = self._pool_contention(instant, runs)
        reason = _find_objection(runs, contention, KEPT_TOLERANCE if before.passed else TOLERANCE)
        changed = (before.reason is None) is not (reason is None)
        passed = reason is None and (before.passed or contention is not None)
        return Admission(runs, reason, instant if changed else before.since, contention, passed)

    def _pool_contention(self, instant: int, runs: Sequence[PastRun]) -> PooledContention | None:
        first, last = (bisect_right(self._fanout_ends, time) for time in (instant - WINDOW, instant))
        count = self._counts[last] - self._counts[first]
        if count < FEWEST_FANOUTS or not runs:
            return None
        sequential = count * fmean(run.total for run in runs)
        work, width = (sums[last] - sums[first] for sums in (self._works, self._widths))
        return PooledContention(work / sequential, width / count, count)


def _find_objection(
    runs: Sequence[PastRun], contention: PooledContention | None, tolerance: float
) -> str | None:
    sessions = len({run.session for run in runs})
    if len(runs) < FEWEST_RUNS or sessions < FEWEST_SESSIONS:
        return explain_few_runs(len(runs), sessions)
    reach = measure_interval_reach([run.total for run in runs])
    if reach > WIDEST:
        return f"the mean of {len(runs)} runs is known to ± {reach:.0%} only, ± {WIDEST:.0%} is needed"
    if contention is not None and not contention.is_within(tolerance):
        return (
            f"side by side its tasks took {contention.ratio:.2g} times as long as in the runs, over"
            f" {contention.fanouts} executions: the same work takes {1 / TOLERANCE:.2g} to"
            f" {tolerance * contention.width:.2g} times as long"
        )
    return None
