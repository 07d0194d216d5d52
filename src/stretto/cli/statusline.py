"""``stretto statusline``: print a line about the session that Claude Code shows.

The agent starts this process again and again while a person types, so it imports as little as possible.
Errors are not printed: the exit code is always 0.
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
from stretto.state.find_folder import find_state_folder
from stretto.store.statusline_query import SessionBrief, is_ingest_behind, read_session_brief

if TYPE_CHECKING:
    import argparse
    import subprocess

COMMAND = "statusline"
NO_DATA = "stretto: no data yet"
BEHIND = "behind: is 'stretto up' running?"
INPUT_LIMIT = 1 << 20
"""Longest message of the agent in bytes; the rest is ignored."""
CHAIN_SECONDS = 2.0
"""Time limit of the chained command. The agent drops a line that arrives after the next refresh."""


class LineOptions(NamedTuple):
    """The options of the status line."""

    state: str | None = None
    chain: str | None = None


def parse_options(arguments: Sequence[str]) -> LineOptions | None:
    """Return the options of ``[--state DIR] statusline [--chain COMMAND]``.

    None for any other command line: the full parser has to read it.
    """
    values: dict[str, str] = {}
    has_command = False
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.partition("=")
        if word == COMMAND and not has_command:
            has_command = True
        elif name == ("--chain" if has_command else "--state") and name not in values:
            argument = value if equals else next(rest, None)
            if argument is None:
                return None
            values[name] = argument
        else:
            return None
    return LineOptions(values.get("--state"), values.get("--chain")) if has_command else None


def print_line(options: LineOptions, environ: Mapping[str, str]) -> int:
    """Read the agent's message from standard input, print the line, and return 0 whatever happens."""
    try:
        message = b"" if os.isatty(0) else _read_message(0)
        chained = None if options.chain is None else _start_chained(options.chain)
        line = _build_line(message, options, environ)
        first_line = b"" if chained is None else _read_chained_line(chained, message)
        _write_output(first_line + line.encode() + b"\n")
    except (OSError, KeyboardInterrupt):
        # The reader has gone; an error message would reach nobody.
        return 0
    return 0


def format_line(brief: SessionBrief | None, *, behind: bool = False) -> str:
    """Return a session's line, marked if the store is behind the journal."""
    if brief is None:
        parts = [NO_DATA]
    elif not brief.tasks:
        parts = ["stretto: no agents yet"]
    else:
        parts = [f"stretto: {_format_agents(brief)}", _format_gain(brief)]
    # Ordinary spaces: other programs cut and colour the status line.
    return " · ".join([*parts, *([BEHIND] if behind else [])]).replace(quantities.SPACE, " ")


def run_statusline(context: object, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """Print the line for a command line that only the full parser can read."""
    return print_line(LineOptions(options.state, options.chain), os.environ)


def _build_line(message: bytes, options: LineOptions, environ: Mapping[str, str]) -> str:
    try:
        session = json.loads(message)["session_id"]
        state, _ = find_state_folder(environ, Path.home(), options.state)
        store = state / "stretto.db"
        session_brief = read_session_brief(store, session)
        return format_line(session_brief, behind=is_ingest_behind(store, state / "journal", time.time_ns()))
    except Exception:  # noqa: BLE001  # an unknown message or no readable store means no data, without an error
        return NO_DATA


def _format_agents(brief: SessionBrief) -> str:
    if not brief.running:
        return f"{quantities.format_count_with_noun(brief.tasks, 'agent')}, none running"
    return f"{brief.running} of {quantities.format_count_with_noun(brief.tasks, 'agent')} running"


def _format_gain(brief: SessionBrief) -> str:
    if brief.speedup is None:
        return "no parallel execution finished yet"
    saved = quantities.format_duration(abs(brief.saved) / 1e9)
    fanouts = quantities.format_count_with_noun(brief.fanouts, "parallel execution")
    # Work is never less than elapsed time, so this baseline never shows a loss.
    return f"{fanouts} {quantities.format_speedup(brief.speedup)} · {saved} saved by work"


def _read_message(descriptor: int) -> bytes:
    parts = []
    left = INPUT_LIMIT
    while left > 0 and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _write_output(text: bytes) -> None:
    # Bypass Python's buffers: a failing flush at exit would change the exit code.
    sys.stdout.flush()
    while text:
        text = text[os.write(1, text) :]


def _start_chained(command: str) -> subprocess.Popen[bytes] | None:
    """Start the previous status line command, which runs while this line is computed."""
    import subprocess  # noqa: PLC0415  # only needed for a chained command

    try:
        return subprocess.Popen(  # noqa: S602  # the user wrote the command, and the agent runs it by a shell too
            command,
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None


def _read_chained_line(chained: subprocess.Popen[bytes], message: bytes) -> bytes:
    """Return the command's output with a final newline; empty if it fails or takes too long."""
    import signal  # noqa: PLC0415  # see above
    import subprocess  # noqa: PLC0415  # see above

    try:
        output, _ = chained.communicate(message, timeout=CHAIN_SECONDS)
    except subprocess.TimeoutExpired:
        output = b""
    except OSError:
        output = b""
    if chained.poll() is None:
        # Kill the whole process group: the shell may have started further processes.
        os.killpg(chained.pid, signal.SIGKILL)
        chained.communicate()
    output = output.rstrip(b"\n")
    return output + b"\n" if output else b""
