"""Recorded agent: tell by the payloads of a recording which agent's hooks they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

CLAUDE_CODE = "claude-code"

_FOLDERS = {
    "/.codex/": "codex",
    "/.copilot/": "copilot-cli",
    "/.cursor/": "cursor",
    "/.factory/": "droid",
    "/.gemini/": "gemini-cli",
    "/.qwen/": "qwen-code",
}
"""Part of the path of a session's own file → agent."""

_GEMINI_HOOKS = frozenset(
    {"AfterAgent", "AfterModel", "AfterTool", "BeforeAgent", "BeforeModel", "BeforeTool", "PreCompress"}
)

_MARKS: tuple[tuple[Callable[[dict[str, Any]], bool], str], ...] = (
    (lambda payload: payload.get("hook_event_name") in _GEMINI_HOOKS, "gemini-cli"),
    (lambda payload: "conversation_id" in payload and "generation_id" in payload, "cursor"),
    (lambda payload: "tool_call_id" in payload or "########" in str(payload.get("prompt_id")), "qwen-code"),
    (lambda payload: "parent_agent_id" in payload or "traceparent" in payload, "copilot-cli"),
    (lambda payload: "tool_result" in payload or "initial_prompt" in payload, "copilot-cli"),
    (lambda payload: "hookEventName" in payload, "droid"),
    (lambda payload: "turn_id" in payload, "codex"),
)
"""A field that the hooks of one agent alone have → agent; the first that holds decides."""


def recognise_agent(payloads: Iterable[dict[str, Any]]) -> str:
    """Return the agent that most of the payloads show; Claude Code if none shows another.

    Example: a payload with ``turn_id`` or with a transcript below ``~/.codex`` is Codex's.
    """
    votes = Counter(agent for payload in payloads if (agent := _recognise_payload(payload)))
    return votes.most_common(1)[0][0] if votes else CLAUDE_CODE


def _recognise_payload(payload: dict[str, Any]) -> str | None:
    path = str(payload.get("transcript_path") or payload.get("transcriptPath") or "").replace("\\", "/")
    for folder, agent in _FOLDERS.items():
        if folder in path:
            return agent
    source = payload.get("stretto_agent")
    if isinstance(source, str):
        return source
    return next((agent for has_mark, agent in _MARKS if has_mark(payload)), None)
