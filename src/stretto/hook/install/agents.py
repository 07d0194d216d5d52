"""List the coding agents whose hooks can be installed: where their settings lie and how a handler is written.

The paths and shapes come from the agents' own references, which ``dialects`` and docs/sources.md name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from stretto.errors import SettingsError
from stretto.hook.client import client, dialects

TIMEOUT = 5
"""Seconds after which the agent ends a hook: a stuck disk must not block the agent."""


class Scope(StrEnum):
    """Whose settings a file holds: the user's, a project's, or the user's own for a project."""

    USER = "user"
    PROJECT = "project"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingAgent:
    """A coding agent: its settings files, its hooks and the shape of a handler."""

    name: str
    """The source of its events."""
    title: str
    events: tuple[str, ...]
    """The hooks to register: exactly those that the client reads."""
    folder: str
    """The folder of its settings, in the user's home and in a project."""
    file: str
    variable: str
    """The environment variable that moves the user's folder; empty if the agent has none."""
    under_variable: str = ""
    """The subfolder inside the folder that the variable names."""
    project: str = ""
    """The file in a project, if it is not ``folder/file``."""
    local: str = ""
    """The unshared file in a project; empty if the agent has none."""
    older: str = ""
    """A file in the same folder from which the agent reads hooks if ``file`` does not exist."""
    container: str = "hooks"
    """The member that holds the hooks; empty if the hooks are members of the file itself."""
    version: bool = False
    """Whether the file needs ``"version": 1``."""
    flat: bool = False
    """Whether a hook's list holds handlers instead of groups of handlers."""
    template: tuple[tuple[str, Any], ...] = (("type", "command"), ("command", None), ("timeout", TIMEOUT))
    """The members of a handler; the value None is replaced by the command line."""
    switches: tuple[tuple[str, bool], ...] = ()
    """Settings that can disable hooks: dotted path of the member, and its disabling value."""
    repeats: bool = False
    """Whether the same handler in two files runs twice."""
    note: str = ""
    """A note for the user: something to know or do before the hooks run."""

    def build_handler(self, line: str) -> dict[str, Any]:
        """Return the handler that runs a command line."""
        return {name: line if value is None else value for name, value in self.template}

    def build_entry(self, handler: dict[str, Any]) -> dict[str, Any]:
        """Return the entry of a hook's list for a handler."""
        return handler if self.flat else {"hooks": [handler]}


def find_settings_path(
    agent: CodingAgent, scope: Scope, *, home: Path, project: Path, environ: Mapping[str, str]
) -> Path:
    """Return the settings file of a scope. Raises SettingsError if the agent has no such scope."""
    if scope is Scope.LOCAL:
        if not agent.local:
            raise SettingsError(f"{agent.title} has no local settings", hint="Use --scope user or project.")
        return project / agent.folder / agent.local
    if scope is Scope.PROJECT and agent.project:
        return project / agent.project
    folder = (home if scope is Scope.USER else project) / agent.folder
    moved_folder = environ.get(agent.variable) if agent.variable and scope is Scope.USER else None
    if moved_folder:
        folder = Path(moved_folder) / agent.under_variable
    path, older = folder / agent.file, folder / agent.older
    # If the newer file were created, the agent would ignore the hooks in the older file.
    return older if agent.older and not path.exists() and b'"hooks"' in _read_content(older) else path


def _read_content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _list_events(name: str) -> tuple[str, ...]:
    return tuple(dialects.DIALECTS[name].events)


CLAUDE_CODE = CodingAgent(
    name=client.CLAUDE_CODE,
    title="Claude Code",
    events=tuple(client.EVENTS),
    folder=".claude",
    file="settings.json",
    local="settings.local.json",
    variable="CLAUDE_CONFIG_DIR",
    switches=(("disableAllHooks", True), ("allowManagedHooksOnly", True)),
)

AGENTS: dict[str, CodingAgent] = {
    agent.name: agent
    for agent in (
        CLAUDE_CODE,
        CodingAgent(
            name="codex",
            title="Codex",
            events=_list_events("codex"),
            folder=".codex",
            file="hooks.json",
            variable="CODEX_HOME",
            # Not asynchronous: releases before 0.148 skip such hooks. SessionEnd is limited to 3 seconds.
            template=(("type", "command"), ("command", None), ("timeout", 3)),
            repeats=True,
            note="Codex runs them once you trust them: start it and type /hooks, or add --trust",
        ),
        CodingAgent(
            name="droid",
            title="Factory Droid",
            events=_list_events("droid"),
            folder=".factory",
            file="hooks.json",
            older="settings.json",
            variable="",
            container="",
            switches=(("hooksDisabled", True),),
        ),
        CodingAgent(
            name="gemini-cli",
            title="Gemini CLI",
            events=_list_events("gemini-cli"),
            folder=".gemini",
            file="settings.json",
            variable="GEMINI_CLI_HOME",
            under_variable=".gemini",
            template=(
                ("type", "command"),
                ("name", "stretto"),
                ("command", None),
                ("timeout", TIMEOUT * 1000),
            ),
            switches=(("hooksConfig.enabled", False),),
            note="Gemini CLI runs hooks in trusted folders only",
        ),
        CodingAgent(
            name="copilot-cli",
            title="GitHub Copilot CLI",
            events=_list_events("copilot-cli"),
            folder=".copilot/hooks",
            file="stretto.json",
            project=".github/hooks/stretto.json",
            variable="COPILOT_HOME",
            under_variable="hooks",
            version=True,
            flat=True,
            template=(("type", "command"), ("bash", None), ("timeoutSec", TIMEOUT)),
            switches=(("disableAllHooks", True),),
            repeats=True,
        ),
        CodingAgent(
            name="qwen-code",
            title="Qwen Code",
            events=_list_events("qwen-code"),
            folder=".qwen",
            file="settings.json",
            variable="",
            switches=(("disableAllHooks", True),),
        ),
        CodingAgent(
            name="cursor",
            title="Cursor",
            events=_list_events("cursor"),
            folder=".cursor",
            file="hooks.json",
            variable="",
            version=True,
            flat=True,
            template=(("command", None), ("timeout", TIMEOUT)),
            note="untested: nobody has run Cursor with these hooks yet",
        ),
    )
}
"""The agents whose hooks can be installed, by name."""
