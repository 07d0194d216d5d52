"""Build the handlers that an agent runs for its hooks, and recognise our handlers among those of others.

Claude Code's rules come from its hooks reference (code.claude.com/docs/en/hooks), the releases from its
changelog. The shapes of the other agents' handlers are in ``agents``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stretto.errors import SettingsError
from stretto.hook.install.agents import CLAUDE_CODE, CodingAgent

EVENTS = CLAUDE_CODE.events
"""The hooks registered with Claude Code. Others are left out: MessageDisplay would delay rendering,
WorktreeCreate would replace git's work, and Elicitation could answer for the user."""

AWAITED = frozenset({"Stop", "StopFailure", "SubagentStop", "SessionEnd"})
"""Hooks that the agent must wait for: a one-shot run ends after them and kills unfinished processes."""

HTTP_TIMEOUT = 2
"""Seconds; a running service answers in milliseconds."""
URL_PATH = "/hooks/claude-code"
MARK = "stretto"
"""The mark of our commands: the argument of the final ``:``, which ignores it. Claude Code drops unknown keys
when it rewrites a settings file, so the mark must be inside the command."""

Version = tuple[int, int, int]
"""A release of Claude Code."""

TOLERANT: Version = (2, 1, 101)
"""The first release that skips unknown hooks; earlier releases reject the whole file for a single name."""
SINCE: dict[str, Version] = {
    "PermissionRequest": (2, 0, 45),
    "SubagentStart": (2, 0, 43),
    "PostCompact": (2, 1, 76),
    "StopFailure": (2, 1, 78),
    "PermissionDenied": (2, 1, 89),
    "PostToolUseFailure": TOLERANT,  # not in the changelog, so the latest possible release
    "PostToolBatch": TOLERANT,  # likewise
}
"""Hook → first release that knows it, by the changelog; all other hooks are older than 2.0."""
HTTP_SINCE: Version = (2, 1, 63)

OLDEST: Version = (0, 0, 0)
"""Stands for a release that is not known."""


class Transport(StrEnum):
    """How an agent's event is sent."""

    COMMAND = "command"
    """The agent starts a process for each event; this works without the service."""
    HTTP = "http"
    """The agent sends a request to the service; each event shows a notice while the service is down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """An installation to make: agent, settings file, client and transport; all paths are absolute."""

    settings: Path
    state: Path
    interpreter: Path
    """The real interpreter: a version manager's shim takes three times as long to start."""
    transport: Transport = Transport.COMMAND
    address: str = "127.0.0.1:9464"
    """The service's host and port, for HTTP."""
    version: Version | None = None
    """Claude Code's release, if known: an older release must not get hooks that it does not know. Without it
    only hooks are registered that every release knows."""
    agent: CodingAgent = CLAUDE_CODE
    program: tuple[str, ...] = ()
    """The command that starts Stretto, for its status line; if empty, the status line is left alone."""


def parse_version(text: str) -> Version | None:
    """Return the release in the output of ``claude --version`` (``2.1.197 (Claude Code)``), or None."""
    match = re.match(r"\s*(\d+)\.(\d+)\.(\d+)", text, re.ASCII)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def list_events_of_release(version: Version | None) -> list[str]:
    """Return the hooks that a release of Claude Code knows; those that every release knows without one."""
    release = version or OLDEST
    return [event for event in EVENTS if release >= SINCE.get(event, OLDEST)]


