"""Tool lengths: which tool calls have a length of their own."""

from __future__ import annotations

from stretto.model.entities import ToolCall
from stretto.model.facts import DELEGATING_TOOLS, GATE_TOOL


def takes_time_of_its_own(call: ToolCall) -> bool:
    """Return whether the time of a call is the tool's.

    A delegating call takes as long as its task, whose length counts already. A gate reports a check that
    somebody else made, and takes no time.
    """
    # Nearly no call ran tests, and every call of a session is asked.
    return call.tool not in DELEGATING_TOOLS and (call.tests is None or not is_orchestrator_check(call))


def is_orchestrator_check(call: ToolCall) -> bool:
    """Return whether a call is a check that an orchestrator reported (``task.gate``)."""
    return call.tests is not None and call.tool == GATE_TOOL
