"""Waiting tools: tools that only wait for agents, by the names that coding agents give them.

Time in such a call is waiting and no work: the agents that are waited for do the work.
"""

from __future__ import annotations

from functools import lru_cache

_EXACT = frozenset({
    # Codex, which glues the tool's namespace and name; "wait" is that of its code mode.
    "wait", "wait_agent", "clock.sleep", "clocksleep", "clock__sleep", "clock_sleep",
    # Copilot, Droid, Claude Code.
    "read_agent", "TaskOutput", "WaitForScript", "AgentOutputTool", "Sleep",
})  # fmt: skip
_GLUED = "wait_agent"


# Tools are few, and each call of a session is asked.
@lru_cache(maxsize=1_024)
def is_waiting_tool(tool: str | None) -> bool:
    """Return whether a tool only waits for agents.

    Example: ``collaborationwait_agent`` and ``multi_agent_v1.wait_agent`` are Codex's ``wait_agent``.
    """
    return tool is not None and (tool in _EXACT or tool.endswith(_GLUED))
