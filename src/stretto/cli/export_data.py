"""``stretto export runs`` and ``export session``: data for spreadsheets and viewers of traces."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from pathlib import Path

from stretto.cli.command_context import CommandContext, replace_controls
from stretto.cli.session_commands import UNKNOWN_SESSION, explain_no_match, match_sessions
from stretto.cli.time_args import parse_since
from stretto.clock import read_wall_clock
from stretto.errors import UsageError
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.store.database import open_reader
from stretto.store.queries import read_session
from stretto.store.run_queries import read_session_runs, read_task_runs
from stretto.summaries.run_tables import format_session_runs, format_task_runs
from stretto.summaries.trace_events import build_trace_document
from stretto.version import read_version

STANDARD_OUTPUT = "-"


def export_runs(context: CommandContext, options: argparse.Namespace) -> int:
    """Write the finished tasks that began, or the sessions that ended, in a period as CSV."""
    now = read_wall_clock()
    since = 0 if options.since is None else parse_since(options.since, now)
    until = now if options.until is None else parse_since(options.until, now, "--until")
    if since >= until:
        raise UsageError("--since is not before --until")
    with closing(open_reader(context.config.database)) as connection:
        if options.of == "tasks":
            text = format_task_runs(read_task_runs(connection, since, until))
        else:
            text = format_session_runs(read_session_runs(connection, since, until))
    _write_output(options, text)
    return 0


def export_session(context: CommandContext, options: argparse.Namespace) -> int:
    """Write a session as trace events or OTLP; exit code 1 if there is no such session."""
    with closing(open_reader(context.config.database)) as connection:
        ids = match_sessions(connection, options.session)
        session = (
            read_session(connection, ids[0], context.config.task_types.classify) if len(ids) == 1 else None
        )
    if session is None:
        context.print_note(explain_no_match(options.session, ids))
        return UNKNOWN_SESSION
    document = build_trace_document(session) if options.format == "perfetto" else _build_otlp(session)
    _write_output(options, json.dumps(document) + "\n")
    return 0


def _build_otlp(session: Session) -> dict[str, object]:
    from stretto.otlp_export.otlp_json import build_otlp_document  # noqa: PLC0415  # slow, and seldom needed
    from stretto.otlp_export.session_spans import build_spans  # noqa: PLC0415  # as above

    if session.outcome is Outcome.RUNNING:
        raise UsageError(
            f"session {session.id} is still running: its spans have no end",
            hint="--format perfetto shows a running session",
        )
    return build_otlp_document(build_spans(session, version=read_version()))


def _write_output(options: argparse.Namespace, text: str) -> None:
    if options.output == STANDARD_OUTPUT:
        # A name of others must not steer the terminal; CSV is UTF-8 whatever the locale.
        sys.stdout.buffer.write(replace_controls(text).encode())
        sys.stdout.flush()
        return
    path = Path(options.output)
    try:
        with path.open("w" if options.replace else "x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError("the output exists", where=str(path), hint="--replace writes it anew") from None
    except OSError as error:
        raise UsageError(
            f"the output cannot be written: {error.strerror}", where=str(path), hint="name another --output"
        ) from error
