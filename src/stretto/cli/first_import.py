"""Offer to import the agent's earlier sessions when the service starts for the first time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.cli.import_command import find_unread, import_transcripts
from stretto.cli.import_journal import ImportedFile
from stretto.errors import SourceError
from stretto.sources import transcript

ANSWER = "history.json"
"""File of the remembered answer: nobody is asked twice."""


def import_history(context: CommandContext, mode: str, ask: Callable[[str], str] | None) -> list[str]:
    """Import the agent's transcripts if wanted, and return the lines to print about it.

    ``mode`` is ``yes``, ``no`` or ``ask``. An earlier answer is remembered. Without a
    way to ask (``ask`` is None) the lines show how to import. Imported sessions are not offered again.
    """
    root = find_transcripts_folder(context)
    transcripts = list(root.glob("*/*.jsonl")) if root.is_dir() else []
    if not transcripts or mode == "no":
        return []
    answer_file = context.config.state / ANSWER
    wanted = True if mode == "yes" else _read_answer(answer_file)
    if wanted is None:
        sessions = len(find_unread(context.config, transcripts))
        if not sessions:
            return []
        if ask is None:
            return [f"{sessions} earlier session(s) in {root}: stretto import {root}"]
        wanted = _ask_yes_no(ask, f"{sessions} earlier session(s) in {root}. Import them? [Y/n] ")
        answer_file.write_text(json.dumps({"import": wanted}), encoding="utf-8")
    if not wanted:
        return []
    try:
        imported = import_transcripts(context.config, transcript.find_transcripts(root))
    except (SourceError, OSError) as error:
        return [f"earlier sessions could not be imported: {error}"]
    return _describe_import(imported, root)


def find_transcripts_folder(context: CommandContext) -> Path:
    """Return the folder of Claude Code's transcripts."""
    folder = context.environ.get("CLAUDE_CONFIG_DIR")
    return (Path(folder) if folder else context.home / ".claude") / "projects"


def find_prompt() -> Callable[[str], str] | None:
    """Return the function that asks the person at the terminal, or None without a terminal."""
    return input if sys.stdin.isatty() and sys.stderr.isatty() else None


def _ask_yes_no(ask: Callable[[str], str], question: str) -> bool:
    try:
        return ask(question).strip().lower() in {"", "y", "yes"}
    except EOFError:
        return False


def _describe_import(imported: list[ImportedFile], root: Path) -> list[str]:
    sessions = frozenset[str]().union(*(entry.sessions for entry in imported))
    return [f"{len(sessions)} session(s) imported from {root}"] if sessions else []


def _read_answer(path: Path) -> bool | None:
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))["import"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return answer if isinstance(answer, bool) else None
