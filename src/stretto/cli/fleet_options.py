"""The options of ``stretto fleet``."""

from __future__ import annotations

from stretto.cli.gate_profile_and_feature_options import AddCommand, Commands

FLEET_PROGRAMS = ("prometheus", "agent", "vmagent", "collector")
"""The programs that carry series; a test compares them with the builders of their configuration."""


def add_ship(commands: Commands, add_command: AddCommand) -> None:
    """Add ``stretto ship``."""
    ship = add_command(
        commands,
        "ship",
        "ship:ship_forget_or_show",
        "ship finished sessions to a team's hub, or show how many wait",
    )
    ways = ship.add_mutually_exclusive_group()
    ways.add_argument("--status", action="store_true", help="show what waits and what was refused (default)")
    ways.add_argument("--once", action="store_true", help="ship what is due, without the running service")
    ways.add_argument(
        "--flush", action="store_true", help="ship everything, open sessions too: for the end of a CI job"
    )
    ways.add_argument("--forget", metavar="SESSION", help="let the hub delete a session")
    ship.add_argument(
        "--timeout", type=float, default=60, metavar="SECONDS", help="how long --flush tries (60)"
    )


def add_fleet(commands: Commands, add_command: AddCommand) -> None:
    """Add ``stretto fleet``."""
    fleet = commands.add_parser("fleet", help="past one machine: its identity, the way to a team's engine")
    actions = fleet.add_subparsers(title="actions", metavar="ACTION", required=True)
    add_command(
        actions,
        "identity",
        "fleet_identity_and_config_commands:show_identity",
        "show the team and the name of this machine",
    )
    join = add_command(
        actions, "join", "join_and_leave_hub:join_hub", "ship finished sessions to a team's hub from now on"
    )
    join.add_argument("file", metavar="FILE", help="the enrolment file from the hub's administrator")
    add_command(
        actions, "leave", "join_and_leave_hub:leave_hub", "ship nothing any more; delete token and key"
    )
    config = add_command(
        actions,
        "config",
        "fleet_identity_and_config_commands:write_program_configuration",
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
