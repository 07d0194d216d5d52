"""Commands on stored sessions: sessions, show."""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing

from stretto.cli.command_context import CommandContext
from stretto.cli.session_table import format_session_table
from stretto.cli.session_text import format_session, format_what_if
from stretto.cli.time_args import parse_since
from stretto.clock import read_wall_clock
from stretto.errors import UsageError
from stretto.figures.session_analysis import WhatIf, build_what_if_document, simulate_task_factor
from stretto.figures.work_tree import build_work_tree
from stretto.findings.findings_snapshot import read_findings_state
from stretto.findings.look_up_findings_about_sessions import (
    build_session_finding_document,
    find_session_findings,
    order_by_holdup_seconds,
)
from stretto.model.event import Outcome
from stretto.service.configured_session_summary import summarise_configured_session
from stretto.store import declared_baseline_file as baselines
from stretto.store import session_queries
from stretto.store.database import open_reader
from stretto.store.session_search import SessionQuery, SessionSort, find_sessions, split_label
from stretto.summaries.session_json import build_row_document, build_session_document
from stretto.summaries.session_summary import SessionSummary

UNKNOWN_SESSION = 1


def list_sessions(context: CommandContext, options: argparse.Namespace) -> int:
    """List the sessions that match the filters."""
    now = read_wall_clock()
    query = _make_query(options, now)
    with closing(open_reader(context.config.database)) as connection:
        state = read_findings_state(
            connection, now, context.config.timezone, switched_off=context.config.features.off_analyses
        )
        rows = find_sessions(connection, order_by_holdup_seconds(query, state)).rows
        short_ids = session_queries.shorten_session_ids(connection, (row.id for row in rows))
        has_sessions = bool(rows) or bool(session_queries.list_sessions(connection, limit=1))
    found = find_session_findings(state, {row.id: row.pattern for row in rows})
    text = (
        format_session_table(rows, now, found, short_ids)
        if rows or not has_sessions
        else "no session matches these filters"
    )
    documents = [build_row_document(row) | build_session_finding_document(found.get(row.id)) for row in rows]
    context.print_answer({"sessions": documents}, text)
    return 0


def _make_query(options: argparse.Namespace, now: int) -> SessionQuery:
    """Return the query of the command line's filters. Raises UsageError."""
    if options.limit < 1:
        raise UsageError("--limit must be at least 1")
    label = None if options.label is None else split_label(options.label)
    if options.label is not None and label is None:
        raise UsageError(f"--label: {options.label!r} is not KEY=VALUE")
    return SessionQuery(
        words=" ".join(options.words),
        project=options.project,
        worktree=options.worktree,
        repository=options.repository,
        source=options.source,
        pattern=options.pattern,
        outcome=None if options.outcome is None else Outcome(options.outcome),
        agent=options.agent,
        task_type=options.type,
        tool=options.tool,
        model=options.model,
        label=label,
        has_failures=options.failed,
        has_fanouts=options.parallel,
        since=None if options.since is None else parse_since(options.since, now),
        until=None if options.until is None else parse_since(options.until, now, "--until"),
        sort=SessionSort(options.sort),
        ascending=options.ascending,
        limit=options.limit,
    )


def show_session(context: CommandContext, options: argparse.Namespace) -> int:
    """Show a session."""
    config = context.config
    with closing(open_reader(config.database)) as connection:
        ids = match_sessions(connection, options.session)
        if len(ids) != 1:
            context.print_note(explain_no_match(options.session, ids))
            return UNKNOWN_SESSION
        summary = summarise_configured_session(
            connection, config, ids[0], baselines.load_declared_baselines(config.state), read_wall_clock()
        )
    if summary is None:
        raise AssertionError("a session that was just listed no longer exists")
    document, text = build_session_document(summary), format_session(summary)
    if options.what_if is not None:
        what_if = _compute_what_if(summary, options.what_if)
        document["what_if"] = build_what_if_document(what_if)
        text += "\n\n" + format_what_if(what_if)
    context.print_answer(document, text)
    return 0


def _compute_what_if(summary: SessionSummary, expression: str) -> WhatIf:
    """Return the effect of ``TASK=FACTOR``, a task at a factor of its time. Raises UsageError."""
    name, _, factor = expression.rpartition("=")
    ids = [task.id for task in summary.session.tasks]
    matches = [name] if name in ids else [id for id in ids if name and id.startswith(name)]
    if len(matches) != 1:
        problem = "is the beginning of several tasks" if matches else "is not a task of this session"
        raise UsageError(f"--what-if: {name!r} {problem}", hint=f"its tasks are {', '.join(ids) or 'none'}")
    try:
        fanouts = (fanout for fanout, _ in summary.fanouts)
        what_if = simulate_task_factor(build_work_tree(summary.session), fanouts, matches[0], float(factor))
    except ValueError:
        raise UsageError(
            f"--what-if: {factor!r} is not a positive number",
            hint="TASK=0.8 tries a task at 80 % of its time",
        ) from None
    if what_if is None:
        raise UsageError(f"--what-if: the duration of task {matches[0]} is not known")
    return what_if


def match_sessions(connection: sqlite3.Connection, name: str) -> list[str]:
    """Return the sessions whose id begins with ``name``, at most three; ``last`` is the newest session."""
    if name == "last":
        return [row.id for row in session_queries.list_sessions(connection, limit=1)]
    ids = session_queries.find_session_ids(connection, name)
    return [name] if name in ids else ids


def explain_no_match(name: str, ids: list[str]) -> str:
    """Return a sentence for a name that fits no session, or several."""
    if ids:
        return f"{name!r} is the beginning of several sessions: {', '.join(ids)} …"
    return f"there is no session {name!r}: 'stretto sessions' lists them"
