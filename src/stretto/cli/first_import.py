"""Offer to import the agents' earlier sessions when the service starts for the first time."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from stretto.cli.append_imported_events import ImportedFile
from stretto.cli.command_context import CommandContext
from stretto.cli.history_import import import_histories, list_imported_history_paths
from stretto.cli.hooks import find_hook_status
from stretto.cli.progress_bar import show_progress
from stretto.cli.transcript_import import find_unread_sessions, import_transcripts
from stretto.errors import SourceError
from stretto.sources import transcript
from stretto.sources.histories.folders import HistoryFolder, list_history_folders
from stretto.sources.histories.formats import HistoryFormat
from stretto.sources.histories.importable_files import find_files

ANSWER = "history.json"
"""File of the remembered answer: nobody is asked twice about the same agents."""

CLAUDE_CODE = "claude-code"

BYTES_A_SECOND = 6_000_000
"""Bytes of history that an import reads and stores in a second; 12 MB took 2 s on a laptop's core."""


@dataclass(frozen=True, slots=True)
class HistoryOffer:
    """The unread histories of one agent."""

    source: str
    title: str
    root: Path
    files: tuple[Path, ...]
    noun: str
    """``session`` if each file is a session, else ``file``."""
    formats: tuple[HistoryFormat, ...] = ()
    """The format of each file; empty for Claude Code's."""

    def describe(self) -> str:
        """Return the offer in words: ``3 earlier session(s) in ~/.claude/projects``."""
        return f"{len(self.files)} earlier {self.noun}(s) in {self.root}"

    @property
    def size(self) -> int:
        """The bytes to read."""
        return sum(_get_size(file) for file in self.files)


def import_history(context: CommandContext, mode: str, ask: Callable[[str], str] | None) -> list[str]:
    """Import the agents' earlier sessions if wanted, and return the lines to print about it.

    ``mode`` is ``yes``, ``no`` or ``ask``. An earlier answer is remembered for the agents that it was about.
    Without a way to ask (``ask`` is None) the lines show how to import. Imported sessions are not offered
    again.
    """
    if mode == "no":
        return []
    answer_file = context.config.state / ANSWER
    wanted, asked = _read_answer(answer_file)
    offers = [offer for offer in _list_offers(context) if offer.files]
    if mode == "yes":
        return _import_offers(context, offers)
    known = [offer for offer in offers if offer.source in asked]
    new = [offer for offer in offers if offer.source not in asked]
    lines = _import_offers(context, known) if wanted else []
    if not new:
        return lines
    if ask is None:
        return [*lines, *(f"{offer.describe()}: stretto import {offer.root}" for offer in new)]
    agreed = _ask_yes_no(ask, _build_question(new))
    answer = {"import": agreed or bool(wanted), "asked": sorted(asked | {offer.source for offer in new})}
    answer_file.write_text(json.dumps(answer), encoding="utf-8")
    return [*lines, *(_import_offers(context, new) if agreed else [])]


def has_stored_import_consent(context: CommandContext) -> bool:
    """Return whether the user has agreed to the import of earlier sessions."""
    return _read_answer(context.config.state / ANSWER)[0] is True


def find_transcripts_folder(context: CommandContext) -> Path:
    """Return the folder of Claude Code's transcripts."""
    folder = context.environ.get("CLAUDE_CONFIG_DIR")
    return (Path(folder) if folder else context.home / ".claude") / "projects"


def list_histories_of_agents_without_hooks(context: CommandContext, mode: str) -> list[HistoryFolder]:
    """Return the folders of the agents without hooks, if the user wants their histories read.

    Hooks of one project tell nothing of the others, and hooks that cannot run or are not trusted tell nothing
    at all: such agents are followed, and what both channels tell is joined.
    """
    if mode == "no" or not (mode == "yes" or has_stored_import_consent(context)):
        return []
    hooked = {scope.agent for scope in find_hook_status(context).scopes if scope.is_everywhere}
    claude_code = HistoryFolder(CLAUDE_CODE, "Claude Code", find_transcripts_folder(context))
    folders = [claude_code, *list_history_folders(context.home, context.environ, absent=True)]
    return [folder for folder in folders if folder.source not in hooked]


