"""The status line in Claude Code's settings: ours in the place of another, which it runs before itself.

There is one such line (code.claude.com/docs/en/statusline), so what was there is kept whole inside ours, as
the command to chain, and comes out of it unchanged.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stretto.errors import SettingsError

MEMBER = "statusLine"
VERB = "statusline"
_CHAIN = "--chain"
_STATE = "--state"
_PROGRAM = "stretto"


def register_status_line(value: object, program: Sequence[str], state: Path) -> dict[str, Any]:
    """Return what to put into the settings in place of ``value``, None where nothing is there.

    ``program`` starts Stretto. Other members of what is there, such as its padding, stay. Raises
    SettingsError where that is no command.
    """
    before = restore_status_line(value)
    words = [*program, _STATE, state.as_posix(), VERB]
    if before is None:
        return {"type": "command", "command": shlex.join(words)}
    if not isinstance(before, dict) or not _get_command(before):
        raise SettingsError(
            "The status line cannot be added",
            cause=f"the {MEMBER} that is there is no command",
            hint=f"Take {MEMBER} out of the settings, or leave the status line away.",
        )
    return {**before, "command": shlex.join([*words, _CHAIN, _get_command(before)])}


def restore_status_line(value: object) -> object:
    """Return the status line without ours: what it chains, itself where it is another's, else None."""
    if not is_ours(value):
        return value
    chained = get_chained_command(value)
    return {**value, "command": chained} if chained and isinstance(value, dict) else None


def is_ours(value: object) -> bool:
    """Tell whether a status line is Stretto's, of this release or another."""
    words = _split_words(value)
    before = words[: words.index(VERB)] if VERB in words else []
    if _STATE in before[:-1]:  # a folder may be named like the program
        before = before[: before.index(_STATE)]
    return any(Path(word).name in {_PROGRAM, f"{_PROGRAM}.exe"} for word in before)


def get_chained_command(value: object) -> str:
    """Return the command that our status line runs before itself, empty where there is none."""
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
    except ValueError:  # a quotation without end: not written by us
        return []
