"""The rows of a session's executions: its sequential runs, and its fan-outs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from stretto.figures.fanouts import Executions, SequentialRun
from stretto.figures.overlapping_fanouts import CountedFanout
from stretto.figures.work_signature import identify_work
from stretto.model.entities import Session
from stretto.names import NONE
from stretto.store.database_schema import EXECUTIONS

Row = tuple[str | int | None, ...]
"""The columns of a row after session and number."""

_INSERT_RUN = (
    "INSERT OR REPLACE INTO sequential_runs"
    ' (session, number, pattern, signature, "end", lengths, project, repository, workers)'
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_FANOUT = (
    'INSERT OR REPLACE INTO fanouts (session, number, pattern, signature, start, "end", width, work, elapsed,'
    " longest_lane, project, repository, workers, delivered, delivered_work, paid, counted)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

# Members are sorted, so that a rebuild gives the same bytes.
_encode = msgspec.json.Encoder(order="deterministic").encode


class ExecutionRows(NamedTuple):
    """The rows of a session by number, or of a part of it."""

    runs: Mapping[str | None, Sequence[Row]]
    """By parent, in the order of the parents' first tasks."""
    fanouts: Sequence[Row]

    def join(self, later: ExecutionRows) -> ExecutionRows:
        """Return these rows and those of executions that began later."""
        runs = {parent: (*rows, *later.runs.get(parent, ())) for parent, rows in self.runs.items()}
        new = {parent: rows for parent, rows in later.runs.items() if parent not in runs}
        return ExecutionRows(runs | new, (*self.fanouts, *later.fanouts))

    def list_runs(self) -> Sequence[Row]:
        """Return the rows of sequential runs, by number."""
        return [row for rows in self.runs.values() for row in rows]


NO_ROWS = ExecutionRows({}, ())


def make_execution_rows(
    session: Session, executions: Executions, counted: Sequence[CountedFanout], *, with_last: bool = True
) -> ExecutionRows:
    """Return the rows of executions; ``with_last``: with those of series that a task may go on with."""
    elapsed = {(row.fanout.parent, row.fanout.start): row.elapsed for row in counted}
    pattern = session.pattern or NONE
    return ExecutionRows(
        {
            parent: [
                _make_run_row(session, pattern, run)
                for run in (of_parent.list_runs() if with_last else of_parent.runs)
            ]
            for parent, of_parent in executions.sequential.items()
        },
        [
            (
                pattern,
                (work := identify_work(session, f.tasks)).signature,
                f.start,
                f.end,
                f.width,
                f.work,
                f.elapsed,
                f.longest_lane,
                work.project,
                work.repository,
                work.encode_workers(),
                f.is_reported_delivered,
                f.delivered_work,
                f.paid,
                elapsed[f.parent, f.start],
            )
            for f in executions.fanouts
        ],
    )


def _make_run_row(session: Session, pattern: str, run: SequentialRun) -> Row:
    work = identify_work(session, run.tasks)
    lengths = _encode(run.lengths).decode()
    return (
        pattern,
        work.signature,
        run.end,
        lengths,
        work.project,
        work.repository,
        work.encode_workers(),
    )


def write_execution_rows(
    connection: sqlite3.Connection, session_id: str, rows: ExecutionRows, before: ExecutionRows | None
) -> None:
    """Write the rows of a session that differ from those stored; ``before`` is None if these are unknown."""
    if before is None:
        for table in EXECUTIONS:
            query = f"DELETE FROM {table} WHERE session = ? AND kept = 0"  # noqa: S608  # names from a constant
            connection.execute(query, (session_id,))
        before = NO_ROWS
    for table, insert, now, then in (
        ("sequential_runs", _INSERT_RUN, rows.list_runs(), before.list_runs()),
        ("fanouts", _INSERT_FANOUT, rows.fanouts, before.fanouts),
    ):
        differing = [
            (session_id, number, *row)
            for number, row in enumerate(now)
            if number >= len(then) or row != then[number]
        ]
        connection.executemany(insert, differing)
        if len(now) < len(then):
            query = f"DELETE FROM {table} WHERE session = ? AND kept = 0 AND number >= ?"  # noqa: S608  # as above
            connection.execute(query, (session_id, len(now)))
