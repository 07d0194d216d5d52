"""``stretto fleet``: this machine's identity, and the configuration that carries its series to a team."""

from __future__ import annotations

import argparse
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.cli.export_server_files import check_address, check_interval, check_name
from stretto.cli.machine_identity import find_machine_identity
from stretto.errors import UsageError
from stretto.fleet.scrape_and_push_configurations import BUILDERS, SENDERS, FleetSettings
from stretto.servers.supervised_server_password import write_private


def show_identity(context: CommandContext, _: argparse.Namespace) -> int:
    """Print team and name of this machine, and the hash of its rules."""
    identity = find_machine_identity(context.config)
    document = {
        "team": identity.team,
        "instance": identity.instance,
        "rules": context.config.fingerprint,
    }
    team = identity.team or "none: set STRETTO_TEAM, or team in the table [fleet] of config.toml"
    text = f"team      {team}\ninstance  {identity.instance}\nrules     {context.config.fingerprint}"
    context.print_answer(document, text)
    return 0


def write_program_configuration(context: CommandContext, options: argparse.Namespace) -> int:
    """Print or write the configuration of a program; note if the machine has no team."""
    config = context.config
    identity = find_machine_identity(config)
    if options.program in SENDERS and options.to is None:
        raise UsageError(
            f"{options.program} needs an address to send to",
            hint="--to https://metrics.example.org/api/v1/write",
        )
    settings = FleetSettings(
        identity=identity,
        url=check_address("--url", options.url or config.url),
        to=None if options.to is None else check_address("--to", options.to),
        job=check_name("--job", options.job),
        interval=check_interval(options.interval),
        service_token_file=options.service_token_file,
        token_file=options.token_file,
        tenant=options.tenant,
    )
    if identity.team is None:
        context.print_note("no team is set: the rules of a fleet leave this machine out (STRETTO_TEAM)")
    if config.token and options.service_token_file is None:
        context.print_note("the service asks for a token: name its file with --service-token-file")
    text = BUILDERS[options.program](settings)
    if options.output is None:
        context.print_answer({"configuration": text}, text.rstrip("\n"))
        return 0
    path = Path(options.output)
    if path.exists() and not options.replace:
        raise UsageError("the output exists", where=str(path), hint="--replace writes it anew")
    write_private(path, text)
    context.print_answer({"file": str(path)}, str(path))
    return 0
