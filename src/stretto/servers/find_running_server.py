"""Find the servers that a service has started, by the process id files in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A supervised server that is running."""

    process: psutil.Process
    address: str


def find_running_server(folder: Path, name: str) -> RunningServer | None:
    """Return the server of that name, or None if this folder's service does not run it.

    A process id can be reused, so the process counts only if its arguments name the folder.
    """
    try:
        entry = json.loads((folder / f"{name}.pid").read_text(encoding="utf-8"))
        process = psutil.Process(int(entry["pid"]))
        if not any(str(folder) in argument for argument in process.cmdline()):
            return None
        return RunningServer(process, str(entry["address"]))
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
