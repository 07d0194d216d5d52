"""Queries of parallel executions and sequential runs: the best ones, their mixes, and their baselines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import msgspec

from stretto.clock import DAY
from stretto.figures.baseline_admission import (
    FEWEST_RUNS,
    MOST_RUNS,
    Admission,
    PastFanouts,
    PastRun,
    judge_admission,
)
from stretto.figures.sequential_baseline_choice import (
    NOTHING_DECLARED,
    Baseline,
    DeclaredBaselines,
    FindBaseline,
    Hours,
    choose_baseline,
)
from stretto.figures.work_signature import WorkIdentity, decode_workers, has_work_identity
from stretto.names import NONE
from stretto.store.database import bound_instant

_decode_lengths = msgspec.json.Decoder(dict[str, list[int]]).decode

UNIDENTIFIED = "its session has no named pattern or no known project, or a task in it is of unknown type"
"""Why work whose identity is not known has no measured baseline."""


@dataclass(frozen=True, slots=True)
class BestFanout:
    """The parallel execution of a pattern with the highest work over elapsed, the earliest of equal ones.

    Every task of it reported success.
    """

    pattern: str
    speedup: float
    end: int
    session: str


@dataclass(frozen=True, slots=True)
class MixCount:
    """The number of parallel executions, or sequential runs, of the same work."""

    work: WorkIdentity
    signature: str
    count: int
    newest: int
    """End (ns) of the newest of them."""

    @property
    def pattern(self) -> str:
        """The pattern, or ``none``."""
        return self.work.pattern or NONE


@dataclass(frozen=True, slots=True)
class NearMiss:
    """Sequential runs of the same tasks in the same project, under another pattern's name."""

    pattern: str
    runs: int
    sessions: int


def make_baseline_finder(
    connection: sqlite3.Connection,
    hours: Hours,
    declared: DeclaredBaselines = NOTHING_DECLARED,
    *,
    now: int | None = None,
) -> FindBaseline:
    """Return a function that finds the best baseline of a pattern and signature, each looked up once.

    Measured baselines are judged at ``now`` (ns), without it at the newest run or execution of the same work.
    """

    @cache
    def find(pattern: str, signature: str) -> Baseline:
        admission = read_admission(connection, pattern, signature, now)
        return choose_baseline(
            pattern, signature, admission.measured, hours, declared, refusal=admission.reason
        )

    return find


def read_admission(
    connection: sqlite3.Connection, pattern: str, signature: str, now: int | None = None
) -> Admission:
    """Return whether the sequential runs of some work are its measured baseline at an instant (ns)."""
    if not has_work_identity(signature):
        return Admission(reason=UNIDENTIFIED)
    until = bound_instant(now)
    # Only the newest runs of a day can be among the newest at the end of any day.
    runs = [
        PastRun(session, end, _decode_lengths(lengths))
        for session, end, lengths in connection.execute(
            'SELECT session, "end", lengths FROM ('
            'SELECT session, "end", lengths, ROW_NUMBER() OVER'
            ' (PARTITION BY "end" / :day ORDER BY "end" DESC, session, number) AS place'
            ' FROM sequential_runs WHERE pattern = :pattern AND signature = :signature AND "end" <= :until)'
            " WHERE place <= :most",
            {"day": DAY, "pattern": pattern, "signature": signature, "until": until, "most": MOST_RUNS},
        )
    ]
    # Most work never ran one after another often enough: its executions need not be read.
    fanouts = _read_past_fanouts(connection, pattern, signature, until) if len(runs) >= FEWEST_RUNS else []
    newest = max([0, *(run.end for run in runs), *(day.end for day in fanouts)])
    return judge_admission(runs, fanouts, newest if now is None else now)


def _read_past_fanouts(
    connection: sqlite3.Connection, pattern: str, signature: str, until: int
) -> list[PastFanouts]:
    rows = connection.execute(
        # A hub reads work of any machine: integers of more than 64 bits would be refused.
        'SELECT MAX("end"), COUNT(*), CAST(TOTAL(work) AS INTEGER), SUM(width) FROM fanouts'
        ' WHERE pattern = ? AND signature = ? AND "end" <= ? AND delivered GROUP BY "end" / ?',
        (pattern, signature, until, DAY),
    )
    return [PastFanouts(*row) for row in rows]


