"""The handlers that an agent is asked to run, and how to know them again among those of others.

What is said of Claude Code is its hooks reference's (code.claude.com/docs/en/hooks), the releases are the
changelog's; the shapes of the others stand in ``agents``.
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
"""The hooks registered with Claude Code. Of the others MessageDisplay would hold up rendering, WorktreeCreate
would replace git's own work, and Elicitation could answer for the user."""

AWAITED = frozenset({"Stop", "StopFailure", "SubagentStop", "SessionEnd"})
"""Hooks the agent waits for: a one-shot run ends right behind them and kills what it does not wait for."""

HTTP_TIMEOUT = 2
"""Seconds; the service answers in milliseconds or is not there."""
URL_PATH = "/hooks/claude-code"
MARK = "stretto"
"""The argument of the command's final ``:``, which ignores it. Claude Code drops unknown keys when it
rewrites a settings file, so a mark can only stand inside the command."""

Version = tuple[int, int, int]
"""A release of Claude Code."""

TOLERANT: Version = (2, 1, 101)
"""The first release that skips a hook it does not know; before it, one such name voids the whole file."""
SINCE: dict[str, Version] = {
    "PermissionRequest": (2, 0, 45),
    "SubagentStart": (2, 0, 43),
    "PostCompact": (2, 1, 76),
    "StopFailure": (2, 1, 78),
    "PermissionDenied": (2, 1, 89),
    "PostToolUseFailure": TOLERANT,  # the changelog does not say when, so the safe side
    "PostToolBatch": TOLERANT,  # likewise
}
"""First release that knows a hook, by its changelog; those not named here are older than 2.0."""
HTTP_SINCE: Version = (2, 1, 63)


class Transport(StrEnum):
    """How an event gets out of the agent."""

    COMMAND = "command"
    """A process for each event; works without the service."""
    HTTP = "http"
    """A request to the service, and no process; each event shows a notice while the service is down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """What to register and where; paths are absolute."""

    settings: Path
    state: Path
    interpreter: Path
    """The real interpreter: a version manager's shim costs three times its start."""
    transport: Transport = Transport.COMMAND
    address: str = "127.0.0.1:9464"
    """The service's host and port, for HTTP."""
    version: Version | None = None
    """Claude Code's release, where known: an older one must not be given hooks it does not know."""
    agent: CodingAgent = CLAUDE_CODE
    program: tuple[str, ...] = ()
    """What starts Stretto, to register its status line too; empty leaves the status line as it is."""


def parse_version(text: str) -> Version | None:
    """Return the release in the output of ``claude --version`` (``2.1.197 (Claude Code)``), or None."""
    found = re.match(r"\s*(\d+)\.(\d+)\.(\d+)", text, re.ASCII)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def build_handlers(plan: InstallPlan) -> dict[str, dict[str, Any]]:
    """Return the handler to register for each hook.

    Raises SettingsError where a path is relative or the agent, or its release, has no HTTP hooks.
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
    release = plan.version or TOLERANT
    events = [event for event in EVENTS if release >= SINCE.get(event, (0, 0, 0))]
    if plan.transport is Transport.COMMAND:
        return {event: _build_command(plan, event) for event in events}
    if release < HTTP_SINCE:
        raise SettingsError(
            "The hooks cannot be installed for HTTP",
            cause="this release of Claude Code has command hooks only, and would refuse the whole file",
            hint="Use the command transport, or Claude Code 2.1.63 or later.",
        )
    request = {"type": "http", "url": f"http://{plan.address}{URL_PATH}", "timeout": HTTP_TIMEOUT}
    # A session's start can only be reported by a command.
    return {
        event: _build_command(plan, event) if event == "SessionStart" else dict(request) for event in events
    }


def _build_command(plan: InstallPlan, event: str) -> dict[str, Any]:
    handler = plan.agent.build_handler(_build_command_line(plan))
    return handler if event in AWAITED else {**handler, "async": True}


def _build_command_line(plan: InstallPlan) -> str:
    """Return the command line: it ends with 0 and silence even where interpreter or script are gone.

    Python ends with 2 without its script, by which a hook blocks the agent; Copilot refuses the tool for any
    code but 0, and Gemini CLI for any above 1 that comes with words.
    """
    script = get_client_folder(plan.state) / "start.py"
    words = [plan.interpreter.as_posix(), "-I", "-S", script.as_posix(), plan.state.as_posix()]
    if plan.agent is not CLAUDE_CODE:
        words.append(plan.agent.name)
    return f"{shlex.join(words)} 2>/dev/null || : {MARK}"


def get_client_folder(state: Path) -> Path:
    """Return the folder that holds the client's copy."""
    return state / "hook"


def is_ours(handler: object) -> bool:
    """Tell whether a handler is one of Stretto's, of this release or another."""
    if not isinstance(handler, dict):
        return False
    if handler.get("type") == "http":
        return isinstance(handler.get("url"), str) and urlsplit(handler["url"]).path == URL_PATH
    line = get_command_line(handler)
    return MARK in line and any(f"/hook/{script}" in line for script in ("start.py", "client.py"))


def get_command_line(handler: Mapping[str, Any]) -> str:
    """Return the command line that a handler runs, empty where it runs none."""
    line = handler.get("command", handler.get("bash"))
    return line if isinstance(line, str) else ""


def find_our_handlers(hooks: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return our handlers by hook; ``hooks`` is what a settings file holds them in."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event, groups in hooks.items():
        for group in groups if isinstance(groups, list) else []:
            for handler in _list_handlers(group):
                if is_ours(handler):
                    found.setdefault(event, []).append(handler)
    return found


def remove_our_handlers(hooks: Mapping[str, Any], droppable: frozenset[str] | None) -> dict[str, Any]:
    """Return ``hooks`` without our handlers and without the groups they alone were in.

    A list that this leaves empty goes too, if it is droppable; None means that any is.
    """
    rest: dict[str, Any] = {}
    for event, groups in hooks.items():
        kept = groups
        if isinstance(groups, list):
            kept = [left for group in groups if (left := _keep_foreign(group)) is not None]
        if kept or not groups or not (droppable is None or event in droppable):
            rest[event] = kept
    return rest


def _keep_foreign(group: Any) -> Any:
    """Return a group without our handlers, or None where nothing is left of it."""
    found = _list_handlers(group)
    foreign = [handler for handler in found if not is_ours(handler)]
    if len(foreign) == len(found):
        return group
    return {**group, "hooks": foreign} if foreign else None


def _list_handlers(group: Any) -> list[Any]:
    """Return the handlers of a group; in some agents' settings one handler stands in its place."""
    found = group.get("hooks") if isinstance(group, dict) else None
    return found if isinstance(found, list) else [group]
