"""The options of the exports: runs, a session, files for servers that run already, and the plugin."""

from __future__ import annotations

from stretto.cli.gate_profile_and_feature_options import AddCommand, Commands

EXPORT_KINDS = {
    "prometheus": "write a scrape job and the rules",
    "grafana": "write the dashboards and their provisioning",
    "mixin": "write a monitoring mixin of rules and dashboards",
    "operator": "write a ServiceMonitor and PrometheusRules for the Prometheus operator",
    "alertmanager": "write routes and receivers that send alerts to the service",
    "fleet": "write the rules about teams of machines",
}
"""What ``export`` can write for a server; a test compares the kinds with their builders."""


def add_exports(commands: Commands, add_command: AddCommand) -> None:
    """Add ``stretto export``."""
    export = commands.add_parser(
        "export", help="write runs, a session, or files for Prometheus, Grafana and others that run already"
    )
    kinds = export.add_subparsers(title="kinds", metavar="KIND", required=True)
    _add_data_exports(kinds, add_command)
    for kind, text in EXPORT_KINDS.items():
        _add_server_export(kinds, add_command, kind, text)
    plugin = add_command(
        kinds,
        "plugin",
        "export_server_files:export_plugin",
        "write the plugin for Claude Code, as a marketplace of one",
    )
    plugin.add_argument("folder", metavar="DIR", help="where to write it")
    plugin.add_argument("--replace", action="store_true", help="overwrite files that differ")


def _add_server_export(kinds: Commands, add_command: AddCommand, kind: str, text: str) -> None:
    command = add_command(kinds, kind, "export_server_files:export_server_files", text)
    command.set_defaults(kind=kind)
    command.add_argument("folder", metavar="DIR", help="where to write them")
    command.add_argument("--job", default="stretto", metavar="NAME", help="the scrape job (stretto)")
    command.add_argument("--url", metavar="URL", help="the service's address for browsers and Prometheus")
    command.add_argument("--interval", default="15s", metavar="SECONDS", help="between two scrapes (15s)")
    command.add_argument(
        "--namespace", default="monitoring", metavar="NAME", help="of Kubernetes objects (monitoring)"
    )
    command.add_argument(
        "--token-file", metavar="FILE", help="where that server finds the token of the service"
    )
    command.add_argument("--replace", action="store_true", help="overwrite files that differ")


def _add_data_exports(kinds: Commands, add_command: AddCommand) -> None:
    runs = add_command(
        kinds,
        "runs",
        "export_runs_and_session:export_runs",
        "write finished tasks or sessions as CSV, OpenMetrics or Parquet",
        json=False,
    )
    runs.add_argument(
        "--format",
        choices=("csv", "openmetrics", "parquet"),
        default="csv",
        help="CSV; OpenMetrics, which promtool loads into Prometheus; or Parquet (csv)",
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
        "export_runs_and_session:export_session",
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
