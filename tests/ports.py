"""Ports of the loopback interface that no other test, worker or client takes meanwhile."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

FIRST_PORT, PORTS_PER_WORKER = 20_000, 500
"""Below the ports that the system gives to outgoing connections and to listeners on port 0."""

_port_numbers = count(os.getpid())


def find_free_port() -> int:
    """Return a port that nobody listens on just now, and that no other process of this test run takes."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = FIRST_PORT + worker * PORTS_PER_WORKER + next(_port_numbers) % PORTS_PER_WORKER
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def reserve_dead_address() -> Iterator[str]:
    """Provide an address where nobody listens, and nobody can until the block ends."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{reserved.getsockname()[1]}"
