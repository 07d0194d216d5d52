"""Queries of parallel executions and sequential runs: the best ones, their mixes, and their baselines."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import cache

from stretto.figures.baselines import (
    NOTHING_DECLARED,
    Baseline,
    DeclaredBaselines,
    FindBaseline,
    Hours,
    choose_baseline,
)
from stretto.store import queries


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
    """The number of parallel executions, or sequential runs, by pattern and mix of task types."""

    pattern: str
    signature: str
    count: int
    newest: int
    """End (ns) of the newest of them."""


def make_baseline_finder(
    connection: sqlite3.Connection, hours: Hours, declared: DeclaredBaselines = NOTHING_DECLARED
) -> FindBaseline:
    """Return a function that finds the best baseline of a pattern and mix of types, each looked up once."""

    @cache
    def find(pattern: str, signature: str) -> Baseline:
        return choose_baseline(
            pattern, signature, queries.read_measured(connection, pattern, signature), hours, declared
        )

    return find


def list_best_fanouts(connection: sqlite3.Connection) -> list[BestFanout]:
    """Return the best parallel execution of each pattern, in a time that does not grow with history."""
    best = []
    pattern = connection.execute("SELECT MIN(pattern) FROM fanouts WHERE delivered = 1").fetchone()[0]
    while pattern is not None:
        row = connection.execute(
            'SELECT work * 1.0 / elapsed, "end", session FROM fanouts WHERE pattern = ? AND delivered = 1'
            ' ORDER BY work * 1.0 / elapsed DESC, "end", session LIMIT 1',
            (pattern,),
        ).fetchone()
        best.append(BestFanout(pattern, *row))
        # Steps along the index from pattern to pattern; a GROUP BY would read every row.
        following = "SELECT MIN(pattern) FROM fanouts WHERE pattern > ? AND delivered = 1"
        pattern = connection.execute(following, (pattern,)).fetchone()[0]
    return best


def count_fanout_mixes(connection: sqlite3.Connection) -> list[MixCount]:
    """Return the number of parallel executions by pattern and mix of task types."""
    return _count_mixes(connection, "fanouts")


def count_run_mixes(connection: sqlite3.Connection) -> list[MixCount]:
    """Return the number of sequential runs by pattern and mix of task types."""
    return _count_mixes(connection, "sequential_runs")


def _count_mixes(connection: sqlite3.Connection, table: str) -> list[MixCount]:
    query = (
        f'SELECT pattern, signature, COUNT(*), MAX("end") FROM {table}'  # noqa: S608  # one of the two names above
        " GROUP BY pattern, signature ORDER BY pattern, signature"
    )
    return [MixCount(*row) for row in connection.execute(query)]
