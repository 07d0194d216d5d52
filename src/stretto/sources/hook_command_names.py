"""Name the command of a hook without its arguments and folders, which may say what people work on."""

from __future__ import annotations

import re

LONGEST_NAME = 60

_INSTALLED = re.compile(r": stretto\s*$")
"""Ends the commands that ``stretto hooks install`` registers."""

_SCRIPT = re.compile(r"[\w.+-]+\.(?:sh|bash|zsh|py|pyz|js|cjs|mjs|ts|rb|pl|ps1|exe|cmd|bat)")
_PROGRAM = re.compile(r"[\w.+-]*[A-Za-z][\w.+-]*")


def name_hook_command(text: object) -> str | None:
    """Return the name of the script that a command runs, else of its first program; None if it has none.

    Example: ``cd "$ROOT" && bun run ./dist/on-stop.js --all`` gives ``on-stop.js``, ``ruff check src`` gives
    ``ruff``.
    """
    if not isinstance(text, str):
        return None
    if _INSTALLED.search(text):
        return "stretto"
    words = [word.strip("\"'").replace("\\", "/").rpartition("/")[2] for word in text.split()]
    for pattern in (_SCRIPT, _PROGRAM):
        for word in words:
            if pattern.fullmatch(word):
                return word[:LONGEST_NAME]
    return None
