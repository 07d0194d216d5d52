"""The status line of Claude Code: one line about the session that it shows, in a blink and without a fuss.

The agent starts this process again and again while somebody types, so it loads next to nothing, and whatever
goes wrong is no news for the person at the terminal: the line is calm, and the exit code always 0.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stretto.format import quantities
from stretto.state.folder import state_folder
from stretto.store.statusline_query import Brief, brief, is_behind

if TYPE_CHECKING:
    import argparse
    import subprocess

VERB = "statusline"
NO_DATA = "stretto: no data yet"
BEHIND = "behind: is 'stretto up' running?"
INPUT_LIMIT = 1 << 20
"""Bytes of the agent's message that are read."""
CHAIN_SECONDS = 2.0
"""The agent throws away what comes much later than the next line would."""


class Asked(NamedTuple):
    """What the command line asks for."""

    state: str | None = None
    chain: str | None = None


def asked(arguments: Sequence[str]) -> Asked | None:
    """Return what ``[--state DIR] statusline [--chain COMMAND]`` asks for; None is for the whole parser."""
    values: dict[str, str] = {}
    verb = False
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.partition("=")
        if word == VERB and not verb:
            verb = True
        elif name == ("--chain" if verb else "--state") and name not in values:
            found = value if equals else next(rest, None)
            if found is None:
                return None
            values[name] = found
        else:
            return None
    return Asked(values.get("--state"), values.get("--chain")) if verb else None


def answer(wish: Asked, environ: Mapping[str, str]) -> int:
    """Read the agent's message from standard input, print the line, and return 0 whatever happens."""
    try:
        message = b"" if os.isatty(0) else _read(0)
        other = None if wish.chain is None else _started(wish.chain)
        own = _own_line(message, wish, environ)
        before = b"" if other is None else _line_of(other, message)
        _write(before + own.encode() + b"\n")
    except (OSError, KeyboardInterrupt):
        # Nobody reads any more; to say so would only be noise.
        return 0
    return 0


def line(found: Brief | None, *, behind: bool = False) -> str:
    """Return a session in one line."""
    if found is None:
        parts = [NO_DATA]
    elif not found.tasks:
        parts = ["stretto: no agents yet"]
    else:
        parts = [f"stretto: {_agents(found)}", _gain(found)]
    # Plain blanks: a status line is cut and coloured by others.
    return " · ".join([*parts, *([BEHIND] if behind else [])]).replace(quantities.SPACE, " ")


def statusline(context: object, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """Print the line for a command line that only the whole parser understands."""
    return answer(Asked(options.state, options.chain), os.environ)


def _own_line(message: bytes, wish: Asked, environ: Mapping[str, str]) -> str:
    try:
        session = json.loads(message)["session_id"]
        state, _ = state_folder(environ, Path.home(), wish.state)
        store = state / "stretto.db"
        found = brief(store, session)
        return line(found, behind=is_behind(store, state / "journal", time.time_ns()))
    except Exception:  # noqa: BLE001  # a foreign message, no store, a damaged one: each is no data, calmly
        return NO_DATA


def _agents(found: Brief) -> str:
    if not found.running:
        return f"{quantities.format_count_of(found.tasks, 'agent')}, none running"
    return f"{found.running} of {quantities.format_count_of(found.tasks, 'agent')} running"


def _gain(found: Brief) -> str:
    if found.speedup is None:
        return "no fan-out finished yet"
    moved = quantities.format_duration(abs(found.saved) / 1e9)
    many = quantities.format_count_of(found.fanouts, "fan-out")
    # Work is at least elapsed: by this baseline nothing can be lost.
    return f"{many} {quantities.format_speedup(found.speedup)} · {moved} saved by work"


def _read(descriptor: int) -> bytes:
    parts = []
    left = INPUT_LIMIT
    while left > 0 and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _write(text: bytes) -> None:
    # Past Python's buffers: what they cannot get rid of at the end would change the exit code.
    sys.stdout.flush()
    while text:
        text = text[os.write(1, text) :]


def _started(command: str) -> subprocess.Popen[bytes] | None:
    """Start the status line command that was there before; ours is worked out while it runs."""
    import subprocess  # noqa: PLC0415  # who chains nothing does not wait for it to load

    try:
        return subprocess.Popen(  # noqa: S602  # the agent runs it by a shell as well, and the user wrote it
            command,
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None


def _line_of(other: subprocess.Popen[bytes], message: bytes) -> bytes:
    """Return what the other command prints, ended by a newline; nothing where it fails or takes too long."""
    import signal  # noqa: PLC0415  # see above
    import subprocess  # noqa: PLC0415  # see above

    try:
        told, _ = other.communicate(message, timeout=CHAIN_SECONDS)
    except subprocess.TimeoutExpired:
        told = b""
    except OSError:
        told = b""
    if other.poll() is None:
        # Its shell may have started others: they are of its group.
        os.killpg(other.pid, signal.SIGKILL)
        other.communicate()
    told = told.rstrip(b"\n")
    return told + b"\n" if told else b""
