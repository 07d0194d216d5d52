"""Verbs over what is kept: sessions, show, rebuild, config."""

from __future__ import annotations

import argparse
import sqlite3
import time
from contextlib import closing

from stretto.cli import text_tables
from stretto.cli.command_context import CommandContext
from stretto.cli.session_text import format_session, format_what_if
from stretto.cli.time_args import parse_since
from stretto.clock import read_wall_clock
from stretto.errors import UsageError
from stretto.figures.scores.score_rules import build_rules_document
from stretto.figures.session_analysis import WhatIf, build_what_if_document, try_factor
from stretto.figures.work_tree import build_work_tree
from stretto.model.event import Outcome
from stretto.service.ingest_setup import create_ingest
from stretto.state.lock import Lock
from stretto.store import declared_baselines as baselines
from stretto.store import queries
from stretto.store.database import open_reader, open_writer, remove_unusable
from stretto.summaries.session_summary import (
    SessionSummary,
    build_row_document,
    build_session_document,
    summarise_session,
)

UNKNOWN_SESSION = 1


def list_sessions(context: CommandContext, options: argparse.Namespace) -> int:
    """List sessions."""
    if options.limit < 1:
        raise UsageError("--limit must be at least 1")
    now = read_wall_clock()
    wanted = queries.Wanted(
        project=options.project,
        pattern=options.pattern,
        outcome=None if options.outcome is None else Outcome(options.outcome),
        since=None if options.since is None else parse_since(options.since, now),
    )
    with closing(open_reader(context.config.database)) as connection:
        rows = queries.wanted_sessions(connection, wanted, limit=options.limit)
        known = bool(rows) or bool(queries.sessions(connection, limit=1))
    text = text_tables.format_sessions(rows, now) if rows or not known else "no session is like that"
    context.print_answer({"sessions": [build_row_document(row) for row in rows]}, text)
    return 0


def show_session(context: CommandContext, options: argparse.Namespace) -> int:
    """Show one session."""
    config = context.config
    with closing(open_reader(config.database)) as connection:
        found = match_sessions(connection, options.session)
        if len(found) != 1:
            context.print_note(explain_no_match(options.session, found))
            return UNKNOWN_SESSION
        seen = summarise_session(
            connection,
            found[0],
            config.task_types.classify,
            config.hours,
            config.prices.compute_cost,
            declared=baselines.load(config.state),
            scoring=config.scoring,
        )
    if seen is None:
        raise AssertionError("a session that was just listed is gone")
    document, text = build_session_document(seen), format_session(seen)
    if options.what_if is not None:
        tried = _compute_what_if(seen, options.what_if)
        document["what_if"] = build_what_if_document(tried)
        text += "\n\n" + format_what_if(tried)
    context.print_answer(document, text)
    return 0


def rebuild_store(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """Build the store anew from the journal."""
    config = context.config
    with Lock(config.state):
        remove_unusable(config.database)
        connection = open_writer(config.database)
        ingest = create_ingest(config, connection)
        started = time.perf_counter()
        ingest.clear()
        ingest.renew(config.fingerprint)
        events = rejects = 0
        for taken in ingest.catch_up(config.journal, now=read_wall_clock()):
            events += taken.events
            rejects += taken.rejects
        ingest.sweep(read_wall_clock())
        count = queries.activity(connection).sessions
        connection.close()
    seconds = time.perf_counter() - started
    document = {"events": events, "rejects": rejects, "sessions": count, "seconds": round(seconds, 3)}
    context.print_answer(
        document, f"{events} events of {count} sessions in {seconds:.1f} s, {rejects} set aside"
    )
    return 0


def show_config(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """Show every setting with its origin."""
    config = context.config
    document = {
        "settings": [{"name": s.name, "value": s.value, "origin": s.origin} for s in config.settings],
        "task_types": [
            {
                "name": t.name,
                "keywords": list(t.keywords),
                "sequential_hours": t.sequential_hours,
                "parallel_target_hours": t.parallel_target_hours,
                "target_improvement": t.target,
            }
            for t in config.task_types.types
        ],
        "scores": build_rules_document(config.scores),
    }
    context.print_answer(document, text_tables.format_config(config))
    return 0


def _compute_what_if(seen: SessionSummary, said: str) -> WhatIf:
    """Work out what ``TASK=FACTOR`` says; raises UsageError where it cannot be."""
    name, _, factor = said.rpartition("=")
    ids = [task.id for task in seen.session.tasks]
    found = [name] if name in ids else [id for id in ids if name and id.startswith(name)]
    if len(found) != 1:
        what = "is the beginning of several tasks" if found else "is no task of this session"
        raise UsageError(f"--what-if: {name!r} {what}", hint=f"its tasks are {', '.join(ids) or 'none'}")
    try:
        fanouts = (fanout for fanout, _ in seen.fanouts)
        tried = try_factor(build_work_tree(seen.session), fanouts, found[0], float(factor))
    except ValueError:
        raise UsageError(
            f"--what-if: {factor!r} is no positive number", hint="TASK=0.8 tries a task at 80 % of its time"
        ) from None
    if tried is None:
        raise UsageError(f"--what-if: the length of task {found[0]} is not known")
    return tried


def match_sessions(connection: sqlite3.Connection, wanted: str) -> list[str]:
    """Return the ids that a person may mean by an id, the beginning of one, or ``last``: three at most."""
    if wanted == "last":
        return [row.id for row in queries.sessions(connection, limit=1)]
    found = queries.find_sessions(connection, wanted)
    return [wanted] if wanted in found else found


def explain_no_match(wanted: str, found: list[str]) -> str:
    """Return in words that no session, or more than one, goes by that name."""
    if found:
        return f"{wanted!r} is the beginning of several sessions: {', '.join(found)} …"
    return f"there is no session {wanted!r}: 'stretto sessions' lists them"
