"""A newcomer's history: the agent's own transcripts, so that the first look is at one's own sessions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.cli.import_command import ImportedFile, find_unread, import_transcripts
from stretto.errors import SourceError
from stretto.sources import transcript

ANSWER = "history.json"
"""What was answered once, so that nobody is parse_options twice."""


def import_history(context: CommandContext, wish: str, ask: Callable[[str], str] | None) -> list[str]:
    """Write the agent's transcripts to the journal, if wished; return what to tell of it.

    ``wish`` is ``yes``, ``no`` or ``ask``. An answer given once holds; where nobody can be parse_options (``ask`` is
    None) it says how to import. Sessions that an import has read are offered no more.
    """
    root = find_transcripts_folder(context)
    found = list(root.glob("*/*.jsonl")) if root.is_dir() else []
    if not found or wish == "no":
        return []
    kept = context.config.state / ANSWER
    wanted = True if wish == "yes" else _read_answer(kept)
    if wanted is None:
        sessions = len(find_unread(context.config, found))
        if not sessions:
            return []
        if ask is None:
            return [f"{sessions} earlier session(s) in {root}: stretto import {root}"]
        wanted = _ask_yes_no(ask, f"{sessions} earlier session(s) in {root}. Import them? [Y/n] ")
        kept.write_text(json.dumps({"import": wanted}), encoding="utf-8")
    if not wanted:
        return []
    try:
        taken = import_transcripts(context.config, transcript.find_transcripts(root))
    except (SourceError, OSError) as error:
        return [f"earlier sessions could not be imported: {error}"]
    return _describe_import(taken, root)


def find_transcripts_folder(context: CommandContext) -> Path:
    """Return where Claude Code keeps its transcripts."""
    folder = context.environ.get("CLAUDE_CONFIG_DIR")
    return (Path(folder) if folder else context.home / ".claude") / "projects"


def find_prompt() -> Callable[[str], str] | None:
    """Return a way to ask the person at the terminal, or None where there is none."""
    return input if sys.stdin.isatty() and sys.stderr.isatty() else None


def _ask_yes_no(ask: Callable[[str], str], question: str) -> bool:
    try:
        return ask(question).strip().lower() in {"", "y", "yes"}
    except EOFError:
        return False


def _describe_import(taken: list[ImportedFile], root: Path) -> list[str]:
    sessions = frozenset[str]().union(*(entry.sessions for entry in taken))
    return [f"{len(sessions)} session(s) taken from {root}"] if sessions else []


def _read_answer(path: Path) -> bool | None:
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))["import"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return answer if isinstance(answer, bool) else None
