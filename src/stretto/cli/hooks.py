"""Verbs that connect an agent: hooks install, uninstall, status."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from stretto.cli.context import Context
from stretto.hook import settings
from stretto.hook.handlers import Plan, Transport, Version, parse_version
from stretto.hook.settings import Change, Scope, Status, settings_path

VERSION_SECONDS = 10
MANAGED = Path("/etc/claude-code/managed-settings.json")


def install(context: Context, options: argparse.Namespace) -> int:
    """Register the hooks and say what was done."""
    change = settings.install(
        Plan(
            settings=_path(context, options),
            state=context.config.state,
            # A version manager's shim costs three times the interpreter's own start, for every event.
            interpreter=Path(os.path.realpath(sys.executable)),
            transport=Transport(options.transport),
            address=context.config.address,
            version=_agent_version(context.environ),
        )
    )
    return _tell(context, change)


def uninstall(context: Context, options: argparse.Namespace) -> int:
    """Take the hooks out again and say what was done."""
    return _tell(context, settings.uninstall(_path(context, options), context.config.state))


def status(context: Context, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """Say which hooks are registered where."""
    found = hook_status(context)
    lines = [sentence(found)]
    for scope in found.scopes:
        if scope.problem:
            lines.append(f"  {scope.scope}: {scope.problem}")
        elif scope.events:
            kinds = " and ".join(scope.transports)
            lines.append(f"  {scope.scope}: {len(scope.events)} hooks by {kinds} in {scope.settings}")
    lines += [f"  {problem}" for problem in problems(found)]
    context.answer({**asdict(found), "problems": problems(found)}, "\n".join(lines))
    return 0


def hook_status(context: Context) -> Status:
    """Return how the hooks stand in every settings file that counts here."""
    files = {scope.value: _settings_file(context, scope) for scope in Scope}
    return settings.status({**files, "managed": MANAGED}, context.config.state)


def sentence(found: Status) -> str:
    """Return in one line whether Claude Code reports here."""
    where = [scope.scope for scope in found.scopes if scope.events]
    return (
        f"hooks installed ({', '.join(where)})"
        if found.installed
        else "hooks not installed: stretto hooks install"
    )


def problems(found: Status) -> list[str]:
    """Return what is wrong with the hooks, a sentence each with what to do."""
    said = [f"{scope.settings}: {scope.problem}" for scope in found.scopes if scope.problem]
    said += [f"{switch} switches all hooks off" for switch in found.switched_off]
    if found.installed and found.client != "current":
        said.append(f"the hook client's copy is {found.client}: stretto hooks install renews it")
    for scope in found.scopes:
        said += [f"{path} is missing: stretto hooks install --scope {scope.scope}" for path in scope.dangling]
        if scope.missing:
            said.append(
                f"{scope.scope} lacks {', '.join(scope.missing)}: stretto hooks install --scope {scope.scope}"
            )
    return said + [f"reported twice: {what}" for what in found.doubled]


def _tell(context: Context, change: Change) -> int:
    lines = [f"hooks {change.action}: {change.settings}"]
    if change.transport and change.action != "unchanged":
        lines.append(
            f"  {len(change.events)} hooks by {change.transport}; sessions that run take them up at a restart"
        )
    if change.backup:
        lines.append(f"  the settings as they were: {change.backup}")
    context.answer(asdict(change), "\n".join(lines))
    return 0


def _path(context: Context, options: argparse.Namespace) -> Path:
    return _settings_file(context, Scope(options.scope))


def _settings_file(context: Context, scope: Scope) -> Path:
    folder = context.environ.get("CLAUDE_CONFIG_DIR")
    return settings_path(
        scope, home=context.home, project=Path.cwd(), config_dir=Path(folder) if folder else None
    )


def _agent_version(environ: Mapping[str, str]) -> Version | None:
    """Return the installed agent's release; unknown is taken for a current one."""
    program = shutil.which("claude", path=environ.get("PATH"))
    if program is None:
        return None
    try:
        said = subprocess.run(  # noqa: S603  # the agent that the user asked to connect
            [program, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(said.stdout)
