"""Choose the baseline of a fan-out: how long its tasks take one after another, and on which evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from stretto.clock import HOUR
from stretto.figures.confidence_intervals import Estimate, estimate_mean, predict_total
from stretto.figures.work_signature import list_signature_task_types


class Provenance(StrEnum):
    """The source of a sequential time. The first available source in this order is used."""

    RECORDED = "recorded"
    """Sequential runs that a person has pinned for this pattern."""
    MEASURED = "measured"
    """Sequential runs of the same work are in the store, and were admitted (``baseline_admission``)."""
    SET = "set"
    """A length per task type that a person has measured by hand."""
    CONFIGURED = "configured"
    """Hours per task type from the chosen table."""
    WORK = "work"
    """The summed lengths of the same tasks as they ran in parallel."""


Hours = Mapping[str, float]
"""Configured sequential hours by task type."""

Run = Mapping[str, Sequence[int]]
"""One sequential run: its tasks' lengths (ns) by type."""

Target = Callable[[str], float]
"""Task type → its target improvement, as a ratio."""


@dataclass(frozen=True, slots=True)
class MeasuredRuns:
    """Sequential runs that fan-outs are compared with. Confidence rests on the scatter of runs, not tasks."""

    runs: tuple[Run, ...]
    newest: int | None = None
    """When the newest of them ended (ns)."""

    @property
    def lengths(self) -> dict[str, float]:
        """Mean task length by type (ns): the mean over the runs of each run's mean."""
        types = sorted({name for run in self.runs for name in run})
        return {name: self.estimate({name: 1}).mean for name in types}

    def estimate(self, tasks: Mapping[str, float], executions: int | None = None) -> Estimate:
        """Return the sequential time of so many tasks of each type (ns).

        Each type must be in at least a single run. The estimate has an interval only if every run has every
        type. Example: runs of 90 s and 110 s for {"review": 1} give the mean 100 s. If the tasks are those of
        so many executions, the estimate is of these, and not of their mean.
        """
        means = [
            {name: sum(run[name]) / len(run[name]) for name in tasks if run.get(name)} for run in self.runs
        ]
        if all(len(mean) == len(tasks) for mean in means):
            totals = [sum(tasks[name] * mean[name] for name in tasks) for mean in means]
            return estimate_mean(totals) if executions is None else predict_total(totals, executions)
        by_type = {name: [mean[name] for mean in means if name in mean] for name in tasks}
        total = sum(tasks[name] * sum(run_means) / len(run_means) for name, run_means in by_type.items())
        return Estimate(total, min(map(len, by_type.values())))


@dataclass(frozen=True, slots=True)
class RecordedBaseline:
    """Sequential runs that a person has pinned under a name, for one pattern."""

    name: str
    session: str
    pattern: str
    runs: tuple[Run, ...]
    newest: int
    """When the newest of the runs ended (ns)."""
    at: int
    """When it was recorded (ns)."""
    whole: bool = False
    """Whether it applies to any mix of its task types, not only to its exact mix."""

    @property
    def signatures(self) -> frozenset[str]:
        """The task types of each of its runs, sorted and joined by commas."""
        return frozenset(build_run_signature(run) for run in self.runs)


@dataclass(frozen=True, slots=True)
class DeclaredLength:
    """A length (ns) that a person has given for a task type, and when (ns)."""

    length: float
    at: int


@dataclass(frozen=True, slots=True)
class DeclaredBaselines:
    """The baselines that a person has declared beside the configuration."""

    recorded: tuple[RecordedBaseline, ...] = ()
    set: Mapping[str, DeclaredLength] = field(default_factory=dict)

    def find_matching(self, pattern: str, signature: str) -> tuple[RecordedBaseline, ...]:
        """Return the recordings for a pattern: those of the same mix, else whole sessions with all types."""
        candidates = [recorded for recorded in self.recorded if recorded.pattern == pattern]
        types = list_signature_task_types(signature)
        mix = ",".join(types)
        same_mix = tuple(
            recorded for recorded in candidates if not recorded.whole and mix in recorded.signatures
        )
        if same_mix:
            return same_mix
        wanted = set(types)
        return tuple(
            recorded
            for recorded in candidates
            if recorded.whole and wanted <= {n for run in recorded.runs for n in run}
        )


NOTHING_DECLARED = DeclaredBaselines()


