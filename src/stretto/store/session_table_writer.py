"""The rows of a session: in the list of sessions, its words, its executions, its caches and its runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from stretto.figures.comparable_work import identify_work
from stretto.figures.missing_tool_calls import ToolCallGaps
from stretto.figures.overlapping_fanouts import CountedFanout, count_fanouts_once
from stretto.model.conclude_leaves import find_newest_cache_sizes
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.model.model_name import normalise_model
from stretto.names import NONE
from stretto.store.database_schema import EXECUTIONS
from stretto.store.run_rows import NO_RUNS, get_cost, make_run_rows, write_run_rows
from stretto.store.session_finder import encode_items, list_words, number_words, write_words
from stretto.store.session_in_memory import SessionState, SettledSession, TaskColumns

_INSERT_SESSION = f"INSERT OR REPLACE INTO sessions VALUES ({', '.join('?' * 32)})"  # noqa: S608  # no text of others
_INSERT_RUN = (
    'INSERT INTO sequential_runs (session, number, pattern, signature, "end", lengths, project, repository,'
    " workers) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_FANOUT = (
    'INSERT INTO fanouts (session, number, pattern, signature, start, "end", width, work, elapsed,'
    " longest_lane, project, repository, workers, delivered, delivered_work, paid, counted)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

# Members are sorted, so that a rebuild gives the same bytes.
_encode = msgspec.json.Encoder(order="deterministic").encode


def write_session_rows(connection: sqlite3.Connection, state: SessionState, settled: SettledSession) -> None:
    """Write the rows of a session that differ from its stored rows."""
    before, state.written = state.written, settled
    has_same_tasks = before is not None and settled.has_same_tasks(before)
    counted = () if has_same_tasks else tuple(count_fanouts_once(settled.fanouts))
    if not has_same_tasks or state.task_columns is None:
        state.task_columns = _make_task_columns(settled.session, counted)
    _write_runs(connection, state, settled.session.id)
    if before is None or not _has_same_words(settled.session, before.session):
        _write_words(connection, state, settled.session)
    _write_list_row(connection, state, settled, state.task_columns)
    connection.executemany(
        "INSERT OR REPLACE INTO cache_entries VALUES (?, ?, ?, ?, ?)",
        [
            (settled.session.id, name, *newest)
            for name, newest in find_newest_cache_sizes(state.facts).items()
        ],
    )
    # Rows of the same executions need not be made to be found equal.
    if before is None or not settled.has_same_executions(before):
        counted = counted or tuple(count_fanouts_once(settled.fanouts))
        _write_executions(connection, state, settled, counted)


def _write_runs(connection: sqlite3.Connection, state: SessionState, session_id: str) -> None:
    rows = NO_RUNS if state.last_context is None else make_run_rows(state.last_context)
    # A session that runs on and was not over before has no rows.
    if state.run_rows != rows:
        write_run_rows(connection, session_id, rows)
        state.run_rows = rows


def _has_same_words(session: Session, before: Session) -> bool:
    """Return whether a session that was concluded again has the same words; tasks are often reused."""
    names = ("start", "project", "worktree", "pattern", "source", "labels")
    return session.tasks is before.tasks and all(
        getattr(session, name) == getattr(before, name) for name in names
    )


def _write_words(connection: sqlite3.Connection, state: SessionState, session: Session) -> None:
    words = (session.start, list_words(session))
    if state.words != words:
        write_words(connection, session.id, *words)
        state.words = words


def _make_task_columns(session: Session, counted: Sequence[CountedFanout]) -> TaskColumns:
    return TaskColumns(
        running=sum(task.outcome is Outcome.RUNNING for task in session.tasks),
        failed=sum(task.outcome is Outcome.FAILURE for task in session.tasks),
        delivered=sum(task.end is not None and not task.is_wasted for task in session.tasks),
        delivered_work=sum(row.fanout.delivered_work for row in counted) if counted else None,
        elapsed=sum(row.elapsed for row in counted) if counted else None,
        agents=encode_items(sorted({task.agent for task in session.tasks if task.agent})),
    )


def _write_list_row(
    connection: sqlite3.Connection,
    state: SessionState,
    settled: SettledSession,
    columns: TaskColumns,
) -> None:
    session = settled.session
    in_turn = any(turn.outcome is Outcome.RUNNING for turn in session.turns)
    # The block of a program is at work as long as it is open; it has no turns.
    dollars, usage_coverage = get_cost(state.run_rows)
    context = state.last_context
    # Tool calls that a client only counted are added at the end: a look at each call costs too much before.
    gaps = ToolCallGaps(context.whole) if context is not None and context.over else None
    at_work = columns.running > 0 or in_turn or session.opened_by_program
    connection.execute(
        _INSERT_SESSION,
        (
            session.id,
            session.source,
            session.project,
            session.pattern,
            session.recording,
            session.start,
            session.end,
            session.last,
            session.outcome.value,
            state.lost,
            session.outcome is Outcome.RUNNING and at_work,
            len(session.turns),
            len(session.tasks),
            columns.running,
            state.call_count if gaps is None else gaps.total,
            len(settled.fanouts),
            session.worktree,
            columns.failed,
            columns.delivered,
            columns.delivered_work,
            columns.elapsed,
            dollars,
            columns.agents,
            encode_items([f"{key}={value}" for key, value in session.labels]),
            encode_items(sorted({task.task_type for task in session.tasks})),
            *_encode_called(state),
            number_words(session.id, session.start),
            state.arrived,
            session.repository,
            usage_coverage,
            gaps is not None and not gaps.is_total_complete,
        ),
    )


def _encode_called(state: SessionState) -> tuple[str, str]:
    """Return the tools and the models that a session called; none while it runs, as its cost."""
    context = state.last_context
    if context is None or not context.over:
        return encode_items([]), encode_items([])
    calls = context.whole
    return (
        encode_items(sorted({call.tool for call in calls.tool_calls if call.tool})),
        encode_items(sorted({normalise_model(call.model) for call in calls.model_calls if call.model})),
    )


def _write_executions(
    connection: sqlite3.Connection,
    state: SessionState,
    settled: SettledSession,
    counted: Sequence[CountedFanout],
) -> None:
    session, pattern = settled.session, settled.session.pattern or NONE
    runs = [
        (
            session.id,
            number,
            pattern,
            (work := identify_work(session, run.tasks)).signature,
            run.end,
            _encode(run.lengths).decode(),
            work.project,
            work.repository,
            work.encode_workers(),
        )
        for number, run in enumerate(settled.sequential_runs)
    ]
    elapsed = {(row.fanout.parent, row.fanout.start): row.elapsed for row in counted}
    fanouts = [
        (
            session.id,
            number,
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
        for number, f in enumerate(settled.fanouts)
    ]
    # Most batches end no fan-out and no run: the stored rows are then left alone.
    if state.executions == (runs, fanouts):
        return
    for table in EXECUTIONS:
        query = f"DELETE FROM {table} WHERE session = ? AND kept = 0"  # noqa: S608  # names from a constant
        connection.execute(query, (session.id,))
    connection.executemany(_INSERT_RUN, runs)
    connection.executemany(_INSERT_FANOUT, fanouts)
    state.executions = (runs, fanouts)
