"""Compare the parallel work of a window with its baselines: a comparison per provenance, with confidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stretto.clock import SECOND
from stretto.figures.baselines import Baseline, FindBaseline, MeasuredRuns, Provenance
from stretto.figures.confidence import LEVEL, Bounds, Estimate, compute_improvement_bounds, sum_estimates
from stretto.figures.sum_reading import Sums, group_by
from stretto.figures.work_identity import list_task_types
from stretto.names import measures
from stretto.names.measures import Dimension

NOTHING_DELIVERED = "nothing delivered"
"""Why there is no improvement if every task was wasted."""


@dataclass(slots=True)
class ParallelWork:
    """Sums of the parallel tasks of a type and provenance. Lengths in nanoseconds."""

    tasks: int = 0
    work: int = 0
    elapsed: int = 0
    sequential: float = 0.0
    bounds: Bounds | None = None
    """The 95 % interval of ``sequential`` (ns); None if the baseline has none."""
    delivered: int = 0
    """Tasks that were delivered or taken as delivered; ``sequential`` is theirs."""
    delivered_work: int = 0


@dataclass(frozen=True, slots=True)
class FanoutMix:
    """The fan-outs of a pattern and mix of task types in a window. Lengths in nanoseconds."""

    baseline: Baseline
    fanouts: int
    tasks: Mapping[str, int]
    """Tasks by type."""
    work: Mapping[str, int]
    elapsed: Mapping[str, int]
    delivered: Mapping[str, int]
    """Tasks by type that were delivered or taken as delivered."""
    delivered_work: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """The parallel work of a window that is compared with baselines of the same provenance. Seconds."""

    provenance: Provenance
    fanouts: int
    tasks: int
    work: float
    elapsed: float
    sequential: float
    bounds: Bounds | None = None
    """The 95 % interval of ``sequential``."""
    no_interval_reason: str | None = None
    """Why there is no interval."""
    runs: int = 0
    """Number of sequential runs behind the baselines."""
    delivered: int = 0
    """Tasks that were delivered or taken as delivered; ``sequential`` is theirs."""

    @property
    def speedup(self) -> float | None:
        """Sequential over elapsed."""
        return self.sequential / self.elapsed if self.elapsed else None

    @property
    def time_saved(self) -> float:
        """Seconds; negative if parallel was slower."""
        return self.sequential - self.elapsed

    @property
    def improvement(self) -> float | None:
        """Time saved over sequential."""
        return self.time_saved / self.sequential if self.sequential else None

    @property
    def speedup_bounds(self) -> Bounds | None:
        """The 95 % interval of the speedup."""
        if self.bounds is None or not self.elapsed:
            return None
        return self.bounds[0] / self.elapsed, self.bounds[1] / self.elapsed


@dataclass(frozen=True, slots=True)
class Verdict:
    """All parallel work of a window, by the provenance of its baselines. Provenances are never mixed."""

    window: str
    fanouts: int
    tasks: int
    parts: tuple[BaselineComparison, ...] = ()
    """The best provenance first."""

    @property
    def lead(self) -> BaselineComparison | None:
        """The comparison with the best provenance, or None if nothing ran in parallel."""
        return self.parts[0] if self.parts else None

    @property
    def speedup(self) -> float | None:
        """The speedup of the work compared with the best provenance."""
        return self.lead.speedup if self.lead else None


_MIX_COLUMNS = (
    measures.PARALLEL_WORK,
    measures.PARALLEL_ELAPSED,
    measures.PARALLEL_DELIVERED,
    measures.PARALLEL_DELIVERED_WORK,
)
"""The sums of a mix by task type, in the order of ``FanoutMix``, after the number of tasks."""


def build_mixes(sums: Sums, find_baseline: FindBaseline) -> list[FanoutMix]:
    """Return the fan-outs of a window by pattern and mix of task types."""
    mix_and_type = (Dimension.PATTERN, Dimension.SIGNATURE, Dimension.TASK_TYPE)
    columns = [group_by(sums, measure, *mix_and_type) for measure in _MIX_COLUMNS]
    by_mix: dict[tuple[str, str], dict[str, list[int]]] = {}
    for key, tasks in group_by(sums, measures.PARALLEL_TASKS, *mix_and_type).items():
        pattern, signature, task_type = key
        cells = by_mix.setdefault((pattern, signature), {})
        cells[task_type] = [tasks, *(column.get(key, 0) for column in columns)]
    mixes = []
    for (pattern, signature), cells in sorted(by_mix.items()):
        by_type = [
            {name: cell[place] for name, cell in sorted(cells.items())}
            for place in range(1 + len(_MIX_COLUMNS))
        ]
        # Each of these fan-outs has as many tasks as the signature names.
        fanouts = sum(by_type[0].values()) // len(list_task_types(signature))
        mixes.append(FanoutMix(find_baseline(pattern, signature), fanouts, *by_type))
    return mixes


def sum_parallel_by_type(mixes: Iterable[FanoutMix]) -> dict[tuple[str, Provenance], ParallelWork]:
    """Return the parallel tasks by type and provenance."""
    by_type: dict[tuple[str, Provenance], list[FanoutMix]] = {}
    for mix in mixes:
        for task_type in mix.tasks:
            by_type.setdefault((task_type, mix.baseline.provenance), []).append(mix)
    parallel = {}
    for (task_type, provenance), group in by_type.items():
        sequential = _estimate_sequential(group, only=task_type)
        parallel[task_type, provenance] = ParallelWork(
            sum(mix.tasks[task_type] for mix in group),
            sum(mix.work[task_type] for mix in group),
            sum(mix.elapsed[task_type] for mix in group),
            sequential.mean,
            sequential.bounds,
            sum(mix.delivered[task_type] for mix in group),
            sum(mix.delivered_work[task_type] for mix in group),
        )
    return parallel


def build_verdict(window: str, mixes: Sequence[FanoutMix]) -> Verdict:
    """Return the window's parallel work by provenance."""
    parts = []
    for provenance in Provenance:
        group = [mix for mix in mixes if mix.baseline.provenance is provenance]
        if group:
            parts.append(_compare_with(provenance, group))
    return Verdict(
        window, sum(part.fanouts for part in parts), sum(part.tasks for part in parts), tuple(parts)
    )


