"""Words that decide what a line is: whose prompt, whether a call was cancelled, which agent has ended.

They are the client's own fixed wordings, met in clients 2.0.67 to 2.1.329. Only tags, ids and lengths are
taken from a text, never the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from stretto.model.event import Outcome, Value
from stretto.sources.transcript.schema import (
    BLOCKS,
    TEXT,
    ContentBlock,
    decode_part,
    from_milliseconds,
    to_token,
)

INTERRUPT = "[Request interrupted by user"
"""The line that stands where the user has stopped the agent; further words may follow."""

_NO_PROMPT = ("<local-command-", "<command-name>", "<bash-input>", "<bash-stdout>", "<bash-stderr>")
"""How lines of the user begin that the model does not answer: commands of the client itself and their output.

A command that is a prompt has its ``<command-message>`` first.
"""

_NOTIFICATIONS = ("<task-notification>", "<agent-notification>")

_CANCELLED = (
    "The user doesn't want to proceed with this tool use",
    "The user doesn't want to take this action right now",
    "User rejected tool use",
    "[Request interrupted by user",
    "<tool_use_error>Sibling tool call errored",
    "<tool_use_error>Cancelled: parallel tool call",
)
"""How the result begins of a call that the user, or a failed call of the same batch, has cancelled."""

_DENIED = re.compile(
    r"PreToolUse:[^\n]{1,200} hook error|Permission to use .{1,200} (?:has been )?denied|Permission for this "
    r"|Claude requested permissions to .{1,400} but you haven't granted"
)
"""How the result begins of a call that was not let run."""

_LENGTH = re.compile(r"<duration_ms>([0-9]{1,12})</duration_ms>")

_STATUS = {
    "completed": Outcome.SUCCESS,
    "failed": Outcome.FAILURE,
    "killed": Outcome.CANCELLED,
    "stopped": Outcome.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class TaskNotice:
    """The host's word that a task in the background has ended."""

    task: str | None
    """The agent's id; None where it was no agent but, say, a shell command."""
    status: str | None
    delegated_by: str | None
    duration: int | None
    """Nanoseconds, where newer clients say."""

    @property
    def outcome(self) -> Outcome | None:
        """How the task ended, where the status is a known one."""
        return _STATUS.get(self.status or "")

    @property
    def attributes(self) -> dict[str, Value]:
        """What the hook client says of the same notification, under the same names."""
        told = {"task": self.task, "task_status": self.status, "delegated_by": self.delegated_by}
        return {name: value for name, value in told.items() if value is not None} if self.task else {}


def get_text(content: msgspec.Raw) -> str | None:
    """Return a message's text: the whole content, or its first block of text; None where it has none."""
    whole = decode_part(TEXT, content)
    if whole is not None:
        return whole
    for block in decode_part(BLOCKS, content) or ():
        if block.type == "text":
            return decode_part(TEXT, block.text)
    return None


def get_blocks(content: msgspec.Raw) -> list[ContentBlock]:
    """Return a message's blocks; a content that is a plain text has none."""
    return decode_part(BLOCKS, content) or []


def is_prompt(text: str) -> bool:
    """Tell whether a line of the user is one that the model answers."""
    return not text.startswith((*_NO_PROMPT, INTERRUPT))


def is_notification(text: str) -> bool:
    """Tell whether a prompt is the host's word on a task in the background."""
    return text.startswith(_NOTIFICATIONS)


def find_command(text: str) -> str | None:
    """Return the slash command that a prompt calls, without its slash."""
    called = text.partition(" ")[0] if text.startswith("/") else _find_tag_text(text[:1000], "command-name")
    return to_token(called.strip().removeprefix("/")) if called else None


def parse_notice(text: str) -> TaskNotice | None:
    """Return what a notification says, or None where the text is none."""
    if not is_notification(text):
        return None
    head = text.partition("<result>")[0]  # behind it stands the agent's answer, which may hold any tag
    tail = text.rpartition("</result>")[2]
    agent = to_token(_find_tag_text(head, "agent-id"))
    task = to_token(_find_tag_text(head, "task-id"))
    if (_find_tag_text(head, "summary") or "").startswith("Agent "):
        agent = agent or task
    length = _LENGTH.search(tail)
    return TaskNotice(
        task=agent,
        status=to_token(_find_tag_text(head, "status")),
        delegated_by=to_token(_find_tag_text(head, "tool-use-id")),
        duration=from_milliseconds(int(length[1])) if length else None,
    )


def classify_failure(content: msgspec.Raw) -> tuple[Outcome, dict[str, Value]]:
    """Return how a call went whose result is an error, and what may be kept of that: never its text."""
    text = get_text(content) or ""
    if text.startswith(_CANCELLED):
        return Outcome.CANCELLED, {}
    if _DENIED.match(text):
        return Outcome.CANCELLED, {"status": "denied"}
    return Outcome.FAILURE, {"error": "exit_code"} if text.startswith("Exit code ") else {}


def _find_tag_text(text: str, tag: str) -> str | None:
    start = text.find(f"<{tag}>")
    end = text.find(f"</{tag}>", start)
    return text[start + len(tag) + 2 : end] if -1 < start < end else None
