"""The name by which a machine is told apart from the other machines of a team.

The scrape address is no name: it is 127.0.0.1:9464 on every laptop, and two senders of one name destroy each
other's samples.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

LENGTH = 12
"""Hexadecimal digits of a name that was not chosen: 48 bits, so two of 5,000 machines share one name with a
chance of 1 in 20 million."""


@dataclass(frozen=True, slots=True)
class MachineIdentity:
    """The team that a machine belongs to, None without one, and its name in it."""

    team: str | None
    instance: str


def identify_machine(team: str | None, instance: str | None, *, secret: bytes, host: str) -> MachineIdentity:
    """Return the identity: the configured names, else a name that does not reveal the host's.

    The secret is the installation's, so two state folders of one host differ, and so does a restored backup
    on another host.
    """
    return MachineIdentity(team, instance or hmac.new(secret, host.encode(), "sha256").hexdigest()[:LENGTH])
