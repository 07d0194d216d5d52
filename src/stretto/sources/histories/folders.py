"""Folders: where each agent keeps its histories, in the home or where the agent's variable moves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HistoryFolder:
    """The folder of an agent's histories."""

    source: str
    """The product, as in ``Event.source``."""
    title: str
    path: Path
    deep: bool = True
    """Whether the histories may lie in folders of the folder; opencode keeps copies of projects there."""


_FOLDERS = (
    ("codex", "Codex", "CODEX_HOME", ".codex", "sessions"),
    ("copilot-cli", "Copilot CLI", "COPILOT_HOME", ".copilot", "session-state"),
    ("gemini-cli", "Gemini CLI", "", ".gemini", "tmp"),
    ("qwen-code", "Qwen Code", "", ".qwen", "projects"),
    ("pi", "Pi", "PI_CODING_AGENT_DIR", ".pi/agent", "sessions"),
    ("droid", "Factory Droid", "", ".factory", "sessions"),
    ("vibe", "Mistral Vibe", "VIBE_HOME", ".vibe", "logs/session/unified"),
)
"""Source, title, variable that moves the agent's folder, the folder in the home, the folder in it."""

_DATA_FOLDERS = (("opencode", "opencode", "opencode"), ("kilo", "Kilo", "kilo"))
"""Source, title and folder in the user's data folder."""


def list_history_folders(
    home: Path, environ: Mapping[str, str], *, absent: bool = False
) -> list[HistoryFolder]:
    """Return the folders of histories that exist; with ``absent`` those that do not exist yet, too."""
    folders = []
    for source, title, variable, folder, inner in _FOLDERS:
        moved = environ.get(variable) if variable else None
        folders.append(HistoryFolder(source, title, (Path(moved) if moved else home / folder) / inner))
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    folders += [
        HistoryFolder(source, title, data / name, deep=False) for source, title, name in _DATA_FOLDERS
    ]
    gemini_home = environ.get("GEMINI_CLI_HOME")
    if gemini_home:
        moved_path = Path(gemini_home) / ".gemini" / "tmp"
        folders = [
            HistoryFolder(entry.source, entry.title, moved_path) if entry.source == "gemini-cli" else entry
            for entry in folders
        ]
    return [folder for folder in folders if absent or folder.path.is_dir()]