def build_handlers(plan: InstallPlan) -> dict[str, dict[str, Any]]:
    """Return the handler to register for each hook.

    Raises SettingsError if a path is relative, or if the agent or its release has no HTTP hooks. Example: by
    HTTP, "Stop" gets a request to http://127.0.0.1:9464/hooks/claude-code, and "SessionStart" still gets a
    command.
    """
    for path in (plan.settings, plan.state, plan.interpreter):
        if not path.is_absolute():
            raise SettingsError(
                "The hooks cannot be installed", where=str(path), cause="the path is relative",
                hint="Give the absolute path: hooks run in any folder.",
            )  # fmt: skip
    if plan.agent is not CLAUDE_CODE:
        if plan.transport is Transport.HTTP:
            raise SettingsError(
                "The hooks cannot be installed for HTTP",
                cause=f"{plan.agent.title} reports by commands only",
                hint="Use the command transport.",
            )
        return {event: plan.agent.build_handler(_build_command_line(plan)) for event in plan.agent.events}
    release = plan.version or OLDEST
    events = list_events_of_release(plan.version)
    if plan.transport is Transport.COMMAND:
        return {event: _build_command(plan, event) for event in events}
    if release < HTTP_SINCE:
        raise SettingsError(
            "The hooks cannot be installed for HTTP",
            cause="this release of Claude Code has command hooks only, and would refuse the whole file"
            if plan.version
            else "the version of Claude Code is not known: before 2.1.63 it would refuse the whole file",
            hint="Use the command transport, or Claude Code 2.1.63 or later with claude on the PATH.",
        )
    request = {"type": "http", "url": f"http://{plan.address}{URL_PATH}", "timeout": HTTP_TIMEOUT}
    # Claude Code reports a session's start to commands only.
    return {
        event: _build_command(plan, event) if event == "SessionStart" else dict(request) for event in events
    }


def _build_command(plan: InstallPlan, event: str) -> dict[str, Any]:
    handler = plan.agent.build_handler(_build_command_line(plan))
    return handler if event in AWAITED else {**handler, "async": True}


def _build_command_line(plan: InstallPlan) -> str:
    """Return the command line; it exits with 0 and no output even if the interpreter or script is missing.

    Without its script Python exits with 2, which would block the agent. Copilot refuses the tool after any
    code except 0, Gemini CLI after any code above 1 with output.
    """
    script = get_client_folder(plan.state) / "start.py"
    words = [plan.interpreter.as_posix(), "-I", "-S", script.as_posix(), plan.state.as_posix()]
    if plan.agent is not CLAUDE_CODE:
        words.append(plan.agent.name)
    return f"{shlex.join(words)} 2>/dev/null || : {MARK}"


def get_client_folder(state: Path) -> Path:
    """Return the folder that holds the client's copy."""
    return state / "hook"


def is_our_handler(handler: object) -> bool:
    """Return whether a handler is Stretto's, of this or another release."""
    if not isinstance(handler, dict):
        return False
    if handler.get("type") == "http":
        return isinstance(handler.get("url"), str) and urlsplit(handler["url"]).path == URL_PATH
    line = get_command_line(handler)
    return MARK in line and any(f"/hook/{script}" in line for script in ("start.py", "client.py"))


def get_command_line(handler: Mapping[str, Any]) -> str:
    """Return the command line of a handler, empty if it has none."""
    line = handler.get("command", handler.get("bash"))
    return line if isinstance(line, str) else ""


def find_our_handlers(hooks: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return our handlers by hook; ``hooks`` is the member of a settings file that holds them."""
    ours: dict[str, list[dict[str, Any]]] = {}
    for event, groups in hooks.items():
        for group in groups if isinstance(groups, list) else []:
            for handler in _list_handlers(group):
                if is_our_handler(handler):
                    ours.setdefault(event, []).append(handler)
    return ours


def remove_our_handlers(hooks: Mapping[str, Any], droppable: frozenset[str] | None) -> dict[str, Any]:
    """Return ``hooks`` without our handlers and without the groups that held only our handlers.

    A list that becomes empty is removed if its hook is in ``droppable``; None allows every list.
    """
    remaining: dict[str, Any] = {}
    for event, groups in hooks.items():
        kept = groups
        if isinstance(groups, list):
            kept = [left for group in groups if (left := _keep_foreign(group)) is not None]
        if kept or not groups or not (droppable is None or event in droppable):
            remaining[event] = kept
    return remaining


def _keep_foreign(group: Any) -> Any:
    """Return a group without our handlers, or None if the group becomes empty."""
    handlers = _list_handlers(group)
    foreign = [handler for handler in handlers if not is_our_handler(handler)]
    if len(foreign) == len(handlers):
        return group
    return {**group, "hooks": foreign} if foreign else None


def _list_handlers(group: Any) -> list[Any]:
    """Return the handlers of a group; in some agents' settings a handler replaces the group."""
    handlers = group.get("hooks") if isinstance(group, dict) else None
    return handlers if isinstance(handlers, list) else [group]
