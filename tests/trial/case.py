"""A case of the trial: its scope and the rows of its result."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REQUIRED = "STRETTO_REQUIRE_SERVERS"
"""The variable with which a run may leave nothing untried."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: how often something was tried, and how often something was lost or shown."""

    test: str
    tried: int
    lost: int
    note: str = ""
    """Why it was not tried, or what was lost."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where and how much a case may try."""

    folder: Path
    """An empty folder of the case's."""
    short: bool
    """Whether the whole trial must end within three minutes."""

    def count(self, long: int, short: int) -> int:
        """Return how often to try."""
        return short if self.short else long


class NotTriedError(Exception):
    """The case cannot be tried on this machine; the message is the reason."""


def run_stretto(
    state: Path, *arguments: str, environ: Mapping[str, str] | None = None, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command of Stretto on a state folder and return how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "stretto", "--state", str(state), *arguments],
        env={**clear_environment(state), **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def clear_environment(state: Path) -> dict[str, str]:
    """Return the environment without settings of Stretto and OpenTelemetry, with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRETTO_", "OTEL_"))}
    return {**kept, "HOME": str(state / "home")}


@contextmanager
def mount_tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """Mount a small file system that can be filled, and unmount it at the end. Raises NotTriedError."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        raise NotTriedError(f"a tmpfs cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