def list_runs_under_other_patterns(connection: sqlite3.Connection, work: WorkIdentity) -> list[NearMiss]:
    """Return the sequential runs of the same tasks in the same project under the names of other patterns."""
    rows = connection.execute(
        "SELECT pattern, COUNT(*), COUNT(DISTINCT session) FROM sequential_runs"
        " WHERE workers = ? AND project = ? AND repository IS ? AND pattern <> ?"
        " GROUP BY pattern ORDER BY pattern",
        (work.encode_workers(), work.project, work.repository, work.pattern),
    )
    return [NearMiss(*row) for row in rows]


class FanoutRun(NamedTuple):
    """A finished fan-out as the headline counts it; lengths in ns."""

    session: str
    width: int
    elapsed: int
    delivered_work: int
    paid: int


def read_fanout_runs(
    connection: sqlite3.Connection, start: int, end: int, *, at: int | None = None
) -> list[FanoutRun]:
    """Return the fan-outs that ended from ``start`` to before ``end`` (ns), by end, as known at ``at``."""
    rows = connection.execute(
        'SELECT session, width, elapsed, delivered_work, paid FROM fanouts WHERE "end" >= ? AND "end" < ?'
        ' AND "end" <= ? ORDER BY "end", session, number',
        (start, end, bound_instant(at)),
    )
    return [FanoutRun(*row) for row in rows]


def list_best_fanout_by_pattern(
    connection: sqlite3.Connection, *, most: int | None = None, otherwise: Iterable[str] = ()
) -> list[BestFanout]:
    """Return the best parallel execution of each pattern, in a time that does not grow with history.

    If there are more than ``most`` patterns, only those of ``otherwise`` are looked at.
    """
    patterns = _list_patterns(connection, most)
    if patterns is None:
        patterns = sorted(otherwise)
    best = []
    for pattern in patterns:
        row = connection.execute(
            'SELECT work * 1.0 / elapsed, "end", session FROM fanouts WHERE pattern = ? AND delivered = 1'
            ' ORDER BY work * 1.0 / elapsed DESC, "end", session LIMIT 1',
            (pattern,),
        ).fetchone()
        if row is not None:
            best.append(BestFanout(pattern, *row))
    return best


def _list_patterns(connection: sqlite3.Connection, most: int | None) -> list[str] | None:
    """Return the patterns with a delivered parallel execution, or None if there are more than ``most``."""
    patterns: list[str] = []
    pattern = connection.execute("SELECT MIN(pattern) FROM fanouts WHERE delivered = 1").fetchone()[0]
    while pattern is not None:
        if len(patterns) == most:
            return None
        patterns.append(pattern)
        # Steps along the index from pattern to pattern; a GROUP BY would read every row.
        following = "SELECT MIN(pattern) FROM fanouts WHERE pattern > ? AND delivered = 1"
        pattern = connection.execute(following, (pattern,)).fetchone()[0]
    return patterns


def count_fanout_mixes(connection: sqlite3.Connection) -> list[MixCount]:
    """Return the number of parallel executions by identity of their work."""
    return _count_mixes(connection, "fanouts")


def count_run_mixes(connection: sqlite3.Connection) -> list[MixCount]:
    """Return the number of sequential runs by identity of their work."""
    return _count_mixes(connection, "sequential_runs")


def _count_mixes(connection: sqlite3.Connection, table: str) -> list[MixCount]:
    query = (
        f'SELECT project, repository, pattern, workers, signature, COUNT(*), MAX("end") FROM {table}'  # noqa: S608  # one of the two names above
        " GROUP BY pattern, signature, project, repository, workers"
        " ORDER BY pattern, signature, project, repository, workers"
    )
    return [
        MixCount(
            WorkIdentity(project, pattern, decode_workers(workers), repository), signature, count, newest
        )
        for project, repository, pattern, workers, signature, count, newest in connection.execute(query)
    ]
