"""Whether the packages of the MCP server are installed."""

from __future__ import annotations

from importlib.util import find_spec

from stretto.errors import UsageError
from stretto.version import describe_extra_install


def require_mcp() -> None:
    """Raise UsageError unless the extra is installed."""
    if find_spec("mcp") is None:
        raise UsageError(
            "the MCP server cannot be started",
            cause="the package mcp is not installed",
            hint=describe_extra_install("mcp"),
        )
