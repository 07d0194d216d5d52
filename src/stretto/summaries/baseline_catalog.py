"""List all baselines, each with the estimate from its runs, and the parallel executions that use it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stretto.clock import HOUR, SECOND, to_rfc3339
from stretto.figures.confidence_intervals import LEVEL, Estimate
from stretto.figures.sequential_baseline_choice import (
    DeclaredBaselines,
    Hours,
    MeasuredRuns,
    Provenance,
    build_run_signature,
)
from stretto.figures.work_signature import WorkIdentity, list_signature_task_types
from stretto.names import NONE
from stretto.store.fanout_and_baseline_queries import (
    MixCount,
    NearMiss,
    count_fanout_mixes,
    count_run_mixes,
    list_runs_under_other_patterns,
    make_baseline_finder,
    read_admission,
)


@dataclass(frozen=True, slots=True)
class KnownBaseline:
    """A baseline, or sequential runs that are refused as a baseline."""

    provenance: Provenance
    pattern: str | None
    """None means any pattern."""
    task_types: tuple[str, ...]
    estimate: Estimate | None
    """The sequential time of its tasks together (ns); None for refused runs."""
    name: str | None = None
    session: str | None = None
    whole: bool = False
    newest: int | None = None
    """When its newest run ended, or when it was set (ns); None if unknown."""
    work: WorkIdentity | None = None
    """The work that was measured; None for other provenances."""
    runs: int = 0
    """Its sequential runs; for refused runs all that are stored."""
    refusal: str | None = None
    """Why measured runs are refused; None if they are admitted."""
    since: int | None = None
    """Since when (ns) they are admitted, or are no longer admitted; None if they never were."""


@dataclass(frozen=True, slots=True)
class BaselineUse:
    """Parallel executions of a pattern and mix of task types, and the baseline they are compared with."""

    mix: MixCount
    provenance: Provenance
    names: tuple[str, ...]
    refusal: str | None = None
    """Why they are not compared with measured runs; None if they are compared with these or a recording."""
    near_misses: tuple[NearMiss, ...] = ()
    """Runs of the same tasks under the names of other patterns, if there is a refusal."""


@dataclass(frozen=True, slots=True)
class BaselineCatalog:
    """All baselines, in order of precedence, then the refused runs; and the use of baselines."""

    baselines: tuple[KnownBaseline, ...]
    uses: tuple[BaselineUse, ...]

    def count_fanouts(self, baseline: KnownBaseline) -> int:
        """Return how many parallel executions are compared with a baseline."""
        if baseline.refusal is not None:
            return 0
        set_types = {other.task_types for other in self.baselines if other.provenance is Provenance.SET}
        if baseline.provenance is Provenance.CONFIGURED and baseline.task_types in set_types:
            return 0
        return sum(use.mix.count for use in self.uses if _is_used(baseline, use))


def read_catalog(
    connection: sqlite3.Connection, hours: Hours, declared: DeclaredBaselines, now: int
) -> BaselineCatalog:
    """Read all baselines as of ``now`` (ns) in a single transaction."""
    connection.execute("BEGIN")
    try:
        find_baseline = make_baseline_finder(connection, hours, declared, now=now)
        uses = []
        for mix in count_fanout_mixes(connection):
            baseline = find_baseline(mix.pattern, mix.signature)
            refusal = near_misses = None
            if baseline.refusal is not None:
                refusal = mix.work.gap or baseline.refusal
                near_misses = list_runs_under_other_patterns(connection, mix.work)
            uses.append(
                BaselineUse(mix, baseline.provenance, baseline.names, refusal, tuple(near_misses or ()))
            )
        measured = list(_list_measured(connection, now))
        all_baselines = (
            *_list_recorded(declared),
            *(runs for runs in measured if runs.refusal is None),
            *_list_by_type(hours, declared),
            *(runs for runs in measured if runs.refusal is not None),
        )
        return BaselineCatalog(all_baselines, tuple(uses))
    finally:
        connection.execute("ROLLBACK")


def build_catalog_document(catalog: BaselineCatalog, now: int) -> dict[str, Any]:
    """Return all baselines as JSON. ``now`` is in ns."""
    return {
        "baselines": [
            {
                "provenance": baseline.provenance.value,
                "admitted": baseline.refusal is None,
                "reason": baseline.refusal,
                "since": None if baseline.since is None else to_rfc3339(baseline.since),
                "project": None if baseline.work is None else baseline.work.project,
                "agents": None if baseline.work is None else [agent for agent, _ in baseline.work.workers],
                "pattern": baseline.pattern,
                "task_types": list(baseline.task_types),
                "name": baseline.name,
                "session": baseline.session,
                "whole": baseline.whole,
                "runs": baseline.runs,
                "mean_seconds": None if baseline.estimate is None else baseline.estimate.mean / SECOND,
                "confidence": _build_confidence(baseline),
                "newest": None if baseline.newest is None else to_rfc3339(baseline.newest),
                "age_seconds": None if baseline.newest is None else (now - baseline.newest) / SECOND,
                "fanouts": catalog.count_fanouts(baseline),
            }
            for baseline in catalog.baselines
        ],
        "fanouts": [
            {
                "project": use.mix.work.project,
                "pattern": use.mix.pattern,
                "task_types": list_signature_task_types(use.mix.signature),
                "agents": [agent for agent, _ in use.mix.work.workers],
                "count": use.mix.count,
                "newest": to_rfc3339(use.mix.newest),
                "baseline": use.provenance.value,
                "names": list(use.names),
                "reason": use.refusal,
                "near_misses": [
                    {"pattern": miss.pattern, "runs": miss.runs, "sessions": miss.sessions}
                    for miss in use.near_misses
                ],
            }
            for use in catalog.uses
        ],
    }


def explain_no_interval(baseline: KnownBaseline) -> str | None:
    """Return why a baseline has no confidence interval, or None if it has."""
    if baseline.estimate is None:
        return "refused runs have no mean"
    return baseline.estimate.no_interval_reason


def _build_confidence(baseline: KnownBaseline) -> dict[str, Any]:
    bounds = None if baseline.estimate is None else baseline.estimate.interval
    return {
        "level": LEVEL,
        "seconds": None if bounds is None else [edge / SECOND for edge in bounds],
        "reason": explain_no_interval(baseline),
    }


def _list_recorded(declared: DeclaredBaselines) -> Iterator[KnownBaseline]:
    for recording in declared.recorded:
        for signature in sorted({build_run_signature(run) for run in recording.runs}):
            runs = tuple(run for run in recording.runs if build_run_signature(run) == signature)
            types = tuple(signature.split(","))
            yield KnownBaseline(
                Provenance.RECORDED,
                recording.pattern,
                types,
                MeasuredRuns(runs).estimate(Counter(types)),
                recording.name,
                recording.session,
                recording.whole,
                recording.newest,
                runs=len(runs),
            )


def _list_measured(connection: sqlite3.Connection, now: int) -> Iterator[KnownBaseline]:
    """Yield the sequential runs of each work that was done one after another, admitted or refused."""
    for mix in count_run_mixes(connection):
        types = tuple(list_signature_task_types(mix.signature))
        admission = read_admission(connection, mix.pattern, mix.signature, now)
        measured = admission.measured
        yield KnownBaseline(
            Provenance.MEASURED,
            mix.pattern,
            types,
            None if measured is None else measured.estimate(Counter(types)),
            newest=mix.newest,
            work=mix.work,
            runs=mix.count if measured is None else len(measured.runs),
            refusal=None if admission.reason is None else mix.work.gap or admission.reason,
            since=admission.since,
        )


def _list_by_type(hours: Hours, declared: DeclaredBaselines) -> Iterator[KnownBaseline]:
    for task_type, entry in sorted(declared.set.items()):
        yield KnownBaseline(Provenance.SET, None, (task_type,), Estimate(entry.length, 0), newest=entry.at)
    for task_type, length in sorted(hours.items()):
        yield KnownBaseline(Provenance.CONFIGURED, None, (task_type,), Estimate(length * HOUR, 0))


def _is_used(baseline: KnownBaseline, use: BaselineUse) -> bool:
    types = list_signature_task_types(use.mix.signature)
    if baseline.provenance is Provenance.CONFIGURED or baseline.provenance is Provenance.SET:
        # If some types are set and others configured, the execution is compared with both.
        per_type = {Provenance.SET, Provenance.CONFIGURED}
        return use.provenance in per_type and baseline.task_types[0] in types
    if use.provenance is not baseline.provenance or use.mix.pattern != (baseline.pattern or NONE):
        return False
    if baseline.provenance is Provenance.RECORDED:
        return baseline.name in use.names and (baseline.whole or list(baseline.task_types) == types)
    return use.mix.work == baseline.work
