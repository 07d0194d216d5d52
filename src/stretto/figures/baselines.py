"""Baselines: what tasks take one after another, and where one knows that from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from stretto.clock import HOUR
from stretto.figures.confidence import Estimate, estimate_mean


class Provenance(StrEnum):
    """Where a sequential time comes from; the best available is taken, in this order."""

    RECORDED = "recorded"
    """Sequential runs that a person has pinned for this pattern."""
    MEASURED = "measured"
    """Sequential runs of the same pattern and task types are in the store."""
    SET = "set"
    """A length per task type that a person has measured by hand."""
    CONFIGURED = "configured"
    """Hours per task type from the chosen table."""
    WORK = "work"
    """The tasks one after another as they ran now."""


Hours = Mapping[str, float]
"""Configured sequential hours by task type."""

Run = Mapping[str, Sequence[int]]
"""One sequential run: its tasks' lengths (ns) by type."""

Target = Callable[[str], float]
"""Task type → improvement asked of it, as a ratio."""


@dataclass(frozen=True, slots=True)
class MeasuredRuns:
    """Sequential runs that fan-outs can be held against. The unit that scatters is the run, not the task."""

    runs: tuple[Run, ...]
    newest: int | None = None
    """When the newest of them ended (ns)."""

    @property
    def lengths(self) -> dict[str, float]:
        """One task's length by type (ns): the mean over the runs of each run's mean."""
        types = sorted({name for run in self.runs for name in run})
        return {name: self.estimate({name: 1}).mean for name in types}

    def estimate(self, tasks: Mapping[str, float]) -> Estimate:
        """Return what so many tasks of each type take (ns); each type must be in one run at least.

        There is an interval only where every run tells of every type.
        """
        means = [
            {name: sum(run[name]) / len(run[name]) for name in tasks if run.get(name)} for run in self.runs
        ]
        if all(len(mean) == len(tasks) for mean in means):
            return estimate_mean([sum(tasks[name] * mean[name] for name in tasks) for mean in means])
        by_type = {name: [mean[name] for mean in means if name in mean] for name in tasks}
        whole = sum(tasks[name] * sum(found) / len(found) for name, found in by_type.items())
        return Estimate(whole, min(map(len, by_type.values())))


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
    """Whether it stands for any mix of its task types, not only for the one it is."""

    @property
    def signatures(self) -> frozenset[str]:
        """The signatures of its runs, as in ``Fanout.signature``."""
        return frozenset(build_run_signature(run) for run in self.runs)


@dataclass(frozen=True, slots=True)
class SetLength:
    """A length (ns) that a person has given for a task type, and when (ns)."""

    length: float
    at: int


@dataclass(frozen=True, slots=True)
class DeclaredBaselines:
    """The baselines that a person has declared beside the configuration."""

    recorded: tuple[RecordedBaseline, ...] = ()
    set: Mapping[str, SetLength] = field(default_factory=dict)

    def find_matching(self, pattern: str, signature: str) -> tuple[RecordedBaseline, ...]:
        """Return what was recorded for the pattern: the same mix, else whole sessions that know all types."""
        own = [found for found in self.recorded if found.pattern == pattern]
        same = tuple(found for found in own if not found.whole and signature in found.signatures)
        if same:
            return same
        wanted = set(signature.split(","))
        return tuple(
            found for found in own if found.whole and wanted <= {n for run in found.runs for n in run}
        )


NOTHING_DECLARED = DeclaredBaselines()


@dataclass(frozen=True, slots=True)
class Baseline:
    """What fan-outs of one pattern and mix of types are held against: one provenance for all their tasks."""

    provenance: Provenance
    lengths: Mapping[str, float] | None = None
    """One task's sequential length by type (ns); None where each task is its own measure."""
    measured: MeasuredRuns | None = None
    """The runs that the lengths are means of, where they are."""
    names: tuple[str, ...] = ()
    """What was recorded under these names."""

    def estimate(self, tasks: Mapping[str, int], work: float) -> Estimate:
        """Return what so many tasks of each type take one after another (ns); ``work`` is their own length.

        Only runs give an interval; what was set, configured or is the work itself counts none.
        """
        if self.measured is not None:
            return self.measured.estimate(tasks)
        if self.lengths is None:
            return Estimate(work, 0)
        return Estimate(sum(self.lengths[name] * count for name, count in tasks.items()), 0)

    @property
    def no_interval(self) -> str | None:
        """Why a figure held against it has no confidence interval; None where it has one."""
        if self.measured is None:
            return _NO_INTERVAL[self.provenance]
        if len(self.measured.runs) == 1:
            return "the baseline is a single run, which has no interval"
        types = self.lengths or {}
        if any(name not in run for run in self.measured.runs for name in types):
            return "not every recorded run has every task type, so their scatter cannot be told"
        return None


WORK_BASELINE = Baseline(Provenance.WORK)

_NO_INTERVAL = {
    Provenance.SET: "a length set by hand is no mean of runs",
    Provenance.CONFIGURED: "configured hours are no mean of runs",
    Provenance.WORK: "the tasks' own lengths are no mean of runs",
}

FindBaseline = Callable[[str, str], Baseline]
"""(pattern, signature) → the best baseline that is known."""


def build_run_signature(run: Run) -> str:
    """Return the sorted task types of a run as one text, as in ``Fanout.signature``."""
    return ",".join(sorted(name for name, lengths in run.items() for _ in lengths))


def choose_baseline(
    pattern: str,
    signature: str,
    measured: MeasuredRuns | None,
    hours: Hours,
    declared: DeclaredBaselines = NOTHING_DECLARED,
) -> Baseline:
    """Return the best baseline that knows all types of the signature.

    Recorded comes before measured, set before configured, and the work itself last. Where some types were set
    and the others are configured, the weaker word names the whole.
    """
    types = set(signature.split(","))
    recorded = declared.find_matching(pattern, signature)
    if recorded:
        return _use_recorded(recorded, signature, types)
    if measured is not None and types <= (lengths := measured.lengths).keys():
        return Baseline(Provenance.MEASURED, _pick_lengths(lengths, types), measured)
    by_hand = {name: found.length for name, found in declared.set.items()}
    if types <= by_hand.keys():
        return Baseline(Provenance.SET, _pick_lengths(by_hand, types))
    known = {name: length * HOUR for name, length in hours.items()} | by_hand
    if types <= known.keys():
        return Baseline(Provenance.CONFIGURED, _pick_lengths(known, types))
    return WORK_BASELINE


def _use_recorded(recorded: tuple[RecordedBaseline, ...], signature: str, types: set[str]) -> Baseline:
    runs = tuple(
        run
        for found in recorded
        for run in found.runs
        if (found.whole and not types.isdisjoint(run)) or build_run_signature(run) == signature
    )
    measured = MeasuredRuns(runs, max(found.newest for found in recorded))
    names = tuple(sorted(found.name for found in recorded))
    return Baseline(Provenance.RECORDED, _pick_lengths(measured.lengths, types), measured, names)


def _pick_lengths(lengths: Mapping[str, float], types: Iterable[str]) -> dict[str, float]:
    return {name: lengths[name] for name in sorted(types)}
