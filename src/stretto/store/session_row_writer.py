"""The rows of a session: in the list of sessions, its words, its executions, its caches and its runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain

from stretto.figures.overlapping_fanouts import CountedFanout, count_fanouts_once
from stretto.figures.unreported_tool_calls import ToolCallGaps
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.model.model_name import normalise_model
from stretto.model.phases_messages_and_scores_from_facts import find_newest_cache_sizes
from stretto.store.concluded_session import ConcludedSession
from stretto.store.run_rows import NO_RUNS, get_cost_and_usage_coverage, make_run_rows, write_run_rows
from stretto.store.session_in_memory import SessionState
from stretto.store.session_search import (
    NO_WORDS,
    delete_words,
    encode_items,
    insert_words,
    iterate_task_words,
    list_words,
    number_words,
)
from stretto.store.session_task_counts import TaskCounts, count_tasks
from stretto.store.write_execution_rows import make_execution_rows, write_execution_rows

_INSERT_SESSION = f"INSERT OR REPLACE INTO sessions VALUES ({', '.join('?' * 32)})"  # noqa: S608  # no text of others


def write_session_rows(
    connection: sqlite3.Connection, state: SessionState, concluded: ConcludedSession
) -> None:
    """Write the rows of a session that differ from its stored rows."""
    before, state.written = state.written, concluded
    has_same_tasks = before is not None and concluded.has_same_tasks(before)
    counted = () if has_same_tasks else tuple(count_fanouts_once(concluded.rest.fanouts))
    if not has_same_tasks or state.task_counts is None:
        counts = count_tasks(concluded.rest_tasks, counted)
        settled = concluded.settled
        state.task_counts = counts if settled is None else settled.counts.add(counts)
    _write_runs(connection, state, concluded.session.id)
    if before is None or not _has_same_words(concluded.session, before.session):
        _write_words(connection, state, concluded)
    _write_list_row(connection, state, concluded, state.task_counts)
    connection.executemany(
        "INSERT OR REPLACE INTO cache_entries VALUES (?, ?, ?, ?, ?)",
        [
            (concluded.session.id, name, *newest)
            for name, newest in find_newest_cache_sizes(state.facts).items()
        ],
    )
    # Rows of the same executions need not be made to be found equal.
    if before is None or not concluded.has_same_executions(before):
        counted = counted or tuple(count_fanouts_once(concluded.rest.fanouts))
        _write_executions(connection, state, concluded, counted)


def _write_runs(connection: sqlite3.Connection, state: SessionState, session_id: str) -> None:
    context = state.contributions.context
    rows = NO_RUNS if context is None else make_run_rows(context)
    # A session that runs on and was not over before has no rows.
    if state.run_rows != rows:
        write_run_rows(connection, session_id, rows, state.run_rows)
        state.run_rows = rows


def _has_same_words(session: Session, before: Session) -> bool:
    """Return whether a session that was concluded again has the same words; tasks are often reused."""
    names = ("start", "project", "worktree", "pattern", "source", "labels")
    return session.tasks is before.tasks and all(
        getattr(session, name) == getattr(before, name) for name in names
    )


def _write_words(connection: sqlite3.Connection, state: SessionState, concluded: ConcludedSession) -> None:
    session, settled = concluded.session, concluded.settled
    task_words = iterate_task_words(session.tasks)
    if settled is not None and settled.tasks.precede(concluded.rest_tasks):
        task_words = chain(settled.words, iterate_task_words(concluded.rest_tasks))
    words = (session.start, list_words(session, task_words))
    if state.words != words:
        if state.words != NO_WORDS:
            delete_words(connection, session.id)
        insert_words(connection, session.id, *words)
        state.words = words


def _write_list_row(
    connection: sqlite3.Connection,
    state: SessionState,
    concluded: ConcludedSession,
    counts: TaskCounts,
) -> None:
    session = concluded.session
    in_turn = any(turn.outcome is Outcome.RUNNING for turn in session.turns)
    # The block of a program is at work as long as it is open; it has no turns.
    dollars, usage_coverage = get_cost_and_usage_coverage(state.run_rows)
    context = state.contributions.context
    # Tool calls that a client only counted are added at the end: a look at each call costs too much before.
    gaps = ToolCallGaps(context.whole) if context is not None and context.over else None
    at_work = counts.running > 0 or in_turn or session.opened_by_program
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
            counts.running,
            state.call_count if gaps is None else gaps.total,
            len(concluded.fanouts),
            session.worktree,
            counts.failed,
            counts.delivered,
            counts.delivered_work if counts.fanouts else None,
            counts.elapsed if counts.fanouts else None,
            dollars,
            encode_items(sorted(counts.agents)),
            encode_items([f"{key}={value}" for key, value in session.labels]),
            encode_items(sorted(counts.types)),
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
    context = state.contributions.context
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
    concluded: ConcludedSession,
    counted: Sequence[CountedFanout],
) -> None:
    rows = make_execution_rows(concluded.session, concluded.rest, counted)
    if concluded.settled is not None:
        rows = concluded.settled.rows.join(rows)
    write_execution_rows(connection, concluded.session.id, rows, state.executions)
    state.executions = rows