def _compare_with(provenance: Provenance, group: Sequence[FanoutMix]) -> BaselineComparison:
    sequential = _estimate_sequential(group)
    bounds = sequential.bounds
    reasons = (mix.baseline.no_interval_reason for mix in group)
    return BaselineComparison(
        provenance=provenance,
        fanouts=sum(mix.fanouts for mix in group),
        tasks=sum(sum(mix.tasks.values()) for mix in group),
        work=sum(sum(mix.work.values()) for mix in group) / SECOND,
        elapsed=sum(sum(mix.elapsed.values()) for mix in group) / SECOND,
        sequential=sequential.mean / SECOND,
        bounds=None if bounds is None else (bounds[0] / SECOND, bounds[1] / SECOND),
        no_interval_reason=next(filter(None, reasons), None) if bounds is None else None,
        runs=sequential.count,
        delivered=sum(sum(mix.delivered.values()) for mix in group),
    )


def _estimate_sequential(group: Iterable[FanoutMix], only: str | None = None) -> Estimate:
    """Return how long the delivered tasks of fan-outs, or only those of a type, take one by one (ns)."""
    by_runs: dict[tuple[int, ...], tuple[MeasuredRuns, Counter[str]]] = {}
    parts: list[Estimate] = []
    for mix in group:
        tasks = {name: count for name, count in mix.delivered.items() if count and only in (None, name)}
        if not tasks:
            continue
        measured = mix.baseline.measured
        if measured is None:
            work = float(sum(mix.delivered_work[name] for name in tasks))
            parts.append(mix.baseline.estimate(tasks, work))
        else:
            # Mixes compared with the same runs are not independent, so they share an estimate. Example: two
            # mixes of one review each with the same baseline are estimated as two reviews.
            key = tuple(map(id, measured.runs))
            by_runs.setdefault(key, (measured, Counter()))[1].update(tasks)
    parts += (measured.estimate(tasks) for measured, tasks in by_runs.values())
    return sum_estimates(parts)


def build_comparison_document(part: BaselineComparison) -> dict[str, Any]:
    """Return a comparison with a provenance as JSON."""
    bounds, speedup = part.bounds, part.speedup_bounds
    return {
        "baseline": part.provenance.value,
        "fanouts": part.fanouts,
        "tasks": part.tasks,
        "delivered": part.delivered,
        "work_seconds": part.work,
        "elapsed_seconds": part.elapsed,
        "sequential_seconds": part.sequential,
        "time_saved_seconds": part.time_saved,
        "speedup": part.speedup,
        "improvement": part.improvement,
        "confidence": {
            "level": LEVEL,
            "runs": part.runs,
            "sequential_seconds": None if bounds is None else list(bounds),
            "time_saved_seconds": None if bounds is None else [edge - part.elapsed for edge in bounds],
            "speedup": None if speedup is None else list(speedup),
            "improvement": None if bounds is None else list(compute_improvement_bounds(bounds, part.elapsed)),
            "reason": part.no_interval_reason,
        },
    }
