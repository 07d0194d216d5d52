"""Plugin file: lay down, renew and remove the file by which an agent without hooks reports to Stretto.

Pi and opencode run no commands for their events, but load files of code from a folder. The file is ours as a
whole: a file of the same name that is not ours is left alone, with an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from stretto.errors import SettingsError
from stretto.hook.install.agents import Scope
from stretto.hook.install.client_copy import copy_client
from stretto.hook.install.handlers import InstallPlan, get_client_folder
from stretto.hook.install.registration import SettingsChange
from stretto.hook.install.settings_file import read_file, remove_file, write_file
from stretto.hook.install.status import ScopeStatus

OUR_MARK = b"stretto hooks install --agent"
"""Part of the first lines of each of our files."""

_PLACEHOLDER = "__COMMAND__"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginAgent:
    """A coding agent that is reached by a file of code."""

    name: str
    """The source of its events."""
    title: str
    events: tuple[str, ...]
    """What the file reports, in the words of Claude Code's hooks."""
    resource: str
    """The file in the package."""
    file: str
    """The file's path in the user's home."""
    project: str
    """The file's path in a project."""
    variable: str = ""
    """The environment variable that moves the user's folder."""
    under_variable: str = ""
    """The file's path in the folder that the variable names."""


PLUGIN_AGENTS: dict[str, PluginAgent] = {
    agent.name: agent
    for agent in (
        PluginAgent(
            name="pi",
            title="Pi",
            events=("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure",
                    "Stop", "PostCompact", "SessionEnd"),
            resource="pi.ts",
            file=".pi/agent/extensions/stretto.ts",
            project=".pi/extensions/stretto.ts",
            variable="PI_CODING_AGENT_DIR",
            under_variable="extensions/stretto.ts",
        ),
        PluginAgent(
            name="opencode",
            title="opencode",
            events=("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure",
                    "SubagentStart", "SubagentStop", "Stop", "PostCompact"),
            resource="opencode.js",
            file=".config/opencode/plugins/stretto.js",
            project=".opencode/plugins/stretto.js",
            variable="XDG_CONFIG_HOME",
            under_variable="opencode/plugins/stretto.js",
        ),
    )
}  # fmt: skip
"""The agents that are reached by a file of code, by name."""


def find_plugin_path(
    agent: PluginAgent, scope: Scope, *, home: Path, project: Path, environ: Mapping[str, str]
) -> Path:
    """Return the file's path in a scope. Raises SettingsError if the agent has no such scope."""
    if scope is Scope.LOCAL:
        raise SettingsError(f"{agent.title} has no local settings", hint="Use --scope user or project.")
    if scope is Scope.PROJECT:
        return project / agent.project
    moved = environ.get(agent.variable) if agent.variable else None
    return Path(moved) / agent.under_variable if moved else home / agent.file


def install_plugin(agent: PluginAgent, path: Path, plan: InstallPlan) -> SettingsChange:
    """Write the agent's file and the client's copy; a second installation changes no byte.

    Of ``plan`` the state folder and the interpreter are used. Raises SettingsError, with nothing changed.
    """
    wanted = build_plugin(agent, plan)
    before = read_file(path)
    _require_ours(agent, path, before)
    copied = copy_client(plan.state)
    action = "unchanged" if before == wanted else "installed" if before is None else "updated"
    if before != wanted:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError("The folder cannot be created", where=str(path), cause=str(error)) from error
        write_file(path, wanted)
    return SettingsChange(
        action=action,
        agent=agent.name,
        settings=str(path),
        events=agent.events,
        transport="command",
        client=str(get_client_folder(plan.state)) if copied else None,
        note=f"{agent.title} loads the file when it starts",
    )


def uninstall_plugin(agent: PluginAgent, path: Path) -> SettingsChange:
    """Remove the agent's file; the client's copy stays for sessions that still run."""
    before = read_file(path)
    change = SettingsChange(action="unchanged", agent=agent.name, settings=str(path), events=())
    if before is None:
        return change
    _require_ours(agent, path, before)
    remove_file(path)
    return SettingsChange(
        action="removed", agent=agent.name, settings=str(path), events=agent.events, deleted=True
    )


def build_plugin(agent: PluginAgent, plan: InstallPlan) -> bytes:
    """Return the content of the agent's file, with the command that reports an event."""
    script = get_client_folder(plan.state) / "start.py"
    command = [plan.interpreter.as_posix(), "-I", "-S", script.as_posix(), plan.state.as_posix(), agent.name]
    text = resources.files("stretto.hook").joinpath("plugins", agent.resource).read_text(encoding="utf-8")
    return text.replace(_PLACEHOLDER, json.dumps(command)).encode()


def describe_plugin(agent: PluginAgent, scope: Scope, path: Path) -> ScopeStatus:
    """Return the state of the agent's file."""
    content = read_file(path) or b""
    is_ours = OUR_MARK in content
    program = _find_program(content) if is_ours else None
    return ScopeStatus(
        agent=agent.name,
        scope=scope.value,
        settings=str(path),
        exists=bool(content),
        events=agent.events if is_ours else (),
        transports=("command",) if is_ours else (),
        dangling=tuple(word for word in program or () if not Path(word).exists()),
    )


def _find_program(content: bytes) -> list[str]:
    """Return interpreter and script in the command of a file of ours."""
    text = content.decode("utf-8", "replace")
    start = text.find("[", text.find("COMMAND"))
    try:
        words = json.JSONDecoder().raw_decode(text[text.index("= [", start - 4) + 2 :])[0]
    except (ValueError, IndexError):
        return []
    return [words[0], words[3]] if len(words) > 3 else []  # noqa: PLR2004  interpreter, -I, -S, script


def _require_ours(agent: PluginAgent, path: Path, content: bytes | None) -> None:
    if content is not None and OUR_MARK not in content:
        raise SettingsError(
            f"{agent.title} has another file of this name",
            where=str(path),
            hint="Move it away, then try again.",
        )
