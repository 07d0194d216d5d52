"""Read and parse settings files, replace them in a single step, and keep a backup in the same folder."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from stretto.errors import SettingsError
from stretto.hook.install.agents import CodingAgent


def read_file(path: Path) -> bytes | None:
    """Return a file's bytes, or None if it does not exist. Raises SettingsError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError("The settings cannot be read", where=str(path), cause=str(error)) from error


def parse_settings(agent: CodingAgent, path: Path, data: bytes) -> tuple[str, dict[str, Any]]:
    """Return a settings file's text and JSON value. Raises SettingsError if hooks cannot be in it."""
    try:
        text = data.decode("utf-8")
        if not text.removeprefix("\ufeff").strip():
            # An editor saved an empty file: it stands for settings without a member.
            text = "{}\n"
        value = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            "The settings are not valid JSON", where=str(path), cause=str(error),
            hint=f"{agent.title} may ignore the whole file as it is. Repair it (comments too) and try again.",
        ) from error  # fmt: skip
    if not isinstance(value, dict):
        raise SettingsError("The settings are not a JSON object", where=str(path), hint="Start it with {.")
    hooks_member = find_container(agent, path, value)
    hooks = value.get(hooks_member, {}) if hooks_member else value
    if not isinstance(hooks, dict) or any(not isinstance(hooks.get(name, []), list) for name in agent.events):
        raise SettingsError(
            f"The settings hold hooks in a shape that {agent.title} does not know", where=str(path),
            hint="The hooks are an object that maps the name of a hook to a list.",
        )  # fmt: skip
    return text, value


def find_container(agent: CodingAgent, path: Path, value: dict[str, Any]) -> str:
    """Return the member that holds the hooks, empty if the hooks are members of the file itself."""
    if agent.container or path.name == agent.older or isinstance(value.get("hooks"), dict):
        return "hooks"
    return ""


def write_file(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Replace a file in a single step; follow symlinks and keep the mode. Raises SettingsError."""
    target = Path(os.path.realpath(path))
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    new_file = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(new_file, flags, mode or 0o666), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if target.exists() and mode is None:
                new_file.chmod(target.stat().st_mode & 0o7777)
            new_file.replace(target)
        finally:
            new_file.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError("The file cannot be written", where=str(path), cause=str(error)) from error


def remove_file(path: Path) -> None:
    """Remove a file if it exists. Raises SettingsError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError("The file cannot be removed", where=str(path), cause=str(error)) from error


def compute_digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def get_backup_path(settings: Path) -> Path:
    """Return the path of a settings file's backup."""
    return settings.with_name(settings.name + ".stretto-backup")


def back_up(settings: Path, data: bytes) -> str:
    """Write the replaced settings to the backup, readable by the same users; return the path."""
    path = get_backup_path(settings)
    write_file(path, data)
    path.chmod(settings.stat().st_mode & 0o7777)
    return str(path)
