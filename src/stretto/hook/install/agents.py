"""The agents whose hooks can be installed: where their settings stand and how a handler is written there.

Places and shapes are those of the agents' own references, as named in ``dialects`` and docs/sources.md.
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
"""Seconds; a stuck disk must not become a stuck agent."""


class Scope(StrEnum):
    """Whose settings."""

    USER = "user"
    PROJECT = "project"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingAgent:
    """One agent, as far as installing hooks needs to know it."""

    name: str
    """What its events carry as their source."""
    title: str
    events: tuple[str, ...]
    """The hooks registered: exactly those that the client reads."""
    folder: str
    """Of its settings, in the user's home and in a project."""
    file: str
    variable: str
    """The environment variable that moves the user's folder; empty where there is none."""
    under_variable: str = ""
    """The folder below the one that the variable names."""
    project: str = ""
    """The file in a project, where it is not the same folder and file."""
    local: str = ""
    """The file in a project that is not shared; empty where the agent has none."""
    older: str = ""
    """A file of the same folder that the agent reads hooks from while ``file`` is not there."""
    container: str = "hooks"
    """The member that holds the hooks; empty where they are the file's own members."""
    version: bool = False
    """The file needs ``"version": 1``."""
    flat: bool = False
    """A hook's list holds handlers, not groups of handlers."""
    template: tuple[tuple[str, Any], ...] = (("type", "command"), ("command", None), ("timeout", TIMEOUT))
    """The members of a handler; None stands for the command line."""
    switches: tuple[tuple[str, bool], ...] = ()
    """Members of the settings, by dotted path, and the value with which they keep hooks from running."""
    repeats: bool = False
    """The same handler in two files runs twice."""
    note: str = ""
    """What a person has to know or do before hooks run."""

    def build_handler(self, line: str) -> dict[str, Any]:
        """Return the handler that runs a command line."""
        return {name: line if given is None else given for name, given in self.template}

    def build_entry(self, handler: dict[str, Any]) -> dict[str, Any]:
        """Return what stands in a hook's list for a handler."""
        return handler if self.flat else {"hooks": [handler]}


def find_settings_path(
    agent: CodingAgent, scope: Scope, *, home: Path, project: Path, environ: Mapping[str, str]
) -> Path:
    """Return a scope's settings file. Raises SettingsError where the agent has no such scope."""
    if scope is Scope.LOCAL:
        if not agent.local:
            raise SettingsError(f"{agent.title} has no local settings", hint="Use --scope user or project.")
        return project / agent.folder / agent.local
    if scope is Scope.PROJECT and agent.project:
        return project / agent.project
    folder = (home if scope is Scope.USER else project) / agent.folder
    moved = environ.get(agent.variable) if agent.variable and scope is Scope.USER else None
    if moved:
        folder = Path(moved) / agent.under_variable
    path, older = folder / agent.file, folder / agent.older
    # Making the newer file would take the hooks in the older one out of force.
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
            # Never asynchronous: releases before 0.148 skip such hooks. SessionEnd gets 3 seconds at most.
            template=(("type", "command"), ("command", None), ("timeout", 3)),
            repeats=True,
            note="Codex runs them once you trust them: start it and type /hooks",
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
            name="cursor",
            title="Cursor",
            events=_list_events("cursor"),
            folder=".cursor",
            file="hooks.json",
            variable="",
            version=True,
            flat=True,
            template=(("command", None), ("timeout", TIMEOUT)),
        ),
    )
}
"""The agents that hooks can be installed for, by name."""
