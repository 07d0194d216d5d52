"""Register our status line in Claude Code's settings; it runs an earlier status line first.

Claude Code has a single status line (code.claude.com/docs/en/statusline). So an earlier status line is kept
inside ours, as the command to chain, and is restored unchanged.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stretto.errors import SettingsError

STATUS_LINE_MEMBER = "statusLine"
VERB = "statusline"
_CHAIN = "--chain"
_STATE = "--state"
_PROGRAM = "stretto"


def register_status_line(value: object, program: Sequence[str], state: Path) -> dict[str, Any]:
    """Return the status line to store in place of ``value``, which is None if there is no status line.

    ``program`` starts Stretto. Other members of the present status line, such as its padding, are kept.
    Raises SettingsError if the present status line is not a command.
    """
    before = restore_status_line(value)
    words = [*program, _STATE, state.as_posix(), VERB]
    if before is None:
        return {"type": "command", "command": shlex.join(words)}
    if not isinstance(before, dict) or not _get_command(before):
        raise SettingsError(
            "The status line cannot be added",
            cause=f"the present {STATUS_LINE_MEMBER} is not a command",
            hint=f"Remove {STATUS_LINE_MEMBER} from the settings, or install without the status line.",
        )
    return {**before, "command": shlex.join([*words, _CHAIN, _get_command(before)])}


def restore_status_line(value: object) -> object:
    """Return the status line without ours: the chained line, else another program's line, else None."""
    if not is_our_status_line(value):
        return value
    chained = get_chained_command(value)
    return {**value, "command": chained} if chained and isinstance(value, dict) else None


def is_our_status_line(value: object) -> bool:
    """Return whether a status line is Stretto's, of this or another release."""
    words = _split_words(value)
    before = words[: words.index(VERB)] if VERB in words else []
    if _STATE in before[:-1]:  # a folder may have the program's name
        before = before[: before.index(_STATE)]
    return any(Path(word).name in {_PROGRAM, f"{_PROGRAM}.exe"} for word in before)


def get_chained_command(value: object) -> str:
    """Return the command that our status line runs first, empty if there is none."""
    words = _split_words(value)
    return words[words.index(_CHAIN) + 1] if _CHAIN in words[:-1] else ""


def get_program(value: object) -> str:
    """Return the program that a status line starts."""
    return (_split_words(value) or [""])[0]


def _get_command(value: object) -> str:
    command = value.get("command") if isinstance(value, dict) else None
    return command if isinstance(command, str) else ""


def _split_words(value: object) -> list[str]:
    try:
        return shlex.split(_get_command(value))
    except ValueError:  # an unfinished quotation was not written by us
        return []
