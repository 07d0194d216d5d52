"""Codex's tool calls: their names and their answers, as its rollouts and its OpenTelemetry log hold them."""

from __future__ import annotations

import json
import re

from stretto.model.event import Outcome, Value
from stretto.sources.histories.records import Record, get_object
from stretto.sources.transcript.schema import from_milliseconds, to_count

SCRIPT = "exec"
"""The tool of code mode: one visible call that holds many real calls."""

_TOOLS = {
    "exec_command": "Bash",
    "shell": "Bash",
    "shell_command": "Bash",
    "container.exec": "Bash",
    "local_shell": "Bash",
    "multi_agent_v1spawn_agent": "spawn_agent",
}
"""Tool → the name in Codex's hooks, so that all channels name a call alike."""

_NO_NAMESPACE = "functions"
"""The namespace of the tools that have none."""

_EXIT_CODE = re.compile(r"(?:Process exited with code|Exit code:?) (\d{1,10})")
_HEADER = 400
"""Characters at the beginning of a command's answer in which Codex writes the exit code."""

_REFUSED = "unsupported call"
"""Beginning of the answer to a call of a tool that does not exist: nothing ran."""

_DENIED = ("exec command rejected", "patch rejected", "rejected by user", "aborted by user")


def name_tool(namespace: str | None, name: str) -> str:
    """Return a tool's name as Codex's hooks have it: namespace and name, glued.

    Example: ``collaboration`` and ``wait_agent`` give ``collaborationwait_agent``.
    """
    glued = name if namespace in (None, _NO_NAMESPACE) else f"{namespace}{name}"
    return _TOOLS.get(glued, glued)


def judge_answer(text: str) -> tuple[Outcome, int | None, dict[str, Value]]:
    """Return outcome, duration and attributes of a call by the beginning of its answer.

    Example: ``{"output": "…", "metadata": {"exit_code": 1, "duration_seconds": 0.4}}`` (before 0.50) is a
    failure of 0.4 s.
    """
    if text.startswith(_REFUSED):
        return Outcome.CANCELLED, None, {"status": "not_started"}
    if text[:_HEADER].lower().startswith(_DENIED):
        return Outcome.CANCELLED, None, {"status": "denied"}
    metadata = get_object(decode_object(text), "metadata") if text.startswith('{"output"') else {}
    code = to_count(metadata.get("exit_code"))
    if code is None and (written := _EXIT_CODE.search(text[:_HEADER])):
        code = int(written[1])
    seconds = metadata.get("duration_seconds")
    duration = from_milliseconds(seconds * 1000) if isinstance(seconds, int | float) else None
    if code:
        return Outcome.FAILURE, duration, {"error": "exit_code"}
    return Outcome.SUCCESS, duration, {}


def decode_object(text: str) -> Record:
    """Return the JSON object in a text; a text without a whole object gives an empty one."""
    try:
        return get_object(json.loads(text, strict=False))
    except (ValueError, RecursionError):
        return {}
