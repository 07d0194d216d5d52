"""Verbs that connect an agent: hooks install, uninstall, status."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.errors import UsageError
from stretto.hook.install import registration as settings
from stretto.hook.install.agents import AGENTS, CLAUDE_CODE, CodingAgent, Scope, find_settings_path
from stretto.hook.install.handlers import InstallPlan, Transport, Version, parse_version
from stretto.hook.install.registration import SettingsChange
from stretto.hook.install.status import HooksStatus, ScopeStatus
from stretto.hook.install.status import check_hooks as status_of

VERSION_SECONDS = 10
BROKEN = 1
MANAGED = Path("/etc/claude-code/managed-settings.json")


def install_hooks(context: CommandContext, options: argparse.Namespace) -> int:
    """Register the hooks and say what was done."""
    agent = AGENTS[options.agent]
    if options.statusline and agent is not CLAUDE_CODE:
        raise UsageError(f"{agent.title} has no status line", hint="leave --statusline away")
    if options.transport == "http" and context.config.token:
        raise UsageError(
            "HTTP hooks cannot show the token", hint="use the command transport: it needs no service"
        )
    change = settings.install_hooks(
        InstallPlan(
            agent=agent,
            settings=_find_settings_file(context, agent, Scope(options.scope)),
            state=context.config.state,
            # A version manager's shim costs three times the interpreter's own start, for every event.
            interpreter=Path(os.path.realpath(sys.executable)),
            transport=Transport(options.transport),
            address=context.config.address,
            version=_read_client_version(context.environ) if agent is CLAUDE_CODE else None,
            program=_find_program() if options.statusline else (),
        )
    )
    return _print_change(context, change)


def uninstall_hooks(context: CommandContext, options: argparse.Namespace) -> int:
    """Take the hooks out again and say what was done."""
    agent = AGENTS[options.agent]
    path = _find_settings_file(context, agent, Scope(options.scope))
    return _print_change(context, settings.uninstall_hooks(path, context.config.state, agent))


def show_status(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """Say which hooks are registered where; explain_unreadable ones, or a command that is gone, are a finding."""
    found = find_hook_status(context)
    lines = [describe_hooks(found)]
    for scope in found.scopes:
        if scope.problem:
            lines.append(f"  {scope.label}: {scope.problem}")
        elif scope.events:
            kinds = " and ".join(scope.transports)
            lines.append(f"  {scope.label}: {len(scope.events)} hooks by {kinds} in {scope.settings}")
        if scope.status_line:
            before = f", below that of: {scope.chained}" if scope.chained else ""
            lines.append(f"  {scope.label}: the status line{before}")
    lines += [f"  {problem}" for problem in list_problems(found)]
    context.print_answer({**asdict(found), "problems": list_problems(found)}, "\n".join(lines))
    return BROKEN if any(scope.problem or scope.dangling for scope in found.scopes) else 0


def find_hook_status(context: CommandContext) -> HooksStatus:
    """Return how the hooks stand in every settings file, of every agent, that counts here."""
    files = [
        (agent, scope.value, _find_settings_file(context, agent, scope))
        for agent in AGENTS.values()
        for scope in Scope
        if agent.local or scope is not Scope.LOCAL
    ]
    return status_of([*files, (CLAUDE_CODE, "managed", MANAGED)], context.config.state)


def describe_hooks(found: HooksStatus) -> str:
    """Return in one line which agents report here."""
    where = [scope.label for scope in found.scopes if scope.events]
    if found.installed:
        return f"hooks installed ({', '.join(where)})"
    if found.plugins:
        return f"hooks by the plugin {', '.join(found.plugins)}"
    return "hooks not installed: stretto hooks install"


def list_problems(found: HooksStatus) -> list[str]:
    """Return what is wrong with the hooks, a describe_hooks each with what to do; last what is only told twice."""
    return list_faults(found) + list_duplicates(found)


def list_duplicates(found: HooksStatus) -> list[str]:
    """Return what is reported twice, which changes no figure."""
    return [f"reported twice, which is harmless and costs a second hook: {what}" for what in found.doubled]


def list_faults(found: HooksStatus) -> list[str]:
    """Return what keeps hooks from reporting, a describe_hooks each with what to do."""
    said = [f"{scope.settings}: {scope.problem}" for scope in found.scopes if scope.problem]
    said += [f"{switch} switches all hooks off" for switch in found.switched_off]
    if found.installed and found.client != "current":
        said.append(f"the hook client's copy is {found.client}: stretto hooks install renews it")
    for scope in found.scopes:
        said += [f"{path} is missing: {_build_install_command(scope)}" for path in scope.dangling]
        if scope.missing:
            said.append(f"{scope.label} lacks {', '.join(scope.missing)}: {_build_install_command(scope)}")
    return said


def _build_install_command(scope: ScopeStatus) -> str:
    agent = "" if scope.agent == CLAUDE_CODE.name else f" --agent {scope.agent}"
    line = " --statusline" if scope.status_line else ""
    return f"stretto hooks install{agent} --scope {scope.scope}{line}"


def _print_change(context: CommandContext, change: SettingsChange) -> int:
    lines = [f"hooks {change.action}: {change.settings}"]
    if change.transport and change.action != "unchanged":
        lines.append(
            f"  {len(change.events)} hooks by {change.transport}; sessions that run take them up at a restart"
        )
    if change.status_line and change.action != "unchanged":
        lines.append(f"  the status line: {change.status_line}")
    if change.note and change.action != "unchanged":
        lines.append(f"  {change.note}")
    if change.backup:
        lines.append(f"  the settings as they were: {change.backup}")
    context.print_answer(asdict(change), "\n".join(lines))
    return 0


def _find_settings_file(context: CommandContext, agent: CodingAgent, scope: Scope) -> Path:
    return find_settings_path(agent, scope, home=context.home, project=Path.cwd(), environ=context.environ)


def _find_program() -> tuple[str, ...]:
    """Return what starts this program again, in whatever folder: its script, or the interpreter."""
    script = Path(sysconfig.get_path("scripts")) / ("stretto.exe" if os.name == "nt" else "stretto")
    # -P: the agent's folder may hold modules named like ours, or like Python's.
    return (str(script),) if script.exists() else (sys.executable, "-P", "-m", "stretto")


def _read_client_version(environ: Mapping[str, str]) -> Version | None:
    """Return Claude Code's installed release; unknown is taken for a current one."""
    program = shutil.which("claude", path=environ.get("PATH"))
    if program is None:
        return None
    try:
        said = subprocess.run(  # noqa: S603  # the agent that the user parse_options to connect
            [program, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(said.stdout)
