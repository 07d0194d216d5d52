"""Make the files by which systemd or launchd runs the service for one user, from its start to its end.

systemd's unit is the shipped one with another command line, so that both say the same about restarts and
confinement. launchd's job is a property list (launchd.plist(5)).
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LABEL = "stretto"
"""The name of the unit and of the job."""

_START = re.compile(r"^# The folder in which .*\nExecStart=.*$", re.MULTILINE)
_RESTART_SECONDS = 5
_STOP_SECONDS = 30
_PRIVATE_MASK = 0o077


@dataclass(frozen=True, slots=True)
class ServiceUnit:
    """A file for the system's manager of services."""

    path: Path
    text: str
    start: str
    """The command that starts the service, now and at each login."""
    stop: str
    """The command that ends both."""


def make_systemd_unit(shipped: str, command: Sequence[str], settings: Path) -> ServiceUnit:
    """Return the shipped unit for a user's systemd, with a command line in place of the usual one.

    ``settings`` is the folder of the user's settings, such as ``~/.config``.
    """
    # A function, because a backslash in a replacement text has a meaning.
    text, count = _START.subn(lambda _: f"ExecStart={' '.join(map(_quote_for_systemd, command))}", shipped)
    if count != 1:
        raise ValueError("the shipped unit has no command line to replace")
    name = f"{LABEL}.service"
    return ServiceUnit(
        settings / "systemd" / "user" / name,
        text,
        f"systemctl --user daemon-reload && systemctl --user enable --now {LABEL}",
        f"systemctl --user disable --now {LABEL}",
    )


def make_launchd_unit(command: Sequence[str], home: Path, log: Path, path: str) -> ServiceUnit:
    """Return a user's job for launchd; ``path`` is where it finds programs such as Prometheus.

    launchd has no codes of exit after which it waits for a person: each failure starts the service again.
    """
    job = {
        "Label": LABEL,
        "ProgramArguments": list(command),
        "EnvironmentVariables": {"PATH": path},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _RESTART_SECONDS,
        "ExitTimeOut": _STOP_SECONDS,
        "ProcessType": "Background",
        "Umask": _PRIVATE_MASK,
        "StandardOutPath": str(log),
        "StandardErrorPath": str(log),
    }
    target = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    return ServiceUnit(
        target,
        plistlib.dumps(job, sort_keys=False).decode(),
        f"launchctl bootstrap gui/$(id -u) '{target}'",
        f"launchctl bootout gui/$(id -u)/{LABEL}",
    )


def _quote_for_systemd(word: str) -> str:
    """Return a word as systemd.service(5) reads it: in quotes, its own signs escaped."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s\"'\\;]", word) else escaped
