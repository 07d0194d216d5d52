"""Report the state of the hooks, over all agents and all of their settings files."""

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
from stretto.hook.install.statusline_setting import (
    STATUS_LINE_MEMBER,
    get_chained_command,
    get_program,
    is_our_status_line,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeStatus:
    """The state of the hooks in a settings file."""

    agent: str
    scope: str
    settings: str
    exists: bool
    events: tuple[str, ...] = ()
    """The hooks registered for Stretto."""
    missing: tuple[str, ...] = ()
    """The hooks that are not registered, while others are."""
    transports: tuple[str, ...] = ()
    dangling: tuple[str, ...] = ()
    """Interpreters and scripts of our commands that do not exist."""
    status_line: bool = False
    """Whether our status line is registered."""
    chained: str | None = None
    """The other command that our status line runs first."""
    problem: str | None = None
    """The reason why the file cannot be read as settings."""
    untrusted: tuple[str, ...] = ()
    """The hooks that the agent will not run until the user trusts them (Codex)."""

    @property
    def is_everywhere(self) -> bool:
        """Whether the agent runs these hooks in every project."""
        can_run = bool(self.events) and not self.dangling and not self.untrusted
        return self.scope in ("user", "managed") and can_run

    @property
    def label(self) -> str:
        """Short name of the scope and agent; Claude Code is not named."""
        return self.scope if self.agent == CLAUDE_CODE.name else f"{self.agent} {self.scope}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksStatus:
    """The state of the hooks over all settings files; can be dumped as JSON."""

    installed: bool
    scopes: tuple[ScopeStatus, ...]
    client: str
    """The state of the client's copy: ``current``, ``outdated`` or ``absent``."""
    switched_off: tuple[str, ...]
    """The settings that disable hooks, each with its file."""
    doubled: tuple[str, ...]
    """Places that report an event more than once: harmless, but each report costs a process or a request."""
    plugins: tuple[str, ...] = ()
    """Our plugins that the settings enable: they report without hooks in the settings."""


def read_hooks_status(files: Iterable[tuple[CodingAgent, str, Path]], state: Path) -> HooksStatus:
    """Return the state of the hooks; ``files`` lists the settings files by agent and scope.

    A missing or broken file is part of the answer, not an error. A file that serves two scopes, such as a
    project in the home folder, counts for the first.
    """
    scopes: list[ScopeStatus] = []
    reports: list[_FileReport] = []
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
        hooks_member = find_container(agent, path, value)
        ours = find_our_handlers(value.get(hooks_member, {}) if hooks_member else value)
        described = _describe_scope(agent, scope, path, data is not None, ours)
        scopes.append(_add_status_line(described, value.get(STATUS_LINE_MEMBER)))
        off = tuple(f"{name} in {path}" for name in _list_switches(agent, value))
        reports.append(_FileReport(agent, scopes[-1], ours, off, _list_plugins(value)))
    used_agents = {report.agent for report in reports if report.handlers}
    return HooksStatus(
        installed=bool(used_agents),
        scopes=tuple(scopes),
        client=check_client_copy(state),
        # A switch of an agent without our hooks does not matter.
        switched_off=tuple(
            switch
            for report in reports
            if report.agent in {*used_agents, CLAUDE_CODE}
            for switch in report.off
        ),
        doubled=tuple(
            doubled
            for agent in AGENTS.values()
            if agent in used_agents
            for doubled in _find_doubled(agent, [report for report in reports if report.agent is agent])
        ),
        plugins=tuple(dict.fromkeys(name for report in reports for name in report.plugins)),
    )


@dataclass(frozen=True, slots=True)
class _FileReport:
    """The contents of an agent's settings file that concern our hooks."""

    agent: CodingAgent
    scope: ScopeStatus
    handlers: dict[str, list[dict[str, Any]]]
    off: tuple[str, ...]
    """The settings that disable hooks."""
    plugins: tuple[str, ...]
    """Our plugins that the file enables."""


def _has_our_command(path: Path) -> bool:
    """Return whether a file that cannot be read as settings contains a command of ours."""
    try:
        return any(f"/hook/{name}".encode() in path.read_bytes() for name in CLIENT_FILES)
    except OSError:
        return False


def _describe_broken(agent: CodingAgent, scope: str, path: Path, error: SettingsError) -> ScopeStatus:
    return ScopeStatus(
        agent=agent.name, scope=scope, settings=str(path), exists=True, problem=error.to_line()
    )


def _describe_scope(
    agent: CodingAgent, scope: str, path: Path, exists: bool, ours: dict[str, list[dict[str, Any]]]
) -> ScopeStatus:
    handlers = [handler for event in ours.values() for handler in event]
    started = [word for handler in handlers for word in _list_started_files(get_command_line(handler))]
    return ScopeStatus(
        agent=agent.name,
        scope=scope,
        settings=str(path),
        exists=exists,
        events=tuple(ours),
        missing=tuple(event for event in agent.events if event not in ours) if ours else (),
        transports=tuple(sorted({_get_transport(handler) for handler in handlers})),
        dangling=tuple(word for word in dict.fromkeys(started) if not Path(word).exists()),
    )


def _add_status_line(scope: ScopeStatus, line: object) -> ScopeStatus:
    if not is_our_status_line(line):
        return scope
    program = get_program(line)
    missing = () if Path(program).exists() else (program,)
    dangling = tuple(dict.fromkeys((*scope.dangling, *missing)))
    return replace(scope, status_line=True, chained=get_chained_command(line) or None, dangling=dangling)


def _get_transport(handler: dict[str, Any]) -> str:
    return "http" if handler.get("type") == "http" else "command"


def _list_started_files(command: str) -> list[str]:
    """Return the interpreter and the script of a command of ours."""
    try:
        words = shlex.split(command)
    except ValueError:
        return [command]
    return [*words[:1], *[word for word in words if word.endswith(CLIENT_FILES)][:1]]


def _list_switches(agent: CodingAgent, value: dict[str, Any]) -> list[str]:
    """Return the settings that disable an agent's hooks."""
    disabling = []
    for name, off in agent.switches:
        at: Any = value
        for part in name.split("."):
            at = at.get(part) if isinstance(at, dict) else None
        if at is off:
            disabling.append(name)
    return disabling


def _list_plugins(value: dict[str, Any]) -> tuple[str, ...]:
    enabled = value.get("enabledPlugins")
    if not isinstance(enabled, dict):
        return ()
    return tuple(name for name, on in enabled.items() if on is True and name.startswith(f"{MARK}@"))


def _find_doubled(agent: CodingAgent, reports: list[_FileReport]) -> list[str]:
    """Return the places that report an event of the agent more than once.

    Usually the same handler in several files runs once, but different handlers both run, and a plugin's
    handler always runs. Example: the user's file has the command handler for "Stop", the project's file the
    HTTP handler: "different handlers in user and project settings".
    """
    doubled_scopes = set()
    for event in agent.events:
        by_handler: dict[str, list[str]] = {}
        for report in reports:
            for handler in report.handlers.get(event, []):
                by_handler.setdefault(json.dumps(handler, sort_keys=True), []).append(report.scope.label)
        scopes = [scope for scopes in by_handler.values() for scope in scopes]
        if len(scopes if agent.repeats else by_handler) > 1:
            doubled_scopes.add(tuple(dict.fromkeys(scopes)))
    kinds = "handlers" if agent.repeats else "different handlers"
    doubled = [f"{kinds} in {' and '.join(names)} settings" for names in sorted(doubled_scopes)]
    plugins = dict.fromkeys(name for report in reports for name in report.plugins)
    return doubled + [f"plugin {name} beside the settings" for name in plugins]
