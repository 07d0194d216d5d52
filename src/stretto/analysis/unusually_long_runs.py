"""Judge whether a run was unusually long among its like, and whether too many runs were.

A run is compared with the earlier runs of its pattern and type by its rank alone (conformal prediction, Vovk
et al. 2005), so that the share of false flags is known whatever the shape of the lengths. With fewer than 199
earlier runs a rank cannot be that rare: then a multiple of the 95 % limit takes its place, and is called so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from stretto.analysis.series_of_run_values import Floats
from stretto.clock import DAY
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.model.run_rows_for_analyses import TaskRun

UNUSUAL_RATE = 0.005
"""Share of ordinary runs that are flagged."""

FEWEST_FOR_FLAG = 199
"""Fewest earlier runs for a flag by rank: 1 / rate - 1."""

FEWEST_FOR_RULE = 10
"""Fewest earlier runs whose 95 % limit is worth a multiple."""

RULE_FACTOR = 3.0
RULE_OF_THUMB = "3 x p95 (rule of thumb)"

MOST_HISTORY = 2_000
"""Most earlier runs that are kept by kind, the newest: habits change."""

MOST_LINKS = 5
"""Most unusual runs that a finding links."""

EXCESS_LEVEL = 0.001
"""Largest p value of an excess of flags."""

TaskKind = tuple[str | None, str]
"""Pattern and task type."""


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
    """``rank``, ``RULE_OF_THUMB`` or why there is no judgement."""


def compute_p_value_of_length(length: float, earlier: Floats) -> float:
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
    p = compute_p_value_of_length(length, history)
    if len(history) >= FEWEST_FOR_FLAG:
        return UnusualRun(p <= UNUSUAL_RATE, p, ratio, len(history), "rank")
    flagged = length > RULE_FACTOR * float(np.quantile(history, 0.95))
    return UnusualRun(flagged, p, ratio, len(history), RULE_OF_THUMB)


def collect_lengths(tasks: Iterable[TaskRun], instant: int) -> dict[TaskKind, Floats]:
    """Return the lengths (ns) of delivered tasks that were over at an instant, by kind and by their end."""
    rows: dict[TaskKind, list[tuple[int, int]]] = defaultdict(list)
    for task in tasks:
        if task.length and task.is_delivered and task.start + task.length <= instant:
            rows[task.pattern, task.type].append((task.start + task.length, task.length))
    return {
        kind: np.array([length for _, length in sorted(several)[-MOST_HISTORY:]], dtype=np.float64)
        for kind, several in rows.items()
    }


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


def judge_counts_of_unusual_runs(tasks: Iterable[TaskRun], instant: int, *, span: int = DAY) -> list[Finding]:
    """Return, by pattern and type, whether the runs of the last day were unusual more often than by chance.

    Each run is ranked among those that were over before the day began. Kinds with fewer than 199 of them, and
    kinds without a run on the day, have no finding.
    """
    begin = instant - span
    every = [task for task in tasks if task.start + (task.length or 0) <= instant]
    earlier = collect_lengths(every, begin)
    recent: dict[TaskKind, list[TaskRun]] = defaultdict(list)
    for task in every:
        if task.length and task.is_delivered and task.start + task.length > begin:
            recent[task.pattern, task.type].append(task)
    return [
        _conclude_excess(kind, runs, earlier[kind])
        for kind, runs in sorted(recent.items(), key=lambda item: (item[0][0] or "", item[0][1]))
        if len(earlier.get(kind, ())) >= FEWEST_FOR_FLAG
    ]


def _conclude_excess(kind: TaskKind, runs: list[TaskRun], earlier: Floats) -> Finding:
    """Return the finding about the runs of a day, with the longest of the flagged ones."""
    flagged = [task for task in runs if judge_run(task.length, earlier).flagged]
    excess = judge_excess(len(flagged), len(runs))
    pattern, type_ = kind
    longest = sorted(flagged, key=lambda task: -(task.length or 0))[:MOST_LINKS]
    return Finding(
        "unusual_runs",
        {"pattern": pattern, "type": type_} if pattern else {"type": type_},
        FindingVerdict.REGRESSION if excess.is_excess else FindingVerdict.NO_EVIDENCE,
        FindingEvidence(
            n=excess.runs,
            effect=excess.flags / excess.runs,
            unit="share",
            p=excess.p,
            runs=tuple(RunLink(task.session, task.task, "unusual") for task in longest),
        ),
        advice=(
            f"{excess.flags} of {excess.runs} tasks of {type_} in the last day were unusually long;"
            f" chance explains {excess.expected:.1f}."
            if excess.is_excess
            else ""
        ),
        details={"flagged": float(excess.flags), "expected": excess.expected},
    )
