"""``stretto servers``: print where Prometheus and Alertmanager answer and with which user and password."""

from __future__ import annotations

import argparse
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.errors import ServiceError
from stretto.servers.find_running_server import find_running_server
from stretto.servers.supervised_server_password import (
    USER,
    find_password_problem,
    make_web_configuration,
    read_credentials,
    write_private,
)
from stretto.servers.supervisor import BINARIES


def show_servers(context: CommandContext, options: argparse.Namespace) -> int:
    """Print each server's address, and the user and the file of the password; never the password itself.

    With ``--write`` the servers' web configuration is written for containers, whose password is the
    service's token.
    """
    if options.write:
        return _write_web_configuration(context.config.token, Path(options.write))
    folder = context.config.state / "servers"
    credentials = read_credentials(folder)
    running = {name: find_running_server(folder, name) for name in BINARIES}
    lines = [
        f"{name:<13} {f'http://{server.address}' if server else 'not running'}"
        for name, server in running.items()
    ]
    if credentials is None:
        lines.append("no password yet: 'stretto up' makes it at its first start")
    else:
        lines += [
            f"{'user':<13} {credentials.user}",
            f"{'password':<13} in {credentials.password_file}",
            f"{'for tools':<13} amtool --http.config.file={credentials.client_file}",
        ]
    answer = {
        "servers": {name: server.address if server else None for name, server in running.items()},
        "user": credentials.user if credentials else None,
        "password_file": str(credentials.password_file) if credentials else None,
        "client_file": str(credentials.client_file) if credentials else None,
    }
    context.print_answer(answer, "\n".join(lines))
    return 0


def _write_web_configuration(token: str | None, path: Path) -> int:
    problem = find_password_problem(token) if token else "no token is set"
    if problem or token is None:
        raise ServiceError(
            "the token cannot be the password of the servers",
            cause=problem or "",
            hint="set STRETTO_TOKEN_FILE to a file with a long random text",
        )
    write_private(path, make_web_configuration(token))
    print(f"wrote {path}: user {USER}, the token as password")
    return 0
