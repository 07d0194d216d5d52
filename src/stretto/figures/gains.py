"""What parallel work was expected to gain, what it lost to itself, what was left to gain, and its records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean

from stretto.clock import SECOND
from stretto.figures.baselines import Provenance, Target
from stretto.figures.fanouts import Fanout, SequentialTime
from stretto.figures.figure import Figure, Labels, make_ratio, with_bounds
from stretto.figures.tallies import Sums
from stretto.figures.verdict import ParallelWork

ALONE_PROVENANCES = (Provenance.RECORDED, Provenance.MEASURED)
"""The provenances that tell how long a task takes alone."""


def compute_gain_figures(
    window: str, sums: Sums, parallel: Mapping[tuple[str, Provenance], ParallelWork], target: Target
) -> Iterator[Figure]:
    """Yield what parallel tasks would have saved at their target, contention, and missed opportunity."""
    at: Labels = (("window", window),)
    for (task_type, provenance), p in sorted(parallel.items()):
        labels = (("task_type", task_type), ("baseline", provenance.value), *at)
        name, asked = "stretto_expected_saved_seconds", target(task_type)
        expected = Figure(name, labels, asked * p.sequential / SECOND, p.tasks)
        if p.bounds is not None:
            expected = with_bounds(expected, *(asked * edge / SECOND for edge in p.bounds))
        yield expected
    yield from _compute_contention(at, parallel)
    for dims, runs in sorted(sums.get("sequential_runs", {}).items()):
        saved = sums.get("opportunity", {}).get(dims, 0) / SECOND
        yield Figure("stretto_opportunity_seconds", (("pattern", str(dims[0])), *at), saved, runs)


def _compute_contention(
    at: Labels, parallel: Mapping[tuple[str, Provenance], ParallelWork]
) -> Iterator[Figure]:
    for task_type in sorted({task_type for task_type, _ in parallel}):
        labels = (("task_type", task_type), *at)
        every = sum(p.tasks for (name, _), p in parallel.items() if name == task_type)
        known = [parallel[task_type, p] for p in ALONE_PROVENANCES if (task_type, p) in parallel]
        if not known:
            reason = "no sequential run tells how long these tasks take alone"
            yield Figure("stretto_contention_ratio", labels, None, 0, reason)
            continue
        work, tasks = sum(p.work for p in known), sum(p.tasks for p in known)
        found = make_ratio(
            "stretto_contention_ratio",
            labels,
            work,
            sum(p.sequential for p in known),
            tasks,
            coverage=tasks / every,
        )
        if len(known) == 1 and known[0].bounds is not None:
            low, high = known[0].bounds
            found = with_bounds(found, work / high if high else None, work / low if low else None)
        yield found


def measure_slowdown(fanout: Fanout, held_against: SequentialTime) -> float | None:
    """Return how long a fan-out's tasks took over how long they take alone; None where that is not known."""
    if held_against.provenance not in ALONE_PROVENANCES or not held_against.length:
        return None
    return fanout.work / held_against.length


def compute_expected_improvement(fanout: Fanout, target: Target) -> float:
    """Return the mean target of the task types in a fan-out, each counted once."""
    return fmean(target(name) for name in sorted({task.task_type for task in fanout.tasks}))


def compute_record_figures(best: Iterable[tuple[str, float, int]]) -> Iterator[Figure]:
    """Yield the best work over elapsed of each pattern, given (pattern, speedup, end in ns)."""
    for pattern, speedup, end in best:
        labels: Labels = (("pattern", pattern),)
        yield Figure("stretto_best_speedup", labels, speedup, 1)
        yield Figure("stretto_best_speedup_timestamp_seconds", labels, end / SECOND, 1)