@dataclass(frozen=True, slots=True)
class Baseline:
    """The sequential times that fan-outs of a pattern and mix are compared with, of a single provenance."""

    provenance: Provenance
    lengths: Mapping[str, float] | None = None
    """Sequential task length by type (ns); None if the tasks' own lengths are used."""
    measured: MeasuredRuns | None = None
    """The runs that the lengths are means of, if they are means of runs."""
    names: tuple[str, ...] = ()
    """Names of the recordings used."""
    refusal: str | None = None
    """Why no sequential runs are the measured baseline; None for a measured or recorded baseline."""

    def estimate(self, tasks: Mapping[str, int], work: float, executions: int = 1) -> Estimate:
        """Return the sequential time of so many tasks of each type (ns) of so many executions.

        ``work`` is their summed length.

        Only measured or recorded runs give an interval and a count of runs.
        """
        if self.measured is not None:
            return self.measured.estimate(tasks, executions)
        if self.lengths is None:
            return Estimate(work, 0)
        return Estimate(sum(self.lengths[name] * count for name, count in tasks.items()), 0)

    @property
    def no_interval_reason(self) -> str | None:
        """Why figures based on it have no confidence interval; None if they have."""
        if self.measured is None:
            return _NO_INTERVAL[self.provenance]
        if len(self.measured.runs) == 1:
            return "the baseline is a single run, which has no interval"
        types = self.lengths or {}
        if any(name not in run for run in self.measured.runs for name in types):
            return "not every recorded run has every task type, so their scatter is unknown"
        return None


WORK_BASELINE = Baseline(Provenance.WORK)

_NO_INTERVAL = {
    Provenance.SET: "a length set by hand is no mean of runs",
    Provenance.CONFIGURED: "configured hours are no mean of runs",
    Provenance.WORK: "the tasks' own lengths are no mean of runs",
}

FindBaseline = Callable[[str, str], Baseline]
"""(pattern, signature) → the best known baseline. Signatures are those of ``work_signature``."""


def build_run_signature(run: Run) -> str:
    """Return the sorted task types of a run, joined by commas."""
    return ",".join(sorted(name for name, lengths in run.items() for _ in lengths))


def choose_baseline(
    pattern: str,
    signature: str,
    measured: MeasuredRuns | None,
    hours: Hours,
    declared: DeclaredBaselines = NOTHING_DECLARED,
    *,
    refusal: str | None = None,
) -> Baseline:
    """Return the best baseline that has a length for all types of the signature.

    The order is that of ``Provenance``. If some types are set and the others configured, the whole baseline
    counts as configured. ``refusal`` says why there is no measured baseline.
    """
    types = set(list_signature_task_types(signature))
    recorded = find_declared_baseline(Provenance.RECORDED, pattern, signature, hours, declared)
    if recorded is not None:
        return recorded
    if measured is not None and types <= (lengths := measured.lengths).keys():
        return Baseline(Provenance.MEASURED, _pick_lengths(lengths, types), measured)
    set_lengths = {name: entry.length for name, entry in declared.set.items()}
    if types <= set_lengths.keys():
        return Baseline(Provenance.SET, _pick_lengths(set_lengths, types), refusal=refusal)
    configured = find_declared_baseline(Provenance.CONFIGURED, pattern, signature, hours, declared)
    return replace(configured or WORK_BASELINE, refusal=refusal)


def find_declared_baseline(
    provenance: Provenance,
    pattern: str,
    signature: str,
    hours: Hours,
    declared: DeclaredBaselines = NOTHING_DECLARED,
) -> Baseline | None:
    """Return the recorded or the configured baseline of a mix, even if there is a better one; None if none.

    Lengths set by hand replace configured hours.
    """
    types = set(list_signature_task_types(signature))
    if provenance is Provenance.RECORDED:
        recorded = declared.find_matching(pattern, signature)
        return _use_recorded(recorded, signature, types) if recorded else None
    set_lengths = {name: entry.length for name, entry in declared.set.items()}
    length_by_type = {name: length * HOUR for name, length in hours.items()} | set_lengths
    if types <= length_by_type.keys():
        return Baseline(Provenance.CONFIGURED, _pick_lengths(length_by_type, types))
    return None


def _use_recorded(recorded: tuple[RecordedBaseline, ...], signature: str, types: set[str]) -> Baseline:
    mix = ",".join(list_signature_task_types(signature))
    runs = tuple(
        run
        for baseline in recorded
        for run in baseline.runs
        if (baseline.whole and not types.isdisjoint(run)) or build_run_signature(run) == mix
    )
    measured = MeasuredRuns(runs, max(baseline.newest for baseline in recorded))
    names = tuple(sorted(baseline.name for baseline in recorded))
    return Baseline(Provenance.RECORDED, _pick_lengths(measured.lengths, types), measured, names)


def _pick_lengths(lengths: Mapping[str, float], types: Iterable[str]) -> dict[str, float]:
    return {name: lengths[name] for name in sorted(types)}
