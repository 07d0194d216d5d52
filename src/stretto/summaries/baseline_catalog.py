"""Known baselines: all there are, each with what its runs say, and which parallel executions use it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stretto.clock import HOUR, SECOND, to_rfc3339
from stretto.figures.baselines import DeclaredBaselines, Hours, MeasuredRuns, Provenance, build_run_signature
from stretto.figures.confidence import LEVEL, Estimate
from stretto.names import NONE
from stretto.store import queries
from stretto.store.fanout_queries import MixCount, count_fanout_mixes, count_run_mixes, make_baseline_finder


@dataclass(frozen=True, slots=True)
class KnownBaseline:
    """One baseline. ``estimate`` is what its tasks take together (ns)."""

    provenance: Provenance
    pattern: str | None
    """None: any."""
    task_types: tuple[str, ...]
    estimate: Estimate
    name: str | None = None
    session: str | None = None
    whole: bool = False
    newest: int | None = None
    """When its newest run ended, or when it was set (ns); None where that is not known."""


@dataclass(frozen=True, slots=True)
class BaselineUse:
    """Parallel executions of one pattern and mix of task types, and what they are held against."""

    mix: MixCount
    provenance: Provenance
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BaselineCatalog:
    """All baselines in the order of precedence, and their use."""

    baselines: tuple[KnownBaseline, ...]
    uses: tuple[BaselineUse, ...]

    def count_fanouts(self, baseline: KnownBaseline) -> int:
        """Return how many parallel executions are held against a baseline."""
        by_hand = {b.task_types for b in self.baselines if b.provenance is Provenance.SET}
        if baseline.provenance is Provenance.CONFIGURED and baseline.task_types in by_hand:
            return 0
        return sum(use.mix.count for use in self.uses if _is_used(baseline, use))


def read_catalog(
    connection: sqlite3.Connection, hours: Hours, declared: DeclaredBaselines
) -> BaselineCatalog:
    """Read all baselines in one transaction."""
    connection.execute("BEGIN")
    try:
        find = make_baseline_finder(connection, hours, declared)
        uses = []
        for mix in count_fanout_mixes(connection):
            found = find(mix.pattern, mix.signature)
            uses.append(BaselineUse(mix, found.provenance, found.names))
        every = (*_list_recorded(declared), *_list_measured(connection), *_list_by_type(hours, declared))
        return BaselineCatalog(every, tuple(uses))
    finally:
        connection.execute("ROLLBACK")


def build_catalog_document(known: BaselineCatalog, now: int) -> dict[str, Any]:
    """Return all baselines as JSON. ``now`` is in ns."""
    return {
        "baselines": [
            {
                "provenance": baseline.provenance.value,
                "pattern": baseline.pattern,
                "task_types": list(baseline.task_types),
                "name": baseline.name,
                "session": baseline.session,
                "whole": baseline.whole,
                "runs": baseline.estimate.count,
                "mean_seconds": baseline.estimate.mean / SECOND,
                "confidence": _build_confidence(baseline),
                "newest": None if baseline.newest is None else to_rfc3339(baseline.newest),
                "age_seconds": None if baseline.newest is None else (now - baseline.newest) / SECOND,
                "fanouts": known.count_fanouts(baseline),
            }
            for baseline in known.baselines
        ],
        "fanouts": [
            {
                "pattern": use.mix.pattern,
                "task_types": use.mix.signature.split(","),
                "count": use.mix.count,
                "newest": to_rfc3339(use.mix.newest),
                "baseline": use.provenance.value,
                "names": list(use.names),
            }
            for use in known.uses
        ],
    }


def explain_no_interval(baseline: KnownBaseline) -> str | None:
    """Return why a baseline has no confidence interval, or None where it has one."""
    if baseline.estimate.bounds is not None:
        return None
    if baseline.estimate.count == 1:
        return "a single run has no interval"
    return "it is no mean of runs"


def _build_confidence(baseline: KnownBaseline) -> dict[str, Any]:
    bounds = baseline.estimate.bounds
    return {
        "level": LEVEL,
        "seconds": None if bounds is None else [edge / SECOND for edge in bounds],
        "reason": explain_no_interval(baseline),
    }


def _list_recorded(declared: DeclaredBaselines) -> Iterator[KnownBaseline]:
    for found in declared.recorded:
        for signature in sorted({build_run_signature(run) for run in found.runs}):
            runs = tuple(run for run in found.runs if build_run_signature(run) == signature)
            types = tuple(signature.split(","))
            yield KnownBaseline(
                Provenance.RECORDED,
                found.pattern,
                types,
                MeasuredRuns(runs).estimate(Counter(types)),
                found.name,
                found.session,
                found.whole,
                found.newest,
            )


def _list_measured(connection: sqlite3.Connection) -> Iterator[KnownBaseline]:
    for mix in count_run_mixes(connection):
        types = tuple(mix.signature.split(","))
        measured = queries.read_measured(connection, mix.pattern, mix.signature)
        if measured is not None:
            yield KnownBaseline(
                Provenance.MEASURED, mix.pattern, types, measured.estimate(Counter(types)), newest=mix.newest
            )


def _list_by_type(hours: Hours, declared: DeclaredBaselines) -> Iterator[KnownBaseline]:
    for task_type, found in sorted(declared.set.items()):
        yield KnownBaseline(Provenance.SET, None, (task_type,), Estimate(found.length, 0), newest=found.at)
    for task_type, length in sorted(hours.items()):
        yield KnownBaseline(Provenance.CONFIGURED, None, (task_type,), Estimate(length * HOUR, 0))


def _is_used(baseline: KnownBaseline, use: BaselineUse) -> bool:
    types = use.mix.signature.split(",")
    if baseline.provenance is Provenance.CONFIGURED or baseline.provenance is Provenance.SET:
        # Where some types were set and others are configured, the execution is held against both.
        by_hand = {Provenance.SET, Provenance.CONFIGURED}
        return use.provenance in by_hand and baseline.task_types[0] in types
    if use.provenance is not baseline.provenance or use.mix.pattern != (baseline.pattern or NONE):
        return False
    if baseline.provenance is Provenance.RECORDED:
        return baseline.name in use.names and (baseline.whole or list(baseline.task_types) == types)
    return list(baseline.task_types) == types
