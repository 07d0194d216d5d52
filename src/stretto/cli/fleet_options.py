"""The options of ``stretto fleet``."""

from __future__ import annotations

from stretto.cli.gate_profile_and_feature_options import AddCommand, Commands

FLEET_PROGRAMS = ("prometheus", "agent", "vmagent", "collector")
"""The programs that carry series; a test compares them with the builders of their configuration."""


def add_fleet(commands: Commands, add_command: AddCommand) -> None:
    """Add ``stretto fleet``."""
    fleet = commands.add_parser("fleet", help="past one machine: its identity, the way to a team's engine")
    actions = fleet.add_subparsers(title="actions", metavar="ACTION", required=True)
    add_command(actions, "identity", "fleet:show_identity", "show the team and the name of this machine")
    config = add_command(
        actions,
        "config",
        "fleet:write_configuration",
        "print the configuration by which a program scrapes this machine or sends its series",
    )
    config.add_argument("program", choices=FLEET_PROGRAMS, help="Prometheus, its agent mode, or another")
    config.add_argument(
        "--to", metavar="URL", help="where to send: a remote-write address, for a collector also OTLP's"
    )
    config.add_argument("--url", metavar="URL", help="the service's address for that program")
    config.add_argument("--job", default="stretto", metavar="NAME", help="the scrape job (stretto)")
    config.add_argument("--interval", default="60s", metavar="SECONDS", help="between two scrapes (60s)")
    config.add_argument("--tenant", metavar="NAME", help="the receiver's tenant (X-Scope-OrgID)")
    config.add_argument("--token-file", metavar="FILE", help="with the token that the receiver asks for")
    config.add_argument(
        "--service-token-file", metavar="FILE", help="with the token that this service asks for"
    )
    config.add_argument("--output", metavar="FILE", help="the file to write, instead of standard output")
    config.add_argument("--replace", action="store_true", help="overwrite the file")
