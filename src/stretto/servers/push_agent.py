"""Prepare the Prometheus in agent mode that sends this machine's sums to a team's engine.

What it cannot send it keeps on disk for two hours, in its write-ahead log.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from stretto.errors import ServiceError
from stretto.servers.supervised_server_password import ServerCredentials, write_private
from stretto.servers.supervisor import NO_ORIGIN, SupervisedServer

NAME = "prometheus-agent"
HELP_SECONDS = 10.0


def prepare_push_agent(
    program: str,
    address: str,
    configuration: str,
    credentials: ServerCredentials,
    read_help: Callable[[str], str] | None = None,
) -> SupervisedServer:
    """Write the agent's configuration and return the server to start. Raises ServiceError."""
    folder = credentials.folder
    path = folder / f"{NAME}.yml"
    write_private(path, configuration)
    return SupervisedServer(
        name=NAME,
        program=program,
        address=address,
        folder=folder,
        arguments=(
            find_agent_flag((read_help or _read_help)(program)),
            f"--config.file={path}",
            f"--storage.agent.path={folder / NAME}",
            f"--web.listen-address={address}",
            f"--web.config.file={credentials.web_file}",
            f"--web.cors.origin={NO_ORIGIN}",
        ),
    )


def find_agent_flag(help_text: str) -> str:
    """Return the flag of the agent mode: ``--agent`` since Prometheus 3, a feature before."""
    lines = [line.split() for line in help_text.splitlines()]
    return (
        "--agent"
        if any(words and words[0] in {"--agent", "--[no-]agent"} for words in lines)
        else ("--enable-feature=agent")
    )


def _read_help(program: str) -> str:
    try:
        answer = subprocess.run(  # noqa: S603  # a program found on the PATH
            [program, "--help"], capture_output=True, text=True, timeout=HELP_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError("prometheus cannot be asked for its options", cause=str(error)) from error
    return answer.stdout + answer.stderr