def find_prompt() -> Callable[[str], str] | None:
    """Return the function that asks the person at the terminal, or None without a terminal."""
    return input if sys.stdin.isatty() and sys.stderr.isatty() else None


def _list_offers(context: CommandContext) -> list[HistoryOffer]:
    root = find_transcripts_folder(context)
    transcripts = list(root.glob("*/*.jsonl")) if root.is_dir() else []
    unread = tuple(find_unread_sessions(context.config, transcripts))
    read = list_imported_history_paths(context.config)
    return [
        HistoryOffer(CLAUDE_CODE, "Claude Code", root, unread, "session"),
        *(_make_offer(folder, read) for folder in list_history_folders(context.home, context.environ)),
    ]


def _make_offer(folder: HistoryFolder, read: frozenset[str]) -> HistoryOffer:
    found = find_files(folder.path, known=read, deep=folder.deep).histories
    files, formats = tuple(path for path, _ in found), tuple(history_format for _, history_format in found)
    noun = "database" if folder.source in ("opencode", "kilo") else "file"
    return HistoryOffer(folder.source, folder.title, folder.path, files, noun, formats)


def _build_question(offers: list[HistoryOffer]) -> str:
    """Return the question with the counts and the cost.

    Example: ``3 earlier session(s) in ~/.claude/projects, 12 earlier file(s) in ~/.codex/sessions (240 MB,
    about 20 s). Import them? [Y/n]``.
    """
    size = sum(offer.size for offer in offers)
    seconds = max(1, round(size / BYTES_A_SECOND))
    cost = f"{max(1, round(size / 1_000_000))} MB, about {seconds} s"
    return f"{', '.join(offer.describe() for offer in offers)} ({cost}). Import them? [Y/n] "


def _ask_yes_no(ask: Callable[[str], str], question: str) -> bool:
    try:
        return ask(question).strip().lower() in {"", "y", "yes"}
    except EOFError:
        return False


def _import_offers(context: CommandContext, offers: Iterable[HistoryOffer]) -> list[str]:
    lines = []
    for offer in offers:
        started = time.monotonic()
        try:
            imported = _import_offer(context, offer)
        except (SourceError, OSError) as error:
            lines.append(f"earlier sessions of {offer.title} could not be imported: {error}")
            continue
        lines += _describe_import(imported, offer.root, time.monotonic() - started)
    return lines


def _import_offer(context: CommandContext, offer: HistoryOffer) -> list[ImportedFile]:
    if offer.source == CLAUDE_CODE:
        transcripts = transcript.list_transcript_paths(offer.root)
        with show_progress(len(transcripts), offer.title) as progress_bar:
            identified = (transcript.identify_transcript(Path(file)) for file in progress_bar(transcripts))
            return import_transcripts(context.config, identified)
    with show_progress(len(offer.files), offer.title) as progress_bar:
        files = zip(offer.files, offer.formats, strict=True)
        return import_histories(context.config, progress_bar(files))


def _describe_import(imported: list[ImportedFile], root: Path, seconds: float) -> list[str]:
    sessions = frozenset[str]().union(*(entry.sessions for entry in imported))
    return [f"{len(sessions)} session(s) imported from {root} in {seconds:.1f} s"] if sessions else []


def _read_answer(path: Path) -> tuple[bool | None, frozenset[str]]:
    """Return the remembered answer, and the agents that it was about; before 0.2 it was about one."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        answer, asked = document["import"], document.get("asked", [CLAUDE_CODE])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, frozenset()
    if not isinstance(answer, bool) or not isinstance(asked, list):
        return None, frozenset()
    return answer, frozenset(source for source in asked if isinstance(source, str))


def _get_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
