"""Verbs over what is kept: sessions, show, rebuild, config."""

from __future__ import annotations

import argparse
import time
from contextlib import closing

from stretto.cli import table
from stretto.cli.context import Context
from stretto.clock import wall
from stretto.errors import UsageError
from stretto.insights import insight, row_document, session_document
from stretto.lock import Lock
from stretto.store import queries
from stretto.store.database import open_reader, open_writer, remove_unusable
from stretto.store.ingest import Ingest

UNKNOWN_SESSION = 1


def sessions(context: Context, options: argparse.Namespace) -> int:
    """List sessions."""
    if options.limit < 1:
        raise UsageError("--limit must be at least 1")
    with closing(open_reader(context.config.database)) as connection:
        rows = queries.sessions(connection, limit=options.limit)
    context.answer({"sessions": [row_document(row) for row in rows]}, table.sessions(rows, wall()))
    return 0


def show(context: Context, options: argparse.Namespace) -> int:
    """Show one session."""
    config = context.config
    with closing(open_reader(config.database)) as connection:
        if options.session == "last":
            found = [row.id for row in queries.sessions(connection, limit=1)]
        else:
            found = queries.find_sessions(connection, options.session)
        if options.session in found:
            found = [options.session]
        if len(found) != 1:
            context.say(_not_one(options.session, found))
            return UNKNOWN_SESSION
        seen = insight(connection, found[0], config.task_types.classify, config.hours)
    if seen is None:
        raise AssertionError("a session that was just listed is gone")
    context.answer(session_document(seen), table.session(seen))
    return 0


def rebuild(context: Context, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """Build the store anew from the journal."""
    config = context.config
    with Lock(config.state):
        remove_unusable(config.database)
        connection = open_writer(config.database)
        ingest = Ingest(connection, config.task_types.classify, idle_limit=config.idle_minutes * 60)
        started = time.perf_counter()
        ingest.clear()
        ingest.renew(config.fingerprint)
        events = rejects = 0
        for taken in ingest.catch_up(config.journal, now=wall()):
            events += taken.events
            rejects += taken.rejects
        ingest.sweep(wall())
        count = queries.activity(connection).sessions
        connection.close()
    seconds = time.perf_counter() - started
    document = {"events": events, "rejects": rejects, "sessions": count, "seconds": round(seconds, 3)}
    context.answer(document, f"{events} events of {count} sessions in {seconds:.1f} s, {rejects} set aside")
    return 0


def config(context: Context, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
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
    }
    context.answer(document, table.config(config))
    return 0


def _not_one(wanted: str, found: list[str]) -> str:
    if found:
        return f"{wanted!r} is the beginning of several sessions: {', '.join(found)} …"
    return f"there is no session {wanted!r}: 'stretto sessions' lists them"
