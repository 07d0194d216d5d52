"""``stretto hooks``: install, uninstall and check the hooks of an agent."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import sysconfig
from dataclasses import asdict, replace
from pathlib import Path

from stretto.cli.command_context import CommandContext
from stretto.cli.mcp_extra import require_mcp
from stretto.errors import UsageError
from stretto.hook.install import registration as settings
from stretto.hook.install.agents import AGENTS, CLAUDE_CODE, CodingAgent, Scope, find_settings_path
from stretto.hook.install.check_and_grant_codex_trust import list_untrusted, trust_hooks
from stretto.hook.install.claude_code_release import find_client_release
from stretto.hook.install.client_copy import write_test_commands
from stretto.hook.install.handlers import InstallPlan, Transport, list_events_of_release
from stretto.hook.install.mcp_setting import (
    find_mcp_settings,
    register_mcp_server,
    unregister_mcp_server,
)
from stretto.hook.install.plugin_file import (
    PLUGIN_AGENTS,
    describe_plugin,
    find_plugin_path,
    install_plugin,
    uninstall_plugin,
)
from stretto.hook.install.registration import SettingsChange
from stretto.hook.install.status import HooksStatus, ScopeStatus
from stretto.hook.install.status import read_hooks_status as status_of

BROKEN = 1
CODEX = "codex"
MANAGED = Path("/etc/claude-code/managed-settings.json")


def install_hooks(context: CommandContext, options: argparse.Namespace) -> int:
    """Register the hooks and print the change."""
    if options.agent in PLUGIN_AGENTS:
        return _install_plugin(context, options)
    agent = AGENTS[options.agent]
    if options.statusline and agent is not CLAUDE_CODE:
        raise UsageError(f"{agent.title} has no status line", hint="omit --statusline")
    mcp_settings = None
    if options.mcp:
        if agent is not CLAUDE_CODE:
            raise UsageError(f"{agent.title} is not given an MCP server", hint="omit --mcp")
        require_mcp()
        mcp_settings = _find_mcp_settings(context, Scope(options.scope))
    if options.transport == "http" and context.config.token:
        raise UsageError(
            "HTTP hooks cannot send the token", hint="use --transport command: it needs no running service"
        )
    if options.trust and agent.name != CODEX:
        raise UsageError(f"{agent.title} needs no trust", hint="omit --trust")
    change = settings.install_hooks(
        InstallPlan(
            agent=agent,
            settings=_find_settings_file(context, agent, Scope(options.scope)),
            state=context.config.state,
            # A version manager's shim would triple the start-up time of every hook.
            interpreter=Path(os.path.realpath(sys.executable)),
            transport=Transport(options.transport),
            address=context.config.address,
            version=find_client_release(context.environ, context.home) if agent is CLAUDE_CODE else None,
            program=_find_program() if options.statusline else (),
        )
    )
    write_test_commands(context.config.state, context.config.test_commands)
    if options.trust:
        change = replace(change, note=_trust_hooks(context, Path(change.settings)))
    if mcp_settings is not None:
        register_mcp_server(mcp_settings, _find_program(), context.config.state)
        change = replace(change, mcp=str(mcp_settings))
    return _print_change(context, change)


def _trust_hooks(context: CommandContext, settings_file: Path) -> str:
    program = shutil.which("codex", path=context.environ.get("PATH"))
    if program is None:
        raise UsageError("there is no codex on the path", hint="start Codex and type /hooks")
    trusted = trust_hooks(settings_file, program, context.environ, Path.cwd())
    return f"Codex trusts {trusted} hooks of ours"


def uninstall_hooks(context: CommandContext, options: argparse.Namespace) -> int:
    """Remove the hooks and print the change."""
    if options.agent in PLUGIN_AGENTS:
        plugin = PLUGIN_AGENTS[options.agent]
        path = _find_plugin_file(context, options.agent, Scope(options.scope))
        return _print_change(context, uninstall_plugin(plugin, path))
    agent = AGENTS[options.agent]
    scope = Scope(options.scope)
    path = _find_settings_file(context, agent, scope)
    change = settings.uninstall_hooks(path, context.config.state, agent)
    if agent is CLAUDE_CODE and scope is not Scope.LOCAL:
        mcp_settings = _find_mcp_settings(context, scope)
        if unregister_mcp_server(mcp_settings):
            change = replace(change, action="removed", mcp=str(mcp_settings))
    return _print_change(context, change)


def show_status(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """Show which hooks are registered where.

    The exit code is 1 if settings are unreadable or a hook's command is missing.
    """
    status = find_hook_status(context)
    lines = [describe_hooks(status)]
    for scope in status.scopes:
        if scope.problem:
            lines.append(f"  {scope.label}: {scope.problem}")
        elif scope.events:
            kinds = " and ".join(scope.transports)
            lines.append(f"  {scope.label}: {len(scope.events)} hooks by {kinds} in {scope.settings}")
        if scope.status_line:
            before = f", below that of: {scope.chained}" if scope.chained else ""
            lines.append(f"  {scope.label}: the status line{before}")
    lines += [f"  {problem}" for problem in list_problems(status)]
    context.print_answer({**asdict(status), "problems": list_problems(status)}, "\n".join(lines))
    return BROKEN if any(scope.problem or scope.dangling for scope in status.scopes) else 0


def find_hook_status(context: CommandContext) -> HooksStatus:
    """Return the state of the hooks in every settings file of every agent that applies here."""
    files = [
        (agent, scope.value, _find_settings_file(context, agent, scope))
        for agent in AGENTS.values()
        for scope in Scope
        if agent.local or scope is not Scope.LOCAL
    ]
    status = status_of([*files, (CLAUDE_CODE, "managed", MANAGED)], context.config.state)
    plugins = tuple(
        described
        for agent in PLUGIN_AGENTS.values()
        for scope in (Scope.USER, Scope.PROJECT)
        if (described := describe_plugin(agent, scope, _find_plugin_file(context, agent.name, scope))).exists
    )
    installed = status.installed or any(scope.events for scope in plugins)
    config = _find_settings_file(context, AGENTS[CODEX], Scope.USER).with_name("config.toml")
    scopes = [
        replace(scope, untrusted=list_untrusted(Path(scope.settings), config))
        if scope.agent == CODEX and scope.events
        else scope
        for scope in _leave_out_unknown_hooks(context, status.scopes)
    ]
    return replace(status, scopes=(*scopes, *plugins), installed=installed)


def _leave_out_unknown_hooks(
    context: CommandContext, scopes: tuple[ScopeStatus, ...]
) -> tuple[ScopeStatus, ...]:
    """Return the scopes without the missing hooks that the installed Claude Code does not know."""
    if not any(scope.agent == CLAUDE_CODE.name and scope.missing for scope in scopes):
        return scopes
    # Asked only here: the client takes half a second to name its release.
    known = list_events_of_release(find_client_release(context.environ, context.home))
    return tuple(
        replace(scope, missing=tuple(event for event in scope.missing if event in known))
        if scope.agent == CLAUDE_CODE.name
        else scope
        for scope in scopes
    )


def describe_hooks(status: HooksStatus) -> str:
    """Return a line on the agents that report here."""
    where = [scope.label for scope in status.scopes if scope.events]
    if status.installed:
        return f"hooks installed ({', '.join(where)})"
    if status.plugins:
        return f"hooks by the plugin {', '.join(status.plugins)}"
    return "hooks not installed: stretto hooks install"


def list_problems(status: HooksStatus) -> list[str]:
    """Return a sentence with a remedy on each fault of the hooks, then the duplicates."""
    return list_faults(status) + list_duplicates(status)


def list_duplicates(status: HooksStatus) -> list[str]:
    """Return a sentence on each duplicate registration; duplicates change no figure."""
    return [
        f"registered twice, which is harmless but runs a second hook: {registration}"
        for registration in status.doubled
    ]


def list_faults(status: HooksStatus) -> list[str]:
    """Return a sentence with a remedy on each fault that keeps hooks from reporting."""
    faults = [f"{scope.settings}: {scope.problem}" for scope in status.scopes if scope.problem]
    faults += [f"{switch} switches all hooks off" for switch in status.switched_off]
    if status.installed and status.client != "current":
        faults.append(f"the hook client's copy is {status.client}: stretto hooks install renews it")
    for scope in status.scopes:
        faults += [f"{path} is missing: {_build_install_command(scope)}" for path in scope.dangling]
        if scope.untrusted:
            faults.append(
                f"{scope.label}: Codex does not trust {len(scope.untrusted)} of {len(scope.events)} hooks "
                f"and does not run them: type /hooks in Codex, or {_build_install_command(scope)} --trust"
            )
        if scope.missing:
            faults.append(f"{scope.label} lacks {', '.join(scope.missing)}: {_build_install_command(scope)}")
    return faults


def _build_install_command(scope: ScopeStatus) -> str:
    agent = "" if scope.agent == CLAUDE_CODE.name else f" --agent {scope.agent}"
    line = " --statusline" if scope.status_line else ""
    return f"stretto hooks install{agent} --scope {scope.scope}{line}"


def _print_change(context: CommandContext, change: SettingsChange) -> int:
    lines = [f"hooks {change.action}: {change.settings}"]
    if change.transport and change.action != "unchanged":
        lines.append(
            f"  {len(change.events)} hooks by {change.transport}; running sessions use them after a restart"
        )
    if change.status_line and change.action != "unchanged":
        lines.append(f"  the status line: {change.status_line}")
    if change.mcp:
        lines.append(f"  the MCP server: {change.mcp}")
    if change.note and (change.action != "unchanged" or change.note.startswith("Codex trusts")):
        lines.append(f"  {change.note}")
    if change.backup:
        lines.append(f"  backup of the settings: {change.backup}")
    context.print_answer(asdict(change), "\n".join(lines))
    return 0


def _install_plugin(context: CommandContext, options: argparse.Namespace) -> int:
    if options.statusline or options.trust or options.mcp or options.transport == "http":
        raise UsageError(f"{options.agent} reports by a file of code only", hint="omit the option")
    path = _find_plugin_file(context, options.agent, Scope(options.scope))
    plan = InstallPlan(
        settings=path, state=context.config.state, interpreter=Path(os.path.realpath(sys.executable))
    )
    return _print_change(context, install_plugin(PLUGIN_AGENTS[options.agent], path, plan))


def _find_plugin_file(context: CommandContext, name: str, scope: Scope) -> Path:
    return find_plugin_path(
        PLUGIN_AGENTS[name], scope, home=context.home, project=Path.cwd(), environ=context.environ
    )


def _find_settings_file(context: CommandContext, agent: CodingAgent, scope: Scope) -> Path:
    return find_settings_path(agent, scope, home=context.home, project=Path.cwd(), environ=context.environ)


def _find_mcp_settings(context: CommandContext, scope: Scope) -> Path:
    return find_mcp_settings(scope, home=context.home, project=Path.cwd(), environ=context.environ)


def _find_program() -> tuple[str, ...]:
    """Return the command that starts this program in any folder: its script, or the interpreter."""
    script = Path(sysconfig.get_path("scripts")) / ("stretto.exe" if os.name == "nt" else "stretto")
    # -P: the agent's folder may hold modules that would hide Python's or these.
    return (str(script),) if script.exists() else (sys.executable, "-P", "-m", "stretto")
