"""Rows of runs: what a session that is over leaves of itself and of each task, and how it is stored.

The rows are concluded from the session like everything else: they are written again whenever it changes, and
deleted when it is resumed. A pruned session keeps them in its record.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

import msgspec

from stretto.figures.build_finished_runs import build_session_run, build_task_runs
from stretto.model.phases_messages_and_scores_from_facts import conclude_samples, conclude_scores
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.scores_message_balance_and_phase_coverage import unite_judges
from stretto.store.contributions.usage_coverage import compute_usage_coverage

Row = tuple[str | int | float | None, ...]

RunRows = tuple[Sequence[Row], Sequence[Row]]
"""The rows of a session in ``session_runs``, none or one, and those in ``task_runs``."""

NO_RUNS: RunRows = ((), ())

SESSION_RUN_FIELDS = tuple(field.name for field in fields(SessionRun) if field.name != "session")
TASK_RUN_FIELDS = tuple(name for name in TaskRun.__struct_fields__ if name != "session")
"""The columns of the tables beside session, number and kept, in the order of the value types."""

# Members are sorted, so that a rebuild gives the same bytes.
_encode = msgspec.json.Encoder(order="deterministic").encode


def make_run_rows(context: SessionContext) -> RunRows:
    """Return the rows of a session; none while it runs, and none of a recording."""
    if not context.over or context.session.recording:
        return NO_RUNS
    session = context.whole
    samples = conclude_samples(context.facts)
    session_run = build_session_run(
        session,
        fanouts=context.fanouts,
        wall=context.wall_time,
        path=context.critical_path,
        checks=context.integration_checks,
        samples=samples,
        score_sums=_sum_scores(context),
        usage_coverage=compute_usage_coverage(context),
        price=context.price,
    )
    task_runs = build_task_runs(session, samples, context.price)
    return (
        (_make_row(session_run, 0, _get_session_columns(session_run)),),
        tuple([_make_row(run, number, _get_task_columns(run)) for number, run in enumerate(task_runs)]),
    )


def get_cost_and_usage_coverage(rows: RunRows | None) -> tuple[float | None, float | None]:
    """Return the cost of a session in dollars and the share that its calls and tasks reported of it.

    None without rows, or if it is unknown.
    """
    if not rows or not rows[0]:
        return None, None
    dollars, share = (
        rows[0][0][2 + SESSION_RUN_FIELDS.index(name)] for name in ("dollars", "usage_coverage")
    )
    assert isinstance(dollars, float | None)
    assert isinstance(share, float | None)
    return dollars, share


def write_run_rows(
    connection: sqlite3.Connection, session_id: str, rows: RunRows, before: RunRows | None
) -> None:
    """Replace the stored rows of a session; ``before`` is None if these are unknown."""
    for (delete, insert), table_rows in zip(_STATEMENTS, rows, strict=True):
        # Most sessions are written once, and every statement takes its time.
        if before != NO_RUNS:
            connection.execute(delete, (session_id,))
        connection.executemany(insert, table_rows)


def _make_statements(table: str, columns: Sequence[str]) -> tuple[str, str]:
    """Return the statements that delete and insert the rows of a session in a table."""
    names = ", ".join(f'"{name}"' for name in ("session", "number", *columns))
    marks = ", ".join("?" * (2 + len(columns)))
    delete = f"DELETE FROM {table} WHERE session = ? AND kept = 0"  # noqa: S608  # names from a constant
    return delete, f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  # names from a constant


_STATEMENTS = (
    _make_statements("session_runs", SESSION_RUN_FIELDS),
    _make_statements("task_runs", TASK_RUN_FIELDS),
)
_get_session_columns, _get_task_columns = attrgetter(*SESSION_RUN_FIELDS), attrgetter(*TASK_RUN_FIELDS)


def _make_row(run: SessionRun | TaskRun, number: int, values: Iterable[Any]) -> Row:
    return (
        run.session,
        number,
        *[
            (_encode(value).decode() if value else None) if isinstance(value, dict) else value
            for value in values
        ],
    )


def _sum_scores(context: SessionContext) -> dict[str, float]:
    """Return the sum and the number of the session's judgements by criterion.

    Example: qualities of 9 and 8 are ``{"quality:sum": 17, "quality:number": 2}``.
    """
    sums: dict[str, float] = {}
    judgements, _ = unite_judges(conclude_scores(context.facts), context.scales)
    for judgement in judgements:
        total, number = f"{judgement.name}:sum", f"{judgement.name}:number"
        sums[total] = sums.get(total, 0) + judgement.value
        sums[number] = sums.get(number, 0) + 1
    return sums
