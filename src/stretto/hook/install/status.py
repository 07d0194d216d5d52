"""How the hooks stand, over all agents and all of their settings files."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stretto.errors import SettingsError
from stretto.hook.install.agents import AGENTS, CLAUDE_CODE, CodingAgent
from stretto.hook.install.client_copy import CLIENT_FILES, check_client_copy
from stretto.hook.install.handlers import MARK, find_our_handlers, get_command_line
from stretto.hook.install.settings_file import find_container, parse_settings, read_file
from stretto.hook.install.statusline_setting import MEMBER, get_chained_command, get_program, is_ours


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeStatus:
    """What one settings file says."""

    agent: str
    scope: str
    settings: str
    exists: bool
    events: tuple[str, ...] = ()
    """Hooks registered for us."""
    missing: tuple[str, ...] = ()
    """Hooks that are not, while others are."""
    transports: tuple[str, ...] = ()
    dangling: tuple[str, ...] = ()
    """Interpreters and scripts in our commands that are not there."""
    status_line: bool = False
    """Whether our status line is registered."""
    chained: str | None = None
    """The command that it runs before itself."""
    problem: str | None = None
    """Why the file cannot be read as settings."""

    @property
    def label(self) -> str:
        """Scope and agent in short; Claude Code goes without saying."""
        return self.scope if self.agent == CLAUDE_CODE.name else f"{self.agent} {self.scope}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksStatus:
    """How the hooks stand over all settings files; dumps as JSON."""

    installed: bool
    scopes: tuple[ScopeStatus, ...]
    client: str
    """Of the copy: ``current``, ``outdated`` or ``absent``."""
    switched_off: tuple[str, ...]
    """The switches that are on, each with its file."""
    doubled: tuple[str, ...]
    """Where an event is reported more than once: harmless, but each report costs its process or request."""
    plugins: tuple[str, ...] = ()
    """Plugins of ours that the settings enable: they report without hooks in any settings."""


def check_hooks(files: Iterable[tuple[CodingAgent, str, Path]], state: Path) -> HooksStatus:
    """Say how the hooks stand: ``files`` is the settings files that count, by agent and scope.

    A file that is missing or broken is part of the answer, not an error. One that stands for two scopes, as
    in a project that is the home, counts for the first.
    """
    scopes: list[ScopeStatus] = []
    read_from: list[_FileReport] = []
    seen: set[tuple[CodingAgent, Path]] = set()
    for agent, scope, path in files:
        if (agent, path) in seen:
            continue
        seen.add((agent, path))
        try:
            data = read_file(path)
            value = parse_settings(agent, path, b"{}" if data is None else data)[1]
        except SettingsError as error:
            if agent is CLAUDE_CODE or _has_our_command(path):
                scopes.append(_describe_broken(agent, scope, path, error))
            continue
        inside = find_container(agent, path, value)
        mine = find_our_handlers(value.get(inside, {}) if inside else value)
        found = _describe_scope(agent, scope, path, data is not None, mine)
        scopes.append(_add_status_line(found, value.get(MEMBER)))
        off = tuple(f"{name} in {path}" for name in _list_switches(agent, value))
        read_from.append(_FileReport(agent, scopes[-1], mine, off, _list_plugins(value)))
    used = {reports.agent for reports in read_from if reports.handlers}
    return HooksStatus(
        installed=bool(used),
        scopes=tuple(scopes),
        client=check_client_copy(state),
        # What keeps the hooks of an agent from running that has none of ours is no matter.
        switched_off=tuple(
            switch for reports in read_from if reports.agent in {*used, CLAUDE_CODE} for switch in reports.off
        ),
        doubled=tuple(
            what
            for agent in AGENTS.values()
            if agent in used
            for what in _find_doubled(agent, [reports for reports in read_from if reports.agent is agent])
        ),
        plugins=tuple(dict.fromkeys(name for reports in read_from for name in reports.plugins)),
    )


@dataclass(frozen=True, slots=True)
class _FileReport:
    """What was found in one settings file of an agent."""

    agent: CodingAgent
    scope: ScopeStatus
    handlers: dict[str, list[dict[str, Any]]]
    off: tuple[str, ...]
    """The switches that are on."""
    plugins: tuple[str, ...]
    """Those of ours that it enables."""


def _has_our_command(path: Path) -> bool:
    """Tell whether a file that is no settings holds a command of ours nevertheless."""
    try:
        return any(f"/hook/{name}".encode() in path.read_bytes() for name in CLIENT_FILES)
    except OSError:
        return False


def _describe_broken(agent: CodingAgent, scope: str, path: Path, error: SettingsError) -> ScopeStatus:
    return ScopeStatus(
        agent=agent.name, scope=scope, settings=str(path), exists=True, problem=error.sentence()
    )


def _describe_scope(
    agent: CodingAgent, scope: str, path: Path, exists: bool, mine: dict[str, list[dict[str, Any]]]
) -> ScopeStatus:
    found = [handler for event in mine.values() for handler in event]
    started = [word for handler in found for word in _list_started_files(get_command_line(handler))]
    return ScopeStatus(
        agent=agent.name,
        scope=scope,
        settings=str(path),
        exists=exists,
        events=tuple(mine),
        missing=tuple(event for event in agent.events if event not in mine) if mine else (),
        transports=tuple(sorted({_get_transport(handler) for handler in found})),
        dangling=tuple(word for word in dict.fromkeys(started) if not Path(word).exists()),
    )


def _add_status_line(found: ScopeStatus, line: object) -> ScopeStatus:
    if not is_ours(line):
        return found
    program = get_program(line)
    gone = () if Path(program).exists() else (program,)
    dangling = tuple(dict.fromkeys((*found.dangling, *gone)))
    return replace(found, status_line=True, chained=get_chained_command(line) or None, dangling=dangling)


def _get_transport(handler: dict[str, Any]) -> str:
    return "http" if handler.get("type") == "http" else "command"


def _list_started_files(command: str) -> list[str]:
    """Return the interpreter and the script of one of our commands."""
    try:
        words = shlex.split(command)
    except ValueError:
        return [command]
    return [*words[:1], *[word for word in words if word.endswith(CLIENT_FILES)][:1]]


def _list_switches(agent: CodingAgent, value: dict[str, Any]) -> list[str]:
    """Return the switches that keep an agent's hooks from running."""
    on = []
    for name, off in agent.switches:
        at: Any = value
        for part in name.split("."):
            at = at.get(part) if isinstance(at, dict) else None
        if at is off:
            on.append(name)
    return on


def _list_plugins(value: dict[str, Any]) -> tuple[str, ...]:
    enabled = value.get("enabledPlugins")
    if not isinstance(enabled, dict):
        return ()
    return tuple(name for name, on in enabled.items() if on is True and name.startswith(f"{MARK}@"))


def _find_doubled(agent: CodingAgent, found: list[_FileReport]) -> list[str]:
    """Return where one of the agent's events is reported more than once.

    As a rule the same handler in several files runs once; a different one runs beside it, and a plugin's
    always does.
    """
    several = set()
    for event in agent.events:
        by_handler: dict[str, list[str]] = {}
        for reports in found:
            for handler in reports.handlers.get(event, []):
                by_handler.setdefault(json.dumps(handler, sort_keys=True), []).append(reports.scope.label)
        where = [scope for scopes in by_handler.values() for scope in scopes]
        if len(where if agent.repeats else by_handler) > 1:
            several.add(tuple(dict.fromkeys(where)))
    kinds = "handlers" if agent.repeats else "different handlers"
    doubled = [f"{kinds} in {' and '.join(names)} settings" for names in sorted(several)]
    plugins = dict.fromkeys(name for reports in found for name in reports.plugins)
    return doubled + [f"plugin {name} beside the settings" for name in plugins]
