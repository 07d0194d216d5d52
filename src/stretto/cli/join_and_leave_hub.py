"""``stretto fleet join`` and ``leave``: enrol this machine at a team's hub, and end that."""

from __future__ import annotations

import argparse
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.fleet.hub_exchange import encode_message
from stretto.servers.supervised_server_password import write_private
from stretto.service.enrolment_file import ENROLMENT_FILE, read_enrolment
from stretto.shipping.hub_client import refuse_plain_http
from stretto.state.lock import find_lock_holder

NOT_ENROLLED = 1

RESTART = "restart 'stretto up' to begin"


def join_hub(context: CommandContext, options: argparse.Namespace) -> int:
    """Keep address, token and key privately in the state folder. Raises ConfigError."""
    config = context.config
    enrolment = read_enrolment(Path(options.file))
    refuse_plain_http(enrolment.hub_url)
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(config.state / ENROLMENT_FILE, encode_message(enrolment).decode())
    if config.fleet_hub_url is not None and config.fleet_hub_url != enrolment.hub_url:
        context.print_note(f"fleet.hub_url wins over the file: {config.fleet_hub_url}")
    running = find_lock_holder(config.state) is not None
    text = f"finished sessions of this machine are shipped to {enrolment.hub_url}"
    context.print_answer({"hub": enrolment.hub_url}, f"{text}; {RESTART}" if running else text)
    return 0


def leave_hub(context: CommandContext, _: argparse.Namespace) -> int:
    """Delete token and key; what the hub has stays there until it is forgotten."""
    path = context.config.state / ENROLMENT_FILE
    if not path.exists():
        context.print_answer({"left": False}, "this machine is enrolled at no hub")
        return NOT_ENROLLED
    path.unlink()
    if find_lock_holder(context.config.state) is not None:
        context.print_note("restart 'stretto up': until then it ships as before")
    context.print_answer(
        {"left": True}, "nothing is shipped any more; ask the administrator to revoke the token"
    )
    return 0
