"""Find the release of Claude Code: by its program, else by what it wrote into the home folder.

An old release refuses a whole settings file, deny rules included, for the name of a single unknown hook. So a
release that cannot be found counts as the oldest.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from stretto.hook.install.handlers import Version, parse_version

VERSION_SECONDS = 10

TRANSCRIPTS_READ = 50
"""Transcripts whose ends are read, the latest first: an update shows in the next session."""

TAIL_BYTES = 1 << 16


def find_client_release(environ: Mapping[str, str], home: Path) -> Version | None:
    """Return the release of the installed client, or None if there is no sign of it.

    Without the program on the PATH, the newest release counts that wrote a transcript or the client's state.
    """
    release = _ask_program(environ)
    if release is not None:
        return release
    moved = environ.get("CLAUDE_CONFIG_DIR")
    folder = Path(moved) if moved else home / ".claude"
    state = (folder if moved else home) / ".claude.json"
    return max((*_read_state(state), *_read_transcripts(folder / "projects")), default=None)


def _ask_program(environ: Mapping[str, str]) -> Version | None:
    program = shutil.which("claude", path=environ.get("PATH"))
    if program is None:
        return None
    try:
        result = subprocess.run(  # noqa: S603  # the agent that the user wants to connect
            [program, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(result.stdout)


def _read_state(path: Path) -> Iterator[Version]:
    """Yield the releases in the client's own state: it notes which of them it has introduced itself."""
    try:
        state = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    if isinstance(state, dict):
        for key in ("lastReleaseNotesSeen", "lastOnboardingVersion"):
            yield from _parse(state.get(key))


def _read_transcripts(folder: Path) -> Iterator[Version]:
    """Yield the releases that the latest transcripts name on their last lines."""
    dated: list[tuple[float, Path]] = []
    for path in folder.glob("*/*.jsonl"):
        try:
            dated.append((path.stat().st_mtime, path))
        except OSError:
            continue
    for _, path in sorted(dated, reverse=True)[:TRANSCRIPTS_READ]:
        yield from _read_tail(path)


def _read_tail(path: Path) -> Iterator[Version]:
    try:
        with path.open("rb") as transcript:
            transcript.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = transcript.read(TAIL_BYTES).split(b"\n")
    except OSError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            # The first line may be cut, the last one unfinished.
            continue
        if isinstance(entry, dict):
            yield from _parse(entry.get("version"))


def _parse(value: object) -> Iterator[Version]:
    version = parse_version(value) if isinstance(value, str) else None
    if version is not None:
        yield version
