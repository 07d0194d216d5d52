"""``stretto export runs`` and ``export session``: data for spreadsheets, frames and viewers of traces."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

from stretto.cli.command_context import CommandContext, replace_controls
from stretto.cli.session_commands import UNKNOWN_SESSION, explain_no_match, match_sessions
from stretto.cli.time_args import parse_since
from stretto.clock import read_wall_clock
from stretto.errors import UsageError
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.store.database import open_reader
from stretto.store.run_queries import read_session_runs, read_task_runs_begun_between
from stretto.store.session_queries import read_session
from stretto.summaries.past_runs_as_openmetrics import format_session_counts_and_lengths, format_task_metrics
from stretto.summaries.run_parquet import pack_session_runs, pack_task_runs
from stretto.summaries.run_tables import format_session_runs, format_task_runs
from stretto.summaries.trace_events import build_trace_document
from stretto.version import read_version

STANDARD_OUTPUT = "-"

TASK_FORMATS: Mapping[str, Callable[[Iterable[TaskRun]], str | bytes]] = {
    "csv": format_task_runs,
    "openmetrics": format_task_metrics,
    "parquet": pack_task_runs,
}
SESSION_FORMATS: Mapping[str, Callable[[Iterable[SessionRun]], str | bytes]] = {
    "csv": format_session_runs,
    "openmetrics": format_session_counts_and_lengths,
    "parquet": pack_session_runs,
}
"""Format → the function that writes runs in it."""


def export_runs(context: CommandContext, options: argparse.Namespace) -> int:
    """Write the finished tasks that began, or the sessions that ended, in a period."""
    now = read_wall_clock()
    since = 0 if options.since is None else parse_since(options.since, now)
    until = now if options.until is None else parse_since(options.until, now, "--until")
    if since >= until:
        raise UsageError("--since is not before --until")
    with closing(open_reader(context.config.database)) as connection:
        if options.of == "tasks":
            content = TASK_FORMATS[options.format](read_task_runs_begun_between(connection, since, until))
        else:
            content = SESSION_FORMATS[options.format](read_session_runs(connection, since, until))
    _write_output(options, content)
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


def _write_output(options: argparse.Namespace, content: str | bytes) -> None:
    if options.output == STANDARD_OUTPUT:
        if isinstance(content, bytes) and sys.stdout.isatty():
            raise UsageError("Parquet is no text for a terminal", hint="name a file: --output runs.parquet")
        # A name of others must not steer the terminal; CSV is UTF-8 whatever the locale.
        sys.stdout.buffer.write(replace_controls(content).encode() if isinstance(content, str) else content)
        sys.stdout.flush()
        return
    path = Path(options.output)
    try:
        with path.open("wb" if options.replace else "xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except FileExistsError:
        raise UsageError("the output exists", where=str(path), hint="--replace writes it anew") from None
    except OSError as error:
        raise UsageError(
            f"the output cannot be written: {error.strerror}", where=str(path), hint="name another --output"
        ) from error
