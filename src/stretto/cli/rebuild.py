"""``stretto rebuild``: make the store again from the journal, in the running service if there is one."""

from __future__ import annotations

import argparse
import time
from typing import Any

from stretto.cli.command_context import CommandContext
from stretto.cli.http_client import wait_for_work
from stretto.cli.ingest_progress import REPORT_SECONDS, ingest_with_progress
from stretto.clock import read_wall_clock
from stretto.service.configured_ingest import create_ingest
from stretto.state.lock import StateLock, find_lock_holder
from stretto.store import open_session_queries
from stretto.store.database import open_writer
from stretto.store.store_rescue import describe_aside_store, move_unusable_store_aside

PATH = "/api/rebuild"


def run_rebuild(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """Make the store again and print what it has."""
    document = rebuild_store(context)
    context.print_answer(
        document,
        f"{document['events']} events of {document['sessions']} sessions in {document['seconds']:.1f} s,"
        f" {document['rejects']} set aside",
    )
    return 0


def rebuild_store(context: CommandContext) -> dict[str, Any]:
    """Make the store again; return the counts of events, rejects and sessions, and the seconds it took."""
    holder = find_lock_holder(context.config.state)
    if holder is not None and holder.address is not None:
        document = _rebuild_in_service(context, holder.address)
    else:
        document = _rebuild_here(context)
    return {name: document[name] for name in ("events", "rejects", "sessions", "seconds")}


def _rebuild_here(context: CommandContext) -> dict[str, Any]:
    config = context.config
    with StateLock(config.state):
        aside = move_unusable_store_aside(config.database, config.journal, read_wall_clock(), thorough=True)
        if aside is not None:
            context.print_note(describe_aside_store(aside))
        connection = open_writer(config.database)
        ingest = create_ingest(config, connection)
        started = time.perf_counter()
        ingest.clear_store()
        ingest.reset_if_rules_changed(config.fingerprint)
        events, rejects = ingest_with_progress(ingest, config.journal, context.print_note)
        sessions = open_session_queries.read_activity(connection).sessions
        connection.close()
    seconds = round(time.perf_counter() - started, 3)
    return {"events": events, "rejects": rejects, "sessions": sessions, "seconds": seconds}


def _rebuild_in_service(context: CommandContext, address: str) -> dict[str, Any]:
    """Let the running service make its store again, and wait for the end."""
    printed = time.monotonic()

    def report_progress(document: dict[str, Any]) -> None:
        nonlocal printed
        if time.monotonic() - printed >= REPORT_SECONDS and document.get("all_bytes"):
            share = 100 * document["read_bytes"] // document["all_bytes"]
            context.print_note(f"the running service makes the store again: {min(share, 100)} %")
            printed = time.monotonic()

    return wait_for_work(
        address,
        PATH,
        context.config.token,
        report_progress,
        failure="the running service did not make the store again",
        hint="see 'stretto doctor'; the journal has everything",
    )
