"""Listen at an address until Ctrl-C or SIGTERM, for the commands that serve."""

from __future__ import annotations

import signal
import socket

from stretto.errors import ServiceError

BACKLOG = 2048
"""Connections that wait to be accepted."""


def bind_address(host: str, port: int, *, named: str, hint: str) -> socket.socket:
    """Return a listener. Raises ServiceError, which names the address and gives the hint, if it is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's delay (40 ms an answer) only if the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ServiceError(
            f"{named} cannot be used", cause=error.strerror or str(error), hint=hint
        ) from error
    listener.listen(BACKLOG)
    return listener


def interrupt_on_sigterm() -> None:
    """Let SIGTERM raise KeyboardInterrupt with its name, as Ctrl-C raises one without."""
    signal.signal(signal.SIGTERM, _raise_interrupt)


def describe_stop(stop: KeyboardInterrupt) -> str:
    """Return the sentence about the signal that stops a command."""
    # Python's own handler of Ctrl-C raises the exception without a name.
    return f"stopping: {str(stop) or signal.SIGINT.name} was received"


def _raise_interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
