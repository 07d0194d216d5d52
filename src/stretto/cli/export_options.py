"""The options of the exports of data: runs and a session."""

from __future__ import annotations

from stretto.cli.gate_options import AddCommand, Commands


def add_data_exports(kinds: Commands, add_command: AddCommand) -> None:
    """Add the commands to the parser."""
    runs = add_command(
        kinds, "runs", "export_data:export_runs", "write finished tasks or sessions as CSV", json=False
    )
    runs.add_argument("--of", choices=("tasks", "sessions"), default="tasks", help="a row for each (tasks)")
    runs.add_argument(
        "--since",
        metavar="WHEN",
        help="tasks begun, sessions ended since: 24h, 7d, 2026-11-20, an RFC 3339 time",
    )
    runs.add_argument("--until", metavar="WHEN", help="and before this time (now)")
    session = add_command(
        kinds,
        "session",
        "export_data:export_session",
        "write a session as a trace for ui.perfetto.dev, or as OTLP",
        json=False,
    )
    session.add_argument("session", metavar="SESSION", help="its id, the beginning of it, or 'last'")
    session.add_argument(
        "--format",
        choices=("perfetto", "otlp"),
        default="perfetto",
        help="Chrome's trace events, or OTLP/JSON (perfetto)",
    )
    for command in (runs, session):
        command.add_argument(
            "--output", default="-", metavar="FILE", help="the file, or - for standard output (-)"
        )
        command.add_argument("--replace", action="store_true", help="overwrite the file")
