"""Compute the expected gain of parallel work, its loss by contention, missed opportunities and records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean

from stretto.clock import SECOND
from stretto.figures.baseline_admission import TOLERANCE
from stretto.figures.fanouts import Fanout, SequentialTime
from stretto.figures.figure import Figure, Labels, make_ratio, with_bounds
from stretto.figures.parallel_work_against_baselines import ParallelWork
from stretto.figures.sequential_baseline_choice import Provenance, Target
from stretto.figures.sums_by_dimension import Sums, sum_by
from stretto.names import measures
from stretto.names.measures import Dimension

MOST_PLAUSIBLE_HOURS = 50.0
"""Given lengths beyond so many times the tasks' own are implausible."""

ALONE_PROVENANCES = (Provenance.RECORDED, Provenance.MEASURED)
"""The provenances that rest on tasks running alone."""


def compute_gain_figures(
    window: str, sums: Sums, parallel: Mapping[tuple[str, Provenance], ParallelWork], target: Target
) -> Iterator[Figure]:
    """Yield the time that parallel tasks save at their target, their contention, and missed opportunity."""
    at: Labels = (("window", window),)
    for (task_type, provenance), work in sorted(parallel.items()):
        labels = (("task_type", task_type), ("baseline", provenance.value), *at)
        name, target_share = "stretto_expected_saved_seconds", target(task_type)
        expected = Figure(name, labels, target_share * work.sequential / SECOND, work.tasks)
        if work.bounds is not None:
            expected = with_bounds(expected, *(target_share * edge / SECOND for edge in work.bounds))
        yield expected
    yield from _compute_contention(at, parallel)
    opportunity = sum_by(sums, measures.OPPORTUNITY, Dimension.PATTERN)
    for pattern, runs in sorted(sum_by(sums, measures.SEQUENTIAL_RUNS, Dimension.PATTERN).items()):
        saved = opportunity.get(pattern, 0) / SECOND
        yield Figure("stretto_opportunity_seconds", (("pattern", pattern), *at), saved, runs)


def _compute_contention(
    at: Labels, parallel: Mapping[tuple[str, Provenance], ParallelWork]
) -> Iterator[Figure]:
    for task_type in sorted({task_type for task_type, _ in parallel}):
        labels = (("task_type", task_type), *at)
        all_tasks = sum(p.delivered for (name, _), p in parallel.items() if name == task_type)
        measured_alone = [parallel[task_type, p] for p in ALONE_PROVENANCES if (task_type, p) in parallel]
        if not measured_alone:
            reason = "no sequential run shows how long these tasks take alone"
            yield Figure("stretto_contention_ratio", labels, None, 0, reason)
            continue
        # Both sides of the ratio are the delivered tasks: a failed task shows no length to compare.
        work, tasks = (
            sum(p.delivered_work for p in measured_alone),
            sum(p.delivered for p in measured_alone),
        )
        figure = make_ratio(
            "stretto_contention_ratio",
            labels,
            work,
            sum(p.sequential for p in measured_alone),
            tasks,
            coverage=tasks / all_tasks if all_tasks else None,
        )
        if len(measured_alone) == 1 and measured_alone[0].bounds is not None:
            low, high = measured_alone[0].bounds
            figure = with_bounds(figure, work / high if high else None, work / low if low else None)
        yield figure


def measure_slowdown(fanout: Fanout, sequential: SequentialTime) -> float | None:
    """Return the length of the delivered tasks over their length alone; None if the latter is unknown."""
    if sequential.provenance not in ALONE_PROVENANCES or not sequential.length:
        return None
    return fanout.delivered_work / sequential.length


def find_baseline_doubt(fanout: Fanout, sequential: SequentialTime) -> str | None:
    """Return why a fan-out's baseline can hardly be of its work, or None.

    It stays in every sum: leaving it out would select results. Example: tasks of 30 s in all cannot be those
    that took 100 s one after another, and hours of more than 50 times the work are implausible.
    """
    work, alone = fanout.delivered_work, sequential.length
    if not work or not alone or sequential.provenance is Provenance.WORK:
        return None
    if sequential.provenance in {Provenance.SET, Provenance.CONFIGURED}:
        times = alone / work
        if times <= MOST_PLAUSIBLE_HOURS:
            return None
        return f"the given lengths are {times:.0f} times its tasks' own, more than {MOST_PLAUSIBLE_HOURS:.0f}"
    ratio = work / alone
    if 1 / TOLERANCE <= ratio <= TOLERANCE * fanout.width:
        return None
    own = work / fanout.elapsed
    return f"its tasks took {ratio:.2g} times as long as the runs; by their own lengths it is {own:.2f}×"


def average_targets(fanout: Fanout, target: Target) -> float:
    """Return the mean target of the tasks in a fan-out."""
    return fmean(target(task.task_type) for task in fanout.tasks)


def compute_record_speedup_figures(best: Iterable[tuple[str, float, int]]) -> Iterator[Figure]:
    """Yield the best work over elapsed of each pattern, given (pattern, speedup, end in ns).

    Only executions whose every task reported success are given: failing early is no record.
    """
    for pattern, speedup, end in best:
        labels: Labels = (("pattern", pattern),)
        yield Figure("stretto_best_speedup", labels, speedup, 1)
        yield Figure("stretto_best_speedup_timestamp_seconds", labels, end / SECOND, 1)
