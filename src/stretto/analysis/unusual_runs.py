"""Say whether a run was unusually long among its like, and which running tasks are overdue.

A run is compared with the earlier runs of its pattern and type by its rank alone (conformal prediction, Vovk
et al. 2005), so that the share of false flags is known whatever the shape of the lengths. With fewer than 199
earlier runs a rank cannot be that rare: then a multiple of the 95 % limit takes its place, and is called so.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from stretto.analysis.series import DELIVERED, Floats
from stretto.model.runs import TaskRun

UNUSUAL_RATE = 0.005
"""Share of ordinary runs that are flagged."""

OVERDUE_RATE = 0.01
"""Share of ordinary tasks that are called overdue before they end."""

FEWEST_FOR_FLAG = 199
"""Fewest earlier runs for a flag by rank: 1 / rate - 1."""

FEWEST_FOR_LIMIT = 99

FEWEST_FOR_RULE = 10
"""Fewest earlier runs whose 95 % limit is worth a multiple."""

RULE_FACTOR = 3.0
RULE_OF_THUMB = "3 x p95 (rule of thumb)"

MOST_HISTORY = 2_000
"""Most earlier runs that are kept by kind, the newest: habits change."""

EXCESS_LEVEL = 0.001
"""Largest p value of an excess of flags."""

TaskKind = tuple[str | None, str]
"""Pattern and task type."""


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """The length (ns) beyond which a run is unusual, and how it was found."""

    limit: float
    runs: int
    rule: str
    """``rank`` or ``RULE_OF_THUMB``."""
    median: float


@dataclass(frozen=True, slots=True)
class UnusualRun:
    """The judgement of one run among the earlier ones of its kind."""

    flagged: bool
    p: float | None
    """Share of runs at least as long, this one included; None without a length."""
    ratio: float | None
    """Its length / the median of the earlier ones."""
    runs: int
    rule: str
    """``rank``, ``RULE_OF_THUMB`` or why nothing can be said."""


def rank_length(length: float, earlier: Floats) -> float:
    """Return the conformal p value: (1 + number of earlier runs at least as long) / (1 + their number).

    Example: longer than all of 199 earlier runs gives 1 / 200 = .005.
    """
    return (1 + int(np.count_nonzero(earlier >= length))) / (1 + len(earlier))


def judge_run(length: float | None, earlier: Sequence[float] | Floats) -> UnusualRun:
    """Return whether a run is unusually long among earlier ones of its kind (all in one unit)."""
    history = np.asarray(earlier, dtype=np.float64)[-MOST_HISTORY:]
    if length is None or len(history) < FEWEST_FOR_RULE:
        reason = "no length" if length is None else f"{len(history)} of {FEWEST_FOR_RULE} earlier runs"
        return UnusualRun(False, None, None, len(history), reason)
    median = float(np.median(history))
    ratio = length / median if median > 0 else None
    p = rank_length(length, history)
    if len(history) >= FEWEST_FOR_FLAG:
        return UnusualRun(p <= UNUSUAL_RATE, p, ratio, len(history), "rank")
    flagged = length > RULE_FACTOR * float(np.quantile(history, 0.95))
    return UnusualRun(flagged, p, ratio, len(history), RULE_OF_THUMB)


def collect_lengths(tasks: Iterable[TaskRun], instant: int) -> dict[TaskKind, Floats]:
    """Return the lengths (ns) of delivered tasks that were over at an instant, by kind and by their end."""
    rows: dict[TaskKind, list[tuple[int, int]]] = defaultdict(list)
    for task in tasks:
        if task.length and task.outcome in DELIVERED and task.start + task.length <= instant:
            rows[task.pattern, task.type].append((task.start + task.length, task.length))
    return {
        kind: np.array([length for _, length in sorted(several)[-MOST_HISTORY:]], dtype=np.float64)
        for kind, several in rows.items()
    }


def find_limits(
    lengths: Mapping[TaskKind, Floats], rate: float = OVERDUE_RATE
) -> dict[TaskKind, LengthLimit]:
    """Return the limit of each kind that has ten earlier runs: for others nothing is overdue.

    By rank it is the smallest length that a further ordinary run exceeds at most with ``rate``.
    """
    limits = {}
    for kind, values in lengths.items():
        if len(values) < FEWEST_FOR_RULE:
            continue
        median = float(np.median(values))
        if len(values) >= math.ceil(1 / rate) - 1:
            # A run longer than the k-th smallest of n has at most n - k earlier runs that are as long.
            allowed = math.floor(rate * (len(values) + 1) + 1e-9) - 1
            limit = float(np.sort(values)[len(values) - 1 - allowed])
            limits[kind] = LengthLimit(limit, len(values), "rank", median)
        else:
            limit = RULE_FACTOR * float(np.quantile(values, 0.95))
            limits[kind] = LengthLimit(limit, len(values), RULE_OF_THUMB, median)
    return limits


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task that is not over; ``waited`` is the time in which it waited for a person (ns)."""

    session: str
    task: str
    start: int
    type: str
    pattern: str | None = None
    agent: str | None = None
    waited: int = 0


@dataclass(frozen=True, slots=True)
class OverdueTask:
    """A running task that passed the limit of its kind."""

    task: RunningTask
    length: int
    """So far, without waits (ns)."""
    limit: LengthLimit
    since: int
    """When it passed the limit (ns)."""


def find_overdue(
    running: Iterable[RunningTask], limits: Mapping[TaskKind, LengthLimit], instant: int
) -> list[OverdueTask]:
    """Return the running tasks beyond their limit at an instant, the longest over it first.

    The limits change slowly; this function is cheap, so that a caller asks it every second.
    """
    overdue = []
    for task in running:
        limit = limits.get((task.pattern, task.type)) or limits.get((None, task.type))
        length = instant - task.start - task.waited
        if limit is not None and length > limit.limit:
            passed = task.start + task.waited + round(limit.limit)
            overdue.append(OverdueTask(task, length, limit, passed))
    return sorted(overdue, key=lambda each: each.limit.limit / each.length)


@dataclass(frozen=True, slots=True)
class FlagExcess:
    """Whether more runs were flagged than chance flags."""

    flags: int
    runs: int
    expected: float
    p: float
    """Chance of at least as many flags among as many ordinary runs."""

    @property
    def is_excess(self) -> bool:
        """Whether something is going on: a single flag never is."""
        return self.flags > 1 and self.p <= EXCESS_LEVEL


def judge_excess(flags: int, runs: int, rate: float = UNUSUAL_RATE) -> FlagExcess:
    """Return whether ``flags`` of ``runs`` are more than the known rate of false flags explains.

    Example: 5 flags of 200 runs, where 1 is expected, have p = .004.
    """
    p = float(stats.binom.sf(flags - 1, runs, rate)) if runs else 1.0
    return FlagExcess(flags, runs, runs * rate, p)


def count_flags(values: Floats, first: int, rate: float = UNUSUAL_RATE) -> int:
    """Return how many of the values from ``first`` on are flagged by rank among all values before each."""
    return sum(
        rank_length(float(values[number]), values[max(0, number - MOST_HISTORY) : number]) <= rate
        for number in range(max(first, FEWEST_FOR_FLAG), len(values))
    )
