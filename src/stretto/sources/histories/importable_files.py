"""Finding: list the files under a path that can be imported, and name those that cannot."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stretto.sources import read_hook_recordings
from stretto.sources.histories.formats import CLAUDE_CODE, HistoryFormat, recognise_file

LINE_SUFFIXES = (".jsonl", ".jsonl.gz")
"""Suffixes of files that are named if they are not recognised."""

OTHER_SUFFIXES = (".json", ".json.gz", ".db", ".sqlite", ".tsv", ".txt", ".tsv.gz", ".txt.gz")
"""Suffixes of files that are passed over in silence if they are not recognised."""

UNRECOGNISED = "not recognised as a recording, a transcript or a history"

_NO_HISTORY = frozenset({"history.jsonl", "journal.jsonl", "session_index.jsonl", "prompt_history.jsonl"})
"""JSON lines beside the histories: the prompts of all projects, a workflow's journal, an index."""


@dataclass(slots=True)
class FoundFiles:
    """The files under a path, by what reads them."""

    recordings: list[Path] = field(default_factory=list)
    transcripts: list[Path] = field(default_factory=list)
    """Claude Code's."""
    histories: list[tuple[Path, HistoryFormat]] = field(default_factory=list)
    refused: list[tuple[Path, str]] = field(default_factory=list)
    """Each file that is not read, and why."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be imported."""
        return not (self.recordings or self.transcripts or self.histories)


def find_files(root: Path, *, known: Container[str] = (), deep: bool = True) -> FoundFiles:
    """Sort the files under a path, or the file itself, by their formats. Never raises.

    ``known`` are absolute paths to pass over unopened. Without ``deep`` the folders in the folder are left
    out.
    """
    found = FoundFiles()
    if root.is_file():
        _sort_file(root, found, named=True)
    else:
        for path, named in _list_candidates(root, deep=deep):
            if str(path.absolute()) not in known:
                _sort_file(path, found, named=named)
    return found


def _list_candidates(root: Path, *, deep: bool) -> Iterator[tuple[Path, bool]]:
    """Yield each file that may be imported, by name, and whether it is named if it is not recognised."""
    for path in _walk_sorted(root, deep=deep):
        if path.name in _NO_HISTORY or not path.is_file():
            continue
        if path.name.endswith(LINE_SUFFIXES):
            yield path, True
        elif path.name.endswith(OTHER_SUFFIXES) and not path.name.endswith(".meta.json"):
            yield path, False


def _walk_sorted(folder: Path, *, deep: bool) -> Iterator[Path]:
    """Yield the files below a folder by name; only the entries of the folders on the way are in memory."""
    try:
        with os.scandir(folder) as entries:
            inner = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return
    for name, is_folder in inner:
        if not is_folder:
            yield folder / name
        elif deep:
            yield from _walk_sorted(folder / name, deep=True)


def _sort_file(path: Path, found: FoundFiles, *, named: bool) -> None:
    try:
        history_format = recognise_file(path)
    except OSError as error:
        found.refused.append((path, f"cannot be read: {type(error).__name__}"))
        return
    if history_format is None:
        if read_hook_recordings.is_recording(path):
            found.recordings.append(path)
        elif named:
            found.refused.append((path, UNRECOGNISED))
    elif history_format.refusal is not None:
        found.refused.append((path, f"{history_format.title}: {history_format.refusal}"))
    elif history_format.source == CLAUDE_CODE:
        found.transcripts.append(path)
    else:
        found.histories.append((path, history_format))
