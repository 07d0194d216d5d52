"""Register ``stretto mcp`` with Claude Code, and remove it again.

Servers of the user are a member of ``~/.claude.json``, those of a project stand in its ``.mcp.json``
(code.claude.com/docs/en/mcp). Other members keep their bytes, other servers their value and order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stretto.errors import SettingsError
from stretto.hook.install.agents import CLAUDE_CODE, Scope
from stretto.hook.install.json_edit import drop_member, set_member
from stretto.hook.install.settings_file import back_up, read_file, remove_file, write_file

MEMBER = "mcpServers"
SERVER = "stretto"
VERB = "mcp"


def find_mcp_settings(scope: Scope, *, home: Path, project: Path, environ: Mapping[str, str]) -> Path:
    """Return the file with the servers of a scope. Raises SettingsError for the local scope."""
    if scope is Scope.LOCAL:
        raise SettingsError(
            "Claude Code keeps local servers in its own state", hint="Use --mcp with --scope user or project."
        )
    if scope is Scope.PROJECT:
        return project / ".mcp.json"
    moved = environ.get(CLAUDE_CODE.variable)
    return (Path(moved) if moved else home) / ".claude.json"


def register_mcp_server(settings: Path, program: Sequence[str], state: Path) -> bool:
    """Register our server in place of an earlier one; return whether the file has changed.

    Raises SettingsError, with the file unchanged, if it is not in the expected shape or the name is taken.
    """
    before = read_file(settings)
    text, servers = _parse(settings, before)
    command, *arguments = [*program, "--state", state.as_posix(), VERB]
    wanted = {"type": "stdio", "command": command, "args": arguments}
    present = servers.get(SERVER)
    if present == wanted:
        return False
    if present is not None and not is_our_server(present):
        raise SettingsError(
            "The MCP server cannot be registered", where=str(settings),
            cause=f"another server is called {SERVER!r}", hint="Rename or remove it, then try again.",
        )  # fmt: skip
    if before is not None:
        back_up(settings, before)
    write_file(settings, set_member(text, MEMBER, {**servers, SERVER: wanted}).encode())
    return True


def unregister_mcp_server(settings: Path) -> bool:
    """Remove our server, and what was created for it; return whether the file has changed.

    Raises SettingsError, with the file unchanged, if it is not in the expected shape.
    """
    before = read_file(settings)
    if before is None:
        return False
    text, servers = _parse(settings, before)
    if not is_our_server(servers.get(SERVER)):
        return False
    remaining = {name: server for name, server in servers.items() if name != SERVER}
    after = set_member(text, MEMBER, remaining) if remaining else drop_member(text, MEMBER)
    if json.loads(after.removeprefix("\ufeff")) == {}:
        remove_file(settings)
    else:
        back_up(settings, before)
        write_file(settings, after.encode())
    return True


def is_our_server(server: object) -> bool:
    """Return whether a registered server is Stretto's, of this or another release."""
    arguments = server.get("args") if isinstance(server, dict) else None
    return isinstance(arguments, list) and arguments[-1:] == [VERB] and "--state" in arguments


def _parse(settings: Path, data: bytes | None) -> tuple[str, dict[str, Any]]:
    """Return the text and the servers of a file. Raises SettingsError."""
    try:
        text = "{}\n" if data is None else data.decode("utf-8")
        value = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            "The MCP servers cannot be read",
            where=str(settings),
            cause=str(error),
            hint="Repair the JSON first.",
        ) from error
    servers = value.get(MEMBER, {}) if isinstance(value, dict) else None
    if not isinstance(servers, dict):
        raise SettingsError(
            "The MCP servers are in a shape that is not known", where=str(settings),
            hint=f"The file is an object, and {MEMBER} in it an object of servers by name.",
        )  # fmt: skip
    return text, servers
