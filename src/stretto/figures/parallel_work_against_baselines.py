"""Compare the parallel work of a window with its baselines: by task type and provenance, with confidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from stretto.figures.confidence_intervals import Bounds, Estimate, sum_estimates
from stretto.figures.sequential_baseline_choice import Baseline, FindBaseline, MeasuredRuns, Provenance
from stretto.figures.sums_by_dimension import Sums, sum_by_dimensions
from stretto.figures.work_signature import list_signature_task_types
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


class DeliveredMix(Protocol):
    """The delivered tasks of fan-outs that are compared with the same baseline."""

    @property
    def baseline(self) -> Baseline:
        """The baseline of all of them."""

    @property
    def fanouts(self) -> int:
        """How many fan-outs they are of."""

    @property
    def delivered(self) -> Mapping[str, int]:
        """Tasks by type."""

    @property
    def delivered_work(self) -> Mapping[str, int]:
        """Their work by type (ns)."""


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
    columns = [sum_by_dimensions(sums, measure, *mix_and_type) for measure in _MIX_COLUMNS]
    by_mix: dict[tuple[str, str], dict[str, list[int]]] = {}
    for key, tasks in sum_by_dimensions(sums, measures.PARALLEL_TASKS, *mix_and_type).items():
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
        fanouts = sum(by_type[0].values()) // len(list_signature_task_types(signature))
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
        sequential = estimate_mixes_sequential_time(group, only=task_type)
        parallel[task_type, provenance] = ParallelWork(
            sum(mix.tasks[task_type] for mix in group),
            sum(mix.work[task_type] for mix in group),
            sum(mix.elapsed[task_type] for mix in group),
            sequential.mean,
            sequential.interval,
            sum(mix.delivered[task_type] for mix in group),
            sum(mix.delivered_work[task_type] for mix in group),
        )
    return parallel


def estimate_mixes_sequential_time(group: Iterable[DeliveredMix], only: str | None = None) -> Estimate:
    """Return how long the delivered tasks of fan-outs, or only those of a type, take one by one (ns)."""
    by_runs: dict[tuple[int, ...], tuple[MeasuredRuns, Counter[str], list[int]]] = {}
    parts: list[Estimate] = []
    for mix in group:
        tasks = {name: count for name, count in mix.delivered.items() if count and only in (None, name)}
        if not tasks:
            continue
        measured = mix.baseline.measured
        if measured is None:
            work = float(sum(mix.delivered_work.get(name, 0) for name in tasks))
            parts.append(mix.baseline.estimate(tasks, work))
        else:
            # Mixes compared with the same runs are not independent, so they share an estimate. Example: two
            # mixes of one review each with the same baseline are estimated as two reviews.
            key = tuple(map(id, measured.runs))
            _, all_tasks, executions = by_runs.setdefault(key, (measured, Counter(), []))
            all_tasks.update(tasks)
            executions.append(mix.fanouts)
    parts += (measured.estimate(tasks, sum(executions)) for measured, tasks, executions in by_runs.values())
    return sum_estimates(parts)
